"""Findings that leave every number of an audit in doubt: each qualifies the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._models._targets import FunctionTarget
from .._observations._inside_columns import looks_inside
from ..metrics import roc_auc
from ..report import Finding
from ._causes import class_order, likely_causes
from ._likeness import Trait, differing_traits

if TYPE_CHECKING:
    import pandas as pd

    from ._run import Run

__all__ = ["below_chance", "collapsed", "differing_references", "permuted_classes"]

# How often an attack that finds nothing is said to be below chance: the headline, and all others.
_ALARM = 0.001


def permuted_classes(run: Run) -> Finding | None:
    if not run.pool.labelled:
        return None
    order = class_order(run)
    if order is None:
        return None
    given = isinstance(run.target, FunctionTarget) or not hasattr(run.target, "fit")
    what = "classes= seem" if given else "The labels of y_train and y_test seem"
    return Finding(
        "CLASSES_PERMUTED",
        "serious",
        f"{what} to be in another order",
        f"The model is right on {100 * order.as_given:.1f} % of these records; with its answers "
        f"read as {order.classes}, in this order, it would be right on "
        f"{100 * order.accuracy:.1f} %. What attacks read, its answer for the true label, is that "
        "for another one.",
        f"Give classes={order.classes}, and audit again."
        if given
        else "Encode the labels as they were when the model was trained, and audit again.",
    )


def differing_references(run: Run) -> Finding | None:
    differing = differing_traits(run)
    if not differing:
        return None
    causes = likely_causes(run, differing)
    likely = " ".join(cause.sentence for cause in causes)
    return Finding(
        "REFERENCES_DIFFER",
        "serious",
        "The target was not trained like its references"
        + (f" ({causes[0].title})" if causes else ""),
        (f"What is most likely, first: {likely} " if likely else "")
        + f"{_what_differs(differing)} Chance alone explains so much in at most 1 of 1,000 audits. "
        "Attacks learned from the references may miss what this model gives away, or invent it: "
        "no condition is decided, in either direction.",
        "Give estimator= (and fit_params=) that trains as the model was trained, and check that "
        "X_train, y_train are its training records.",
    )


def _what_differs(differing: list[Trait]) -> str:
    said = []
    for trait in differing:
        if trait.name == "accuracy":
            said.append(
                f"The model is right on {100 * trait.target:.1f} % of {trait.side} records, where "
                f"references are on {100 * trait.usual:.1f} % of the same."
            )
        elif trait.name == "distance":
            said.append(
                f"Its signal on {trait.side} records lies {np.exp(trait.target - trait.usual):.2g} "
                "times as far from the references' average as theirs do."
            )
        else:
            what = "The signal's mean" if trait.name == "signal" else "The signal's spread"
            said.append(
                f"{what} on {trait.side} records is {trait.target:.3g}, of references on the same "
                f"{trait.usual:.3g}."
            )
    return " ".join(said)


def below_chance(run: Run, records: pd.DataFrame) -> Finding | None:
    """Look for an attack that is surely worse than guessing, which no sound audit has.

    Attacks beside the headline are let off where the references' own signal points the other way
    too, as that of models that were trained on altered labels may.
    """
    names = [name for name, attack in run.attacks.items() if not looks_inside(attack)]
    others = [name for name in names if name != run.headline]
    if others and _points_down(run):
        others = []
    member = records["member"].to_numpy()
    for name in [run.headline] if run.headline in names else []:
        found = roc_auc(member, records[name].to_numpy(), confidence=1 - 2 * _ALARM)
        if found.high < 0.5:
            return _below(run, name, found.value, found.low, found.high)
    for name in others:
        level = 1 - 2 * _ALARM / len(others)
        found = roc_auc(member, records[name].to_numpy(), confidence=level)
        if found.high < 0.5:
            return _below(run, name, found.value, found.low, found.high)
    return None


def _points_down(run: Run) -> bool:
    """Tell whether references answer their own training records with less, not more."""
    refs = run.references
    if refs is None:
        return False
    n = refs.n_pool_
    phi, trained = refs.phi()[:, :n], refs.membership_[:, :n] > 0
    kept = np.setdiff1d(np.arange(refs.n_models_), list(refs.lost_))
    return bool(np.mean([roc_auc(trained[k], phi[k]).value for k in kept]) < 0.5)


def _below(run: Run, name: str, value: float, low: float, high: float) -> Finding:
    causes = " ".join(cause.sentence for cause in likely_causes(run, []))
    return Finding(
        "BELOW_CHANCE",
        "serious",
        f"The {name} attack is surely worse than guessing, which is an error of the set-up",
        f"Its AUC is {value:.3f} ({low:.3f} to {high:.3f}): it takes members for others. A model "
        "does not forget its training records more than records that it has never seen, so that "
        f"something was given otherwise than it was. {causes}".strip(),
        "Check that X_train, y_train are the training records and X_test, y_test are not, that "
        "labels and classes= are in the model's order, and that references train as it was.",
    )


def collapsed(run: Run) -> Finding | None:
    if not run.doubt:
        return None
    return Finding(
        "NO_SIGNAL",
        "warning",
        "What the model answers tells hardly one record from another",
        f"{run.doubt} That attacks find nothing in such answers does not mean that the model has "
        "forgotten its training records.",
        "Train the model again, or ask it for something else: access=, release=.",
    )
