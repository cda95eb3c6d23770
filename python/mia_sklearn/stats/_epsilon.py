"""Lower bounds on the epsilon of differential privacy, from one trained model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from scipy.special import betaincinv, expit, gammaln, logit, xlog1py, xlogy
from sklearn.utils import check_random_state

from ._checks import check_counts, check_level, check_scores

__all__ = ["epsilon_bound", "one_run_epsilon", "threshold_epsilon"]

# Shares of all records on which a guess is made; each is tried on both tails and on the top.
_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
N_TRIES = 2 * len(_SHARES)


def epsilon_bound(
    n_records: int,
    n_guesses: int,
    n_right: int,
    *,
    delta: float = 0.0,
    confidence: float = 0.95,
) -> float:
    """Return the epsilon that right guesses of membership at even odds rule out.

    Parameters
    ----------
    n_records : int
        Records whose membership was drawn, those without a guess included.
    n_guesses : int
        Guesses made; how many must not depend on the memberships.
    n_right : int
        Guesses that were right.
    delta : float, default=0.0
        The delta of (epsilon, delta)-differential privacy, in [0, 1).
    confidence : float, default=0.95
        One-sided confidence.

    Returns
    -------
    float
        A training with a smaller epsilon gives so many right guesses with probability at most
        `1 - confidence`. 0 where nothing is shown.

    Raises
    ------
    ValueError
        If the counts do not satisfy 0 <= right <= guesses <= records.

    References
    ----------
    .. [1] T. Steinke et al., "Privacy Auditing with One (1) Training Run", NeurIPS 2023.

    Examples
    --------
    >>> from mia_sklearn.stats import epsilon_bound
    >>> round(epsilon_bound(1000, 100, 75, delta=1e-4), 5)
    0.67298
    """
    n_records, n_guesses, n_right = check_counts(n_records, n_guesses, n_right)
    error = 1 - check_level(confidence, "confidence")
    return _Guesses(n_records, n_guesses, 0, n_right, 0.5, check_delta(delta)).bound(error)


def epsilon_p_value(
    n_records: int, n_guesses: int, n_right: int, epsilon: float, delta: float
) -> float:
    """Return the largest probability of so many right guesses under (epsilon, delta)."""
    return min(1.0, _Guesses(n_records, n_guesses, 0, n_right, 0.5, delta).p_value(epsilon))


def check_delta(delta: Any) -> float:
    """Return delta as a float after checking that it lies in [0, 1)."""
    if isinstance(delta, bool) or not isinstance(delta, Real) or not 0 <= float(delta) < 1:
        raise ValueError(f"`delta` must lie in [0, 1), got {delta!r}.")
    return float(delta)


def one_run_epsilon(
    member_scores: Any,
    nonmember_scores: Any,
    *,
    delta: float = 0.0,
    confidence: float = 0.95,
    membership_rate: float | None = None,
    random_state: Any = 0,
) -> float:
    """Return a lower bound on epsilon from one trained model, the choice of guesses paid for.

    The highest scores are guessed "in", and in half of the tries the lowest "out". Seven
    numbers of guesses times both ways give 14 bounds, each at a fourteenth of the error.

    Parameters
    ----------
    member_scores, nonmember_scores : array-like of shape (n,)
        Scores, higher means member.
    delta : float, default=0.0
        The delta of (epsilon, delta)-differential privacy, in [0, 1).
    confidence : float, default=0.95
        One-sided confidence.
    membership_rate : float, default=None
        Probability with which each record was drawn into the training set; the share of
        members by default.
    random_state : int, RandomState or None, default=0
        Breaks ties of scores: never by position, which may tell the membership.

    Returns
    -------
    float
        The bound, 0 where nothing is shown.

    Raises
    ------
    ValueError
        If scores are empty or not finite, or a level is out of range.

    Notes
    -----
    Holds where every record's membership was drawn independently of all else with probability
    `membership_rate`. A random subset of fixed size, as of `train_test_split`, is not quite
    that; the bound held for it in simulation. Where membership was not random (a split
    by time, whoever agreed) the bound means nothing.

    References
    ----------
    .. [1] T. Steinke et al., "Privacy Auditing with One (1) Training Run", NeurIPS 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.stats import one_run_epsilon
    >>> rng = np.random.default_rng(0)
    >>> bound = one_run_epsilon(rng.normal(2, 1, 500), rng.normal(0, 1, 500))
    >>> bool(2 < bound < 5), one_run_epsilon(np.ones(50), np.ones(50))
    (True, 0.0)
    """
    members = check_scores(member_scores, "member_scores")
    nonmembers = check_scores(nonmember_scores, "nonmember_scores")
    error = 1 - check_level(confidence, "confidence")
    delta = check_delta(delta)
    m = len(members) + len(nonmembers)
    if membership_rate is None:
        membership_rate = len(members) / m
    rate = check_level(membership_rate, "membership_rate")
    best = 0.0
    for n_in, n_out, right in guesses_tried(members, nonmembers, random_state):
        guesses = _Guesses(m, n_in, n_out, right, rate, delta)
        best = guesses.bound(error / N_TRIES, best)
    return best


def guesses_tried(
    members: np.ndarray, nonmembers: np.ndarray, random_state: Any
) -> Iterator[tuple[int, int, int]]:
    """Yield the guesses among which a one-run bound chooses.

    Yields
    ------
    n_in, n_out, n_right : int
        Highest scores guessed "in", lowest guessed "out", and how many of both are right.
    """
    m = len(members) + len(nonmembers)
    scores = np.concatenate([members, nonmembers])
    shuffled = check_random_state(random_state).permutation(m)
    order = shuffled[np.argsort(-scores[shuffled], kind="stable")]
    # Members found among the first k in order, for every k.
    found = np.concatenate([[0], np.cumsum(order < len(members))])
    for share in _SHARES:
        k = min(max(1, round(share * m / 2)), m // 2)
        right_in = int(found[k])
        right_out = k - int(found[m] - found[m - k])
        yield k, k, right_in + right_out
        yield k, 0, right_in


def threshold_epsilon(
    member_scores: Any,
    nonmember_scores: Any,
    *,
    delta: float = 0.0,
    confidence: float = 0.95,
    random_state: Any = 0,
) -> float:
    """Return an average-leak epsilon from the two error rates at one threshold.

    The threshold, and whether it is read from the members' or the non-members' side, is chosen
    on a random half of the scores; Clopper-Pearson limits of both rates on the other half
    give the bound.

    Parameters
    ----------
    member_scores, nonmember_scores : array-like of shape (n,)
        Scores, higher means member; at least two of each.
    delta : float, default=0.0
        The delta of (epsilon, delta)-differential privacy, in [0, 1).
    confidence : float, default=0.95
        One-sided confidence.
    random_state : int, RandomState or None, default=0
        Draws the halves.

    Returns
    -------
    float
        The bound, 0 where nothing is shown.

    Raises
    ------
    ValueError
        If scores are empty or not finite, one side has a single score, or a level is out of
        range.

    Notes
    -----
    Treats the records of one model as independent draws, which one training does not promise:
    it describes the average leak, where `one_run_epsilon` is a proper lower bound.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.stats import threshold_epsilon
    >>> rng = np.random.default_rng(0)
    >>> 1 < threshold_epsilon(rng.normal(2, 1, 500), rng.normal(0, 1, 500)) < 4
    True
    """
    members = check_scores(member_scores, "member_scores")
    nonmembers = check_scores(nonmember_scores, "nonmember_scores")
    error = 1 - check_level(confidence, "confidence")
    delta = check_delta(delta)
    if min(len(members), len(nonmembers)) < 2:
        raise ValueError("method='threshold' needs at least two members and two non-members.")
    rng = check_random_state(random_state)
    members, nonmembers = rng.permutation(members), rng.permutation(nonmembers)
    half_1, half_0 = len(members) // 2, len(nonmembers) // 2
    chosen = np.unique(np.concatenate([members[:half_1], nonmembers[:half_0]]))
    bounds = _rate_bounds(members[:half_1], nonmembers[:half_0], chosen, delta, error)
    side, best = np.unravel_index(np.argmax(bounds), bounds.shape)
    held_out = _rate_bounds(
        members[half_1:], nonmembers[half_0:], chosen[best : best + 1], delta, error
    )
    return max(0.0, float(held_out[side, 0]))


def _rate_bounds(
    members: np.ndarray, nonmembers: np.ndarray, thresholds: np.ndarray, delta: float, error: float
) -> np.ndarray:
    """Return log((rate of right answers - delta) / rate of wrong ones) for both answers."""
    n1, n0 = len(members), len(nonmembers)
    missed = np.searchsorted(np.sort(members), thresholds, side="left")
    cleared = np.searchsorted(np.sort(nonmembers), thresholds, side="left")
    result = np.full((2, len(thresholds)), -np.inf)
    pairs = ((n1 - missed, n1, n0 - cleared, n0), (cleared, n0, missed, n1))
    for side, (right, n_right, wrong, n_wrong) in enumerate(pairs):
        low, high = np.zeros(len(thresholds)), np.ones(len(thresholds))
        some, not_all = right > 0, wrong < n_wrong
        low[some] = betaincinv(right[some], n_right - right[some] + 1, error / 2)
        high[not_all] = betaincinv(wrong[not_all] + 1, n_wrong - wrong[not_all], 1 - error / 2)
        shown = low > delta
        result[side, shown] = np.log((low[shown] - delta) / high[shown])
    return result


class _Guesses(NamedTuple):
    """How many guesses of membership were made and were right."""

    n_records: int
    n_in: int
    n_out: int
    n_right: int
    rate: float
    delta: float

    def bound(self, error: float, at_least: float = 0.0) -> float:
        """Return the epsilon ruled out at this error, or `at_least` where that is not."""
        if self.rate == 0.5 and self.delta == 0:
            if self.n_right == 0:
                return at_least
            wrong = self.n_in + self.n_out - self.n_right
            return max(at_least, float(logit(betaincinv(self.n_right, wrong + 1, error))))
        if self.p_value(at_least) > error:
            return at_least
        low, step = at_least, 1.0
        while self.p_value(low + step) <= error:
            low += step
            step *= 2
        high = low + step
        while high - low > 1e-9 * max(1.0, high):
            middle = (low + high) / 2
            if self.p_value(middle) <= error:
                low = middle
            else:
                high = middle
        return low

    def p_value(self, eps: float) -> float:
        """Return the largest probability of so many right guesses under (eps, delta)."""
        # Privacy leaves each guess odds of at most e^eps times those before the training.
        if self.rate == 0.5:
            first, mass = _binomial(self.n_in + self.n_out, float(expit(eps)))
        else:
            first, mass = _binomial(self.n_in, float(expit(eps + logit(self.rate))))
        if self.rate != 0.5 and self.n_out:
            first_out, mass_out = _binomial(self.n_out, float(expit(eps - logit(self.rate))))
            first, mass = first + first_out, np.convolve(mass, mass_out)
        start = min(max(self.n_right - first, 0), len(mass))
        p = float(mass[start:].sum())
        if self.delta > 0 and start > 0:
            # Largest mean mass of the i values below `n_right`, over i.
            gap = max(0, self.n_right - first - len(mass))
            below = np.cumsum(mass[:start][::-1])
            means = below / np.arange(gap + 1, gap + start + 1)
            p += 2 * self.n_records * self.delta * float(means.max())
        return p


def _binomial(n: int, p: float) -> tuple[int, np.ndarray]:
    """Return a binomial distribution where it has mass: first value and probabilities."""
    reach = 12 * math.sqrt(n * p * (1 - p)) + 40
    first, last = max(0, math.floor(n * p - reach)), min(n, math.ceil(n * p + reach))
    k = np.arange(first, last + 1)
    ways = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return first, np.exp(ways + xlogy(k, p) + xlog1py(n - k, -p))
