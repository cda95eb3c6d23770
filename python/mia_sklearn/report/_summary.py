"""What a report says, in the order it says it; text and page only lay it out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .._process._printable import printable
from . import _wording as wording
from ._counted import PERSON, Unit, capital, of_numbers, unit_of
from ._exposed import alone, columns_in_words, exposed, too_few_references
from ._exposed import listed as listed_in_words
from ._finding import NAMING, in_order
from ._gate import gate_in_words
from ._leak import LISTED_AT, SINGLED_OUT_AT, Leak, read_leak, two_counts
from ._scale import Scale, scale_of
from ._structure import structure_in_words
from ._time_budget import chosen_in_words
from ._without_references import references_would

if TYPE_CHECKING:
    import pandas as pd

    from ._contents import AuditContents
    from ._finding import Finding

_FACTS = {
    "model": "Model under audit",
    "estimator": "Reference models train",
    "quick": "A first look alone",
    "release": "The model is released as",
    "asked_for": "The model is asked by",
    "split": "Train and test were split",
    "n_train": "Training records given",
    "n_test": "Other records given",
    "n_members": "Members audited",
    "n_nonmembers": "Non-members audited",
    "n_unaudited": "Training records not audited",
    "n_repeated_train": "Training records that are repeated",
    "n_repeated_test": "Other records that are repeated",
    "unit": "The unit of privacy",
    "records_per_person": "Records of each person audited",
    "n_outputs": "Outputs, over which accuracy or errors are averaged",
    "outputs": "They are called",
    "target_train_accuracy": "Accuracy on the members audited",
    "target_test_accuracy": "Accuracy on the non-members audited",
    "target_train_r2": "R2 on the members audited",
    "target_test_r2": "R2 on the non-members audited",
    "target_train_mae": "Mean absolute error on the members audited",
    "target_test_mae": "Mean absolute error on the non-members audited",
    "n_references": "Reference models",
    "time_budget": "Chosen within a time of about",
    "n_references_for_target": "Of the cascade, trained for this model",
    "n_references_more": "More of these, for the cascade, which is the stacked attack then",
    "first_stage_auc": "AUC of the cascade's first stage on references",
    "references_without": "Of these did not train on a record",
    "least_q_value": "The smallest q-value that there could be",
    "sampling": "Their training sets are drawn by",
    "block_size": "Reference models per block",
    "stratified": "Drawn within classes, as the model's",
    "smoothing": "Smoothing of posteriors",
    "answers_are": "Answers are",
    "record_columns": "How hard records are is read of",
    "confidence": "Confidence of each interval",
    "random_state": "Random seed",
    "records_digest": "Digest of the audited records",
    "timings": "Seconds spent",
    "versions": "Versions",
    "digests": "SHA-256 of what was used",
    "gate": "The gate that it was held to",
    "left_out": "Left out of this evidence",
    "whole_report": "Fingerprint of the report with records",
}
_SHOWN_ELSEWHERE = {
    "title",
    "created",
    "headline",
    "attacks",
    "references_would",
    "thresholds_chosen_here",
    "vulnerable_records",
}

Tone = Literal["shown", "not-shown", "open"]
_TONES: dict[str, Tone] = {
    "singled": "shown",
    "apart": "shown",
    "none": "not-shown",
    "open": "open",
}


@dataclass(frozen=True)
class Summary:
    """The contents of a report as text, ready to be laid out.

    Attributes
    ----------
    tone : {"shown", "not-shown", "open"}
        Whether the headline attack tells members from non-members, does not, or the records, a
        control or a finding do not allow a verdict.
    metrics : list of dict
        One per attack: ``attack``, ``attacker``, ``rows``, and in ``brief`` its main numbers.
    of_numbers : bool
        Whether what is true of a record is a number.
    n_exposed : int
        How many members there are, of whom `exposed` lists the first.
    """

    title: str
    created: str
    verdict: str
    tone: Tone
    scale: Scale
    attacker: str
    tiles: list[dict[str, str]]
    findings: list[Finding]
    metrics: list[dict[str, Any]]
    slices: list[dict[str, str]]
    unit: Unit
    of_numbers: bool
    exposed: list[dict[str, Any]]
    n_exposed: int
    exposed_note: str
    alone: dict[str, Any] | None
    controls: list[dict[str, str]]
    structure: list[dict[str, str]]
    run: list[dict[str, str]]
    not_run: list[dict[str, str]]
    release: str
    facts: list[tuple[str, str]]
    confidence: str
    limits: str


def summarize(report: AuditContents) -> Summary:
    """Put a report into words."""
    info = report.info
    headline = _rows(report, info["headline"])
    leak, unit = read_leak(headline), unit_of(report.info)
    tone, verdict = _verdict(report, headline, leak)
    coverage = [_covered(row) for row in report.coverage.itertuples()]
    listed, exposed_note = listed_in_words(report)
    joined = two_counts(leak, listed, unit)
    most_exposed = exposed(report)
    return Summary(
        title=str(info.get("title") or "Membership-inference audit"),
        created=str(info.get("created") or ""),
        verdict=verdict,
        tone=tone,
        scale=scale_of(leak, decided=not report.doubts, n_listed=listed, named=_naming(report)),
        attacker=_attacker(report, info["headline"]),
        tiles=_tiles(report, leak, listed),
        findings=in_order(report.findings),
        metrics=[
            {
                "attack": attack,
                "attacker": _attacker(report, attack),
                "brief": _brief(read_leak(_rows(report, attack))),
                "rows": [_measured(row) for row in _rows(report, attack).itertuples()],
            }
            for attack in report.attacks
        ],
        slices=[
            {"slice": str(row.slice), **_measured(row)}
            for row in report.metrics.itertuples()
            if row.slice != "all" and row.attack == info["headline"]
        ],
        unit=unit,
        of_numbers=of_numbers(report.info),
        exposed=most_exposed,
        n_exposed=int((report.records["member"] == 1).sum()),
        exposed_note=" ".join(
            filter(None, (exposed_note, joined, columns_in_words(most_exposed, report)))
        ),
        alone=alone(report),
        controls=[_control(row) for row in report.controls.itertuples()],
        structure=structure_in_words(report.structural),
        run=[row for row in coverage if row["status"] == "run"],
        not_run=[row for row in coverage if row["status"] != "run"],
        release=str(info.get("release") or ""),
        facts=_facts(info | _in_words(report)),
        confidence=wording.percent(info["confidence"]),
        limits=(
            "These numbers are evidence about the attacks that were run, on these records, and "
            "about nothing else. Another attack may do better. Each rate is an average; a single "
            "person may be easier or harder to recognise than it says. "
            + (
                "The unit is a person: an attacker who knows all of their records."
                if unit is PERSON
                else "The unit is one record: someone with several records may be easier to "
                "recognise by all of them."
            )
        ),
    )


def verdict_of(report: AuditContents) -> str:
    """Return the headline attack's result in plain words, with what leaves it in doubt first."""
    rows = _rows(report, report.info["headline"])
    return printable(_verdict(report, rows, read_leak(rows))[1])


