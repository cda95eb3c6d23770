"""People with several records: whose records are whose."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Grouping", "check_apart", "cut_nearest", "group_codes", "names_in_words"]

# Larger codes could not be told apart in a table of 32-bit floating-point numbers.
_MOST_GROUPS = 2**24
_NAMED = 5


def group_codes(groups: Any, n_records: int, expected: str) -> tuple[np.ndarray, np.ndarray]:
    """Return each record's group by number, and what groups are called, in order of occurrence.

    `groups` holds a name or number for each record, equal for the records of one person; `expected`
    says in words which records there must be a value for.
    """
    import pandas as pd

    values = groups.to_numpy() if hasattr(groups, "to_numpy") else np.asarray(groups)
    if values.ndim != 1 or len(values) != n_records:
        raise ValueError(
            f"groups has shape {values.shape}; expected {expected}: {n_records} values."
        )
    missing = pd.isna(values)
    if missing.any():
        raise ValueError(
            f"groups has no value for record {missing.argmax()} ({missing.sum()} are missing in "
            "all). Give records of unknown people a value each, or leave them out."
        )
    codes, names = pd.factorize(values)
    if len(names) > _MOST_GROUPS:
        raise ValueError(f"groups holds {len(names)} groups; there may be {_MOST_GROUPS}.")
    return codes.astype(np.intp), np.asarray(names)


def check_apart(one: np.ndarray, other: np.ndarray, names: np.ndarray, where: str) -> None:
    """Raise if a group has records on both sides; `where` says which sides, and what to do."""
    shared = np.intersect1d(one, other)
    if len(shared):
        raise ValueError(f"groups: {names_in_words(names[shared])} {where}")


def names_in_words(values: np.ndarray) -> str:
    """Return the first few names, and how many others there are."""
    text = ", ".join(repr(value) for value in values[:_NAMED].tolist())
    return f"{text} and {len(values) - _NAMED} others" if len(values) > _NAMED else text


def cut_nearest(sizes: np.ndarray, ends: Any) -> Any:
    """Return after how many groups, taken in order, their records come nearest to `ends`."""
    upto = np.concatenate([[0], np.cumsum(sizes)])
    after = np.clip(np.searchsorted(upto, ends), 1, len(sizes))
    return np.where(np.subtract(ends, upto[after - 1]) <= upto[after] - ends, after - 1, after)


class Grouping:
    """Rows put together by the number that they bear.

    Parameters
    ----------
    codes : ndarray of shape (n_rows,)

    Attributes
    ----------
    first : ndarray of int of shape (n_groups,)
        Each group's first row.
    of_row : ndarray of int of shape (n_rows,)
        Position of each row's group.
    sizes : ndarray of int of shape (n_groups,)
    """

    def __init__(self, codes: np.ndarray) -> None:
        found = np.unique(codes, return_index=True, return_inverse=True, return_counts=True)
        _, self.first, self.of_row, self.sizes = found
        self._order = np.argsort(self.of_row, kind="stable")
        self._starts = np.cumsum(self.sizes) - self.sizes

    def __len__(self) -> int:
        return len(self.first)

    def sum(self, values: np.ndarray) -> np.ndarray:
        return self._each(np.add, values)

    def mean(self, values: np.ndarray) -> np.ndarray:
        sizes = self.sizes.reshape(-1, *[1] * (np.ndim(values) - 1))
        return self.sum(np.asarray(values, dtype=np.float64)) / sizes

    def least(self, values: np.ndarray) -> np.ndarray:
        return self._each(np.minimum, values)

    def greatest(self, values: np.ndarray) -> np.ndarray:
        return self._each(np.maximum, values)

    def mixed(self, values: np.ndarray) -> np.ndarray:
        """Tell of each group whether its rows have different values."""
        differs = values != values[self.first][self.of_row]
        return self.greatest(differs)

    def _each(self, function: np.ufunc, values: np.ndarray) -> np.ndarray:
        return function.reduceat(values[self._order], self._starts, axis=0)
