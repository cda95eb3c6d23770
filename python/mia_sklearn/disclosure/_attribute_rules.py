"""Published guesses of a feature from a model's answers, which learn nothing from references."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone

from .._records._rows import copied, take_rows
from ._candidates import LEAST

__all__ = ["confusion_rates", "csmia", "fredrikson", "lomia", "of_residuals"]


def confusion_rates(labels: np.ndarray, taken: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the share of each class (row) that is taken for another (column)."""
    counts = np.zeros((n_classes, n_classes))
    np.add.at(counts, (labels, taken), 1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def fredrikson(
    answers: np.ndarray, labels: np.ndarray, prior: np.ndarray, confusion: np.ndarray
) -> np.ndarray:
    """Maximise the value's frequency times how often the model says of this label what it says.

    `answers`, of shape (n_records, n_values, n_classes), are log-posteriors with each value put in;
    `confusion` holds the share of the records of a class (row) that the model takes for another
    (column). Returns positions of values.
    """
    score = prior * confusion[labels[:, None], answers.argmax(axis=2)]
    return _likeliest(score, prior)


def of_residuals(
    answers: np.ndarray, truth: np.ndarray, prior: np.ndarray, residuals: np.ndarray
) -> np.ndarray:
    """Maximise the value's frequency times the density of the regressor's residual.

    `answers`, of shape (n_records, n_values, n_outputs), are predictions with each value put in;
    `residuals`, of shape (n_others, n_outputs), are those of other records, taken for normal around
    0. Returns positions of values.
    """
    spread = np.sqrt(np.square(residuals).mean(axis=0))
    spread = np.where(spread > 0, spread, 1.0)
    away = np.square((truth[:, None] - answers) / spread).sum(axis=2)
    with np.errstate(divide="ignore"):
        return _likeliest(np.log(prior) - away / 2, prior)


def csmia(answers: np.ndarray, labels: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Take the value with which the model is right, and surest; else that with which least sure.

    Parameters and result are those of `fredrikson`.
    """
    right = answers.argmax(axis=2) == labels[:, None]
    sure = answers.max(axis=2)
    score = np.where(right, sure, -np.inf)
    return _likeliest(np.where(right.any(axis=1, keepdims=True), score, -sure), prior)


def lomia(
    answers: np.ndarray, labels: np.ndarray, prior: np.ndarray, *, imputer: Any, others: Any
) -> np.ndarray:
    """Learn the feature from the records for which one value alone makes the model right.

    A clone of `imputer` learns it from `others`, the other features and the label.
    """
    right = answers.argmax(axis=2) == labels[:, None]
    guess = right.argmax(axis=1)
    told = right.sum(axis=1) == 1
    enough = np.bincount(guess[told], minlength=len(prior)) >= LEAST
    if np.count_nonzero(enough) < 2:
        return np.full(len(labels), np.where(enough, 2.0, prior).argmax())
    told = np.flatnonzero(told & enough[guess])
    return clone(imputer).fit(take_rows(others, told), guess[told]).predict(copied(others))


def _likeliest(score: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Return the place of the largest score of each row, among ties the most frequent value."""
    return np.where(score == score.max(axis=1, keepdims=True), prior, -1.0).argmax(axis=1)