def _rows(report: AuditContents, attack: str) -> pd.DataFrame:
    metrics = report.metrics
    return metrics[(metrics["attack"] == attack) & (metrics["slice"] == "all")]


def _verdict(report: AuditContents, rows: pd.DataFrame, leak: Leak) -> tuple[Tone, str]:
    """Say what one attack shows, fixed in advance; what puts it in doubt comes first."""
    attack = report.info["headline"]
    confidence = wording.percent(report.info["confidence"])
    unit = unit_of(report.info)
    members = capital(unit.members)
    said = (_rate_in_words(leak.rate, confidence, unit), _auc_in_words(leak.auc, confidence))
    numbers = ", and ".join(text for text in said if text)
    opening = {
        "singled": f"{members} can be singled out: the {attack} attack",
        "apart": f"{members} can be told from others: the {attack} attack",
        "none": f"The {attack} attack did not tell {unit.members} from others: it",
        "open": f"Inconclusive, not enough {unit.many} for a verdict: the {attack} attack",
    }[leak.degree]
    sentence = f"{opening} {numbers}." if numbers else f"{opening} has no numbers."
    sentence += "".join(f" Besides, {found.title}." for found in _naming(report))
    if leak.degree == "open":
        notes = rows.loc[rows["low"].isna() & rows["note"].ne(""), "note"].dropna()
        sentence += f" {wording.sentence(notes.iloc[0])}" if len(notes) else ""
    if report.doubts:
        return "open", f"Not to be relied on: {'; '.join(report.doubts)}. {sentence}"
    sentence = f"{sentence} {references_would(report.info)}".rstrip()
    return "shown" if _naming(report) else _TONES[leak.degree], sentence


def _naming(report: AuditContents) -> list[Finding]:
    """Return the findings that name members, whatever the headline attack shows."""
    return [finding for finding in report.findings if finding.code in NAMING]


def _rate_in_words(rate: Any | None, confidence: str, unit: Unit) -> str:
    if rate is None:
        return ""
    # Whom the reader takes to be singled out: of so many false alarms, guessing names many too.
    guessing = f", where guessing would name {wording.percent(rate.at)}"
    return (
        f"identifies {wording.count(rate.n_identified)} of {wording.count(rate.n_members)} "
        f"{unit.members} ({wording.percent(rate.estimate)}, {confidence} interval "
        f"{wording.interval('tpr', rate.low, rate.high)}) at "
        f"{wording.false_alarms(rate.n_false_alarms)} in {wording.count(rate.n_nonmembers)} "
        f"{unit.others}{guessing if rate.at > SINGLED_OUT_AT else ''}"
    )


def _auc_in_words(auc: Any | None, confidence: str) -> str:
    if auc is None:
        return ""
    return (
        f"has an AUC of {wording.measured('auc', auc.estimate)} ({confidence} "
        f"interval {wording.interval('auc', auc.low, auc.high)}, chance 0.5)"
    )


