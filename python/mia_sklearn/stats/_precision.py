"""The share of members among those that an attack names, at a given share of members in all."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import bdtr, bdtrc, betaincinv

from ._checks import check_level, check_scores
from ._rates import _THRESHOLD_SHARE, _first, nonmembers_needed, tpr_interval

__all__ = ["Precision", "ppv_interval", "ppv_nonmembers_needed"]


class Precision(NamedTuple):
    """How many of those whom an attack names are members.

    Attributes
    ----------
    value : float
        NaN where nobody is named.
    low, high : float
        Ends of the confidence interval, NaN where withheld.
    fpr : float
        Share of non-members that are named, at most the rate asked for.
    n_identified, n_false_alarms : int
        Members, and non-members, that are named.
    """

    value: float
    low: float
    high: float
    fpr: float
    n_identified: int
    n_false_alarms: int


def ppv_nonmembers_needed(fpr: float, *, confidence: float = 0.95) -> int:
    """Return the number of non-members from which a precision at `fpr` has an interval.

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
    >>> from mia_sklearn.stats import ppv_nonmembers_needed
    >>> [ppv_nonmembers_needed(fpr) for fpr in (0.1, 0.01)]
    [45, 472]
    """
    # The upper end spends half of its error on the true-positive rate.
    return nonmembers_needed(fpr, confidence=(1 + check_level(confidence, "confidence")) / 2)


def ppv_interval(
    member_scores: Any,
    nonmember_scores: Any,
    fpr: float = 0.01,
    prior: float = 0.5,
    *,
    confidence: float = 0.95,
) -> Precision:
    r"""Estimate how many of those whom an attack names are members, with an interval.

    What is estimated is :math:`\pi R / (\pi R + (1 - \pi) F)` at the lowest threshold that
    names a share F of at most `fpr` of non-members: R is the share of members named there, and
    :math:`\pi`, the `prior`, the share of members among the candidates that an attacker meets.

    Parameters
    ----------
    member_scores, nonmember_scores : array-like of shape (n,)
        Scores, higher means member. How many there are of each says nothing of the prior.
    fpr : float, default=0.01
        The false-positive rate allowed, in (0, 1).
    prior : float, default=0.5
        The share of members among candidates, in (0, 1).
    confidence : float, default=0.95
        Two-sided confidence.

    Returns
    -------
    Precision
        `low` and `high` are NaN with fewer non-members than `ppv_nonmembers_needed`.

    Raises
    ------
    ValueError
        If scores are empty or not finite, or a level lies outside (0, 1).

    Notes
    -----
    The lower end takes the lower end of `tpr_interval` and F = `fpr`, which F never exceeds.
    The upper end takes the upper end of `tpr_interval` at half of its error; the other half
    pays for how far ties push F below `fpr`. The tie that is left out there is hardly larger
    than the Clopper-Pearson limit of the largest one that is seen, and what lies above it is
    hardly less than the limit of what is seen above it.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.stats import ppv_interval
    >>> members, nonmembers = np.arange(500, 1500), np.arange(1000)
    >>> [round(x, 3) for x in ppv_interval(members, nonmembers, 0.1, prior=0.5)[:3]]
    [0.857, 0.844, 0.877]
    >>> [round(x, 3) for x in ppv_interval(members, nonmembers, 0.1, prior=0.01)[:3]]
    [0.057, 0.052, 0.067]
    """
    members = check_scores(member_scores, "member_scores")
    nonmembers = np.sort(check_scores(nonmember_scores, "nonmember_scores"))[::-1]
    fpr, prior = check_level(fpr, "fpr"), check_level(prior, "prior")
    error = 1 - check_level(confidence, "confidence")
    point = tpr_interval(members, nonmembers, fpr, confidence=confidence)
    halved = tpr_interval(members, nonmembers, fpr, confidence=1 - error / 2)
    value = _precision(point.tpr, point.fpr, prior)
    counts = point.fpr, point.n_identified, point.n_false_alarms
    if np.isnan(halved.high):
        return Precision(value, np.nan, np.nan, *counts)
    low = _precision(point.low, fpr, prior)
    high = _precision(halved.high, _least_fpr(nonmembers, fpr, error / 4), prior)
    return Precision(value, low, high, *counts)


def _precision(tpr: float, fpr: float, prior: float) -> float:
    named = prior * tpr + (1 - prior) * fpr
    return prior * tpr / named if named > 0 else np.nan


def _least_fpr(nonmembers: np.ndarray, fpr: float, error: float) -> float:
    """Return a lower limit of the share above the tie that passes `fpr`; scores are descending."""
    n = len(nonmembers)
    # The tie lies between Y(k), as for the upper end of the true-positive rate, and Y(j).
    k = int(_first(lambda x: bdtrc(x, n, fpr) <= _THRESHOLD_SHARE * error, (), n)) + 1
    j = int(_first(lambda x: bdtr(x, n, fpr) > error / 4, (), n))
    highest = nonmembers[nonmembers >= nonmembers[k - 1]]
    largest = int(np.unique(highest, return_counts=True)[1].max())
    tie = betaincinv(largest + 1, n - largest, 1 - error / 2) if largest < n else 1.0
    above = np.count_nonzero(nonmembers > nonmembers[j - 1]) if j else 0
    least = betaincinv(above, n - above + 1, error / 4) if above else 0.0
    return max(0.0, fpr - float(tie), float(least))
