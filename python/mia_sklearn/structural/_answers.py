"""What a model answers about records, with the loss of each answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._models._predictors import log_posteriors_of_outputs, predicted_numbers
from .._models._targets import class_indices
from .._records._targets import codes_of_outputs
from ..signals import log_posteriors, rescaled_logit
from ._measures import Answers

__all__ = ["answers_of_posteriors", "mean_residual", "of_classes", "of_numbers", "of_outputs"]


def of_numbers(model: Any, X: Any, y: np.ndarray, known: np.ndarray) -> Answers:
    """Return what a regressor predicts; `known` are the true values that it learned."""
    y, known = (np.asarray(part, dtype=np.float64).reshape(len(part), -1) for part in (y, known))
    predicted = predicted_numbers(model, X, y.shape[1])
    away = mean_residual(y - predicted, known)
    return Answers(away, away, predicted, None)


def mean_residual(residuals: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the mean over outputs of residuals, in standard deviations of what was learned."""
    spread = known.std(axis=0)
    return (np.abs(residuals) / np.where(spread > 0, spread, 1.0)).mean(axis=1)


def of_classes(model: Any, X: Any, y: np.ndarray, release: str) -> Answers:
    """Return a classifier's posteriors, or its labels alone where these are released."""
    log_proba = log_posteriors(model, X)
    label = class_indices(model, y)
    if release != "labels":
        return answers_of_posteriors(log_proba, label)
    predicted = log_proba.argmax(axis=1)
    right = (predicted == label).astype(np.float64)
    return Answers(-right, right, predicted[:, None], label)


def answers_of_posteriors(log_proba: np.ndarray, label: np.ndarray) -> Answers:
    # The order of the losses is that of the logits, which stay apart where losses round to 0.
    phi = rescaled_logit(log_proba, label)
    confidence = np.exp(log_proba[np.arange(len(label)), label])
    return Answers(-phi, confidence, np.exp(log_proba), label)


def of_outputs(model: Any, X: Any, y: np.ndarray, classes: tuple[np.ndarray, ...]) -> Answers:
    """Return the same of a classifier with several outputs: the mean over them."""
    codes = codes_of_outputs(y, classes).astype(np.intp)
    answers = log_posteriors_of_outputs(model, X, classes)
    each = [
        answers_of_posteriors(log_proba, np.maximum(label, 0))
        for log_proba, label in zip(answers, codes.T, strict=True)
    ]
    # Of answers that are exactly 1 some logits are infinite, in one direction or the other.
    loss = np.mean([np.clip(one.loss, -1e3, 1e3) for one in each], axis=0)
    error = np.mean([one.error for one in each], axis=0)
    return Answers(loss, error, np.column_stack([one.released for one in each]), None)
