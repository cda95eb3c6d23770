"""The true-positive rate at a false-positive rate, with an interval valid in finite samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import bdtr, bdtrc, betaincinv

from ._checks import check_level, check_scores

__all__ = ["OperatingPoint", "nonmembers_needed", "tpr_interval"]

# Share of each side's error spent on where the threshold lies; the rest goes to the members
# beyond it. Non-members are the scarce side at low false-positive rates.
_THRESHOLD_SHARE = 0.7


class OperatingPoint(NamedTuple):
    """What an attack does at one false-positive rate, or at several (then arrays).

    Attributes
    ----------
    tpr : float
        Share of members identified.
    low, high : float
        Ends of its confidence interval, NaN where withheld.
    fpr : float
        Share of non-members called members, at most the rate asked for.
    n_identified, n_false_alarms : int
        The same as counts.
    """

    tpr: Any
    low: Any
    high: Any
    fpr: Any
    n_identified: Any
    n_false_alarms: Any


def nonmembers_needed(fpr: float, *, confidence: float = 0.95) -> int:
    """Return the number of non-members from which a rate at `fpr` has an interval.

    Parameters
    ----------
    fpr : float
        The false-positive rate asked for, in (0, 1).
    confidence : float, default=0.95
        Two-sided confidence of the interval.

    Returns
    -------
    int

    Examples
    --------
    >>> from mia_sklearn.stats import nonmembers_needed
    >>> [nonmembers_needed(fpr) for fpr in (0.1, 0.01, 0.001)]
    [39, 403, 4044]
    """
    fpr, confidence = check_level(fpr, "fpr"), check_level(confidence, "confidence")
    spent = _THRESHOLD_SHARE * (1 - confidence) / 2
    return math.ceil(math.log(spent) / math.log1p(-fpr))


def tpr_interval(
    member_scores: Any, nonmember_scores: Any, fpr: Any = 0.01, *, confidence: float = 0.95
) -> OperatingPoint:
    r"""Estimate the true-positive rate at a false-positive rate, with an interval.

    What is estimated is the largest :math:`P(S_1 \ge t)` over thresholds t with
    :math:`P(S_0 \ge t) \le` `fpr`, for scores :math:`S_1` of members and :math:`S_0` of
    non-members, so ties count fully on both sides.

    Parameters
    ----------
    member_scores, nonmember_scores : array-like of shape (n,)
        Scores, higher means member.
    fpr : float or array-like of floats, default=0.01
        False-positive rates in (0, 1).
    confidence : float, default=0.95
        Two-sided confidence, for each rate by itself.

    Returns
    -------
    OperatingPoint
        `tpr`, `low`, `high`, the `fpr` realised on these non-members, `n_identified` members
        and `n_false_alarms` non-members above the threshold: numbers, or arrays of `fpr`'s
        shape. `low` and `high` are NaN where there are fewer than `nonmembers_needed`.

    Raises
    ------
    ValueError
        If scores are empty or not finite, or a level lies outside (0, 1).

    Notes
    -----
    With Y(i) the i-th largest non-member score and c(i) the number of members above it, order
    statistics Y(j) and Y(k) enclose the threshold whose false-positive rate is `fpr`
    (binomial tails), and Clopper-Pearson limits on c(j) and c(k) bound the rate there. The
    interval holds whatever the distributions, ties included. A bootstrap does not: its
    coverage falls to .32 at 200 records and a false-positive rate of .001.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.stats import tpr_interval
    >>> point = tpr_interval(np.arange(500, 1500), np.arange(1000), fpr=0.1)
    >>> point.tpr, round(point.low, 5), round(point.high, 5)
    (0.6, 0.54296, 0.65698)
    """
    members = np.sort(check_scores(member_scores, "member_scores"))
    nonmembers = np.sort(check_scores(nonmember_scores, "nonmember_scores"))
    confidence = check_level(confidence, "confidence")
    levels = np.asarray(fpr, dtype=np.float64)
    if not ((levels > 0) & (levels < 1)).all():
        raise ValueError(f"`fpr` must lie strictly between 0 and 1, got {fpr!r}.")
    n1, n0 = len(members), len(nonmembers)
    # c(i) for i = 1..n0; past the smallest non-member everyone is above the threshold.
    above = np.append(n1 - np.searchsorted(members, nonmembers[::-1], side="right"), n1)

    alarms_allowed = np.floor(n0 * levels + 1e-9).astype(np.intp)
    identified = above[alarms_allowed]
    threshold = np.append(nonmembers[::-1], -np.inf)[alarms_allowed]
    alarms = n0 - np.searchsorted(nonmembers, threshold, side="right")

    side = (1 - confidence) / 2
    spent = _THRESHOLD_SHARE * side
    # The largest j with P(Bin < j) <= spent, the smallest k with P(Bin >= k) <= spent.
    j = _first(lambda x: bdtr(x, n0, levels) > spent, levels.shape, n0)
    k = _first(lambda x: bdtrc(x, n0, levels) <= spent, levels.shape, n0) + 1
    c_j, c_k = above[np.maximum(j, 1) - 1], above[k - 1]
    beyond_j, beyond_k = bdtr(j - 1, n0, levels), bdtrc(k - 1, n0, levels)
    low = np.zeros(levels.shape)
    known = (j >= 1) & (c_j > 0)
    rest = (side - beyond_j) / (1 - beyond_j)
    low[known] = betaincinv(c_j[known], n1 - c_j[known] + 1, rest[known])
    high = np.ones(levels.shape)
    known = c_k < n1
    rest = (side - beyond_k) / (1 - beyond_k)
    high[known] = betaincinv(c_k[known] + 1, n1 - c_k[known], 1 - rest[known])

    refused = n0 * np.log1p(-levels) > math.log(spent)
    low[refused] = high[refused] = np.nan
    result = (identified / n1, low, high, alarms / n0, identified, alarms)
    return OperatingPoint(
        *(part.item() if levels.ndim == 0 else part for part in map(np.asarray, result))
    )


def _first(holds: Callable[[np.ndarray], np.ndarray], shape: tuple, n: int) -> np.ndarray:
    """Return the smallest x in 0..n from which a monotone condition holds, by bisection."""
    low, high = np.full(shape, -1), np.full(shape, n)
    while (high - low > 1).any():
        middle = (low + high) // 2
        true = holds(middle)
        low, high = np.where(true, low, middle), np.where(true, middle, high)
    return high
