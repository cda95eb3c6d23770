"""Those whom an attack is surest of."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.utils import check_random_state

from ..stats._checks import check_level
from ._rates import Estimate
from ._sides import members_and_others


def top_n(y_score: Any, n: int, *, random_state: Any = 0) -> np.ndarray:
    """Call the n candidates with the highest scores members, as LOGAN does.

    Parameters
    ----------
    y_score : array-like of shape (n_candidates,)
        Scores, higher means member.
    n : int
        How many to call members.
    random_state : int, RandomState instance or None, default=0
        Draws among candidates that tie for the last places, so that none is favoured by where it
        stands.

    Returns
    -------
    ndarray of bool of shape (n_candidates,)
        True for n candidates.

    Raises
    ------
    ValueError
        If `n` is no whole number between 1 and the number of candidates, or a score is NaN.

    References
    ----------
    .. [1] J. Hayes et al., "LOGAN: Membership Inference Attacks Against Generative Models",
       PoPETs 2019, section 4.

    Examples
    --------
    >>> from mia_sklearn.metrics import top_n
    >>> top_n([0.1, 0.9, 0.4, 0.7], 2).tolist()
    [False, True, False, True]
    """
    scores = np.asarray(y_score, dtype=np.float64)
    if scores.ndim != 1 or np.isnan(scores).any():
        raise ValueError(
            f"y_score must hold one number per candidate, NaN for none, got shape {scores.shape}."
        )
    if not isinstance(n, Integral) or not 1 <= n <= len(scores):
        raise ValueError(
            f"n must be a whole number from 1 to the number of candidates, {len(scores)}, got "
            f"{n!r}."
        )
    order = check_random_state(random_state).permutation(len(scores))
    chosen = np.zeros(len(scores), dtype=bool)
    chosen[order[np.argsort(-scores[order], kind="stable")[:n]]] = True
    return chosen


def precision_at_n(
    y_true: Any,
    y_score: Any,
    n: int | None = None,
    *,
    confidence: float = 0.95,
    random_state: Any = 0,
) -> Estimate:
    """Share of members among the n candidates with the highest scores.

    Parameters
    ----------
    y_true : array-like of shape (n_records,)
        Membership: two labels, the larger one means member.
    y_score : array-like of shape (n_records,)
        Scores, higher means member.
    n : int, default=None
        How many candidates are called members; as many as there are by default.
    confidence : float, default=0.95
        Two-sided confidence of the interval.
    random_state : int, RandomState instance or None, default=0
        Breaks ties, see `top_n`.

    Returns
    -------
    Estimate
        With Clopper and Pearson's interval of the precision to be expected at these scores.
        Guessing gives the share of members.

    Raises
    ------
    ValueError
        If lengths differ, there are not two labels, scores are not finite, `n` exceeds the
        candidates, or `confidence` lies outside (0, 1).

    Notes
    -----
    The interval takes the scores as given and membership as drawn record by record. How many of
    the n are members then varies no more than a binomial number with the same mean [1]_, so that
    the confidence is the nominal one at least.

    References
    ----------
    .. [1] W. Hoeffding, "On the Distribution of the Number of Successes in Independent Trials",
       Annals of Mathematical Statistics 27, 1956.

    Examples
    --------
    >>> from mia_sklearn.metrics import precision_at_n
    >>> print(precision_at_n([0] * 100 + [1] * 100, range(200)))
    1.000 [0.964, 1.000]
    """
    members, nonmembers = members_and_others(y_true, y_score)
    is_member = np.repeat([True, False], [len(members), len(nonmembers)])
    n = len(members) if n is None else n
    check_level(confidence, "confidence")
    called = top_n(np.concatenate([members, nonmembers]), n, random_state=random_state)
    hits = int(np.count_nonzero(called & is_member))
    within = binomtest(hits, n).proportion_ci(confidence)
    return Estimate(
        hits / n,
        float(within.low),
        float(within.high),
        len(members),
        len(nonmembers),
        f"at the {n:,} highest scores; guessing gives {is_member.mean():.3f}",
        (n - hits) / len(nonmembers),
        hits,
        n - hits,
    )
