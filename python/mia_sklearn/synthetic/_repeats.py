"""Records that one table repeats and the other does not, as oversampling makes them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..stats import excess_risk
from ._tables import LEAST_ROWS, Tables

__all__ = ["Repeats", "once_each", "repeated"]

# One pair of random parts of a set in so many is said to differ in how often records repeat.
_SURELY = 0.999
# Where more of the other table's records repeat, equal records are no copies of one.
_COARSE = 0.1


@dataclass(frozen=True)
class Repeats:
    """Whether one of training records and control repeats its records more often.

    Attributes
    ----------
    more : {"X_train", "X_control"} or None
        The table that does.
    once : bool
        Whether each record counts once.
    n_train, n_control : int
        Rows that repeat an earlier one of their table.
    usual : float
        The share of records of the other table that are not alone there, in a part as large as the
        smaller table.
    """

    more: str | None
    once: bool
    n_train: int
    n_control: int
    usual: float


def once_each(tables: Tables) -> tuple[Tables, Repeats]:
    """Return the tables with each record once, where one of them surely repeats its records more.

    A record that oversampling repeats is one person: ten attacks on it are one, and what is true
    of that person alone singles them out. Where records repeat alike in both tables, as coarse ones
    do, equal records are different people, and all count.
    """
    sides = (tables.train, tables.control)
    first = [_first(side.ranks) for side in sides]
    n_more = [len(side) - len(kept) for side, kept in zip(sides, first, strict=True)]
    most = min(map(len, sides))
    rng = np.random.default_rng(0)
    # More records have more company: parts of one size are compared.
    counts = [int(repeated(side.ranks[rng.permutation(len(side))[:most]]).sum()) for side in sides]
    usual = min(counts) / most
    # Pairs, since no record repeats alone.
    pairs = [(n // 2, most // 2) for n in counts]
    surely = [
        excess_risk(*these, *those, confidence=_SURELY).low for these, those in (pairs, pairs[::-1])
    ]
    more = next(
        (name for name, low in zip(("X_train", "X_control"), surely, strict=True) if low > 0), None
    )
    once = more is not None and usual <= _COARSE and min(map(len, first)) >= LEAST_ROWS
    if once:
        train, control = (side.take(rows) for side, rows in zip(sides, first, strict=True))
        tables = replace(tables, train=train, control=control)
    n_train, n_control = n_more
    return tables, Repeats(more, once, n_train, n_control, usual)


def repeated(ranks: np.ndarray) -> np.ndarray:
    """Tell of each row whether there is another one like it."""
    of_row, counts = np.unique(ranks, axis=0, return_inverse=True, return_counts=True)[1:]
    return counts[of_row.reshape(-1)] > 1


def _first(ranks: np.ndarray) -> np.ndarray:
    """Return the first of all rows that are equal."""
    return np.sort(np.unique(ranks, axis=0, return_index=True)[1])
