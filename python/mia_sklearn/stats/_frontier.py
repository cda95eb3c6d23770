"""Which of several things no other beats."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["on_frontier"]


def on_frontier(utility: Any, risk: Any) -> np.ndarray:
    """Tell which points no other beats: as good in both numbers, and better in one.

    Parameters
    ----------
    utility : array-like of shape (n_points,)
        Higher is better.
    risk : array-like of shape (n_points,)
        Lower is better.

    Returns
    -------
    ndarray of shape (n_points,), bool
        False where a number is NaN.

    Examples
    --------
    >>> from mia_sklearn.stats._frontier import on_frontier
    >>> on_frontier([0.9, 0.8, 0.7], [0.3, 0.1, 0.2]).tolist()
    [True, True, False]
    """
    utility, risk = np.asarray(utility, dtype=np.float64), np.asarray(risk, dtype=np.float64)
    as_good = (utility[:, None] >= utility) & (risk[:, None] <= risk)
    better = (utility[:, None] > utility) | (risk[:, None] < risk)
    return np.isfinite(utility) & np.isfinite(risk) & ~(as_good & better).any(axis=0)
