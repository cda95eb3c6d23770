"""What a model answers about records, with the loss of each answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._models._predictors import log_posteriors_of_outputs, predicted_numbers
from .._models._targets import class_indices
from .._records._targets import codes_of_outputs
from ..signals import log_posteriors, rescaled_logit
from ._measures import Answers

__all__ = ["answers_of_posteriors", "of_classes", "of_numbers", "of_outputs"]


def of_numbers(model: Any, X: Any, y: np.ndarray, spread: np.ndarray) -> Answers:
    """Return what a regressor predicts; the loss is the mean over outputs of |y - f| / spread."""
    y = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
    predicted = predicted_numbers(model, X, y.shape[1])
    loss = (np.abs(y - predicted) / spread).mean(axis=1)
    return Answers(loss, loss, predicted, None)


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
