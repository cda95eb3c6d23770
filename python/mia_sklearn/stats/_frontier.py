"""Which of several things no other beats."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["on_frontier"]


def on_frontier(utility: Any, risk: Any) -> np.ndarray:
    """Tell which points no other beats: as good in both numbers, and better in one.

    High utility is good and low risk; a point with NaN is none.
    """
    utility, risk = np.asarray(utility, dtype=np.float64), np.asarray(risk, dtype=np.float64)
    as_good = (utility[:, None] >= utility) & (risk[:, None] <= risk)
    better = (utility[:, None] > utility) | (risk[:, None] < risk)
    return np.isfinite(utility) & np.isfinite(risk) & ~(as_good & better).any(axis=0)
