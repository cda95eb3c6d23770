"""Numbers and dates as they are: of two that differ by the last digit nothing makes them equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Exact", "as_floats", "as_offsets", "exact_numbers", "exact_times", "ranks_of"]

# Whole numbers beyond it have no float64 of their own.
_WHOLE = 2**53
# Nanoseconds of a unit of NumPy's dates.
_UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_MOST = np.iinfo(np.int64).max
_INT64 = range(-(2**63), 2**63)


class Exact(NamedTuple):
    """A column of one table.

    Attributes
    ----------
    cells : ndarray of shape (n_records,)
        Of int64 or float64, or of objects: Python's whole numbers and decimals. 0 where missing.
    missing : ndarray of bool of shape (n_records,)
    """

    cells: np.ndarray
    missing: np.ndarray

    @property
    def known(self) -> np.ndarray:
        return self.cells[~self.missing]


def exact_numbers(name: Any, columns: Sequence[Any], names: Sequence[str]) -> list[Exact]:
    """Return a column of some tables, of numbers, in one type that holds those of all exactly.

    Where a table has floating numbers, those of the others are rounded to the same precision, so
    that what was written to a file with few digits is equal to itself.

    Parameters
    ----------
    name : Any
        What the column is called.
    columns : sequence of Series
        One of each table.
    names : sequence of str
        What errors call the tables.

    Raises
    ------
    ValueError
        If whole numbers are too large for the floating type of one of the tables.
    """
    read = [_plain_numbers(column) for column in columns]
    floating = [each.cells.dtype.kind == "f" and len(each.known) > 0 for each in read]
    if any(floating):
        types = [_float_type(each) for each, is_float in zip(columns, floating, strict=True)]
        coarsest = min(types, key=lambda each: np.finfo(each).nmant)
        _check_whole(name, read, floating, coarsest, names)
        return [_rounded(each, coarsest) for each in read]
    kinds = {each.cells.dtype for each in read if len(each.known)}
    if len(kinds) > 1:
        return [Exact(each.cells.astype(object), each.missing) for each in read]
    dtype = next(iter(kinds), np.dtype(np.int64))
    return [each if len(each.known) else _nothing(each, dtype) for each in read]


def exact_times(name: Any, columns: Sequence[Any], names: Sequence[str]) -> list[Exact]:
    """Return a column of some tables, of dates or spans of time, in nanoseconds.

    Raises
    ------
    ValueError
        If one table states a time zone and another none, or one holds dates and another spans.
    """
    read, kinds = [], []
    for column in columns:
        missing = column.isna().to_numpy()
        if missing.all():
            read.append(Exact(np.zeros(len(column), dtype=np.int64), missing))
            kinds.append("")
            continue
        whole, zone = _times(column, missing)
        is_span = whole.dtype.kind == "m"
        kinds.append("spans of time" if is_span else f"dates with{'' if zone else 'out'} time zone")
        unit = _UNITS[np.datetime_data(whole.dtype)[0]]
        cells = np.where(missing, 0, whole.astype(np.int64))
        # Of years beyond 2262 there are more nanoseconds than NumPy counts.
        far = max(abs(int(cells.min())), abs(int(cells.max()))) > _MOST // unit
        read.append(Exact(cells.astype(object) * unit if far else cells * unit, missing))
    if len({kind for kind in kinds if kind}) > 1:
        told = ", ".join(
            f"{kind} in {table}" for kind, table in zip(kinds, names, strict=True) if kind
        )
        raise ValueError(f"Column {name!r} holds {told}: give it in the same way in all three.")
    if len({each.cells.dtype for each in read}) > 1:
        return [Exact(each.cells.astype(object), each.missing) for each in read]
    return read


def as_floats(column: Exact) -> np.ndarray:
    """Return a column as float64, NaN where missing."""
    return np.where(column.missing, np.nan, column.cells.astype(np.float64))


def as_offsets(columns: Sequence[Exact]) -> list[np.ndarray]:
    """Return a column of each table for differences: as float64, NaN where missing.

    Whole numbers less the least of the first table, so that nothing is lost of large ones that lie
    close together.
    """
    if columns[0].cells.dtype.kind == "f":
        return [as_floats(each) for each in columns]
    known = columns[0].known
    low = known.min() if len(known) else 0
    ends = [int(end) for each in columns for end in (each.cells.min(), each.cells.max(), low)]
    far = max(ends) - min(ends) not in _INT64
    found = []
    for each in columns:
        cells = each.cells.astype(object) if far else each.cells
        found.append(as_floats(Exact(cells - (int(low) if far else low), each.missing)))
    return found


def ranks_of(columns: Sequence[Exact]) -> list[np.ndarray]:
    """Return the positions of cells among those of all tables, int32; -1 where missing."""
    cells = np.concatenate([each.cells for each in columns])
    places = np.unique(cells, return_inverse=True)[1].reshape(-1)
    places = np.where(np.concatenate([each.missing for each in columns]), -1, places)
    ends = np.cumsum([len(each.cells) for each in columns])[:-1]
    return np.split(places.astype(np.int32), ends)


def _plain_numbers(column: Any) -> Exact:
    """Return a column of numbers in whatever type as one of int64, float64 or Python's numbers."""
    import pandas as pd

    missing = column.isna().to_numpy()
    api = pd.api.types
    if api.is_float_dtype(column.dtype):
        cells = column.to_numpy(dtype=np.float64, na_value=np.nan)
        missing = missing | np.isnan(cells)
        return Exact(np.where(missing, 0.0, cells), missing)
    if api.is_bool_dtype(column.dtype) or api.is_signed_integer_dtype(column.dtype):
        return Exact(column.to_numpy(dtype=np.int64, na_value=0), missing)
    cells = np.array(
        [0 if gap else _python(cell) for gap, cell in zip(missing, column, strict=True)],
        dtype=object,
    )
    if any(isinstance(cell, float) for cell in cells):
        _check_kept(column.name, cells, np.float64, "it")
        return Exact(cells.astype(np.float64), missing)
    if all(isinstance(cell, int) and cell in _INT64 for cell in cells):
        return Exact(cells.astype(np.int64), missing)
    return Exact(cells, missing)


