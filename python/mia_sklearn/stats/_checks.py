"""Checks of what every statistic takes: scores and levels."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np


def check_level(value: Any, name: str) -> float:
    """Return `value` as a float after checking that it lies strictly between 0 and 1."""
    if not isinstance(value, Real) or not 0 < float(value) < 1:
        raise ValueError(f"`{name}` must lie strictly between 0 and 1, got {value!r}.")
    return float(value)


def check_scores(scores: Any, name: str) -> np.ndarray:
    """Return scores as a non-empty, finite, one-dimensional float64 array."""
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 1:
        raise ValueError(f"`{name}` must be one-dimensional, got shape {scores.shape}.")
    if not len(scores):
        raise ValueError(f"`{name}` is empty: members and non-members are both needed.")
    bad = len(scores) - np.count_nonzero(np.isfinite(scores))
    if bad:
        raise ValueError(
            f"`{name}` holds {bad} value(s) of {len(scores)} that are NaN or infinite; "
            "leave those records out or give them a finite score."
        )
    return scores
