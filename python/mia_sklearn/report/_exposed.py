"""Single records, or people, in words: who is exposed, who stands out, who stands alone."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ..stats import conformal_combine
from ..stats._listing import list_members
from . import _wording as wording
from ._by_attack import share_again, withheld
from ._counted import PERSON, of_numbers, unit_of
from ._generalising import generalising
from ._leak import INFERRED_AT, LISTED_AT

if TYPE_CHECKING:
    import pandas as pd

    from ._contents import AuditContents

__all__ = ["N_SHOWN", "alone", "columns_in_words", "exposed", "listed", "too_few_references"]

# How many a page shows, whatever their number.
N_SHOWN = 100
_N_ALONE = 20
# Of so many outputs a table shows what is true.
_N_OUTPUTS = 4
_OF_OUTPUT = re.compile(r"label_\d+")


def exposed(report: AuditContents) -> list[dict[str, Any]]:
    """Return the members that stand out most, the first `N_SHOWN`."""
    if report.records.empty:
        return []
    found = report.most_exposed(N_SHOWN)
    reason = withheld(report.records, report.controls, report.info)
    # Nobody's value depends on that of another member.
    others = report.records.loc[report.records["member"] == 0, report.attacks]
    combined = np.full(len(found), np.nan)
    if not reason and len(found):
        combined = conformal_combine(found[report.attacks].to_numpy(float), others.to_numpy(float))
    found = found.assign(combined_p=combined)
    return [_exposed(rank, row, report) for rank, (_, row) in enumerate(found.iterrows(), 1)]


def columns_in_words(rows: list[dict[str, Any]], report: AuditContents) -> str:
    """Say what the columns hold that only some lists have."""
    one, said = unit_of(report.info).one, []
    if any(row["combined"] for row in rows):
        said.append(
            'Under "p, all attacks" stands how often the scores of all attacks together would '
            f"speak as much for membership of a {one} that was not in the training set; it holds "
            "if train and test are a random split."
        )
    if any(row["again"] for row in rows):
        confidence = wording.percent(report.info["confidence"])
        said.append(
            'Under "named again" stands how many of the reference models that trained on this '
            f"{one} give it away too, at {wording.percent(INFERRED_AT)} false alarms, with the "
            f"{confidence} interval; rather fewer would, since they are held against the same "
            "references as the model, and so share its luck. Audits with other seeds tell without "
            "that."
        )
    return " ".join(said)


def _exposed(rank: int, row: pd.Series, report: AuditContents) -> dict[str, Any]:
    again = share_again(
        row.get("named_again", math.nan), row.get("reruns", math.nan), report.info["confidence"]
    )
    of_person = unit_of(report.info) is PERSON
    name = "group" if of_person else "row"
    index = str(row.get("index", row[name]))
    numbers = of_numbers(report.info)
    score = float(row[report.info["headline"]])
    return {
        "rank": rank,
        "set": str(row["set"]),
        "row": str(row[name]),
        # What the data frame calls it, where that is not its position.
        "index": index if index != str(row[name]) else "",
        "label": str(row["n_rows"]) if of_person else true_of(row, report.info),
        "score": f"{score:.3f}",
        "p": wording.small(row["p_value"]),
        "q": wording.small(row["q_value"]),
        "combined": wording.small(row["combined_p"]),
        "again": _again(row, again),
        "listed": bool(row["q_value"] <= LISTED_AT),
        "features": _features(row.name, report),
        # What a reader may sort by, as numbers; what is missing comes last.
        "order": {
            "score": score,
            "combined": 2.0 if wording.missing(row["combined_p"]) else float(row["combined_p"]),
            "again": 2.0 if wording.missing(again[0]) else -again[0],
            **({"label": float(row["label"])} if numbers and "label" in row else {}),
            **{
                key: 2.0 if wording.missing(row[f"{key}_value"]) else float(row[f"{key}_value"])
                for key in ("p", "q")
            },
        },
    }


def _again(row: pd.Series, share: tuple[float, float, float]) -> str:
    if wording.missing(share[0]):
        return ""
    counts = f"{wording.count(row['named_again'])} of {wording.count(row['reruns'])}"
    return f"{counts} ({wording.interval('tpr', *share[1:])})"


def true_of(row: pd.Series, info: dict[str, Any]) -> str:
    """Return what is true of a record: its label or value, or those of all outputs, by name."""
    written = wording.short if of_numbers(info) else str
    if "label" in row:
        return written(row["label"])
    several = [written(value) for name, value in row.items() if _OF_OUTPUT.fullmatch(str(name))]
    names = info.get("outputs") or []
    if len(names) == len(several):
        several = [f"{name} {value}" for name, value in zip(names, several, strict=True)]
    more = ["..."] if len(several) > _N_OUTPUTS else []
    return ", ".join([*several[:_N_OUTPUTS], *more]) or "-"


def _features(place: Any, report: AuditContents) -> list[tuple[str, str]]:
    features = report.features
    if features is None or place not in features.index:
        return []
    return [(str(name), str(value)) for name, value in features.loc[place].items()]


def too_few_references(info: dict[str, Any]) -> str:
    """Say with how many references nobody could be listed, whatever the answers; or nothing."""
    if not info.get("least_q_value", 0.0) > LISTED_AT:
        return ""
    n = int(info["references_without"])
    return f"{n} reference{'' if n == 1 else 's'} that did not train on a {unit_of(info).one}"


def listed(report: AuditContents) -> tuple[int | None, str]:
    """Count the members that stand out, and the non-members that would have on the same terms."""
    records, unit = report.records, unit_of(report.info)
    if records.empty:
        return None, f"The list of {unit.many} was not kept with this report."
    member = records["member"] == 1
    if records.loc[member, "p_value"].isna().all():
        return None, (
            f"No p-values for single {unit.many}: they need reference models that train on as many "
            "records as the model under audit. The order is that of the headline attack's score."
        )
    if too_few := too_few_references(report.info):
        return None, (
            f"Which {unit.many} stand out cannot be told with {too_few}: no q-value could fall "
            f"below {report.info['least_q_value']:.2g}, and the list takes those up to "
            f"{LISTED_AT:g}. The order is that of the headline attack's score."
        )
    seed = int(report.info.get("random_state") or 0)
    listing = list_members(records["p_value"].to_numpy(), member.to_numpy(), LISTED_AT, seed)
    doubtful = listing.n_members > 0 and not listing.sure
    text = (
        f"{wording.count(listing.n_members)} of {wording.count(member.sum())} members "
        f"{'are listed' if doubtful else 'stand out'} when "
        f"{wording.percent(LISTED_AT)} of the list may be errors (Benjamini-Hochberg). p: how "
        f"often a {unit.one} that was not in the training set would look as much like a member, on "
        f"average over {unit.many}. q: the share of errors expected in the list down to this "
        f"{unit.one}."
    )
    if listing.n_members and listing.of_others:
        text += (
            f" On the same terms {wording.percent(listing.n_others / listing.of_others)} of the "
            "non-members would have been listed."
        )
    if doubtful:
        text += " That members are surely listed more often than others is not shown."
    return None if doubtful else listing.n_members, text


def alone(report: AuditContents) -> dict[str, Any] | None:
    """Return what there is to say of vulnerable records; None where nobody looked for them."""
    records, info = report.records, report.info
    if records.empty or "vulnerable" not in records or "vulnerable_records" not in info:
        return None
    used = info["vulnerable_records"]
    held = generalising(info)
    if held is None:
        return None
    found = records[records["vulnerable"] == 1]
    members = found[found["member"] == 1].sort_values(["p_value", "expected_neighbors"])
    note = (
        f"A record is vulnerable when fewer than {used['beta']:g} of its neighbours are expected "
        f"among {wording.count(used['train_size'])} training records, neighbours being records "
        f"which the reference models see at a cosine distance below {used['delta']:g}. "
    )
    if found.empty:
        least = records["expected_neighbors"].min()
        note += f"No record is: the least expected number of neighbours is {least:.3g}."
    else:
        inferred = found["p_value"] <= INFERRED_AT
        right = int((inferred & (found["member"] == 1)).sum())
        note += (
            f"{wording.count(len(members))} members and {wording.count(len(found) - len(members))} "
            f"non-members are. At p <= {INFERRED_AT:g} the attack recognises "
            f"{wording.count(right)} of these members and wrongly names "
            f"{wording.count(int(inferred.sum()) - right)} of these non-members. "
        )
        note += (
            "The model does about as well on other records as on its own "
            f"({held.numbers}): that alone does not protect them."
            if held.well
            else "The model overfits besides, so that others are at risk too."
        )
    return {
        "title": (
            "Records at risk although the model generalises"
            if held.well
            else "Records at risk because they stand alone"
        ),
        "note": note,
        "records": [
            {
                "set": str(row["set"]),
                "row": str(row["row"]),
                "label": true_of(row, info),
                "neighbors": f"{row['expected_neighbors']:.3g}",
                "p": wording.small(row["p_value"]),
                "q": wording.small(row["q_value"]),
            }
            for _, row in members.head(_N_ALONE).iterrows()
        ],
    }
