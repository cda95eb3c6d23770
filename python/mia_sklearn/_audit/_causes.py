"""What is most likely wrong where the target answers otherwise than its references or labels."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaln

from .._models._kinds import last_step
from .._models._targets import FunctionTarget
from ._run import predicted_classes

if TYPE_CHECKING:
    from ._likeness import Trait
    from ._run import Run

__all__ = ["Cause", "ClassOrder", "class_order", "likely_causes"]

# What another order of the classes must gain in balanced accuracy to be more than a weak model.
_GAIN = 0.1
_SURE = 4.0  # standard errors
# Parameters that do not say how a model was trained.
_IDLE = ("random_state", "random_seed", "n_jobs", "thread_count", "verbose", "verbosity")


class Cause(NamedTuple):
    """Something that may have gone wrong: in a few words, and in a sentence."""

    title: str
    sentence: str


class ClassOrder(NamedTuple):
    """The labels in the order in which the answers are right, and how often they are."""

    classes: list[Any]
    accuracy: float
    as_given: float


def class_order(run: Run) -> ClassOrder | None:
    """Return the order of the classes in which the target is right far more often, if any.

    The gain is counted class by class, so that a model which always says the same gains nothing,
    and must exceed what the best of all orders gains by chance.
    """
    predicted = predicted_classes(run.answers, run.access)
    if predicted is None:
        return None
    classes = run.classes
    place = {label: k for k, label in enumerate(classes.tolist())}
    labels = np.array([place[label] for label in run.y.tolist()])
    counts = np.zeros((len(classes), len(classes)))
    seen = predicted >= 0
    np.add.at(counts, (predicted[seen], labels[seen]), 1)
    shares = counts / np.maximum(counts.sum(axis=0), 1)
    _, order = linear_sum_assignment(-shares)
    here = np.arange(len(classes))
    n_classes = (counts.sum(axis=0) > 0).sum()
    gain = (shares[here, order].sum() - np.trace(shares)) / n_classes
    changed = here[order != here]
    better, worse = counts[changed, order[changed]].sum(), counts[changed, changed].sum()
    needed = (_SURE + np.sqrt(2 * gammaln(len(classes) + 1))) * np.sqrt(better + worse)
    if gain <= _GAIN or better - worse <= needed:
        return None
    right = counts[here, order].sum() / len(labels)
    return ClassOrder(classes[order].tolist(), float(right), float(np.trace(counts) / len(labels)))


def likely_causes(run: Run, differing: list[Trait]) -> list[Cause]:
    """Return what may be wrong with how the audit was asked for, the likeliest first."""
    if run.pool.labelled and class_order(run):
        return []  # Said in a finding of its own; all else follows from it.
    weights, records = _weights(run), _other_records(differing)
    if weights and records:
        # Records of small weight are answered as if they had not been seen.
        records = Cause(
            "was it fitted with sample_weight, or on other records than X_train?",
            f"{weights.sentence} {records.sentence}",
        )
        weights = None
    found = [_swapped(run), records, _other_estimator(run), weights]
    return [cause for cause in found if cause is not None]


def _swapped(run: Run) -> Cause | None:
    train, test = run.accuracy(member=True), run.accuracy(member=False)
    if train is None or test is None:
        return None
    sizes = np.array([run.unit_member.sum(), (~run.unit_member).sum()])
    # Half is the largest variance that a share can have.
    if test - train <= 3.3 * np.sqrt((0.25 / sizes).sum()):
        return None
    return Cause(
        "X_train and X_test seem to be swapped",
        f"X_train and X_test seem to be swapped: the model is right on {100 * train:.1f} % of "
        f"X_train and on {100 * test:.1f} % of X_test.",
    )


def _other_records(differing: list[Trait]) -> Cause | None:
    """Return the cause that training records are answered as references answer unseen records."""
    inside = next(
        (t for t in differing if t.side == "training" and t.name in ("accuracy", "signal")), None
    )
    if inside is None:
        return None
    # The target has what references have on records that are new to them, or nearly so.
    if not abs(inside.target - inside.unseen) < 0.25 * abs(inside.usual - inside.unseen):
        return None
    return Cause(
        "X_train may not be what it was trained on",
        "X_train, y_train may not be what the model was trained on: it answers them more like "
        "records that it has not seen.",
    )


def _other_estimator(run: Run) -> Cause | None:
    trained = run.trainable
    model = getattr(run.target, "source", None) or run.target
    if isinstance(model, FunctionTarget) or not hasattr(trained, "get_params"):
        return Cause(
            "estimator= may train otherwise than it was",
            "estimator= may train another kind of model, or with other parameters, than the one "
            "that was audited.",
        )
    if trained is model or trained is getattr(model, "best_estimator_", None):
        return None
    if type(model) is not type(trained):
        return Cause(
            f"estimator= is a {type(trained).__name__}, the model a {type(model).__name__}",
            f"estimator= is a {type(trained).__name__}, the model a {type(model).__name__}.",
        )
    own, other = (_parameters(estimator) for estimator in (model, trained))
    unequal = [name for name in own if own[name] != other.get(name, own[name])]
    if not unequal:
        return None
    said = ", ".join(f"{name}={other[name]} in place of {own[name]}" for name in unequal[:3])
    return Cause(
        f"estimator= has {said}", f"estimator= has other parameters than the model: {said}."
    )


def _parameters(estimator: Any) -> dict[str, str]:
    """Return how each parameter is written, those aside that do not alter what is learned."""
    if not hasattr(estimator, "get_params"):
        return {}
    params = estimator.get_params(deep=True)
    return {
        name: repr(value)
        for name, value in params.items()
        if name.rpartition("__")[2] not in _IDLE and not hasattr(value, "get_params")
    }


def _weights(run: Run) -> Cause | None:
    fit = getattr(last_step(run.trainable), "fit", None)
    if fit is None or "sample_weight" not in signature(fit).parameters:
        return None
    if any(name.endswith("sample_weight") for name in run.fit_params):
        return None
    return Cause(
        "was it fitted with sample_weight?",
        "If the model was fitted with sample_weight, the references must be: give "
        'fit_params={"sample_weight": ...}, one weight per record of X_train, then of X_test.',
    )
