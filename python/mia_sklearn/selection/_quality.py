"""How good a model's answers are."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from .._models._answers import predicted_labels
from .._records._rows import positions
from ..signals import log_posteriors
from ..stats._advantage import wilson_interval

__all__ = ["calibration_error", "quality"]

_BINS = 15
_LEAST_POSTERIOR = np.finfo(np.float64).eps


def quality(model: Any, X: Any, y: np.ndarray, *, confidence: float) -> dict[str, float]:
    """Return a classifier's accuracy with its Wilson interval, and its calibration."""
    right = predicted_labels(model, X) == y
    z = float(ndtri(0.5 + confidence / 2))
    score, low, high = wilson_interval(np.count_nonzero(right), len(right), z)
    log_proba = log_posteriors(model, X)
    column = positions(y, np.asarray(model.classes_))
    # A class that the model never saw has the posterior 0.
    own = np.where(column < 0, -np.inf, log_proba[np.arange(len(y)), column])
    return {
        "test_score": float(score),
        "test_score_low": float(low),
        "test_score_high": float(high),
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
