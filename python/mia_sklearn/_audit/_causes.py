"""What is most likely wrong where the target answers otherwise than its references or labels."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaln
from scipy.stats import spearmanr

from .._models._counted import CountedFunction
from .._models._kinds import last_step
from ._quality import absolute_errors, gap_of
from ._run import predicted_classes

if TYPE_CHECKING:
    from ._likeness import Trait
    from ._run import Run

__all__ = ["Cause", "ClassOrder", "class_order", "likely_causes"]

# What another order of the classes must gain in balanced accuracy to be more than a weak model.
_GAIN = 0.1
_SURE, _MANY = 4.0, 3.3  # standard errors
# Of the way from records that a model has not seen to those that it has.
_NONE_SEEN, _ALL_SEEN = 0.25, 0.75
# Rank correlation of signals within a class: what references must have with each other, and the
# share of it that is too little. Few records show none.
_AGREEING, _STRANGE, _FEWEST = 0.3, 0.5, 20
# Parameters that do not say how a model was trained.
_IDLE = ("random_state", "random_seed", "n_jobs", "thread_count", "verbose", "verbosity")


class Cause(NamedTuple):
    """Something that may have gone wrong: in a few words, and in a sentence."""

    title: str
    sentence: str


_NOT_WEIGHTS = Cause(
    "something was given otherwise",
    "If it was not: preprocessing may have been left out or done twice, parameters been changed "
    "after the model was fitted, or a part of X_train left out.",
)


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
    if run.other_targets:
        # Said in a finding of its own, as the next is.
        return [cause for cause in [_swapped(run)] if cause is not None]
    if run.pool.labelled and class_order(run):
        return []  # Said in a finding of its own; all else follows from it.
    estimator, weights = _other_estimator(run), _weights(run)
    # What weights do not do.
    told = [_other_parameters(run) if estimator is None else None, _other_features(run)]
    records = _other_records(differing, None if any(told) else weights)
    if records and not any(told):
        weights = None
    found = [_swapped(run), estimator, *told, records, weights]
    causes = [cause for cause in found if cause is not None]
    if causes and causes[0] is weights:
        causes.append(_NOT_WEIGHTS)
    return causes


def _swapped(run: Run) -> Cause | None:
    gap = gap_of(run)
    if gap is None or -gap.size <= _MANY * gap.error:
        return None
    return Cause(
        "X_train and X_test seem to be swapped",
        "X_train and X_test seem to be swapped: the model "
        f"{gap.text.format(train='X_train', test='X_test')}.",
    )


def _other_records(differing: list[Trait], weights: Cause | None) -> Cause | None:
    """Return the cause that training records are answered as references answer unseen records.

    Those of small weight are, so that it may be weights as well.
    """
    inside = next(
        (t for t in differing if t.side == "training" and t.name in ("accuracy", "signal")), None
    )
    if inside is None:
        return None
    # 0 where the target has what references have on records that are new to them, 1 where it has
    # what they have on their training records.
    share = (inside.target - inside.unseen) / (inside.usual - inside.unseen)
    if abs(share) < _NONE_SEEN:
        sentence = (
            "X_train, y_train may not be what the model was trained on: it answers them more like "
            "records that it has not seen."
        )
        if weights is None:
            return Cause("X_train may not be what it was trained on", sentence)
        title = "was it fitted with sample_weight, or on other records than X_train?"
        return Cause(title, f"{weights.sentence} {sentence}")
    if 0 < share < _ALL_SEEN:
        sentence = (
            "It may have been fitted on a part of X_train alone: it answers these records like a "
            "mixture of records that it has seen and of others."
        )
        if weights is None:
            return Cause("was it fitted on a part of X_train alone?", sentence)
        title = "was it fitted on a part of X_train alone, or with sample_weight?"
        return Cause(title, f"{sentence} {weights.sentence}")
    return None


def _other_parameters(run: Run) -> Cause | None:
    """Return the cause that the target fits its training records better than a clone would."""
    better = _better_on_its_own(run)
    if not better:
        return None
    return Cause(
        "were its parameters changed after it was fitted?",
        f"The model {better} of theirs: it was trained with other parameters than they are. "
        "A clone has those that the model has now, whatever it was fitted with.",
    )


def _better_on_its_own(run: Run) -> str:
    """Say how much better the target answers its training records than references theirs."""
    refs = run.references
    if refs is None:
        return ""
    n = refs.n_pool_
    kept = np.setdiff1d(np.arange(refs.n_models_), list(refs.lost_))
    trained = refs.membership_[kept][:, :n] > 0
    if run.outputs is not None and run.outputs.of_numbers:
        own = absolute_errors(run, run.answers)
        theirs = np.where(trained, absolute_errors(run, refs.outputs_[kept][:, :n]), np.nan)
        beside = run.member & trained.any(axis=0)
        # On the same records, of which a few may have most of the error.
        less = np.nanmean(theirs[:, beside], axis=0) - own[beside]
        if less.mean() <= _MANY * less.std(ddof=1) / np.sqrt(len(less)):
            return ""
        usual = own[beside].mean() + less.mean()
        return (
            f"is off by {own[beside].mean():.4g} on average on its training records, and "
            f"references by {usual:.4g} on those"
        )
    right = run.accuracy(member=True)
    if right is None:
        return ""
    labels = refs.labels_[:n]
    if run.outputs is not None:
        same = run.outputs.predicted(refs.outputs_[kept][:, :n], labels) == labels
        usual = float(same[trained].mean())
    else:
        predicted = predicted_classes(refs.outputs_[:, :n], refs.access_)
        assert predicted is not None
        usual = float((predicted[kept] == labels)[trained].mean())
    if right - usual <= _MANY * np.sqrt(usual * (1 - usual) / run.member.sum()):
        return ""
    return (
        f"is right on {100 * right:.1f} % of its training records, and references on "
        f"{100 * usual:.1f} %"
    )


def _other_features(run: Run) -> Cause | None:
    """Return the cause that the target knows no order of records that references agree upon.

    Weights of classes, and of records, shift answers, and leave the order of the records of one
    class about as it is; records in other units, or with columns in other places, do not.
    """
    refs = run.references
    if refs is None:
        return None
    n = refs.n_pool_
    kept = np.setdiff1d(np.arange(refs.n_models_), list(refs.lost_))
    phi, trained = refs.phi()[kept][:, :n], refs.membership_[kept][:, :n] > 0
    labels, alike = (run.y, " of one class") if run.outputs is None else (np.zeros(n), "")
    out = np.where(trained, np.nan, phi)

    def agreement(own: np.ndarray, others: np.ndarray, chosen: np.ndarray) -> float:
        counts = np.isfinite(others).sum(axis=0)
        beside = np.nansum(others, axis=0) / np.maximum(counts, 1)
        found = []
        for label in np.unique(labels):
            rows = chosen & (counts > 0) & (labels == label)
            if rows.sum() < _FEWEST or np.ptp(beside[rows]) == 0:
                continue
            # One answer for all is no order.
            known = np.ptp(own[rows]) > 0
            found.append(spearmanr(own[rows], beside[rows]).statistic if known else 0.0)
        return float(np.mean(found)) if found else np.nan

    each = [agreement(phi[k], np.delete(out, k, axis=0), ~trained[k]) for k in range(len(kept))]
    own = agreement(refs.signal_of(run.answers, np.arange(n)), out, ~run.member)
    usual = np.mean(each)
    if not (usual > _AGREEING and own < _STRANGE * usual):
        return None
    return Cause(
        "were X_train and X_test preprocessed as the model's records were?",
        f"X_train and X_test may not be what the model takes: records{alike} that references "
        "find easy it does not. Preprocessing may have been left out or done twice, numbers be in "
        "other units, or columns in another order.",
    )


def _other_estimator(run: Run) -> Cause | None:
    trained = run.trainable
    model = getattr(run.target, "source", None) or run.target
    if isinstance(model, CountedFunction) or not hasattr(trained, "get_params"):
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
