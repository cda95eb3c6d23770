"""Tests of guarantees that may stop at any time: bets on who was in, won where they are broken."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import expit, logit, ndtr, ndtri

from ._trade_off import TradeOff

__all__ = ["BettingTests"]

# Thresholds among which each bet is chosen, and points of a curve at which bets are laid.
_N_THRESHOLDS = 48
_LOGITS, _STEP = np.linspace(-14, 14, 121, retstep=True)
# No bet before so many scores, then bets are laid anew whenever so many times as many have come.
_FIRST, _MORE = 20, 1.15
_FINE = np.linspace(-1, 1, 17)
# Rates are taken to tell less than they did, by so many standard errors.
_CAUTION = 1.0


class BettingTests:
    r"""Bet on scores against several guarantees, one by one as the scores come.

    Each guarantee has a capital of 1. Before each score it bets on a threshold, chosen on the
    scores before: that scores beyond it come with the record, and others without, more often than
    the guarantee allows. If the guarantee is true the capital does not grow on average, so that
    it ever reaches :math:`1/\alpha` with probability at most :math:`\alpha`, whenever one stops.

    Parameters
    ----------
    guarantees : sequence of TradeOff

    Attributes
    ----------
    log_capital, log_peak : ndarray of shape (n_guarantees,)
        Logarithm of the capital now, and of the largest so far: an e-value of each guarantee.
    n_scores : int

    Notes
    -----
    Whether the record was in is to be drawn by a fair coin each time, whatever went before. Where
    scores beyond the threshold have had the rates (a, b) with and without the record, and (a', b')
    is the point nearest to them (in relative entropy) that the guarantee allows, the capital is
    multiplied by a/a' or (1 - a)/(1 - a') with the record and by b/b' or (1 - b)/(1 - b') without,
    divided by the largest mean that any rates allowed by the guarantee give: whatever
    the point and the rates, the mean is at most 1.

    References
    ----------
    .. [1] T. González et al., "Sequentially Auditing Differential Privacy", 2025,
       arXiv 2509.07055.
    .. [2] G. Shafer, "Testing by Betting", JRSS A, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.stats import BettingTests, TradeOff
    >>> rng = np.random.default_rng(0)
    >>> tests = BettingTests([TradeOff.gaussian(1.0), TradeOff.gaussian(3.0)])
    >>> for _ in range(500):
    ...     member = rng.uniform() < 0.5
    ...     tests.add(member, rng.normal() + 2 * member)
    >>> (tests.log_peak > np.log(20)).tolist()
    [True, False]
    """

    def __init__(self, guarantees: Sequence[TradeOff]) -> None:
        self.guarantees = list(guarantees)
        fpr = expit(_LOGITS)
        fpr = np.broadcast_to(fpr, (len(self.guarantees), len(fpr)))
        self._ceilings = ceilings_of(self.guarantees)
        # A point at the very edge would bet all.
        tpr = np.clip(self._ceilings(fpr), 1e-9, 1 - 1e-9)
        self._fpr, self._logs = fpr, np.log(np.stack([tpr, 1 - tpr, fpr, 1 - fpr]))
        self.log_capital = np.zeros(len(self.guarantees))
        self.log_peak = np.zeros(len(self.guarantees))
        self.n_scores = 0
        self._next = _FIRST
        self._with: list[float] = []
        self._without: list[float] = []
        # What is bet now: the threshold, whether low scores speak for the record, and by what the
        # capital is multiplied (logarithms): record in or not, score beyond the threshold or not.
        self._threshold = np.zeros(len(self.guarantees))
        self._low = np.zeros(len(self.guarantees), dtype=bool)
        self._gains = np.zeros((len(self.guarantees), 2, 2))

    def add(self, member: bool, score: float) -> None:
        """Settle the bets on a score, and lay the next.

        Parameters
        ----------
        member : bool
            Whether the record was in.
        score : float
            Finite.
        """
        beyond = (score >= self._threshold) != self._low
        each = np.arange(len(self.guarantees))
        self.log_capital += self._gains[each, int(not member), (~beyond).astype(int)]
        np.maximum(self.log_peak, self.log_capital, out=self.log_peak)
        (self._with if member else self._without).append(float(score))
        self.n_scores += 1
        if self.n_scores >= self._next:
            self._next = int(np.ceil(_MORE * self.n_scores))
            self._bet()

    def _bet(self) -> None:
        """Choose thresholds and gains by the scores so far."""
        self._gains[:] = 0
        thresholds = _between(np.array(self._with + self._without))
        if not (self._with and self._without and len(thresholds)):
            return
        found, alarms, low = _cautious(np.sort(self._with), np.sort(self._without), thresholds)
        rates = np.column_stack([found, 1 - found, alarms, 1 - alarms])
        # How far each pair of rates is from each point of each curve, less its own entropy.
        distance = -(rates @ self._logs.reshape(4, -1)).reshape(len(rates), *self._fpr.shape)
        nearest = distance.argmin(axis=-1)
        growth = np.take_along_axis(distance, nearest[..., None], -1)[..., 0]
        growth += (rates * np.log(rates)).sum(axis=1)[:, None]
        # Rates that a guarantee allows are no ground for a bet.
        every = np.broadcast_to(alarms, (len(self.guarantees), len(alarms)))
        growth[found[:, None] <= self._ceilings(every).T] = 0
        best = growth.argmax(axis=0)
        each = np.arange(len(self.guarantees))
        betting = growth[best, each] > 0
        self._threshold, self._low = thresholds[best], low[best]
        tpr, fpr = nearest_points(rates[best], self._fpr[each, nearest[best, each]], self._ceilings)
        for j in np.flatnonzero(betting):
            self._gains[j] = gains(rates[best[j]], (tpr[j], fpr[j]), self.guarantees[j])


def ceilings_of(guarantees: Sequence[TradeOff]) -> Callable[[np.ndarray], np.ndarray]:
    """Return what reads all curves at once, each at its own row of rates of alarms."""
    sizes = np.array([0 if g.pairs is None else len(g.slopes) for g in guarantees])
    mu = np.array([g.mu or 0.0 for g in guarantees])[:, None]
    lines = []
    for size in set(sizes[sizes > 0].tolist()):
        rows = np.flatnonzero(sizes == size).tolist()
        slopes = np.array([guarantees[j].slopes for j in rows])[:, None]
        starts = np.array([guarantees[j].starts for j in rows])[:, None]
        lines.append((rows, slopes, starts))

    def ceilings(fpr: np.ndarray) -> np.ndarray:
        tpr = np.empty(fpr.shape)
        gaussian = sizes == 0
        tpr[gaussian] = ndtr(ndtri(fpr[gaussian]) + mu[gaussian])
        for rows, slopes, starts in lines:
            tpr[rows] = np.min(starts + slopes * fpr[rows][..., None], axis=-1)
        return tpr

    return ceilings


def _between(scores: np.ndarray) -> np.ndarray:
    """Return thresholds between scores that occurred, spread over their ranks."""
    values = np.unique(scores)
    middles = values[:-1] + np.diff(values) / 2
    if len(middles) <= _N_THRESHOLDS:
        return middles
    # By ranks of all scores, more of them at both ends.
    ranks = expit(np.linspace(-6, 6, _N_THRESHOLDS))
    return np.unique(middles[np.round(ranks * (len(middles) - 1)).astype(int)])


def _cautious(
    scores_with: np.ndarray, scores_without: np.ndarray, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rates of scores beyond each threshold with and without the record, and on which side.

    Beyond is above, or below where low scores speak for the record. The rates are drawn towards
    each other by what they are unsure of.
    """
    above = []
    for scores in (scores_with, scores_without):
        n_above = len(scores) - np.searchsorted(scores, thresholds, side="left")
        above.append((n_above + 0.5) / (len(scores) + 1))
    found, alarms = above
    low = found < alarms
    found, alarms = np.where(low, 1 - found, found), np.where(low, 1 - alarms, alarms)
    found = found - _CAUTION * np.sqrt(found * (1 - found) / (len(scores_with) + 1))
    alarms = alarms + _CAUTION * np.sqrt(alarms * (1 - alarms) / (len(scores_without) + 1))
    return np.clip(found, 1e-9, 1 - 1e-9), np.clip(alarms, 1e-9, 1 - 1e-9), low


