"""Whether a list of exposed members holds more of them than it would of others."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state

__all__ = ["Listing", "list_members"]

_N_PERMUTATIONS = 1999
_SURE_AT = 0.01
# Of large audits the permutations take seconds, and a report is told more than once.
_REMEMBERED: dict[bytes, Listing] = {}
_MOST_REMEMBERED = 8


class Listing(NamedTuple):
    """Members listed at a false-discovery rate, and others at the same cut-off.

    Attributes
    ----------
    n_members, n_others : int
        Those whose p-values are at most the cut-off.
    of_members, of_others : int
        Those who have a p-value.
    p_value : float
        How often as large a surplus of members arises if p-values have nothing to do with
        membership; NaN where there are no others to compare with.
    """

    n_members: int
    n_others: int
    of_members: int
    of_others: int
    p_value: float

    @property
    def sure(self) -> bool:
        """Whether members are surely listed more often than others, at 1 %."""
        return self.p_value <= _SURE_AT


def list_members(
    p_values: np.ndarray, member: np.ndarray, q: float, random_state: Any = None
) -> Listing:
    """List members by Benjamini and Hochberg, and test whether others were listed as often.

    The rate of false discoveries rests on p-values that hold. Where they do not, others lie
    below the cut-off as often as members. The cut-off is chosen on the members, so that their
    share below it is too high by selection even then: the test draws who is a member anew and
    makes the list again each time. It is exact if the split is random and the p-values tell
    nothing of membership, however they depend on one another and whatever their law.

    Parameters
    ----------
    p_values : ndarray of shape (n_units,)
        NaN for those that have none.
    member : ndarray of bool of shape (n_units,)
    q : float
        False-discovery rate of the list.
    random_state : int, RandomState instance or None, default=None
        Draws 1,999 permutations.
    """
    p_values, member = np.asarray(p_values, dtype=float), np.asarray(member, dtype=bool)
    if not isinstance(random_state, (int, np.integer)):
        return _list_members(p_values, member, q, random_state)
    asked = hashlib.sha256(f"{q!r} {int(random_state)} {_N_PERMUTATIONS}".encode())
    asked.update(p_values.tobytes())
    asked.update(member.tobytes())
    key = asked.digest()
    found = _REMEMBERED.get(key) or _list_members(p_values, member, q, random_state)
    if key not in _REMEMBERED and len(_REMEMBERED) >= _MOST_REMEMBERED:
        _REMEMBERED.clear()
    _REMEMBERED[key] = found
    return found


def _list_members(p_values: np.ndarray, member: np.ndarray, q: float, random_state: Any) -> Listing:
    known = np.isfinite(p_values)
    inside = member[known]
    n, of_members = len(inside), int(inside.sum())
    # No cut-off lies above q.
    head = np.flatnonzero(p_values[known] <= q)
    order = head[np.argsort(p_values[known][head], kind="stable")]
    p, inside = p_values[known][order], inside[order]
    # The last of all that are equal: ties are listed together.
    last = np.searchsorted(p, p, side="right") - 1

    def counts(inside: np.ndarray) -> tuple[int, int]:
        upto = np.cumsum(inside)[last]
        # As `scipy.stats.false_discovery_control` computes it.
        found = np.flatnonzero(inside & (p * (of_members / np.maximum(upto, 1)) <= q))
        if not len(found):
            return 0, 0
        return int(upto[found[-1]]), int(last[found[-1]] + 1 - upto[found[-1]])

    listed, others = counts(inside)
    p_value = np.nan
    if listed and 0 < of_members < n:
        surplus = _surplus(listed, others, of_members, n)
        rng = check_random_state(random_state)
        as_large = 1
        for _ in range(_N_PERMUTATIONS):
            n_inside = rng.hypergeometric(of_members, n - of_members, len(p))
            drawn = counts(rng.permutation(np.arange(len(p)) < n_inside))
            # Sums of the same numbers in another order must count as equal.
            as_large += _surplus(*drawn, of_members, n) >= surplus - 1e-9
        p_value = as_large / (1 + _N_PERMUTATIONS)
    return Listing(listed, others, of_members, n - of_members, p_value)


def _surplus(listed: int, others: int, of_members: int, n: int) -> float:
    """Return by how many standard deviations the listed members outnumber their expectation."""
    total = listed + others
    if total in (0, n):
        return 0.0
    share = of_members / n
    spread = share * (1 - share) * total * (n - total) / max(1, n - 1)
    return float((listed - total * share) / np.sqrt(spread))
