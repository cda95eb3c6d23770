"""Checks of what every statistic takes: scores and levels."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np


def check_level(value: Any, name: str) -> float:
    """Return `value` as a float after checking that it lies strictly between 0 and 1."""
    if not isinstance(value, Real) or not 0 < float(value) < 1:
        raise ValueError(f"`{name}` must lie strictly between 0 and 1, got {value!r}.")
    return float(value)


def check_counts(n_records: Any, n_guesses: Any, n_right: Any) -> tuple[int, int, int]:
    """Return counts of guesses as ints after checking that each is within the one before."""
    counts = {"n_records": n_records, "n_guesses": n_guesses, "n_right": n_right}
    for name, value in counts.items():
        whole = isinstance(value, Real) and float(value).is_integer()
        if isinstance(value, (bool, np.bool_)) or not (isinstance(value, Integral) or whole):
            raise ValueError(f"`{name}` must be a whole number, got {value!r}.")
    if not 0 <= n_right <= n_guesses <= n_records:
        raise ValueError(
            "Counts must satisfy 0 <= n_right <= n_guesses <= n_records, got "
            f"{n_right}, {n_guesses}, {n_records}."
        )
    return int(n_records), int(n_guesses), int(n_right)


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