def _python(cell: Any) -> Any:
    """Return a number as Python's own: a whole number, a float or a decimal."""
    cell = cell.item() if isinstance(cell, np.generic) else cell
    return int(cell) if isinstance(cell, bool) else cell


def _float_type(column: Any) -> type[np.floating]:
    """Return in which of NumPy's types a column holds floating numbers."""
    dtype = getattr(column.dtype, "numpy_dtype", column.dtype)
    if dtype.kind != "f" or dtype.itemsize not in (2, 4):
        return np.float64
    return np.float16 if dtype.itemsize == 2 else np.float32


def _rounded(column: Exact, kind: type[np.floating]) -> Exact:
    with np.errstate(over="ignore"):
        return Exact(column.cells.astype(kind).astype(np.float64), column.missing)


def _check_whole(
    name: Any,
    columns: Sequence[Exact],
    floating: Sequence[bool],
    kind: type[np.floating],
    names: Sequence[str],
) -> None:
    """Raise where whole numbers would be taken for others, or may have been when they were read."""
    rounds = next(
        table for table, each, is_float in zip(names, columns, floating, strict=True) if is_float
    )
    for each, is_float, table in zip(columns, floating, names, strict=True):
        if not is_float:
            _check_kept(name, each.known, kind, rounds)
            continue
        known = each.known[np.isfinite(each.known)]
        if len(known) and np.abs(known).max() > _WHOLE and (known == np.rint(known)).all():
            raise _too_large(name, known[np.abs(known).argmax()], table, "float64")


def _check_kept(name: Any, cells: np.ndarray, kind: type[np.floating], table: str) -> None:
    """Raise where whole numbers are not what they were after rounding."""
    if cells.dtype.kind == "i":
        cells = cells[np.abs(cells.astype(np.float64)) >= 2 ** np.finfo(kind).nmant]
    for cell in cells:
        if cell == int(cell) and int(kind(cell)) != int(cell):
            raise _too_large(name, int(cell), table, np.dtype(kind).name)


def _too_large(name: Any, number: Any, table: str, kind: str) -> ValueError:
    return ValueError(
        f"Column {name!r} holds whole numbers as large as {int(number):,}, and {table} holds it as "
        f"{kind}, in which several such numbers are one: records would be equal that are not. "
        "Files with missing cells are often read so. If it is a number that names something, give "
        f"it as text or as Int64 in all three tables (on the command line --dtype {name}=str); if "
        "it is an amount, divide it; or leave the column out."
    )


def _times(column: Any, missing: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return times as NumPy's, in UTC where they state a time zone; and whether they do."""
    import pandas as pd

    if isinstance(column.dtype, pd.ArrowDtype):
        column = column.astype(object).infer_objects()
    if column.dtype == object:
        cells = column[~missing]
        if not any(getattr(cell, "tzinfo", None) is not None for cell in cells):
            # By NumPy: earlier versions of pandas know no years beyond 2262.
            kind = "m8[us]" if pd.api.types.infer_dtype(cells).startswith("timedelta") else "M8[us]"
            times = np.zeros(len(column), dtype=kind)
            times[~missing] = np.array(cells.tolist(), dtype=kind)
            return times, False
        column = pd.to_datetime(column, utc=True)
    if getattr(column.dtype, "tz", None) is None:
        return column.to_numpy(), False
    return column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(), True


def _nothing(column: Exact, dtype: np.dtype[Any]) -> Exact:
    return Exact(np.zeros(len(column.missing), dtype=dtype), column.missing)
