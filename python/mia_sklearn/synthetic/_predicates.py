"""Predicates about a record: conditions on some of its columns that single it out, or may."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = [
    "Predicates",
    "distinct_rows",
    "matches",
    "of_combinations",
    "of_extremes",
    "random_ones",
]

# A rank above all others.
_TOP = np.iinfo(np.int32).max
_BATCH = 1000
# Of a table whose rows are seldom told apart by so few columns there are not enough predicates.
_MOST_BATCHES = 50
# Cells of a table of predicates by records that are held at once.
_AT_ONCE = 2**26
_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1).sum(axis=1)
_BITS = _BITS.astype(np.uint8)


@dataclass(frozen=True)
class Predicates:
    """Each says of some columns that their ranks lie between two ends, or at none of them.

    Attributes
    ----------
    places : ndarray of shape (n_predicates, n_conditions), int
        The column of each condition.
    low, high : ndarray of the same shape, int32
        Ends, both included; both -1 for a missing value.
    negated : ndarray of the same shape, bool
        Whether the rank must lie elsewhere, and not be missing.
    """

    places: np.ndarray
    low: np.ndarray
    high: np.ndarray
    negated: np.ndarray

    def __len__(self) -> int:
        return len(self.places)

    def take(self, rows: np.ndarray) -> Predicates:
        """Return some of them."""
        return Predicates(self.places[rows], self.low[rows], self.high[rows], self.negated[rows])

    def digests(self) -> np.ndarray:
        """Return a row of numbers for each, equal for equal predicates."""
        parts = (self.places, self.low, self.high, self.negated)
        return np.concatenate([part.astype(np.int64) for part in parts], axis=1)


def joined(parts: list[Predicates]) -> Predicates:
    """Return predicates of several kinds, one behind the other."""
    names = ("places", "low", "high", "negated")
    return Predicates(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


def distinct_rows(ranks: np.ndarray) -> np.ndarray:
    """Return a table without its repetitions."""
    return np.unique(ranks, axis=0)


def of_extremes(
    ranks: np.ndarray, ordered: np.ndarray, n: int, rng: np.random.Generator
) -> Predicates:
    """Return predicates on one column that exactly one row of a table satisfies.

    A value that occurs once; the largest and the smallest value where one row alone has it.

    Parameters
    ----------
    ranks : ndarray of shape (n_records, n_columns), int32
        Without repetitions.
    ordered : ndarray of shape (n_columns,), bool
        Whether a column holds numbers or dates.
    n : int
        At most so many, drawn.
    rng : Generator
    """
    found: list[tuple[int, int, int]] = []
    for place, cells in enumerate(ranks.T):
        known, counts = np.unique(cells, return_counts=True)
        found += [(place, int(rank), int(rank)) for rank in known[counts == 1]]
        if ordered[place]:
            counts, known = counts[known >= 0], known[known >= 0]
            if len(known) and counts[0] == 1:
                found.append((place, 0, int(known[0])))
            if len(known) and counts[-1] == 1:
                found.append((place, int(known[-1]), _TOP))
    table = np.array(found, dtype=np.int64).reshape(-1, 3)
    table = table[rng.permutation(len(table))[:n]]
    places, low, high = (column[:, np.newaxis] for column in table.T)
    return Predicates(
        places, low.astype(np.int32), high.astype(np.int32), np.zeros(places.shape, dtype=bool)
    )


def of_combinations(
    ranks: np.ndarray, ordered: np.ndarray, n_columns: int, n: int, rng: np.random.Generator
) -> Predicates:
    """Return predicates on several columns that exactly one row of a table satisfies.

    Each is made of a row, drawn: its category, or at least its number where that lies above the
    median, at most its number elsewhere. Parameters are those of `of_extremes`.
    """
    columns = np.ascontiguousarray(ranks.T)
    middle = np.array(
        [np.median(cells[cells >= 0]) if (cells >= 0).any() else 0 for cells in columns]
    )
    kept: list[Predicates] = []
    seen: set[bytes] = set()
    for _ in range(_MOST_BATCHES):
        rows = rng.integers(len(ranks), size=_BATCH)
        places = np.sort(rng.random((_BATCH, len(columns))).argsort(axis=1)[:, :n_columns], axis=1)
        own = ranks[rows[:, np.newaxis], places]
        ranged = ordered[places] & (own >= 0)
        above = ranged & (own > middle[places])
        drawn = Predicates(
            places,
            np.where(ranged & ~above, 0, own).astype(np.int32),
            np.where(above, _TOP, own).astype(np.int32),
            np.zeros(own.shape, dtype=bool),
        )
        keys = [row.tobytes() for row in drawn.digests()]
        first = {key: row for row, key in reversed(list(enumerate(keys))) if key not in seen}
        new = np.array(sorted(first.values()), dtype=np.intp)
        new = new[_counts(drawn.take(new), columns) == 1]
        seen.update(keys[row] for row in new)
        kept.append(drawn.take(new))
        if len(seen) >= n:
            break
    return joined(kept).take(np.arange(min(len(seen), n)))


def random_ones(
    ranks: np.ndarray, ordered: np.ndarray, n_columns: int, n: int, rng: np.random.Generator
) -> Predicates:
    """Return predicates on columns, values and comparisons that are drawn: what guessing makes.

    Each value is as likely as another of its column. Parameters are those of `of_extremes`.
    """
    places = np.sort(rng.random((n, ranks.shape[1])).argsort(axis=1)[:, :n_columns], axis=1)
    values = [np.unique(cells) for cells in ranks.T]
    sizes = np.array([len(known) for known in values])
    drawn = (rng.random(places.shape) * sizes[places]).astype(np.intp)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    own = np.concatenate(values)[starts[places] + drawn]
    # Equal, another, at least, at most.
    kind = rng.integers(np.where(ordered[places] & (own >= 0), 4, 2))
    return Predicates(
        places,
        np.where(kind == 3, 0, own).astype(np.int32),
        np.where(kind == 2, _TOP, own).astype(np.int32),
        kind == 1,
    )


def matches(predicates: Predicates, ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which records satisfy which predicates: positions of both, pair by pair."""
    columns = np.ascontiguousarray(ranks.T)
    step = max(1, min(_BATCH, _AT_ONCE // max(1, len(ranks))))
    found = []
    for start in range(0, len(predicates), step):
        part = predicates.take(np.arange(start, min(start + step, len(predicates))))
        bits = np.unpackbits(_bits(part, columns), axis=1, count=len(ranks))
        which, rows = np.nonzero(bits)
        found.append((which + start, rows))
    if not found:
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    which, rows = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return which, rows


def _counts(predicates: Predicates, columns: np.ndarray) -> np.ndarray:
    """Return how many records satisfy each predicate."""
    return _BITS[_bits(predicates, columns)].sum(axis=1, dtype=np.int64)


def _bits(predicates: Predicates, columns: np.ndarray) -> np.ndarray:
    """Return for each predicate a row of bits, one for each record, eight in a byte.

    Conditions are shared by many predicates: each is decided once.
    """
    parts = (predicates.places, predicates.low, predicates.high, predicates.negated)
    conditions = np.stack([part.astype(np.int64) for part in parts], axis=-1)
    known, which = np.unique(conditions.reshape(-1, 4), axis=0, return_inverse=True)
    which = which.reshape(predicates.places.shape)
    decided = np.empty((len(known), (columns.shape[1] + 7) // 8), dtype=np.uint8)
    for row, (place, low, high, negated) in enumerate(known.tolist()):
        cells = columns[place]
        inside = (cells >= low) & (cells <= high) if low < high else cells == low
        decided[row] = np.packbits((cells >= 0) & ~inside if negated else inside)
    bits = decided[which[:, 0]]
    for condition in which.T[1:]:
        bits &= decided[condition]
    return bits