def nearest_points(
    rates: np.ndarray, about: np.ndarray, ceilings: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the point of each curve that is nearest to its rates, found about a rate of alarms.

    A bet's tangent is as exact as this point: what it is off costs the bet much of its gain.
    """
    step = _STEP
    each = np.arange(len(rates))
    for _ in range(5):
        fpr = expit(logit(about)[:, None] + step * _FINE)
        tpr = np.clip(ceilings(fpr), 1e-9, 1 - 1e-9)
        distance = -np.einsum("jr,rjp->jp", rates, np.log(np.stack([tpr, 1 - tpr, fpr, 1 - fpr])))
        nearest = distance.argmin(axis=1)
        about, step = fpr[each, nearest], step / 8
    return tpr[each, nearest], about


def gains(rates: np.ndarray, point: tuple[float, float], guarantee: TradeOff) -> np.ndarray:
    """Return the logarithms of what a bet brings: record in or not, score beyond or not."""
    tpr, fpr = point
    gain = (rates / np.array([tpr, 1 - tpr, fpr, 1 - fpr])).reshape(2, 2)
    hit, lost = gain[0, 0] - gain[0, 1], gain[1, 1] - gain[1, 0]
    if hit <= 0 or lost <= 0:
        return np.zeros((2, 2))
    # The largest mean under the guarantee: it lies on the tangent of this slope.
    mean = (gain[:, 1].sum() + hit * guarantee.delta(np.log(lost / hit))) / 2
    return np.log(gain / mean)
