"""How much more often an attack succeeds on the records it is about than on others."""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.special import ndtri

from ._checks import check_level
from ._paired import Difference

__all__ = ["excess_risk"]

# Ratios of failures, as logarithms, between which limits are sought.
_LEAST, _MOST = -40.0, 40.0
_ROUNDING = 1e-9


def excess_risk(
    successes: int, n: int, control: int, n_control: int, *, confidence: float = 0.95
) -> Difference:
    """Estimate the risk above control: the share of failures that the attack's access undoes.

    Parameters
    ----------
    successes, n : int
        Attacks that succeeded, and all, on records that the attack is about.
    control, n_control : int
        The same of attacks on other records of the same population.
    confidence : float, default=0.95
        Two-sided confidence.

    Returns
    -------
    Difference
        :math:`(p_1 - p_0) / (1 - p_0)` of the two rates: 0 where the attack does as well on
        others, 1 where it never fails; below 0 where it does worse. All NaN where no attack on
        other records failed: nothing is left that could be worse.

    Raises
    ------
    ValueError
        If a count lies beyond its total, or a total is 0.

    Notes
    -----
    One less the risk is the ratio of two shares, of failures, whose limits invert the score test
    [1]_. They hold 0 exactly where that test finds no difference between the two rates; records
    are the units, one attack on each.

    References
    ----------
    .. [1] O. Miettinen and M. Nurminen, "Comparative Analysis of Two Rates", Statistics in
       Medicine 1985.

    Examples
    --------
    >>> from mia_sklearn.stats import excess_risk
    >>> found = excess_risk(60, 200, 20, 200)
    >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
    (0.222, 0.142, 0.302)
    """
    for count, total in ((successes, n), (control, n_control)):
        if not 0 <= count <= total or total == 0:
            raise ValueError(f"{count} of {total} attacks cannot have succeeded.")
    z = float(ndtri(0.5 + check_level(confidence, "confidence") / 2))
    fails, control_fails = n - successes, n_control - control
    if control_fails == 0:
        return Difference(math.nan, math.nan, math.nan)
    ratio = (fails / n) / (control_fails / n_control)

    def score(log_ratio: float) -> float:
        return _score(math.exp(log_ratio), fails, n, control_fails, n_control)

    low, high = 0.0, math.exp(brentq(lambda log: score(log) + z, _LEAST, _MOST))
    if fails:
        low = math.exp(brentq(lambda log: score(log) - z, _LEAST, _MOST))
    return Difference(1 - ratio, 1 - max(high, ratio), 1 - min(low, ratio))


def _score(ratio: float, fails: int, n: int, control_fails: int, n_control: int) -> float:
    """Return by how many standard errors the shares of failures differ from a ratio."""
    both = n + n_control
    # The likeliest share of the control's failures under that ratio.
    a, b = both * ratio, -(n * ratio + fails + n_control + control_fails * ratio)
    c = fails + control_fails
    share = 2 * c / (-b + math.sqrt(max(b * b - 4 * a * c, 0.0)))
    first = min(share * ratio, 1.0)
    variance = first * (1 - first) / n + ratio**2 * share * (1 - share) / n_control
    # Where neither side could be otherwise, rounding must not decide.
    error = math.sqrt(variance * both / (both - 1) + _ROUNDING / both)
    return (fails / n - ratio * control_fails / n_control) / error
