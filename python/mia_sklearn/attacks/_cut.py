"""Where a threshold is placed; shared by the attacks that learn nothing else."""

from __future__ import annotations

import numpy as np

__all__ = ["best_threshold"]


def best_threshold(score: np.ndarray, member: np.ndarray) -> float:
    """Return the threshold of the largest difference of true and false positive rates."""
    known = ~np.isnan(score)
    if not known.any():
        return float("nan")
    score, member = score[known], member[known]
    order = np.argsort(-score, kind="stable")
    ordered, positive = score[order], member[order]
    gain = np.cumsum(positive) / max(1, positive.sum())
    gain -= np.cumsum(~positive) / max(1, (~positive).sum())
    # Cut only between different scores.
    last = np.append(ordered[1:] != ordered[:-1], True)
    best = int(np.flatnonzero(last)[gain[last].argmax()])
    if best + 1 == len(ordered):
        return float(ordered[-1])
    return float((ordered[best] + ordered[best + 1]) / 2)
