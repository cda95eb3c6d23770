"""People with several records: whose records are whose."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from ._rows import through_narwhals

__all__ = [
    "Grouping",
    "check_apart",
    "coded",
    "cut_nearest",
    "group_codes",
    "identifiers",
    "names_in_words",
]

# Larger codes could not be told apart in a table of 32-bit floating-point numbers.
_MOST_GROUPS = 2**24
_NAMED = 5
_SEQUENCES = (list, tuple, dict, set, np.ndarray)


def identifiers(values: Any, name: str) -> Any:
    """Return what names each record, with every value as exact as it was given.

    Parameters
    ----------
    values : list, array, Series or tensor
        Errors call it `name`.

    Returns
    -------
    ndarray or pandas Series
        Of numbers or of objects. What bears an index keeps it.

    Raises
    ------
    ValueError
        If it is nothing that holds one value per record.
    """
    import pandas as pd

    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    foreign = through_narwhals(values)
    if foreign is not None and not hasattr(foreign, "columns"):
        # Of whole numbers some of which are missing an array would hold the nearest floats.
        values = foreign.to_list()
    if isinstance(values, pd.Series) or (hasattr(values, "dtype") and np.ndim(values) == 1):
        # Times as arrays hold them would become whole numbers.
        is_plain = isinstance(values.dtype, np.dtype) and values.dtype.kind not in "mM"
        if is_plain and isinstance(values, (np.ndarray, pd.Series)):
            return values
        objects = pd.Series(values).astype(object)
        return objects if isinstance(values, pd.Series) else objects.to_numpy()
    if isinstance(values, (list, tuple)) and not any(isinstance(v, _SEQUENCES) for v in values):
        # As objects: an array of a list with a text, or a fraction, has no whole numbers.
        return np.fromiter(values, dtype=object, count=len(values))
    shape = getattr(values, "shape", None)
    got = f"shape {shape}" if shape is not None else f"a {type(values).__name__}"
    if isinstance(values, (list, tuple)):
        got = "lists inside of a list"
    raise ValueError(f"{name} must hold one value per record in one dimension, got {got}.")


def coded(values: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return by number which of some identifiers are equal, and each of them, as they occur.

    Numbers are equal where their values are, whatever type holds them (1, 1.0, True and
    Decimal("1.00")), texts where all their characters are, times where they are one moment.
    What cannot be told is refused: a number beside a text that reads like it.

    Parameters
    ----------
    values : ndarray of shape (n_records,)
        What `identifiers` returned; none is missing.
    name : str
        What errors call them.

    Raises
    ------
    ValueError
        If it cannot be told which are equal.
    """
    import pandas as pd

    if values.dtype.kind != "O":
        codes, found = pd.factorize(values)
        return codes.astype(np.intp), np.asarray(found)
    known: dict[Any, int] = {}
    try:
        numbers = (known.setdefault(value, len(known)) for value in values.tolist())
        codes = np.fromiter(numbers, dtype=np.intp, count=len(values))
    except TypeError as error:
        raise ValueError(
            f"{name} holds values that are no names ({error}): give a number or a text for each "
            "record."
        ) from error
    _check_clear(list(known), name)
    found = np.fromiter(known, dtype=object, count=len(known))
    if set(map(type, known)) == {int} and max(map(abs, known)) < 2**63:
        found = found.astype(np.int64)
    return codes, found


def _check_exact(values: np.ndarray, name: str) -> None:
    """Raise where floating-point numbers are so large that several whole numbers became one."""
    if values.dtype.kind == "O":
        values = np.array([value for value in values.tolist() if isinstance(value, float)])
    if values.dtype.kind != "f":
        return
    digits = np.finfo(values.dtype).nmant + 1
    large = values[np.isfinite(values) & (np.abs(values) >= 2.0**digits)]
    if len(large):
        raise ValueError(
            f"{name} holds {large[0]:.0f} as a floating-point number, which stands for several "
            "whole numbers at this size: read the column as whole numbers (Int64 where some are "
            "missing) or as text."
        )


def _check_clear(found: list[Any], name: str) -> None:
    """Raise if a text reads like another value: the same one was perhaps read in two ways."""
    others = {value for value in found if not isinstance(value, str)}
    written = {v.decode(errors="replace") if isinstance(v, bytes) else str(v): v for v in others}
    for text in found if others else ():
        if not isinstance(text, str):
            continue
        alike = written.get(text, _as_number(text))
        if alike in others:
            other = next(value for value in others if value == alike)
            raise ValueError(
                f"{name} holds the text {text!r} and also {other!s} of the type "
                f"{type(other).__name__}, and nothing tells whether these are the same: give all "
                "values in one type, for example .astype(str)."
            )


def _as_number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def group_codes(groups: Any, n_records: int, expected: str) -> tuple[np.ndarray, np.ndarray]:
    """Return each record's group by number, and what groups are called, in order of occurrence.

    `groups` holds a name or number for each record, equal for the records of one person: see
    `coded`. Whole numbers of more digits than the floating-point numbers hold that they were read
    into are refused. `expected` says in words which records there must be a value for.
    """
    import pandas as pd

    values = np.asarray(identifiers(groups, "groups"))
    if len(values) != n_records:
        raise ValueError(
            f"groups has shape {values.shape}; expected {expected}: {n_records} values."
        )
    missing = pd.isna(values)
    if missing.any():
        raise ValueError(
            f"groups has no value for record {missing.argmax()} ({missing.sum()} are missing in "
            "all). Give records of unknown people a value each, or leave them out."
        )
    _check_exact(values, "groups")
    codes, names = coded(values, "groups")
    if len(names) > _MOST_GROUPS:
        raise ValueError(f"groups holds {len(names)} groups; there may be {_MOST_GROUPS}.")
    return codes, names


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
