"""How good a model's answers are."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from .._models._answers import answer_of, predicted_labels
from .._models._predictors import predicted_numbers
from .._records._rows import positions
from ..access import TrueValueAccess
from ..signals import log_posteriors
from ..stats._advantage import wilson_interval
from ..stats._r2 import r2_interval

__all__ = ["calibration_error", "quality", "score_of"]

_BINS = 15
_LEAST_POSTERIOR = np.finfo(np.float64).eps


def score_of(model: Any, X: Any, y: np.ndarray, outputs: TrueValueAccess | None) -> float:
    """Return a model's accuracy, on average over outputs, or R2 of a regressor."""
    if outputs is not None and outputs.of_numbers:
        return r2_interval(*_numbers(model, X, y))[0]
    return float(_right(model, X, y, outputs).mean())


def quality(
    model: Any, X: Any, y: np.ndarray, outputs: TrueValueAccess | None, *, confidence: float
) -> dict[str, float]:
    """Return a model's score with its interval, and what else tells how good its answers are.

    Of classifiers accuracy and calibration; of several outputs the share of labels that are right;
    of regressors R2 and the mean absolute error.
    """
    z = float(ndtri(0.5 + confidence / 2))
    if outputs is not None and outputs.of_numbers:
        true, predicted = _numbers(model, X, y)
        score, low, high = r2_interval(true, predicted, confidence=confidence)
        more = {"mae": float(np.abs(true - predicted).mean())}
    elif outputs is not None:
        share = _right(model, X, y, outputs).mean(axis=1)
        score, error = share.mean(), z * share.std() / np.sqrt(len(share))
        low, high, more = max(score - error, 0.0), min(score + error, 1.0), {}
    else:
        right = _right(model, X, y, None)
        score, low, high = wilson_interval(np.count_nonzero(right), len(right), z)
        more = _calibration(model, X, y, right)
    ends = {"test_score": score, "test_score_low": low, "test_score_high": high}
    return {name: float(value) for name, value in ends.items()} | more


def _numbers(model: Any, X: Any, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return true and predicted numbers, one column per output."""
    true = y.reshape(len(y), -1).astype(np.float64)
    return true, predicted_numbers(model, X, true.shape[1])


def _right(model: Any, X: Any, y: np.ndarray, outputs: TrueValueAccess | None) -> np.ndarray:
    """Tell which predicted labels are right, one column per output where there are several."""
    if outputs is None:
        return predicted_labels(model, X) == y
    return np.asarray(answer_of(model, "predict", X)).reshape(y.shape) == y


def _calibration(model: Any, X: Any, y: np.ndarray, right: np.ndarray) -> dict[str, float]:
    log_proba = log_posteriors(model, X)
    column = positions(y, np.asarray(model.classes_))
    # A class that the model never saw has the posterior 0.
    own = np.where(column < 0, -np.inf, log_proba[np.arange(len(y)), column])
    return {
        "log_loss": float(-np.maximum(own, np.log(_LEAST_POSTERIOR)).mean()),
        "calibration_error": calibration_error(np.exp(log_proba.max(axis=1)), right),
    }


def calibration_error(confidence: np.ndarray, right: np.ndarray, *, bins: int = _BINS) -> float:
    """Return how far confidence in the top label lies from how often it is right, on average.

    `confidence` is the largest posterior of each record, `right` whether its label is the record's.
    Bins hold equally many records; equal confidences are never parted.
    """
    ranks = rankdata(confidence) - 0.5
    place = np.minimum((ranks * bins / len(ranks)).astype(np.intp), bins - 1)
    gaps = np.bincount(place, weights=confidence - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(ranks))
