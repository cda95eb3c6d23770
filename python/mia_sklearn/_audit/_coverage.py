"""Which attacks an audit runs, which it does not, and what each attacker can do and knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .._observations._inside_columns import PARTS
from ..attacks import AttackInfo, all_attacks
from ..attacks._registry import variants
from ..base import KNOWS_THE_RECORD
from ..disclosure._registry import INFERENCES
from ._choice import Means
from ._people import of_single_records

if TYPE_CHECKING:
    import pandas as pd


# What each release lets an attacker do; a release allows all that a weaker one allows.
_ALLOWED = {
    "labels": ("label-only",),
    "posteriors": ("label-only", "black-box"),
    "predictions": ("black-box",),
    "samples": ("generator",),
    "weights": ("label-only", "black-box", "white-box", "generator"),
}
_ACCESS = {
    "label-only": "asks for the predicted class",
    "black-box": "asks for posteriors",
    "white-box": "holds the model: its parameters, gradients and activations",
    "federated": "takes part in the training",
    "generator": "asks for samples",
}
_NO_TIME = "the time budget left no time for it"
_THEIR_RECORDS = "all records of a person and their true labels"
_WITH_REFERENCES = (
    KNOWS_THE_RECORD + "; how the model was trained; records like the training data, on which "
    "reference models were trained"
)
_WITH_POOL = _WITH_REFERENCES + "; that the whole training set lies among the audited records"


def coverage(
    chosen: dict[str, Any],
    headline: str,
    means: Means,
    truth: str = "label",
    no_time_for: Iterable[str] = (),
) -> pd.DataFrame:
    """Lay out the attacks run and not run.

    Parameters
    ----------
    chosen : dict of str to attack
        The attacks that were run, by name.
    headline : str
    means : Means
    truth : str, default="label"
        What is true of a record, in a word; empty where an attacker knows nothing such.
    no_time_for : iterable of str, default=()
        Attacks that a time budget left out.

    Returns
    -------
    DataFrame with columns attack, status, track, threat_model, access, knowledge, reason
    """
    import pandas as pd

    release, access, with_references = means.release, means.access, means.with_references
    rows = []
    for name, attack in chosen.items():
        threat_model = attack._sees() if access is None else access.threat_model
        required, known = attack._required(), of_single_records(attack).attacker_knows
        if known == KNOWS_THE_RECORD and not of_single_records(attack)._ranks_without_members:
            # The order of what it says follows from more than the record: from the references.
            known = ""
        knowledge = _knowledge(known, required, with_references)
        reason = "the headline, fixed in advance" if name == headline else ""
        if threat_model not in _ALLOWED[release]:
            reason = f"needs more than this release gives ({release}): an upper bound"
        rows.append((name, "run", _track(required), threat_model, knowledge, reason))
    others = (info for info in (*all_attacks(), *variants()) if info.name not in chosen)
    rows += [row for info in others if (row := _not_run(info, means)) is not None]
    no_time = set(no_time_for)
    rows = [(*row[:5], _NO_TIME if row[0] in no_time else row[5]) for row in rows]
    for name, threat_model, knowledge, reason in _elsewhere(means):
        rows.append((name, "not run", "record", threat_model, knowledge, reason))
    if means.people:
        records = _THEIR_RECORDS
        rows = [(*row[:4], row[4].replace(KNOWS_THE_RECORD, records, 1), row[5]) for row in rows]
    rows = [(*row[:4], _as_known(row[4], means, truth), row[5]) for row in rows]
    asks = _ACCESS | ({"black-box": "asks for predictions"} if means.sees_numbers else {})
    return pd.DataFrame(
        [
            (name, status, track, threat_model, asks.get(threat_model, ""), knowledge, reason)
            for name, status, track, threat_model, knowledge, reason in rows
        ],
        columns=[
            "attack",
            "status",
            "track",
            "threat_model",
            "access",
            "knowledge",
            "reason",
        ],
    )


def _not_run(info: AttackInfo, means: Means) -> tuple[str, str, str, str, str, str] | None:
    """Return the row of an attack that was not run; None where it is not for this model."""
    if info.unavailable:
        return info.name, "not run", "record", "not known", "", info.unavailable
    track = _track(info.requires)
    if not means.sees(info.requires) or ("neighbor" in info.requires and means.access is not None):
        return None
    if info.threat_model == "generator" and (means.sees(["label"]) or means.sees_targets):
        return None
    if means.access is None and info.threat_model not in _ALLOWED[means.release]:
        return None
    if "edge" in info.requires and not means.edges:
        return None
    reason = info.not_run
    if "edge" in info.requires and not means.shows_edges():
        reason = 'needs each machine alone, which these answers round or mix: release="weights"'
    if {"out", "in"} & set(info.requires) and not means.with_references:
        reason = "needs reference models"
    if info.threat_model == "white-box" and not means.gradients:
        reason = "the model has no gradients"
    threat_model = info.threat_model if means.access is None else means.access.threat_model
    knowledge = _knowledge(info.attacker_knows, info.requires, with_references=True)
    return info.name, "not run", track, threat_model, knowledge, reason


def _elsewhere(means: Means) -> Iterator[tuple[str, str, str, str]]:
    """Yield what this audit does not ask: other accesses, other questions."""
    if means.access is None:
        reason = 'audit(..., release="labels") counts them'
        yield "labels of perturbed copies", "label-only", _WITH_REFERENCES, reason
    if not means.sees(["label"]):
        return
    for other in INFERENCES:
        if other.of_classifiers and other.threat_model in _ALLOWED[means.release]:
            reason = f"asks for {other.question}: {other.where}"
            yield other.name, other.threat_model, other.knowledge, reason


def _as_known(knowledge: str, means: Means, truth: str) -> str:
    """Return what an attacker knows, where that is anything else than one label per record."""
    its, their = " and its true label", " and their true labels"
    if means.sees_targets:
        truth = truth.removeprefix("true ")
        several = truth if truth.endswith("s") else f"{truth}s"
        known = f" and its true {truth}", f" and their true {several}"
    elif means.sees(["label"]):
        return knowledge
    else:
        known = "", ""
    return knowledge.replace(its, known[0]).replace(their, known[1])


def _track(required: Iterable[str]) -> str:
    """Tell what an attacker looks at: the record alone, its neighbours too, or the pool first."""
    if "cascade" in required:
        return "cascade"
    return "pool" if "neighbor" in required else "record"


def _knowledge(stated: str, required: Iterable[str], with_references: bool) -> str:
    if stated:
        return stated
    if _track(required) == "pool":
        return _WITH_POOL
    outside = not set(required) & set(PARTS)
    return _WITH_REFERENCES if outside and with_references else KNOWS_THE_RECORD
