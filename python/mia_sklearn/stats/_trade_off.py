"""Trade-off curves: what a guarantee of differential privacy leaves an attacker."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr, ndtri

from ._epsilon import check_delta

__all__ = ["TradeOff", "gaussian_dp_epsilon", "gaussian_dp_mu"]

# Where an accountant is asked: deltas, or epsilons where it takes those.
_DELTAS = (
    *(0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.06, 0.03, 0.01),
    *(3e-3, 1e-3, 3e-4, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9),
)
# So dense that an epsilon read between two of these is right to .001.
_EPSILONS = np.concatenate(
    [np.linspace(0, 1, 201), np.linspace(1.02, 20, 950), np.geomspace(20.3, 60, 70)]
)


class TradeOff:
    """The least rate of misses that a guarantee leaves at each rate of false alarms.

    The guarantee is one of (epsilon, delta)-differential privacy, several of them at once (the
    profile of an accountant), or Gaussian differential privacy. Make one by `approximate`,
    `gaussian` or `of`.

    Parameters
    ----------
    pairs : array-like of shape (n_pairs, 2), default=None
        Epsilons and deltas that hold all at once.
    mu : float, default=None
        In place of them, the mu of Gaussian differential privacy.
    claim : str, default=""
        The guarantee in words; by default its numbers.

    Attributes
    ----------
    pairs : ndarray of shape (n_pairs, 2) or None
    mu : float or None
    claim : str
    slopes, starts : ndarray
        Of pairs, the lines whose least is the ceiling, by slope.

    See Also
    --------
    guesses_p_value : Whether right guesses refute the guarantee.

    Notes
    -----
    The guarantee holds for neighbours both ways, so that the curve is symmetric. Each pair says
    that misses are at least 1 - delta - exp(epsilon) times the false alarms, and the same with
    the two exchanged: the curve is the largest of these lines. From finitely many pairs it lies
    below the true one and stays valid.

    References
    ----------
    .. [1] J. Dong, A. Roth and W. Su, "Gaussian Differential Privacy", JRSS B, 2022.

    Examples
    --------
    >>> from mia_sklearn.stats import TradeOff
    >>> claim = TradeOff.approximate(1.0, 1e-5)
    >>> claim.claim, round(float(claim.ceiling(0.01)), 4)
    ('(1, 1e-05)-differential privacy', 0.0272)
    >>> round(float(TradeOff.gaussian(1.0).ceiling(0.01)), 4)
    0.0924
    """

    def __init__(self, pairs: Any = None, *, mu: float | None = None, claim: str = "") -> None:
        if (pairs is None) == (mu is None):
            raise ValueError("Give a TradeOff either pairs of epsilon and delta, or mu.")
        self.mu, self.pairs = mu, None
        if pairs is not None:
            self.pairs = _checked(pairs)
            epsilon, delta = self.pairs.T
            # The most members found is at most the least of these lines in the false alarms. The
            # greatest slope belongs to the greatest epsilon.
            slopes = np.concatenate([[0.0], np.exp(-epsilon), np.exp(epsilon)])
            starts = np.concatenate([[1.0], 1 - np.exp(-epsilon) * (1 - delta), delta])
            self.slopes, self.starts = _lower_hull(slopes, starts)
        elif not (isinstance(mu, (int, float, np.floating)) and 0 <= mu < math.inf):
            raise ValueError(f"`mu` must be a number of at least 0, got {mu!r}.")
        self.claim = claim or self._in_words()

    @classmethod
    def approximate(cls, epsilon: float, delta: float = 0.0) -> TradeOff:
        """Return the curve of (epsilon, delta)-differential privacy.

        Parameters
        ----------
        epsilon : float
            At least 0.
        delta : float, default=0.0
            In [0, 1).

        Returns
        -------
        TradeOff
        """
        return cls([(epsilon, delta)])

    @classmethod
    def gaussian(cls, mu: float) -> TradeOff:
        """Return the curve of Gaussian differential privacy: to tell N(0, 1) from N(mu, 1).

        Parameters
        ----------
        mu : float
            At least 0; the distance of two neighbours' means in standard deviations of the noise.

        Returns
        -------
        TradeOff
        """
        return cls(mu=mu)

    @classmethod
    def of(cls, dp: Any) -> TradeOff:
        """Return the curve of a guarantee, however it is given.

        Parameters
        ----------
        dp : pair, list of pairs, TradeOff, dict, or accountant
            A pair is (epsilon, delta), and several hold all at once. An accountant has
            `get_delta_for_epsilon` (a privacy-loss distribution of dp-accounting), `get_delta`
            (an accountant of dp-accounting), `get_epsilon` (Opacus: "prv", "rdp", "gdp") or
            `total` (diffprivlib). A dict is what `as_dict` returns.

        Returns
        -------
        TradeOff

        Raises
        ------
        TypeError
            If it is nothing of that; a plain number, which may be an epsilon or a mu, included.
        ValueError
            If an epsilon or a delta is out of range.
        """
        if isinstance(dp, cls):
            return dp
        if isinstance(dp, Mapping):
            return cls(dp.get("pairs"), mu=dp.get("mu"), claim=str(dp.get("claim", "")))
        profile = _profile_of(dp)
        if profile is not None:
            return cls(profile, claim=f"what {type(dp).__name__} accounts for")
        try:
            pairs = np.asarray(dp.total() if hasattr(dp, "total") else dp, dtype=np.float64)
        except (TypeError, ValueError):
            pairs = np.empty(0)
        if pairs.shape == (2,):
            return cls.approximate(*pairs.tolist())
        if pairs.ndim == 2 and pairs.shape[1] == 2 and len(pairs):
            return cls(pairs, claim=f"{len(pairs)} pairs of epsilon and delta")
        raise TypeError(
            "A guarantee is a pair (epsilon, delta), a list of such pairs, an accountant, or "
            f"TradeOff.gaussian(mu); got {dp!r:.80}."
        )

    def _in_words(self) -> str:
        if self.pairs is None:
            return f"Gaussian differential privacy with mu {self.mu:g}"
        if len(self.pairs) > 1:
            return f"{len(self.pairs)} pairs of epsilon and delta"
        ((epsilon, delta),) = self.pairs.tolist()
        return f"({epsilon:g}, {delta:g})-differential privacy"

    def as_dict(self) -> dict[str, Any]:
        """Return the curve as plain values, which `of` reads.

        Returns
        -------
        dict
        """
        if self.pairs is None:
            return {"claim": self.claim, "mu": self.mu}
        return {"claim": self.claim, "pairs": self.pairs.tolist()}

    def __call__(self, fpr: Any) -> Any:
        """Return the least rate of misses at a rate of false alarms.

        Parameters
        ----------
        fpr : float or array-like
            In [0, 1].

        Returns
        -------
        float or ndarray
        """
        return 1 - self.ceiling(fpr)

    def ceiling(self, fpr: Any) -> Any:
        """Return the most members that can be identified at a rate of false alarms.

        Parameters
        ----------
        fpr : float or array-like
            In [0, 1].

        Returns
        -------
        float or ndarray
            The rate.
        """
        fpr = np.asarray(fpr, dtype=np.float64)
        if self.mu is not None:
            # At 0 and 1 the quantile is infinite, and the rate 0 and 1.
            return ndtr(ndtri(fpr) + self.mu)
        return np.min(self.starts + self.slopes * fpr[..., None], axis=-1)

    def delta(self, epsilon: Any) -> Any:
        """Return the delta that the guarantee gives at an epsilon.

        Parameters
        ----------
        epsilon : float or array-like

        Returns
        -------
        float or ndarray
        """
        epsilon = np.asarray(epsilon, dtype=np.float64)
        if self.mu is not None:
            return _gaussian_delta(self.mu, epsilon)
        return np.interp(np.exp(epsilon), self.slopes, self.starts)

    def epsilon(self, delta: float) -> float:
        """Return the epsilon that the guarantee gives at a delta.

        Parameters
        ----------
        delta : float

        Returns
        -------
        float
            Infinity where it gives none.
        """
        delta = check_delta(delta)
        if self.mu is not None:
            return gaussian_dp_epsilon(self.mu, delta)
        if delta < self.starts[-1]:
            return math.inf
        slope = float(np.interp(delta, self.starts[::-1], self.slopes[::-1]))
        return max(0.0, math.log(slope)) if slope > 0 else 0.0

    def twice(self) -> TradeOff:
        """Return the curve for two steps between neighbours: one record put in another's place.

        Returns
        -------
        TradeOff
            Where records added or removed are what the guarantee counts, that of a replaced one.
        """
        claim = f"{self.claim}, taken twice"
        if self.mu is not None:
            return TradeOff(mu=2 * self.mu, claim=claim)
        epsilon, delta = np.asarray(self.pairs).T
        # A delta of 1 would be no guarantee, and is not told from the number below it.
        deltas = np.minimum(np.nextafter(1, 0), delta * (1 + np.exp(epsilon)))
        return TradeOff(np.column_stack([2 * epsilon, deltas]), claim=claim)

    def __repr__(self) -> str:
        return f"<TradeOff of {self.claim}>"


def gaussian_dp_epsilon(mu: float, delta: float) -> float:
    """Return the epsilon at a delta of Gaussian differential privacy.

    Parameters
    ----------
    mu : float
        At least 0.
    delta : float
        In [0, 1).

    Returns
    -------
    float
        Infinity at delta 0, unless mu is 0.

    Raises
    ------
    ValueError
        If mu is negative or delta out of range.

    Examples
    --------
    >>> from mia_sklearn.stats import gaussian_dp_epsilon
    >>> round(gaussian_dp_epsilon(1.0, 1e-5), 3)
    4.377
    """
    delta = check_delta(delta)
    if not mu >= 0:
        raise ValueError(f"`mu` must be at least 0, got {mu!r}.")
    if mu == 0 or _gaussian_delta(mu, 0.0) <= delta:
        return 0.0
    if delta == 0 or math.isinf(mu):
        return math.inf
    high = 1.0
    while _gaussian_delta(mu, high) > delta:
        high *= 2
    return float(brentq(lambda epsilon: _gaussian_delta(mu, epsilon) - delta, 0, high, xtol=1e-12))


def gaussian_dp_mu(epsilon: float, delta: float) -> float:
    """Return the mu of the Gaussian differential privacy that has this epsilon at a delta.

    Parameters
    ----------
    epsilon : float
        At least 0.
    delta : float
        In (0, 1).

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If epsilon is negative or infinite, or delta out of range.

    Examples
    --------
    >>> from mia_sklearn.stats import gaussian_dp_mu
    >>> round(gaussian_dp_mu(4.377, 1e-5), 3)
    1.0
    """
    if not 0 <= epsilon < math.inf:
        raise ValueError(f"`epsilon` must be at least 0 and finite, got {epsilon!r}.")
    if check_delta(delta) == 0:
        raise ValueError("`delta` must be above 0: at 0 no Gaussian mechanism has an epsilon.")
    high = 1.0
    while _gaussian_delta(high, epsilon) < delta:
        high *= 2
    return float(
        brentq(lambda mu: _gaussian_delta(mu, epsilon) - delta, 1e-12, high, xtol=1e-12)
        if _gaussian_delta(1e-12, epsilon) < delta
        else 0.0
    )


def _gaussian_delta(mu: float, epsilon: Any) -> Any:
    if mu == 0:
        return np.maximum(0.0, -np.expm1(epsilon))
    # The second term's logarithm: exp(epsilon) alone would overflow.
    left = -epsilon / mu
    return ndtr(left + mu / 2) - np.exp(epsilon + log_ndtr(left - mu / 2))


def _checked(pairs: Any) -> np.ndarray:
    pairs = np.asarray(pairs, dtype=np.float64)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not len(pairs):
        raise ValueError(f"Pairs of epsilon and delta are needed, got shape {pairs.shape}.")
    epsilon, delta = pairs.T
    if not (np.isfinite(epsilon) & (epsilon >= 0)).all():
        raise ValueError(f"Each epsilon must be at least 0 and finite, got {epsilon.tolist()}.")
    if not ((delta >= 0) & (delta < 1)).all():
        raise ValueError(f"Each delta must lie in [0, 1), got {delta.tolist()}.")
    # A pair that another one implies says nothing.
    order = np.lexsort([delta, epsilon])
    least = np.minimum.accumulate(delta[order])
    new = np.append(True, least[1:] < least[:-1])
    return pairs[order][new]


def _profile_of(accountant: Any) -> np.ndarray | None:
    """Return pairs of epsilon and delta that an accountant gives; None where it is none."""
    for name in ("get_delta_for_epsilon", "get_delta"):
        if hasattr(accountant, name):
            ask = getattr(accountant, name)
            deltas = np.array([float(ask(epsilon)) for epsilon in _EPSILONS.tolist()])
            pairs = np.column_stack([_EPSILONS, deltas])
            break
    else:
        if not hasattr(accountant, "get_epsilon"):
            return None
        epsilons = [_asked_at(accountant, delta) for delta in _DELTAS]
        pairs = np.column_stack([epsilons, _DELTAS])
    pairs = np.maximum(pairs, 0.0)[np.isfinite(pairs[:, 0]) & (pairs[:, 1] < 1)]
    if not len(pairs):
        raise ValueError(f"{type(accountant).__name__} gives no finite epsilon at any delta.")
    return pairs


def _asked_at(accountant: Any, delta: float) -> float:
    try:
        with np.errstate(divide="ignore"):  # Opacus' "prv" takes a logarithm of 0.
            return float(accountant.get_epsilon(delta))
    except ValueError:
        # Opacus' "gdp" looks for a root, and a delta that asks for no epsilon has none.
        return math.nan


def _lower_hull(slopes: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lines that are the least one anywhere, by slope.

    The delta at a slope is the lower convex hull of these points.
    """
    hull: list[tuple[float, float]] = []
    order = np.lexsort([starts, slopes])
    for x, y in zip(slopes[order].tolist(), starts[order].tolist(), strict=True):
        if hull and y >= hull[-1][1]:
            continue
        while len(hull) > 1:
            (x0, y0), (x1, y1) = hull[-2:]
            if (y1 - y0) * (x - x1) < (y - y1) * (x1 - x0):
                break
            hull.pop()
        hull.append((x, y))
    return tuple(np.array(hull).T)
