"""Models trained on a part of the training set, which may lack classes."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier

from .._models._answers import predicted_labels
from .._models._trainable import configured, holds_net, is_net, tags_of, unfitted
from .._records._rows import take_rows
from ..base import TrainingSet

__all__ = ["draw_seeds", "narrow_tags", "train_part"]


def draw_seeds(rng: np.random.RandomState, n: int) -> list[int]:
    """Return seeds for models that are to differ."""
    return rng.randint(2**31 - 1, size=n).tolist()


def narrow_tags(tags: Any, estimators: Iterable[Any]) -> Any:
    """Return a defense's tags, less what one of its estimators does not take."""
    for estimator in estimators:
        own = None if is_net(estimator) else tags_of(estimator)
        if own is None:
            continue
        tags.input_tags.sparse &= own.input_tags.sparse
        tags.input_tags.allow_nan &= own.input_tags.allow_nan
        tags.input_tags.positive_only |= own.input_tags.positive_only
        if own.classifier_tags is not None:
            tags.classifier_tags.multi_class &= own.classifier_tags.multi_class
    return tags


def train_part(
    estimator: Any, data: TrainingSet, classes: np.ndarray, seed: int | None = None
) -> Any:
    """Return a clone trained on records that may lack classes.

    Parameters
    ----------
    estimator : unfitted classifier
    data : TrainingSet
    classes : ndarray of shape (n_classes,)
        Labels of the whole training set; a network has a column for each.
    seed : int, default=None
        Gives the clone seeds of its own, and one core. By default it keeps those it has.

    Returns
    -------
    fitted classifier
        Its `classes_` are those that it saw.
    """
    given, data = data, data.copied()
    if is_net(estimator):
        from ..torch._training._nets import train_net

        net = unfitted(estimator) if seed is None else configured(estimator, seed)
        return train_net(net, data.X, data.y, data.params, classes=classes, seed=seed)
    seen, codes = np.unique(data.y, return_inverse=True)
    if len(seen) == 1 and len(classes) > 1:
        # Many classifiers refuse to train on one class.
        return DummyClassifier(strategy="most_frequent").fit(take_rows(data.X, [0]), data.y[:1])
    try:
        return _fit(estimator, data, data.y, seed)
    except ValueError:
        if given.y.dtype.kind not in "iu" or np.array_equal(seen, np.arange(len(seen))):
            raise
        # XGBoost wants the labels 0, 1, ... and refuses training sets that lack one of them.
        return _Renamed(_fit(estimator, given.copied(), codes, seed), seen)


def _fit(estimator: Any, data: TrainingSet, y: np.ndarray, seed: int | None) -> Any:
    model = unfitted(estimator) if seed is None else configured(estimator, seed)
    with _seeded_within(estimator, seed):
        return model.fit(data.X, y, **data.params)


def _seeded_within(estimator: Any, seed: int | None) -> Any:
    """Seed torch where a network is wrapped in an estimator: nets have no seed of their own."""
    if seed is None or not holds_net(estimator):
        return nullcontext()
    from ..torch._training._random import seeded

    return seeded(seed)


class _Renamed:
    """A model trained on the positions of its classes, answering for the classes themselves."""

    def __init__(self, model: Any, classes: np.ndarray) -> None:
        self.model = model
        self.classes_ = classes

    def predict_proba(self, X: Any) -> np.ndarray:
        return self.model.predict_proba(X)

    def predict(self, X: Any) -> np.ndarray:
        return self.classes_[predicted_labels(self.model, X).astype(np.intp)]
