"""Scores of members, and of non-members."""

from __future__ import annotations

from typing import Any

import numpy as np


def members_and_others(y_true: Any, y_score: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of members and of non-members."""
    labels, scores = np.asarray(y_true), np.asarray(y_score, dtype=np.float64)
    if labels.ndim != 1 or scores.ndim != 1 or len(labels) != len(scores):
        raise ValueError(
            "y_true and y_score must be one-dimensional and of one length, got shapes "
            f"{labels.shape} and {scores.shape}."
        )
    bad = len(scores) - np.count_nonzero(np.isfinite(scores))
    if bad:
        raise ValueError(
            f"y_score holds {bad} value(s) of {len(scores)} that are NaN or infinite; leave those "
            "records out or give them a finite score."
        )
    values = np.unique(labels)
    if len(values) != 2:
        raise ValueError(
            "y_true must hold two labels, of non-members and of members (the larger one), got "
            f"{len(values)}: {values[:5].tolist()}."
        )
    member = labels == values[1]
    return scores[member], scores[~member]
