"""Whether a synthetic table holds copies of training records, exact ones and near ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import hypergeom, poisson

from ._copies import found_in
from ._nearest import nearest, nearest_others
from ._tables import Table, Tables

__all__ = ["CopyTest", "copy_test", "occur_once"]

# Counts of shares fall no faster than with this power: they slow down in the thick of the records.
_FASTEST = 2.0
# How far a near copy is from the record, as a share of the nearest other record's distance.
_NEAR, _VERY_NEAR = 0.1, 0.03
# Counts that an extrapolation to rarer things starts from.
_FEW, _SOME = 5, 50
# Pairs that are closest to being equal, at least and as a share.
_CLOSE, _CLOSE_SHARE = 1000, 0.05
_LEAST = 20
_CELLS = 2**22


@dataclass(frozen=True)
class CopyTest:
    """How many records of each side are copied.

    Attributes
    ----------
    n_train : int
        Different training records that have no equal in the control.
    n_control : int
        Records of the control that occur once, there and among the training records.
    exact_train, exact_control : int
        Those that stand in the synthetic table with all their values.
    near_train, near_control : int
        Others that a synthetic row is ten times nearer to than any other record is.
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
    if min(n_train, n_control) < _LEAST:
        return CopyTest(n_train, n_control, 0, 0, 0, 0, np.empty(0, dtype=np.intp), 1.0)
    found = [found_in(side, tables.synthetic) for side in (tables.train, tables.control)]
    exact = [side[kept] for side, kept in zip(found, once, strict=True)]
    shares = _shares(tables, once, exact)
    n_exact = [int(side.sum()) for side in exact]
    n_near = [int((side <= _NEAR).sum()) for side in shares]
    # Of several equal ones, too, which have none in the control, a copy is one of somebody.
    alone = _first_alone(tables)
    copied = alone & found[0]
    chance = _equal_by_chance(tables) * alone.sum() / len(tables.train)
    n_any = [n_exact[side] + n_near[side] for side in (0, 1)]
    others = [_fisher(each, n_train, n_control) for each in (n_exact, n_any)]
    for share in (float(shares[0].min()), _VERY_NEAR):
        expected = _near_by_chance(shares[1], share) * n_train / n_control
        others.append(float(poisson.sf((shares[0] <= share).sum() - 1, expected)))
    # Half of the level is for exact copies that coincidence does not explain.
    p_value = 2 * min(float(poisson.sf(copied.sum() - 1, chance)), len(others) * min(others))
    near = np.flatnonzero(once[0])[shares[0] <= _NEAR]
    return CopyTest(
        int(alone.sum()),
        n_control,
        int(copied.sum()),
        n_exact[1],
        n_near[0],
        n_near[1],
        np.concatenate([np.flatnonzero(copied), near]),
        min(1.0, p_value),
    )


def _first_alone(tables: Tables) -> np.ndarray:
    """Tell which training records have no equal in the control, nor before them."""
    ranks = np.concatenate([tables.control.ranks, tables.train.ranks])
    n = len(tables.control)
    first = np.zeros(len(ranks), dtype=bool)
    first[np.unique(ranks, axis=0, return_index=True)[1]] = True
    return first[n:]


def occur_once(tables: Sequence[Table]) -> list[np.ndarray]:
    """Tell which records of some tables have no equal in any of them.

    Of the others nothing tells which of several equal ones a generator has seen.
    """
    ranks = np.concatenate([table.ranks for table in tables])
    of_row, counts = np.unique(ranks, axis=0, return_inverse=True, return_counts=True)[1:]
    ends = np.cumsum([len(table) for table in tables])[:-1]
    return np.split(counts[of_row.reshape(-1)] == 1, ends)


def _shares(
    tables: Tables, once: Sequence[np.ndarray], exact: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Return how far the nearest synthetic row is, as a share of the nearest other record.

    Infinite where nothing can be said: of exact copies, and of records that are apart from others
    by nothing, because they differ beyond the range of the synthetic table alone.
    """
    records = np.concatenate([side.scaled for side in (tables.train, tables.control)])
    rows = np.flatnonzero(np.concatenate(once))
    others = nearest_others(records, rows)
    far = nearest(records[rows], tables.synthetic.scaled)[0][:, 0]
    told = (others > 0) & ~np.concatenate(exact)
    shares = np.divide(far, others, out=np.full(len(rows), np.inf), where=told)
    return np.split(shares, [len(exact[0])])


def _fisher(counts: list[int], n_train: int, n_control: int) -> float:
    (in_train, in_control), n = counts, n_train + n_control
    return float(hypergeom.sf(in_train - 1, n, n_train, in_train + in_control))


def _equal_by_chance(tables: Tables) -> float:
    """Return how many pairs of a synthetic row and a training record would be equal by chance.

    Read off the pairs of synthetic rows and records of the control, as the number that would agree
    in all columns but one, times the share of those next to that who agree in that one too; the
    least of these over columns, since any of them may be the one that makes records unlike.
    """
    synthetic, control = tables.synthetic.ranks, tables.control.ranks
    width = synthetic.shape[1]
    most = max(100, int((_CELLS / width) ** 0.5))
    rng = np.random.default_rng(0)
    rows, others = (table[rng.permutation(len(table))[:most]] for table in (synthetic, control))
    differing = np.zeros((len(rows), len(others)), dtype=np.int32)
    for own, their in zip(rows.T, others.T, strict=True):
        differing += own[:, np.newaxis] != their
    pairs = len(tables.synthetic) * len(tables.train) / differing.size
    expected = [_extrapolated(differing, width)]
    for own, their in zip(rows.T, others.T, strict=True):
        agree = own[:, np.newaxis] == their
        elsewhere = differing - ~agree
        counts = np.cumsum(np.bincount(elsewhere.reshape(-1), minlength=width))
        enough = max(_CLOSE, int(_CLOSE_SHARE * differing.size))
        close = elsewhere <= np.searchsorted(counts, min(enough, differing.size))
        share = ((agree & close).sum() + 1) / (close.sum() + 1)
        expected.append(_extrapolated(elsewhere, width - 1) * share)
    return min(expected) * pairs


def _extrapolated(differing: np.ndarray, width: int) -> float:
    """Return how many pairs would differ nowhere, at the rate at which fewer differ in less."""
    counts = np.bincount(differing.reshape(-1), minlength=width + 1)
    if width == 0:
        return float(counts[0])
    enough = np.flatnonzero(counts[:width] >= _FEW)
    start = int(enough[0]) if len(enough) else width - 1
    count = max(int(counts[start]), 1)
    rate = min(1.0, count / max(int(counts[start + 1]), 1))
    return count * rate**start


def _near_by_chance(shares: np.ndarray, most: float) -> float:
    """Return how many records of the control would have a share of at most `most`.

    All, where nearly all are exact copies, so that too few are left to tell.
    """
    n = len(shares)
    shares = np.sort(shares[np.isfinite(shares)])
    if len(shares) < 2 * _FEW or not np.isfinite(most):
        return float(n)
    near = shares[_FEW - 1]
    if near <= most:
        return float((shares <= most).sum())
    n_near = (shares <= near).sum()
    beyond = shares[min(_SOME, len(shares) // 2) - 1 :]
    farther = beyond[beyond > near]
    if not len(farther):
        return float(n_near)
    growth = np.log((shares <= farther[0]).sum() / n_near) / np.log(farther[0] / near)
    return float(n_near * (most / near) ** min(growth, _FASTEST))
