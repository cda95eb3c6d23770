"""Whether a synthetic table holds copies of training records, exact ones and near ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import hypergeom, poisson

from ._copies import found_in
from ._nearest import nearest, nearest_others
from ._tables import Table, Tables

__all__ = ["NEAR", "CopyTest", "copy_test", "occur_once"]

# A near copy is at most so far from the record, in its distance from the nearest other record.
NEAR = 0.1
_VERY_NEAR = 0.01
# Counts that an extrapolation to rarer things starts from.
_FEW, _SOME = 5, 20
# Share of the growth of counts with the distance that is trusted: few counts tell of it.
_TRUSTED = 0.75
_CELLS = 2**24


@dataclass(frozen=True)
class CopyTest:
    """How many records of each side are copied, of those that occur once on both.

    Attributes
    ----------
    n_train, n_control : int
        Records that occur once among the training records and the control.
    exact_train, exact_control : int
        Those that stand in the synthetic table with all their values.
    near_train, near_control : int
        Those that a synthetic row is nearer to than `NEAR` times the nearest other record; exact
        copies among them.
    rows : ndarray of int
        The training records that are copied, exact copies first.
    p_value : float
        Of the hypothesis that the generator favours no side: at most a share p of independent
        tables has one of p or less.
    """

    n_train: int
    n_control: int
    exact_train: int
    exact_control: int
    near_train: int
    near_control: int
    rows: np.ndarray
    p_value: float


def copy_test(tables: Tables) -> CopyTest:
    """Test whether more training records are copied than coincidence copies of the control.

    Two questions, each asked of exact copies and of near ones, share the level. First, Fisher's
    exact test: were the copied records a random draw from both sides? It assumes nothing else, and
    can say little of a few copies: one copied record lies in either side alike. So, second: how
    many copies would there be by coincidence? Of exact ones that is extrapolated from how many
    columns differ between synthetic rows and the control, of near ones from the distances of the
    control; fewer pairs are taken to agree the more they have to agree in, as it is seen of the
    control, at a rate that does not slow down.
    """
    once = occur_once([tables.train, tables.control])
    n_train, n_control = (int(side.sum()) for side in once)
    if min(n_train, n_control) < _SOME:
        return CopyTest(n_train, n_control, 0, 0, 0, 0, np.empty(0, dtype=np.intp), 1.0)
    exact = [
        found_in(side, tables.synthetic)[kept]
        for side, kept in zip((tables.train, tables.control), once, strict=True)
    ]
    shares = _shares(tables, once)
    counts = [
        [int((each | (share <= most)).sum()) for each, share in zip(exact, shares, strict=True)]
        for most in (-1.0, _VERY_NEAR, NEAR)
    ]
    chance = _equal_by_chance(tables) * n_train / len(tables.train)
    each = [_fisher(*counts[0], n_train, n_control), _fisher(*counts[-1], n_train, n_control)]
    for most, (in_train, _) in zip((0.0, _VERY_NEAR, NEAR), counts, strict=True):
        expected = chance + _near_by_chance(shares[1], most) * n_train / n_control
        each.append(float(poisson.sf(in_train - 1, expected)))
    order = np.argsort(~exact[0], kind="stable")
    copied = (exact[0] | (shares[0] <= NEAR))[order]
    return CopyTest(
        n_train,
        n_control,
        *counts[0],
        *counts[-1],
        np.flatnonzero(once[0])[order][copied],
        min(1.0, len(each) * min(each)),
    )


def occur_once(tables: Sequence[Table]) -> list[np.ndarray]:
    """Tell which records of some tables have no equal in any of them.

    Of the others nothing tells which of several equal ones a generator has seen.
    """
    ranks = np.concatenate([table.ranks for table in tables])
    of_row, counts = np.unique(ranks, axis=0, return_inverse=True, return_counts=True)[1:]
    ends = np.cumsum([len(table) for table in tables])[:-1]
    return np.split(counts[of_row.reshape(-1)] == 1, ends)


def _shares(tables: Tables, once: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return how far the nearest synthetic row is, as a share of the nearest other record."""
    sides = (tables.train, tables.control)
    records = np.concatenate([side.scaled for side in sides])
    rows = np.flatnonzero(np.concatenate(once))
    others = nearest_others(records, rows)
    far = nearest(records[rows], tables.synthetic.scaled)[0][:, 0]
    # Records that differ beyond the range of the synthetic table alone are apart by nothing.
    shares = np.divide(far, others, out=np.full(len(rows), np.inf), where=others > 0)
    return np.split(shares, [int(once[0].sum())])


def _fisher(in_train: int, in_control: int, n_train: int, n_control: int) -> float:
    n = n_train + n_control
    return float(hypergeom.sf(in_train - 1, n, n_train, in_train + in_control))


def _equal_by_chance(tables: Tables) -> float:
    """Return how many pairs of a synthetic row and a training record would be equal by chance."""
    synthetic, control = tables.synthetic.ranks, tables.control.ranks
    width = synthetic.shape[1]
    most = max(100, int((_CELLS / width) ** 0.5))
    rng = np.random.default_rng(0)
    rows, others = (table[rng.permutation(len(table))[:most]] for table in (synthetic, control))
    differing = np.zeros((len(rows), len(others)), dtype=np.int32)
    for own, their in zip(rows.T, others.T, strict=True):
        differing += own[:, np.newaxis] != their
    counts = np.bincount(differing.reshape(-1), minlength=width + 1)
    enough = np.flatnonzero(counts[:width] >= _FEW)
    start = int(enough[0]) if len(enough) else width - 1
    count = max(int(counts[start]), 1)
    rate = min(1.0, count / max(int(counts[start + 1]), 1))
    pairs = len(tables.synthetic) * len(tables.train)
    return count * rate**start * pairs / differing.size


def _near_by_chance(shares: np.ndarray, most: float) -> float:
    """Return how many records of the control would have a share of at most `most`."""
    shares = np.sort(shares[np.isfinite(shares)])
    if len(shares) < _SOME:
        return float(len(shares))
    near = shares[_FEW - 1]
    if near <= most:
        return float((shares <= most).sum())
    n_near = (shares <= near).sum()
    beyond = shares[max(_SOME, n_near + 1) - 1 :]
    farther = beyond[beyond > near]
    if not len(farther):
        return float(n_near)
    growth = np.log((shares <= farther[0]).sum() / n_near) / np.log(farther[0] / near)
    return float(n_near * (most / near) ** (_TRUSTED * growth))
