"""The membership advantage, TPR - FPR, with an interval."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri

from ._checks import check_level, check_scores

__all__ = ["Advantage", "advantage_interval", "best_advantage_interval", "difference_interval"]


class Advantage(NamedTuple):
    """TPR - FPR at one threshold.

    Attributes
    ----------
    value : float
    low, high : float
        Ends of the confidence interval.
    threshold : float
        Scores at or above it are called members.
    n_identified, n_false_alarms : int
        Members, and non-members, called members.
    """

    value: float
    low: float
    high: float
    threshold: float
    n_identified: int
    n_false_alarms: int


def difference_interval(
    count_1: Any, n_1: int, count_0: Any, n_0: int, *, confidence: float = 0.95
) -> tuple[Any, Any]:
    """Return Newcombe's interval of a difference of two independent proportions.

    Parameters
    ----------
    count_1 : int or array of int
        Successes of the first sample.
    n_1 : int
        Size of the first sample.
    count_0 : int or array of int
        Successes of the second sample.
    n_0 : int
        Size of the second sample.
    confidence : float, default=0.95
        Two-sided confidence.

    Returns
    -------
    low, high : float or ndarray
        Limits of `count_1 / n_1 - count_0 / n_0`.

    References
    ----------
    .. [1] R. Newcombe, "Interval estimation for the difference between independent
       proportions", Statistics in Medicine 1998 (method 10, hybrid of Wilson intervals).

    Examples
    --------
    >>> from mia_sklearn.stats import difference_interval
    >>> low, high = difference_interval(60, 200, 20, 200)
    >>> round(float(low), 5), round(float(high), 5)
    (0.12285, 0.2751)
    """
    z = float(ndtri(0.5 + check_level(confidence, "confidence") / 2))
    p_1, low_1, high_1 = wilson_interval(count_1, n_1, z)
    p_0, low_0, high_0 = wilson_interval(count_0, n_0, z)
    low = p_1 - p_0 - np.hypot(p_1 - low_1, high_0 - p_0)
    high = p_1 - p_0 + np.hypot(high_1 - p_1, p_0 - low_0)
    # Rounding may carry an end past the range.
    return np.maximum(low, -1.0), np.minimum(high, 1.0)


def wilson_interval(count: Any, n: float, z: float) -> tuple[Any, Any, Any]:
    share = np.asarray(count) / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return share, np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def advantage_interval(
    member_scores: Any, nonmember_scores: Any, threshold: float, *, confidence: float = 0.95
) -> Advantage:
    """Estimate TPR - FPR of the rule `score >= threshold`, for a threshold fixed in advance.

    Parameters
    ----------
    member_scores, nonmember_scores : array-like of shape (n,)
        Scores, higher means member.
    threshold : float
        Chosen without these scores.
    confidence : float, default=0.95
        Two-sided confidence.

    Returns
    -------
    Advantage
        With Newcombe's interval.

    Examples
    --------
    >>> from mia_sklearn.stats import advantage_interval
    >>> round(advantage_interval([1.0, 2.0, 3.0], [0.0, 1.0, 1.5], threshold=2.0).value, 3)
    0.667
    """
    members = check_scores(member_scores, "member_scores")
    nonmembers = check_scores(nonmember_scores, "nonmember_scores")
    threshold = float(threshold)
    if math.isnan(threshold):
        raise ValueError("`threshold` is NaN; give a number, or None for the best threshold.")
    n1, n0 = len(members), len(nonmembers)
    identified = int(np.count_nonzero(members >= threshold))
    alarms = int(np.count_nonzero(nonmembers >= threshold))
    low, high = difference_interval(identified, n1, alarms, n0, confidence=confidence)
    value = identified / n1 - alarms / n0
    return Advantage(value, float(low), float(high), threshold, identified, alarms)


def best_advantage_interval(
    member_scores: Any, nonmember_scores: Any, *, confidence: float = 0.95
) -> Advantage:
    """Estimate the largest TPR - FPR over thresholds, the choice of the threshold paid for.

    Parameters
    ----------
    member_scores, nonmember_scores : array-like of shape (n,)
        Scores, higher means member.
    confidence : float, default=0.95
        Two-sided confidence.

    Returns
    -------
    Advantage
        With the threshold that reaches it on these scores; infinity where none does better
        than calling nobody a member.

    Notes
    -----
    The lower end lies :math:`\\sqrt{\\ln(2 / (1 - c)) / 2}\\,(n_0^{-1/2} + n_1^{-1/2})` below the
    estimate, for confidence c (Dvoretzky, Kiefer, Wolfowitz, Massart); a lower end that
    ignores the choice errs in 23-26 % of cases without any leak. The upper end is the
    largest of Newcombe's upper limits over all thresholds, and so holds at the best one.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.stats import best_advantage_interval
    >>> best = best_advantage_interval(np.arange(500, 1500), np.arange(1000))
    >>> best.value, best.threshold
    (0.5, 1000.0)
    """
    members = np.sort(check_scores(member_scores, "member_scores"))
    nonmembers = np.sort(check_scores(nonmember_scores, "nonmember_scores"))
    confidence = check_level(confidence, "confidence")
    n1, n0 = len(members), len(nonmembers)
    # Only members' scores can be best thresholds.
    thresholds = np.append(members, np.inf)
    identified = n1 - np.searchsorted(members, thresholds, side="left")
    alarms = n0 - np.searchsorted(nonmembers, thresholds, side="left")
    gains = identified / n1 - alarms / n0
    best = len(gains) - 1 - int(np.argmax(gains[::-1]))
    slack = math.sqrt(math.log(2 / (1 - confidence)) / 2) * (n0**-0.5 + n1**-0.5)
    _, highs = difference_interval(identified, n1, alarms, n0, confidence=confidence)
    return Advantage(
        value=float(gains[best]),
        low=max(0.0, float(gains[best]) - slack),
        high=float(highs.max()),
        threshold=float(thresholds[best]),
        n_identified=int(identified[best]),
        n_false_alarms=int(alarms[best]),
    )
