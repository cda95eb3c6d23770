"""The balanced accuracy of a classifier, with an interval."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri

from ._advantage import wilson_interval
from ._checks import check_level

__all__ = ["BalancedAccuracy", "balanced_accuracy_interval"]


class BalancedAccuracy(NamedTuple):
    """The mean over classes of the share of records that are recognised.

    Attributes
    ----------
    value : float
    low, high : float
        Ends of the confidence interval.
    """

    value: float
    low: float
    high: float


def balanced_accuracy_interval(
    y_true: Any, y_pred: Any, *, groups: Any = None, confidence: float = 0.95
) -> BalancedAccuracy:
    r"""Estimate the balanced accuracy of guesses, with an interval.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_records,)
        Labels, and guesses that were made without them.
    groups : array-like of shape (n_records,), default=None
        Whom each record belongs to; of several records of one person only their number of people
        is independent. By default each record is someone else's.
    confidence : float, default=0.95
        Two-sided confidence.

    Returns
    -------
    BalancedAccuracy

    Raises
    ------
    ValueError
        If lengths differ or there is no record.

    Notes
    -----
    Wilson's intervals of the classes' shares, whose half widths are added as squares, as Newcombe
    does for a difference. With groups, the m_g records of a group are taken to be recognised
    or missed all together: the class counts as :math:`(\sum m_g)^2 / \sum m_g^2` records, which
    is the fewest that it can be worth.

    Examples
    --------
    >>> from mia_sklearn.stats import balanced_accuracy_interval
    >>> found = balanced_accuracy_interval([0] * 60 + [1] * 20, [0] * 45 + [1] * 35)
    >>> [round(end, 3) for end in found]
    [0.875, 0.774, 0.921]
    """
    z = float(ndtri(0.5 + check_level(confidence, "confidence") / 2))
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    groups = np.arange(len(y_true)) if groups is None else np.asarray(groups)
    if not len(y_true) or not y_true.shape == y_pred.shape == groups.shape:
        raise ValueError(
            "`y_true`, `y_pred` and `groups` must be one-dimensional, of one length and not "
            f"empty, got shapes {y_true.shape}, {y_pred.shape} and {groups.shape}."
        )
    right = y_true == y_pred
    shares = []
    for label in np.unique(y_true):
        own = y_true == label
        sizes = np.unique(groups[own], return_counts=True)[1]
        worth = sizes.sum() ** 2 / (sizes**2).sum()
        shares.append(wilson_interval(right[own].mean() * worth, worth, z))
    value, low, high = np.array(shares, dtype=np.float64).T
    n = len(shares)
    return BalancedAccuracy(
        float(value.mean()),
        max(0.0, float(value.mean() - np.linalg.norm(value - low) / n)),
        min(1.0, float(value.mean() + np.linalg.norm(high - value) / n)),
    )