def _tiles(report: AuditContents, leak: Leak, listed: int | None) -> list[dict[str, str]]:
    tiles = []
    rate, auc, unit = leak.rate, leak.auc, unit_of(report.info)
    confidence = wording.percent(report.info["confidence"])
    if rate is not None:
        tiles.append(
            {
                "name": f"Identified at {wording.percent(rate.at)} false alarms",
                "value": f"{wording.count(rate.n_identified)} of {wording.count(rate.n_members)}",
                "interval": f"{confidence} interval {wording.interval('tpr', rate.low, rate.high)}",
                "meaning": (
                    f"{unit.members} are named, at {wording.false_alarms(rate.n_false_alarms)} "
                    f"in {wording.count(rate.n_nonmembers)} {unit.others}. Guessing would name "
                    f"{wording.percent(rate.at)}."
                ),
            }
        )
    if auc is not None:
        tiles.append(
            {
                "name": "AUC",
                "value": wording.measured("auc", auc.estimate),
                "interval": f"{confidence} interval {wording.interval('auc', auc.low, auc.high)}",
                "meaning": (
                    f"how often the attack picks the {unit.member} out of one {unit.member} "
                    "and one other. Guessing: 0.5."
                ),
            }
        )
    if too_few := too_few_references(report.info):
        tiles.append(
            {
                "name": f"{capital(unit.many)} that stand out",
                "value": "cannot be told",
                "interval": f"with {too_few}",
                "meaning": f"So few list no {unit.one}, whatever the model answers.",
            }
        )
    if listed is not None:
        tiles.append(
            {
                "name": f"{capital(unit.many)} that stand out",
                "value": wording.count(listed),
                "interval": f"of {wording.count((report.records['member'] == 1).sum())} members",
                "meaning": (
                    f"are recognised one by one when {wording.percent(LISTED_AT)} of such a list "
                    "may be errors."
                ),
            }
        )
    return tiles


def _brief(leak: Leak) -> str:
    """Return the main numbers of an attack, for where its table is folded."""
    said = []
    if leak.auc is not None:
        said.append(f"AUC {wording.measured('auc', leak.auc.estimate)}")
    if leak.rate is not None:
        share = wording.percent(leak.rate.estimate)
        said.append(f"{share} identified at {wording.percent(leak.rate.at)} false alarms")
    return ", ".join(said)


def _measured(row: Any) -> dict[str, str]:
    metric, prior = str(row.metric), getattr(row, "prior", math.nan)
    estimate = "withheld"
    if not wording.missing(row.estimate):
        estimate = wording.measured(metric, row.estimate)
    return {
        "metric": metric,
        "measure": wording.measure(metric, row.at, prior),
        "estimate": estimate,
        "interval": wording.interval(metric, row.low, row.high),
        "chance": wording.by_chance(metric, row.at, prior),
        "counts": wording.identified(row),
        "sizes": f"{wording.count(row.n_members)} + {wording.count(row.n_nonmembers)}",
        "note": "" if wording.missing(row.note) else str(row.note),
    }


def _attacker(report: AuditContents, attack: str) -> str:
    rows = report.coverage[report.coverage["attack"] == attack]
    if rows.empty:
        return ""
    row = _covered(next(rows.itertuples()))
    return f"{row['threat_model']}; access: {row['access']}; knows: {row['knowledge']}"


def _covered(row: Any) -> dict[str, str]:
    names = ("attack", "status", "track", "threat_model", "access", "knowledge", "reason")
    cells = {name: getattr(row, name) for name in names}
    return {name: "" if wording.missing(cell) else str(cell) for name, cell in cells.items()}


def _control(row: Any) -> dict[str, str]:
    if wording.missing(row.passed):
        result = "for comparison"
    else:
        result = "passed" if row.passed else "failed"
    numbers = []
    if not wording.missing(row.value):
        numbers.append(f"{row.value:.3f}")
    if not (wording.missing(row.low) and wording.missing(row.high)):
        numbers.append(f"({wording.interval('auc', row.low, row.high)})")
    if not wording.missing(row.p_value):
        numbers.append(f"p = {wording.small(row.p_value)}")
    return {
        "control": str(row.control),
        "result": result,
        "numbers": " ".join(numbers),
        "note": "" if wording.missing(row.note) else str(row.note),
    }


def _in_words(report: AuditContents) -> dict[str, str]:
    """Return the facts that are more than a value, as far as there are some."""
    told = {"gate": gate_in_words, "time_budget": lambda report: chosen_in_words(report.info)}
    return {name: words(report) for name, words in told.items() if name in report.info}


def _facts(info: dict[str, Any]) -> list[tuple[str, str]]:
    facts = [(label, wording.plain(info[key])) for key, label in _FACTS.items() if key in info]
    rest = [key for key in info if key not in _FACTS and key not in _SHOWN_ELSEWHERE]
    return facts + [(key.replace("_", " "), wording.plain(info[key])) for key in rest]
