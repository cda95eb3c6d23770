"""Copies of classifiers, trained afresh on records that may lack classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier

from .._records._labels import labels_like
from .._records._rows import take_rows
from ._alike import fitted
from ._answers import predicted_labels
from ._random import seeded_within
from ._trainable import configured, unfitted

__all__ = ["constant", "fit_afresh", "fit_copy"]


def fit_afresh(
    estimator: Any,
    draw: Callable[[], tuple[Any, np.ndarray, dict[str, Any]]],
    *,
    seed: int | None,
    n_classes: int = 2,
    kind: Any = None,
) -> Any:
    """Return a copy of a classifier that is no network, trained on records that may lack classes.

    `draw` returns records, labels and arguments of `fit`, new ones each time: what a model is given
    is its to ruin. A `seed` gives the copy seeds of its own, and one core; None keeps those it has.
    Labels are given in the `kind` of column that `kind_of_labels` returned. Of several `n_classes`,
    records of one alone make a constant model. The model's `classes_` are
    those that it saw.
    """
    X, y, params = draw()
    seen, codes = np.unique(y, return_inverse=True)
    if len(seen) == 1 and n_classes > 1:
        return constant(X, y)
    try:
        return fit_copy(estimator, X, labels_like(y, kind, X), params, seed)
    except ValueError:
        if seen.dtype.kind not in "iu" or np.array_equal(seen, np.arange(len(seen))):
            raise
        # XGBoost wants the labels 0, 1, ... and refuses training sets that lack one of them.
        X, _, params = draw()
        return _Renamed(fit_copy(estimator, X, labels_like(codes, kind, X), params, seed), seen)


def constant(X: Any, y: np.ndarray) -> Any:
    """Return what answers the one label of all records: many classifiers refuse to train on it."""
    return DummyClassifier(strategy="most_frequent").fit(take_rows(X, [0]), y[:1])


def fit_copy(estimator: Any, X: Any, y: Any, params: dict[str, Any], seed: int | None) -> Any:
    """Return a copy of an estimator trained on records; a `seed` is as in `fit_afresh`."""
    with seeded_within(estimator, seed):
        model = unfitted(estimator) if seed is None else configured(estimator, seed)
        return fitted(model, X, y, params)


class _Renamed:
    """A model trained on the positions of its classes, answering for the classes themselves."""

    def __init__(self, model: Any, classes: np.ndarray) -> None:
        self.model = model
        self.classes_ = classes

    def predict_proba(self, X: Any) -> np.ndarray:
        return self.model.predict_proba(X)

    def predict(self, X: Any) -> np.ndarray:
        return self.classes_[predicted_labels(self.model, X).astype(np.intp)]
