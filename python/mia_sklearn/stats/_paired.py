"""Differences of shares measured on the same records, with intervals."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri

from ._checks import check_level

__all__ = ["Difference", "paired_difference", "unpaired_difference"]


class Difference(NamedTuple):
    """A difference with its interval.

    Attributes
    ----------
    value : float
    low, high : float
        Ends of the confidence interval.
    """

    value: float
    low: float
    high: float


def paired_difference(first: Any, second: Any, *, confidence: float = 0.95) -> Difference:
    """Estimate how much more often one thing holds than another, of the same records.

    Parameters
    ----------
    first, second : array-like of shape (n_records,), bool
        Whether each holds, record by record.
    confidence : float, default=0.95
        Two-sided confidence.

    Returns
    -------
    Difference
        Share of `first` less share of `second`, with the interval of Bonett and Price.

    Raises
    ------
    ValueError
        If the lengths differ or are 0, or `confidence` lies outside (0, 1).

    Notes
    -----
    Only records where the two differ count. The interval is Wald's after one more record of
    either kind of difference, so that it has a width even where no record differs.

    References
    ----------
    .. [1] D. Bonett and R. Price, "Adjusted Wald Confidence Interval for a Difference of
       Binomial Proportions Based on Paired Data", Journal of Educational and Behavioral
       Statistics 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.stats import paired_difference
    >>> found = paired_difference(np.arange(100) < 60, np.arange(100) < 50)
    >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
    (0.1, 0.034, 0.162)
    """
    first, second = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if first.ndim != 1 or first.shape != second.shape or len(first) == 0:
        raise ValueError(
            "`first` and `second` must be of one length, one entry per record; got shapes "
            f"{first.shape} and {second.shape}."
        )
    z = float(ndtri(0.5 + check_level(confidence, "confidence") / 2))
    n = len(first)
    more, less = int((first & ~second).sum()), int((second & ~first).sum())
    centre = (more - less) / (n + 2)
    half = z * math.sqrt(((more + less + 2) / (n + 2) - centre**2) / (n + 2))
    return Difference((more - less) / n, max(-1.0, centre - half), min(1.0, centre + half))


def unpaired_difference(one: Difference, other: Difference) -> Difference:
    """Subtract two estimates from samples that are independent of one another.

    Parameters
    ----------
    one, other : Difference
        With intervals of one confidence, which is the result's.

    Returns
    -------
    Difference
        With the limits that the distances to both estimates' own limits add up to, as squares.

    References
    ----------
    .. [1] G. Zou and A. Donner, "Construction of Confidence Limits about Effect Measures: A
       General Approach", Statistics in Medicine 2008.

    Examples
    --------
    >>> from mia_sklearn.stats import Difference, unpaired_difference
    >>> found = unpaired_difference(Difference(0.5, 0.2, 0.8), Difference(0.1, -0.3, 0.5))
    >>> tuple(round(float(number), 3) for number in found)
    (0.4, -0.1, 0.9)
    """
    value = one.value - other.value
    low = value - math.hypot(one.value - one.low, other.high - other.value)
    high = value + math.hypot(one.high - one.value, other.value - other.low)
    return Difference(value, low, high)
