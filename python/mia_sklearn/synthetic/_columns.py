"""The columns of tables of mixed types: what each holds, and its cells in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

from .._records._cells import cell_in_words, holds_containers
from ._exact import Exact, as_floats, as_offsets, exact_numbers, exact_times, ranks_of

__all__ = ["Cells", "Column", "Kind", "read_columns"]


class Kind(Enum):
    """What a column holds."""

    NUMBER = "numbers"
    DATE = "dates"
    CATEGORY = "categories"


@dataclass(frozen=True)
class Column:
    """A column of all three tables.

    Attributes
    ----------
    name : Any
    kind : Kind
    """

    name: Any
    kind: Kind


# What a column of one table may hold. Truth values go with numbers (0 and 1) and with categories.
_NUMBERS, _DATES, _TRUTH, _TEXT, _NUMBERED, _NOTHING = (
    *("numbers", "dates", "truth values", "texts"),
    *("numbered categories", "nothing"),
)

_HELD = {
    "boolean": _TRUTH,
    **dict.fromkeys(
        ("integer", "floating", "mixed-integer-float", "integer-na", "decimal"), _NUMBERS
    ),
    **dict.fromkeys(("date", "datetime", "datetime64", "timedelta64", "timedelta"), _DATES),
}


class Cells(NamedTuple):
    """The cells of one table, or of a column of it, in numbers.

    Attributes
    ----------
    values : ndarray of float64
        Numbers as they are, dates in nanoseconds after the first of the synthetic table,
        categories as codes; NaN where missing.
    offsets : ndarray of float64
        For differences: the same, of whole numbers less the least of the synthetic table.
    ranks : ndarray of int32
        Positions among the cells of all tables, equal for equal ones alone; numbers and dates in
        their order. -1 where missing.
    """

    values: np.ndarray
    offsets: np.ndarray
    ranks: np.ndarray


def read_columns(
    frames: Sequence[Any], names: Sequence[str]
) -> tuple[tuple[Column, ...], list[Cells]]:
    """Return the columns of some tables, and the cells of each table in numbers.

    Parameters
    ----------
    frames : sequence of DataFrame
        With the same columns; the first is the synthetic table.
    names : sequence of str
        What errors call the tables.

    Returns
    -------
    tuple of Column, list of Cells, of shape (n_records, n_columns)

    Raises
    ------
    ValueError
        If a column holds values of other types in one table than in another, numbers that one of
        them cannot tell apart, or shares no value or no part of its range with the others.
    """
    columns = []
    tables = [
        Cells(np.empty(frame.shape), np.empty(frame.shape), np.empty(frame.shape, dtype=np.int32))
        for frame in frames
    ]
    for place, name in enumerate(frames[0].columns):
        cells = [_plain(frame.iloc[:, place]) for frame in frames]
        kind = _common_kind(name, [_held(each) for each in cells], names)
        read = {Kind.NUMBER: _numbers, Kind.DATE: _dates, Kind.CATEGORY: _categories}[kind]
        found = read(name, cells, names)
        values = [each.values for each in found]
        (_check_shared if kind is Kind.CATEGORY else _check_range)(name, values, cells, names)
        for table, column in zip(tables, found, strict=True):
            for whole, part in zip(table, column, strict=True):
                whole[:, place] = part
        columns.append(Column(name, kind))
    return tuple(columns), tables


def _plain(column: Any) -> Any:
    """Return a column whose objects are what they hold: numbers, dates or other values."""
    import pandas as pd

    if isinstance(column.dtype, pd.PeriodDtype):
        return column.dt.to_timestamp()
    # Whole numbers beside missing ones would be made float64.
    if column.dtype != object or pd.api.types.infer_dtype(column, skipna=True) == "integer":
        return column
    return column.infer_objects()


def _held(column: Any) -> str:
    """Return what a column of one table holds, in a word."""
    import pandas as pd

    types = pd.api.types
    if column.isna().all():
        return _NOTHING
    if isinstance(column.dtype, pd.CategoricalDtype):
        known = column.cat.categories
        return _NUMBERED if types.is_numeric_dtype(known.dtype) else _TEXT
    # Of objects and of types alike.
    found = types.infer_dtype(column, skipna=True)
    if found == "complex":
        raise ValueError(f"Complex data not supported: column {column.name!r}.")
    return _HELD.get(found, _TEXT)


def _common_kind(name: Any, held: list[str], names: Sequence[str]) -> Kind:
    """Return the kind of a column of which each table holds something; raise where they differ."""
    found = {each for each in held if each != _NOTHING}
    if found == {_DATES}:
        return Kind.DATE
    if _NUMBERS in found and found <= {_NUMBERS, _TRUTH}:
        return Kind.NUMBER
    if found <= {_TRUTH, _TEXT} or found <= {_TRUTH, _NUMBERED, _NUMBERS}:
        return Kind.CATEGORY
    told = ", ".join(f"{each} in {table}" for each, table in zip(held, names, strict=True))
    raise ValueError(
        f"Column {name!r} holds {told}: read all three tables in the same way, by dtype= of what "
        f"reads them, or --dtype {name}=str on the command line, where it may be int, float, bool, "
        "category or datetime too."
    )


def _numbers(name: Any, cells: Sequence[Any], names: Sequence[str]) -> list[Cells]:
    exact = exact_numbers(name, cells, names)
    return _in_order([as_floats(each) for each in exact], as_offsets(exact), exact)


def _dates(name: Any, cells: Sequence[Any], names: Sequence[str]) -> list[Cells]:
    exact = exact_times(name, cells, names)
    offsets = as_offsets(exact)
    return _in_order(offsets, offsets, exact)


def _in_order(
    values: Sequence[np.ndarray], offsets: Sequence[np.ndarray], exact: Sequence[Exact]
) -> list[Cells]:
    return [Cells(*each) for each in zip(values, offsets, ranks_of(exact), strict=True)]


def _categories(name: Any, cells: Sequence[Any], names: Sequence[str]) -> list[Cells]:
    codes = _codes(cells)
    ranks = [np.where(np.isnan(each), -1, each).astype(np.int32) for each in codes]
    return [Cells(*each) for each in zip(codes, codes, ranks, strict=True)]


def _codes(cells: Sequence[Any]) -> list[np.ndarray]:
    """Return the positions of categories in the order in which they are met."""
    import pandas as pd

    parts = []
    for each in cells:
        values = each.astype(object)
        if holds_containers(values.tolist()):
            values = pd.Series([cell_in_words(value) for value in values.tolist()], dtype=object)
        parts.append(values)
    codes = pd.factorize(pd.concat(parts, ignore_index=True))[0].astype(np.float64)
    codes[codes < 0] = np.nan
    return np.split(codes, np.cumsum([len(each) for each in cells])[:-1])


def _check_shared(
    name: Any, read: Sequence[np.ndarray], cells: Sequence[Any], names: Sequence[str]
) -> None:
    """Raise if no category of the first table is one of another."""
    own = _known(read[0])
    for each, their, table in zip(read[1:], cells[1:], names[1:], strict=True):
        theirs = _known(each)
        if 2 * len(own) > np.isfinite(read[0]).sum():
            # Names and the like: nearly every row has one of its own.
            continue
        if len(own) and len(theirs) and not np.isin(own, theirs).any():
            raise ValueError(
                f"Column {name!r} has no category in common: {names[0]} holds {_first(cells[0])}, "
                f"{table} {_first(their)}. Write the categories alike in both."
            )


def _check_range(
    name: Any, read: Sequence[np.ndarray], cells: Sequence[Any], names: Sequence[str]
) -> None:
    """Raise if all numbers of the first table lie beyond those of another."""
    own = _known(read[0])
    for each, their, table in zip(read[1:], cells[1:], names[1:], strict=True):
        theirs = _known(each)
        if not len(own) or not len(theirs):
            continue
        if own.min() > theirs.max() or own.max() < theirs.min():
            raise ValueError(
                f"Column {name!r} lies between {_ends(cells[0])} in {names[0]}, between "
                f"{_ends(their)} in {table}: give both in the same units."
            )


def _known(values: np.ndarray) -> np.ndarray:
    return np.unique(values[~np.isnan(values)])


def _ends(column: Any) -> str:
    known = column.dropna()
    return f"{known.min()} and {known.max()}"


def _first(column: Any, most: int = 3) -> str:
    known = column.dropna().unique().tolist()
    more = " and others" if len(known) > most else ""
    return ", ".join(map(repr, known[:most])) + more
