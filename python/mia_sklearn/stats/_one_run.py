"""What right guesses after one training refute: trade-off curves, Gaussian ones above all."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from sklearn.utils import check_random_state

from ._checks import check_counts, check_level, check_scores
from ._epsilon import N_TRIES, epsilon_p_value, guesses_tried
from ._stretched import gaussian_misses, stretched_misses
from ._trade_off import TradeOff

__all__ = [
    "gaussian_dp_bound",
    "guesses_p_value",
    "one_run_mu",
    "one_run_p_value",
    "one_run_stretch",
    "stretch_bound",
]

# Curves whose rates of false alarms stand at what they allow are stretched no farther.
_LARGEST_STRETCH = 1e6
# p-values are not told apart below it.
_LEAST_P = 1e-9


def gaussian_dp_bound(
    n_records: int, n_guesses: int, n_right: int, *, confidence: float = 0.95
) -> float:
    """Return the mu of Gaussian differential privacy that right guesses at even odds rule out.

    Parameters
    ----------
    n_records : int
        Records whose membership was drawn, those without a guess included.
    n_guesses : int
        Guesses made; how many must not depend on the memberships.
    n_right : int
        Guesses that were right.
    confidence : float, default=0.95
        One-sided confidence.

    Returns
    -------
    float
        Under Gaussian differential privacy with a smaller mu so many right guesses have a
        probability of at most `1 - confidence`. 0 where nothing is shown.

    Raises
    ------
    ValueError
        If the counts do not satisfy 0 <= right <= guesses <= records.

    See Also
    --------
    gaussian_dp_epsilon : The epsilon of a mu.
    epsilon_bound : Assumes nothing of the training.

    Notes
    -----
    It assumes a trade-off of the Gaussian kind, as Gaussian noise and DP-SGD have it. Of other
    mechanisms with the same epsilon it says nothing: of randomised response it exceeds the truth.

    References
    ----------
    .. [1] S. Mahloujifar, L. Melis and K. Chaudhuri, "Auditing f-Differential Privacy in One
       Run", 2024, arXiv 2410.22235.

    Examples
    --------
    >>> from mia_sklearn.stats import gaussian_dp_bound, gaussian_dp_epsilon
    >>> mu = gaussian_dp_bound(1000, 95, 90)
    >>> round(gaussian_dp_bound(1000, 100, 95), 4), bool(gaussian_dp_epsilon(mu, 1e-5) < 3.3)
    (0.7868, True)
    """
    counts = check_counts(n_records, n_guesses, n_right)
    return _largest(gaussian_misses, counts, 1 - check_level(confidence, "confidence"))


def stretch_bound(
    n_records: int,
    n_guesses: int,
    n_right: int,
    guarantee: TradeOff,
    *,
    confidence: float = 0.95,
) -> float:
    """Return how far a guarantee has to be stretched to allow so many right guesses.

    Parameters
    ----------
    n_records, n_guesses, n_right : int
        As of `gaussian_dp_bound`.
    guarantee : TradeOff
    confidence : float, default=0.95
        One-sided confidence.

    Returns
    -------
    float
        The largest factor at which the guarantee, as `stretched` has it, is refuted: above 1 where
        it is refuted itself, 0 where nothing is shown.

    Raises
    ------
    ValueError
        If the counts do not satisfy 0 <= right <= guesses <= records.

    See Also
    --------
    guesses_p_value : That of the guarantee itself.

    Notes
    -----
    Above 1 it refutes the guarantee and takes nothing else for granted. As a measure of what is
    true instead it takes the shape of the curve for that of the guarantee.

    Examples
    --------
    >>> from mia_sklearn.stats import TradeOff, stretch_bound
    >>> guarantee = TradeOff.of([(0, 0.2), (0.5, 0.1), (1, 0.02), (2, 1e-4)])
    >>> round(stretch_bound(1000, 100, 85, guarantee), 2)
    0.69
    >>> stretch_bound(1000, 100, 99, guarantee) > 1
    True
    """
    counts = check_counts(n_records, n_guesses, n_right)
    return _largest(stretched_misses(guarantee), counts, 1 - check_level(confidence, "confidence"))


def guesses_p_value(
    n_records: int, n_guesses: int, n_right: int, trade_off: Callable[[float], float]
) -> float:
    """Return how likely so many right guesses at even odds are under a guarantee, at most.

    Parameters
    ----------
    n_records, n_guesses, n_right : int
        As of `gaussian_dp_bound`.
    trade_off : callable
        The least rate of misses at each rate of false alarms: a `TradeOff`, or another function,
        convex, decreasing, and symmetric.

    Returns
    -------
    float
        A p-value of the guarantee; 1 where nothing speaks against it. That of a single pair
        (epsilon, delta) is the one of `epsilon_bound`; others are not told apart below 1e-9.

    Raises
    ------
    ValueError
        If the counts do not satisfy 0 <= right <= guesses <= records.

    References
    ----------
    .. [1] S. Mahloujifar, L. Melis and K. Chaudhuri, "Auditing f-Differential Privacy in One
       Run", 2024, arXiv 2410.22235.

    Examples
    --------
    >>> from mia_sklearn.stats import TradeOff, guesses_p_value
    >>> guesses_p_value(1000, 100, 75, TradeOff.approximate(0.1, 1e-5)) < 0.001
    True
    >>> guesses_p_value(1000, 100, 75, TradeOff.gaussian(4))
    1.0
    """
    return _p_value(check_counts(n_records, n_guesses, n_right), trade_off)


def one_run_mu(
    member_scores: Any,
    nonmember_scores: Any,
    *,
    confidence: float = 0.95,
    membership_rate: float | None = None,
    random_state: Any = 0,
) -> float:
    """Return a lower bound on mu from one trained model, the choice of guesses paid for.

    Parameters
    ----------
    member_scores, nonmember_scores : array-like of shape (n,)
        Scores, higher means member.
    confidence : float, default=0.95
        One-sided confidence.
    membership_rate : float, default=None
        Probability with which each record was drawn into the training set; the share of members
        by default. Where it is not one half, records of the more frequent kind are left out at
        random, until both are as likely.
    random_state : int, RandomState or None, default=0
        Leaves records out and breaks ties of scores.

    Returns
    -------
    float
        The bound, 0 where nothing is shown.

    Raises
    ------
    ValueError
        If scores are empty or not finite, or a level is out of range.

    See Also
    --------
    gaussian_dp_epsilon : The epsilon of a mu.
    one_run_epsilon : Assumes nothing of the training; the same guesses are tried.

    Notes
    -----
    It assumes a Gaussian trade-off, see `gaussian_dp_bound`, and memberships drawn at random, see
    `one_run_epsilon`.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.stats import one_run_mu
    >>> rng = np.random.default_rng(0)
    >>> bound = one_run_mu(rng.normal(2, 1, 500), rng.normal(0, 1, 500))
    >>> 0.8 < bound < 2, one_run_mu(np.ones(50), np.ones(50))
    (True, 0.0)
    """
    tries = _at_even_odds(member_scores, nonmember_scores, membership_rate, random_state)
    return _best_of_tries(gaussian_misses, tries, confidence)


def one_run_stretch(
    member_scores: Any,
    nonmember_scores: Any,
    guarantee: TradeOff,
    *,
    confidence: float = 0.95,
    membership_rate: float | None = None,
    random_state: Any = 0,
) -> float:
    """Return how far a guarantee has to be stretched to allow the scores of one trained model.

    Parameters
    ----------
    member_scores, nonmember_scores : array-like of shape (n,)
        Scores, higher means member.
    guarantee : TradeOff
    confidence : float, default=0.95
        One-sided confidence.
    membership_rate : float, default=None
        As of `one_run_mu`.
    random_state : int, RandomState or None, default=0
        As of `one_run_mu`.

    Returns
    -------
    float
        As of `stretch_bound`, the choice of guesses paid for.

    Raises
    ------
    ValueError
        If scores are empty or not finite, or a level is out of range.

    See Also
    --------
    one_run_p_value : That of the guarantee itself.

    Notes
    -----
    Holds where memberships were drawn at random, see `one_run_epsilon`.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.stats import TradeOff, one_run_stretch
    >>> rng = np.random.default_rng(0)
    >>> scores = rng.normal(2, 1, 500), rng.normal(0, 1, 500)
    >>> one_run_stretch(*scores, TradeOff.gaussian(0.5)) > 1
    True
    """
    tries = _at_even_odds(member_scores, nonmember_scores, membership_rate, random_state)
    return _best_of_tries(stretched_misses(guarantee), tries, confidence)


def one_run_p_value(
    member_scores: Any,
    nonmember_scores: Any,
    trade_off: Callable[[float], float],
    *,
    membership_rate: float | None = None,
    random_state: Any = 0,
) -> float:
    """Return a p-value of a guarantee from one trained model, the choice of guesses paid for.

    Parameters
    ----------
    member_scores, nonmember_scores : array-like of shape (n,)
        Scores, higher means member.
    trade_off : callable
        As of `guesses_p_value`.
    membership_rate : float, default=None
        As of `one_run_mu`.
    random_state : int, RandomState or None, default=0
        As of `one_run_mu`.

    Returns
    -------
    float
        Small where the guarantee cannot be true; 1 where nothing speaks against it.

    Raises
    ------
    ValueError
        If scores are empty or not finite, or a level is out of range.

    Notes
    -----
    Holds where memberships were drawn at random, see `one_run_epsilon`.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.stats import TradeOff, one_run_p_value
    >>> rng = np.random.default_rng(0)
    >>> scores = rng.normal(2, 1, 500), rng.normal(0, 1, 500)
    >>> one_run_p_value(*scores, TradeOff.gaussian(0.5)) < 0.001
    True
    """
    least = 1.0
    for counts in _at_even_odds(member_scores, nonmember_scores, membership_rate, random_state):
        least = _p_value(counts, trade_off, least)
    return min(1.0, N_TRIES * least)


def _best_of_tries(family: Any, tries: Any, confidence: float) -> float:
    """Return the largest bound over the numbers of guesses, their choice paid for."""
    error = (1 - check_level(confidence, "confidence")) / N_TRIES
    best = 0.0
    for counts in tries:
        best = _largest(family, counts, error, best)
    return best


def _at_even_odds(
    member_scores: Any, nonmember_scores: Any, membership_rate: float | None, random_state: Any
) -> list[tuple[int, int, int]]:
    """Return counts of records, guesses and right ones, as they are tried, at even odds."""
    members = check_scores(member_scores, "member_scores")
    nonmembers = check_scores(nonmember_scores, "nonmember_scores")
    rng = check_random_state(random_state)
    if membership_rate is None:
        few = min(len(members), len(nonmembers))
        members, nonmembers = rng.permutation(members)[:few], rng.permutation(nonmembers)[:few]
    else:
        rate = check_level(membership_rate, "membership_rate")
        # Of what is kept, each record was as likely in as out, whatever the others are.
        members = members[rng.uniform(size=len(members)) < (1 - rate) / rate]
        nonmembers = nonmembers[rng.uniform(size=len(nonmembers)) < rate / (1 - rate)]
    m = len(members) + len(nonmembers)
    if m < 2:
        return [(m, 0, 0)]
    tried = guesses_tried(members, nonmembers, rng)
    return [(m, n_in + n_out, right) for n_in, n_out, right in tried]


def _p_value(
    counts: tuple[int, int, int], trade_off: Callable[[float], float], at_most: float = 1.0
) -> float:
    """Return the p-value of a guarantee, or `at_most` where it is larger."""
    pairs = getattr(trade_off, "pairs", None)
    if pairs is not None and len(pairs) == 1:
        return min(at_most, epsilon_p_value(*counts, *pairs[0].tolist()))
    mu = getattr(trade_off, "mu", None)
    misses = gaussian_misses(mu) if mu is not None else lambda found: float(trade_off(1 - found))
    if not _refuted(misses, counts, at_most):
        return at_most
    low, high = math.log(_LEAST_P), math.log(at_most)
    while high - low > 1e-3:
        middle = (low + high) / 2
        if _refuted(misses, counts, math.exp(middle)):
            high = middle
        else:
            low = middle
    return math.exp(high)


def _largest(
    family: Callable[[float], Callable[[float], float]],
    counts: tuple[int, int, int],
    error: float,
    at_least: float = 0.0,
) -> float:
    """Return the last of a family's curves that is refuted, or `at_least` where that is not."""
    if not _refuted(family(at_least), counts, error):
        return at_least
    low, step = at_least, 0.5
    while _refuted(family(low + step), counts, error):
        low += step
        step *= 2
        if low > _LARGEST_STRETCH:
            return math.inf
    high = low + step
    while high - low > 1e-6 * max(1.0, high):
        middle = (low + high) / 2
        if _refuted(family(middle), counts, error):
            low = middle
        else:
            high = middle
    return low


def _refuted(misses: Callable[[float], float], counts: tuple[int, int, int], error: float) -> bool:
    """Tell whether so many right guesses have less than this probability under a trade-off.

    `right` and `wrong` are lower bounds of shares of records: were the probability larger, those
    guessed rightly while i or more guesses are right, and those guessed wrongly meanwhile.
    Followed down to i = 0 both may not exceed the share on which a guess is made.
    """
    n_records, n_guesses, n_right = counts
    if not n_guesses:
        return False
    guessed = n_guesses / n_records
    mass = error * guessed
    right, wrong = mass * n_right / n_guesses, mass * (n_guesses - n_right) / n_guesses
    for i in range(n_right - 1, -1, -1):
        least = max(wrong, misses(right))
        right += i / (n_guesses - i) * (least - wrong)
        wrong = least
        # Both only grow.
        if right + wrong > guessed:
            return True
    return False
