"""Models trained on a part of the training set, which may lack classes, and what they answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .._models._backend import backend_of
from .._models._fitted import fit_afresh, fit_copy
from .._models._fitted_before import handed_on
from .._models._kinds import is_net, tags_of
from .._models._predictors import predicted_numbers, predicts_numbers
from .._models._trainable import configured, unfitted
from ..base import TrainingSet
from ..base._wrapped import check_wrapped
from ..signals import log_posteriors

__all__ = ["answers_of", "check_student", "draw_seeds", "narrow_tags", "train_part"]


def answers_of(model: Any, X: Any, classes: np.ndarray | None, n_outputs: int) -> np.ndarray:
    """Return the posteriors that a model answers, or the numbers where there are no classes.

    Returns
    -------
    ndarray of shape (n_records, n_classes or n_outputs), float64
    """
    if classes is None:
        return predicted_numbers(model, X, n_outputs)
    return np.exp(log_posteriors(model, X, classes))


def check_student(defense: Any) -> None:
    """Raise if the student of a defense is not of its teacher's kind."""
    student = defense.student
    if student is None:
        return
    check_wrapped(defense, student, "student")
    if predicts_numbers(student) != defense.is_of_numbers:
        kind = "regressor" if defense.is_of_numbers else "classifier"
        raise ValueError(
            f"student of {type(defense).__name__} must be a {kind}, as its teacher is; got "
            f"{type(student).__name__}."
        )


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
    estimator: Any, data: TrainingSet, classes: np.ndarray | None, seed: int | None = None
) -> Any:
    """Return a clone trained on records that may lack classes.

    Parameters
    ----------
    estimator : unfitted classifier or regressor
    data : TrainingSet
    classes : ndarray of shape (n_classes,) or None
        Labels of the whole training set; a network has a column for each. None of regressors.
    seed : int, default=None
        Gives the clone seeds of its own, and one core. By default it keeps those it has.

    Returns
    -------
    fitted estimator
        The `classes_` of a classifier are those that it saw.

    Raises
    ------
    ValueError
        If what is passed to `fit` would hand on what other records have taught.
    """
    name, what = handed_on(data.params)
    if name:
        raise ValueError(
            f"{name} hands on {what} to models that are to know no more than their own part of "
            "the records: drop it."
        )
    backend = backend_of(estimator)
    if backend is not None:
        own = data.copied()
        net = unfitted(estimator) if seed is None else configured(estimator, seed)
        return backend.train_net(net, own.X, own.y, own.params, classes=classes, seed=seed)

    if classes is None:
        own = data.copied()
        return fit_copy(estimator, own.X, own.y, own.params, seed)

    def draw() -> tuple[Any, np.ndarray, dict[str, Any]]:
        own = data.copied()
        return own.X, own.y, own.params

    return fit_afresh(estimator, draw, seed=seed, n_classes=len(classes))
