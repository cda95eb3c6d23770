"""The columns of tables of mixed types: what each holds, and its values in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from .._records._cells import cell_in_words, holds_containers

__all__ = ["Column", "Kind", "read_columns"]


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


def read_columns(
    frames: Sequence[Any], names: Sequence[str]
) -> tuple[tuple[Column, ...], list[np.ndarray]]:
    """Return the columns of some tables, and the values of each table in numbers.

    Parameters
    ----------
    frames : sequence of DataFrame
        With the same columns; the first is the synthetic table.
    names : sequence of str
        What errors call the tables.

    Returns
    -------
    tuple of Column, list of ndarray of shape (n_records, n_columns)
        Numbers as they are, dates in nanoseconds, categories as codes; NaN where missing.

    Raises
    ------
    ValueError
        If a column holds values of other types in one table than in another, or shares no value
        or no part of its range with the others.
    """
    columns = []
    values = [np.empty(frame.shape, dtype=np.float64) for frame in frames]
    for place, name in enumerate(frames[0].columns):
        cells = [_plain(frame.iloc[:, place]) for frame in frames]
        kind = _common_kind(name, [_held(each) for each in cells], names)
        read = {Kind.NUMBER: _numbers, Kind.DATE: _dates, Kind.CATEGORY: _codes}[kind](cells)
        (_check_shared if kind is Kind.CATEGORY else _check_range)(name, read, cells, names)
        for table, each in zip(values, read, strict=True):
            table[:, place] = each
        columns.append(Column(name, kind))
    return tuple(columns), values


def _plain(column: Any) -> Any:
    """Return a column whose objects are what they hold: numbers, dates or other values."""
    import pandas as pd

    if isinstance(column.dtype, pd.PeriodDtype):
        return column.dt.to_timestamp()
    if column.dtype != object:
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
        f"Column {name!r} holds {told}: read all three tables in the same way, or convert the "
        "column with astype."
    )


def _numbers(cells: Sequence[Any]) -> list[np.ndarray]:
    import pandas as pd

    return [
        pd.to_numeric(each).astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
        if each.dtype == object
        else each.to_numpy(dtype=np.float64, na_value=np.nan)
        for each in cells
    ]


def _dates(cells: Sequence[Any]) -> list[np.ndarray]:
    import pandas as pd

    read = []
    for each in cells:
        if each.isna().all():
            read.append(np.full(len(each), np.nan))
            continue
        times = pd.to_datetime(each) if each.dtype == object else each
        if getattr(times.dt, "tz", None) is not None:
            times = times.dt.tz_convert("UTC").dt.tz_localize(None)
        whole = times.to_numpy()
        whole = whole.astype(f"{whole.dtype.kind}8[ns]").astype(np.int64)
        read.append(np.where(each.isna(), np.nan, whole.astype(np.float64)))
    return read


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
                f"Column {name!r} lies between {cells[0].min()} and {cells[0].max()} in "
                f"{names[0]}, between {their.min()} and {their.max()} in {table}: give both in the "
                "same units."
            )


def _known(values: np.ndarray) -> np.ndarray:
    return np.unique(values[~np.isnan(values)])


def _first(column: Any, most: int = 3) -> str:
    known = column.dropna().unique().tolist()
    more = " and others" if len(known) > most else ""
    return ", ".join(map(repr, known[:most])) + more
