"""Where a threshold is placed; shared by the attacks that learn nothing else."""

from __future__ import annotations

import numpy as np

__all__ = ["best_threshold", "published_threshold"]


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


def published_threshold(score: np.ndarray, member: np.ndarray) -> float:
    """Return the observed value at or above which most are members, by Song and Mittal's rule.

    The largest mean of true positive and true negative rates decides; of several values that
    reach it the first one, members' before the others'.
    """
    known = ~np.isnan(score)
    sides = [score[known & member], score[known & ~member]]
    if not all(len(side) for side in sides):
        return float("nan")
    values = np.concatenate(sides)
    low = [np.searchsorted(np.sort(side), values, side="left") for side in sides]
    right = 0.5 * ((len(sides[0]) - low[0]) / len(sides[0]) + low[1] / len(sides[1]))
    return float(values[right.argmax()])
