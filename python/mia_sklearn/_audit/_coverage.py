"""Which attacks an audit runs, which it does not, and what each attacker can do and knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .._observations._inside_columns import looks_inside
from ..attacks import (
    AttackInfo,
    all_attacks,
)
from ..disclosure._registry import INFERENCES
from ._choice import Means, threat_model_of

if TYPE_CHECKING:
    import pandas as pd


# What each release lets an attacker do; a release allows all that a weaker one allows.
_ALLOWED = {
    "labels": ("label-only",),
    "posteriors": ("label-only", "black-box"),
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
_NO_KNOWLEDGE = "the record and its true label"
_THEIR_RECORDS = "all records of a person and their true labels"
_WITH_REFERENCES = (
    "the record and its true label; how the model was trained; records like the training data, "
    "on which reference models were trained"
)
_WITH_POOL = _WITH_REFERENCES + "; that the whole training set lies among the audited records"
# What attackers know who look inside or elsewhere, and why they are not run unless asked for.
_APART = {
    "gradient-norm": (_NO_KNOWLEDGE, "not asked for"),
    "unsupervised-white-box": (
        "the record and its true label; other records of which some are members",
        "not asked for",
    ),
    "white-box": (
        "the record and its true label; some members and some non-members",
        "needs records whose membership is known beside those that are audited: "
        'fit it on observe(..., view="white-box")',
    ),
    "gmia-indirect": (
        _WITH_REFERENCES,
        "asks about other records than the one in question: fit it on what EnhancingRecords finds",
    ),
}


def coverage(chosen: dict[str, Any], headline: str, means: Means) -> pd.DataFrame:
    """Lay out the attacks run and not run.

    Parameters
    ----------
    chosen : dict of str to attack
        The attacks that were run, by name.
    headline : str
    means : Means

    Returns
    -------
    DataFrame with columns attack, status, track, threat_model, access, knowledge, reason
    """
    import pandas as pd

    release, access, with_references = means.release, means.access, means.with_references
    rows = []
    for name, attack in chosen.items():
        threat_model = threat_model_of(attack, access)
        track, knowledge = _track(name, attack, with_references)
        reason = "the headline, fixed in advance" if name == headline else ""
        if threat_model not in _ALLOWED[release]:
            reason = f"needs more than this release gives ({release}): an upper bound"
        rows.append((name, "run", track, threat_model, knowledge, reason))
    others = (info for info in all_attacks() if info.name not in chosen)
    rows += [row for info in others if (row := _not_run(info, means)) is not None]
    if "gap" not in chosen and means.sees(["label"]):
        rows.append(("gap", "not run", "record", "label-only", _NO_KNOWLEDGE, "not asked for"))
    if "stacked-pool" not in chosen and access is None:
        rows.append(("stacked-pool", "not run", "pool", "black-box", _WITH_POOL, "not asked for"))
    for name, threat_model, knowledge, reason in _elsewhere(means):
        rows.append((name, "not run", "record", threat_model, knowledge, reason))
    if means.people:
        records = _THEIR_RECORDS
        rows = [(*row[:4], row[4].replace(_NO_KNOWLEDGE, records, 1), row[5]) for row in rows]
    if not means.sees(["label"]):
        rows = [
            (
                *row[:4],
                row[4].replace(" and its true label", "").replace(" and their true labels", ""),
                row[5],
            )
            for row in rows
        ]
    return pd.DataFrame(
        [
            (name, status, track, threat_model, _ACCESS.get(threat_model, ""), knowledge, reason)
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
    if not means.sees(info.requires):
        return None
    if info.threat_model == "generator" and means.sees(["label"]):
        return None
    if means.access is None and info.threat_model not in _ALLOWED[means.release]:
        return None
    needs = {"out", "in"} & set(info.requires)
    without = needs and not means.with_references
    reason = "needs reference models" if without else "not asked for"
    knowledge, reason = _APART.get(info.name, (_WITH_REFERENCES, reason))
    if info.threat_model == "white-box" and not means.gradients:
        reason = "the model has no gradients"
    threat_model = info.threat_model if means.access is None else means.access.threat_model
    return info.name, "not run", "record", threat_model, knowledge, reason


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


def _track(name: str, attack: Any, with_references: bool) -> tuple[str, str]:
    if "neighbor" in attack._required():
        return "pool", _WITH_POOL
    if looks_inside(attack):
        return "record", _APART.get(name, (_NO_KNOWLEDGE,))[0]
    # A threshold learned from shadow observations knows the references' answers too.
    return "record", _WITH_REFERENCES if with_references else _NO_KNOWLEDGE
