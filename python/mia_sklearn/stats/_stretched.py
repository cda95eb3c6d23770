"""Trade-off curves of one shape: a guarantee, and weaker and stronger ones like it."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from ._epsilon import check_delta
from ._trade_off import TradeOff, gaussian_dp_epsilon

__all__ = ["gaussian_misses", "stretched", "stretched_epsilon", "stretched_misses"]

_NORMAL = NormalDist()
# Points of a curve, in standard deviations of rates of false alarms; what lies beyond them has
# rates that are not told from 0 and 1.
_LOW, _STEP, _N = -9.0, 0.01, 1801
# Epsilons of a stretched curve; between them it allows a little more than it should.
_EPSILONS = np.append(0.0, np.geomspace(0.01, 200, 250))
# How far a curve lies from guessing, at most, where it allows everything.
_FARTHEST = 40.0


def stretched(guarantee: TradeOff, factor: float) -> TradeOff:
    r"""Return a guarantee of the same shape that leaves an attacker more, or less.

    Parameters
    ----------
    guarantee : TradeOff
    factor : float
        At least 0. 1 changes nothing, and 0 leaves guessing.

    Returns
    -------
    TradeOff

    Raises
    ------
    ValueError
        If `factor` is negative or not finite.

    Notes
    -----
    With both rates read as quantiles of the normal distribution, the ceiling of the members found
    lies some way above the false alarms; at each rate of these it is moved to `factor` times as
    far. Of Gaussian differential privacy mu is multiplied by it.

    Examples
    --------
    >>> from mia_sklearn.stats import TradeOff, stretched
    >>> stretched(TradeOff.gaussian(1.0), 2).mu
    2.0
    >>> half = stretched(TradeOff.of([(0.5, 0.1), (1, 0.02), (2, 1e-4)]), 0.5)
    >>> round(half.epsilon(1e-5), 2)
    1.28
    """
    if not 0 <= factor < math.inf:
        raise ValueError(f"`factor` must be at least 0 and finite, got {factor!r}.")
    if factor == 1:
        return guarantee
    claim = f"{guarantee.claim}, stretched {factor:.3g} times"
    if guarantee.mu is not None:
        return TradeOff(mu=factor * guarantee.mu, claim=claim)
    at = _points()
    found, alarms = ndtr(at + factor * _distances(guarantee)), ndtr(at)
    deltas = np.array([np.max(found - np.exp(e) * alarms) for e in _EPSILONS.tolist()])
    deltas = np.clip(deltas, 0, np.nextafter(1, 0))
    return TradeOff(np.column_stack([_EPSILONS, deltas]), claim=claim)


def stretched_epsilon(guarantee: TradeOff, factor: float, delta: float) -> float:
    """Return the epsilon at a delta of a guarantee that is stretched.

    Parameters
    ----------
    guarantee : TradeOff
    factor : float
        At least 0.
    delta : float
        In (0, 1).

    Returns
    -------
    float

    Examples
    --------
    >>> from mia_sklearn.stats import TradeOff, gaussian_dp_epsilon, stretched_epsilon
    >>> stretched_epsilon(TradeOff.gaussian(1.0), 2, 1e-5) == gaussian_dp_epsilon(2.0, 1e-5)
    True
    """
    delta = check_delta(delta)
    if guarantee.mu is not None:
        return gaussian_dp_epsilon(factor * guarantee.mu, delta)
    if factor == 1:
        return guarantee.epsilon(delta)
    if math.isinf(factor):
        return math.inf
    at = _points()
    found, alarms = ndtr(at + factor * _distances(guarantee)), ndtr(at)

    def beyond(epsilon: float) -> float:
        return float(np.max(found - math.exp(epsilon) * alarms)) - delta

    if beyond(0.0) <= 0:
        return 0.0
    # Below the least rate of alarms that is told from 0 nothing is seen.
    high = float(-np.log(alarms[0]))
    return float(brentq(beyond, 0, high, xtol=1e-9)) if beyond(high) < 0 else math.inf


def stretched_misses(guarantee: TradeOff) -> Callable[[float], Callable[[float], float]]:
    """Return what makes of a factor the curve as tests read it: false alarms at members found."""
    if guarantee.mu is not None:
        mu = guarantee.mu
        return lambda factor: gaussian_misses(factor * mu)
    distances = _distances(guarantee).tolist()

    def of(factor: float) -> Callable[[float], float]:
        def misses(found: float) -> float:
            if found >= 1:
                return 1.0
            if found <= 0:
                return 0.0
            at = -_NORMAL.inv_cdf(found)
            place = min(max((at - _LOW) / _STEP, 0.0), _N - 1.001)
            number = int(place)
            share = place - number
            distance = (1 - share) * distances[number] + share * distances[number + 1]
            return _NORMAL.cdf(-at - factor * distance)

        return misses

    return of


def gaussian_misses(mu: float) -> Callable[[float], float]:
    """Return the least share of false alarms at which a share of members is found."""

    def misses(found: float) -> float:
        if found >= 1:
            return 1.0
        return _NORMAL.cdf(_NORMAL.inv_cdf(found) - mu) if found > 0 else 0.0

    return misses


def _points() -> np.ndarray:
    return _LOW + _STEP * np.arange(_N)


def _distances(guarantee: TradeOff) -> np.ndarray:
    """Return how far members found lie above false alarms, both as quantiles."""
    at = _points()
    far = np.clip(ndtri(guarantee.ceiling(ndtr(at))) - at, 0.0, _FARTHEST)
    # Beyond the last of its pairs a curve allows their delta at no false alarms at all: what is
    # not known there is no shape to be stretched.
    slopes, starts = guarantee.slopes, guarantee.starts
    kinks = ndtri(-np.diff(starts) / np.diff(slopes))
    for kink, beyond in ((kinks[-1], at < kinks[-1]), (kinks[0], at > kinks[0])):
        far[beyond] = np.minimum(far[beyond], np.interp(kink, at, far))
    return far
