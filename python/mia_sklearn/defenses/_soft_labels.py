"""Training any model on answers instead of true values."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.metadata_routing import MetadataRequest, get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from .._models._kinds import is_net, is_pipeline, last_step, may_classify
from .._models._trainable import unfitted
from .._records._rows import n_rows
from ..base import TrainingSet
from ._parts import train_part

__all__ = ["N_COPIES", "train_on_answers"]

# Smaller posteriors are left out, so that a record needs few rows however many classes there are.
LEAST_SHARE = 1e-3
# Each label of a record stands for this share of its posterior, one over the number.
N_COPIES = 10


def train_on_answers(
    student: Any,
    data: TrainingSet,
    answers: np.ndarray,
    classes: np.ndarray | None,
    rng: np.random.RandomState,
) -> Any:
    """Return a clone trained so that it answers the posteriors, or numbers, of its records.

    A regressor is given the numbers. Where a classifier's `fit` takes weights, each record is
    given once per class, weighted by its posterior. Others get ten copies of each record, labelled
    in the posterior's shares. So do estimators that draw their own samples (forests, bagging), to
    which a row of weight .01 is as likely as one of weight .99: each sample is then a tenth of the
    copies, which is as large as before. Nearest neighbours are counted in copies.

    Parameters
    ----------
    student : unfitted classifier or regressor
    data : TrainingSet
        Its true values are not read.
    answers : ndarray of shape (n_records, n_classes), or as numbers are given to `fit`
    classes : ndarray of shape (n_classes,) or None
        None where answers are numbers.
    rng : RandomState
        Draws the labels of the copies.

    Returns
    -------
    fitted estimator
        The `classes_` of a classifier are those that it saw.
    """
    if classes is None:
        return train_part(student, replace(data, y=answers), None)
    student = unfitted(student)
    parts = _named_parts(student)
    samplers = [name for name, part in parts.items() if _draws_samples(part)]
    weight = None if samplers else _weight_name(student, parts)
    if weight is not None:
        return train_part(student, _weighted(data, answers, classes, weight), classes)
    for name in samplers:
        given = parts[name].max_samples
        if not isinstance(given, Integral):
            student.set_params(**{f"{name}max_samples": (given or 1.0) / N_COPIES})
    for name, part in parts.items():
        # A sample of a tenth holds each record about once, all copies hold it ten times.
        in_sample = any(name.startswith(sampler) for sampler in samplers)
        if isinstance(part, KNeighborsClassifier) and not in_sample:
            student.set_params(**{f"{name}n_neighbors": part.n_neighbors * N_COPIES})
    return train_part(student, _copied(data, answers, classes, rng), classes)


def _named_parts(estimator: Any) -> dict[str, Any]:
    """Return an estimator and all that it holds, by what comes before their parameters."""
    nested = estimator.get_params(deep=True).items()
    held = {f"{name}__": part for name, part in nested if hasattr(part, "get_params")}
    return {"": estimator, **{name: p for name, p in held.items() if not isinstance(p, type)}}


def _draws_samples(part: Any) -> bool:
    params = part.get_params(deep=False)
    return params.get("bootstrap") is True and "max_samples" in params


def _weight_name(student: Any, parts: dict[str, Any]) -> str | None:
    """Return what a classifier's `fit` calls its weights, None where it takes none."""
    if is_net(student):
        return None
    routed = get_config()["enable_metadata_routing"]
    if routed and not isinstance(get_routing_for_object(student), MetadataRequest):
        return None
    last = last_step(student)
    classifiers = [part for part in parts.values() if hasattr(part, "fit") and may_classify(part)]
    judges = [last, *(part for part in classifiers if not is_pipeline(part))]
    if not all(has_fit_parameter(judge, "sample_weight") for judge in judges):
        return None
    name = next(name for name, part in parts.items() if part is last)
    return f"{name}sample_weight"


def _weighted(
    data: TrainingSet, posteriors: np.ndarray, classes: np.ndarray, name: str
) -> TrainingSet:
    kept = posteriors >= np.minimum(LEAST_SHARE, posteriors.max(axis=1, keepdims=True))
    shares = np.where(kept, posteriors, 0.0)
    shares /= shares.sum(axis=1, keepdims=True)
    rows, codes = np.nonzero(kept)
    spread = _spread(data, rows, classes[codes])
    own = spread.params.get(name)
    weights = shares[rows, codes] * (1.0 if own is None else np.asarray(own, dtype=float))
    return replace(spread, params={**spread.params, name: weights})


def _copied(
    data: TrainingSet, posteriors: np.ndarray, classes: np.ndarray, rng: np.random.RandomState
) -> TrainingSet:
    counts = _systematic_counts(posteriors, N_COPIES, rng)
    rows, codes = np.nonzero(counts)
    repeats = counts[rows, codes]
    # Batches must not consist of a few records' copies.
    order = rng.permutation(int(repeats.sum()))
    rows, codes = np.repeat(rows, repeats)[order], np.repeat(codes, repeats)[order]
    return _spread(data, rows, classes[codes])


def _systematic_counts(posteriors: np.ndarray, n: int, rng: np.random.RandomState) -> np.ndarray:
    """Return how many of a record's n labels are of each class: n p, rounded up or down.

    Points at distances of 1 / n, the first drawn at random, fall where the cumulative posterior
    has them: unbiased, and never off by more than one.
    """
    cumulative = posteriors.cumsum(axis=1)
    cumulative /= cumulative[:, -1:]
    below = np.ceil(n * cumulative - rng.random_sample((len(posteriors), 1)))
    return np.diff(np.clip(below, 0, n).astype(np.intp), axis=1, prepend=0)


def _spread(data: TrainingSet, rows: np.ndarray, labels: np.ndarray) -> TrainingSet:
    """Return records, some of them several times, with labels of their own."""
    unlabelled = TrainingSet(data.X, np.empty(n_rows(data.X)), data.params)
    return replace(unlabelled.take(rows), y=labels)
