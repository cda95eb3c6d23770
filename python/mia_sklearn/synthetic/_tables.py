"""The three tables of an audit of synthetic records, checked and in numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse

from .._records._rows import as_table, is_documents, is_frame, n_rows, to_pandas
from ._columns import Column, Kind, read_columns

__all__ = ["LEAST_ROWS", "NAMES", "Table", "Tables", "check_tables"]

NAMES = ("synthetic", "X_train", "X_control")
LEAST_ROWS = 100
# What a missing number is scaled to: 1, the largest difference of a column, from any other.
_MISSING = 2.0

Side = Literal["synthetic", "train", "control"]


@dataclass(frozen=True)
class Table:
    """One table, in numbers.

    Attributes
    ----------
    values : ndarray of shape (n_records, n_columns), float64
        Numbers as they are, dates in nanoseconds after the first of the synthetic table,
        categories as codes. NaN where missing.
    scaled : ndarray of shape (n_records, n_columns), float64
        For distances: that of two records is the sum over columns of ``min(abs(a - b), 1)``.
        Numbers lie in [0, 1], scaled by the range of the synthetic table and cut there, or are 2
        where missing; categories are whole numbers.
    ranks : ndarray of shape (n_records, n_columns), int32
        Positions among the values of all three tables, equal for equal values alone; numbers and
        dates in their order. -1 where missing.
    rows : ndarray of shape (n_records,), int
        Where they stand in the table that was given.
    """

    values: np.ndarray
    scaled: np.ndarray
    ranks: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: np.ndarray) -> Table:
        """Return some of the records."""
        return Table(self.values[rows], self.scaled[rows], self.ranks[rows], self.rows[rows])


@dataclass(frozen=True)
class Tables:
    """The synthetic table, the records that its generator learned from, and others.

    Attributes
    ----------
    columns : tuple of Column
    synthetic, train, control : Table
    """

    columns: tuple[Column, ...]
    synthetic: Table
    train: Table
    control: Table

    @property
    def names(self) -> list[Any]:
        """The names of the columns; positions of those of arrays."""
        return [column.name for column in self.columns]

    def places(self, names: Iterable[Any]) -> np.ndarray:
        """Return where columns stand."""
        known = {name: place for place, name in enumerate(self.names)}
        return np.array([known[name] for name in names], dtype=np.intp)


def check_tables(
    synthetic: Any, X_train: Any, X_control: Any, *, least_rows: int = LEAST_ROWS
) -> Tables:
    """Check the three tables, and put them into numbers.

    Raises
    ------
    ValueError
        If one is no table, has fewer than `least_rows` rows, other columns, types or categories
        than the others, or rows that are all equal.
    """
    frames = [
        _as_frame(given, name)
        for given, name in zip((synthetic, X_train, X_control), NAMES, strict=True)
    ]
    _check_columns(frames, (synthetic, X_train, X_control))
    for frame, name in zip(frames, NAMES, strict=True):
        if len(frame) < least_rows:
            raise ValueError(
                f"{name} has {len(frame)} rows: rates of fewer than {least_rows} records say "
                "nothing. Give more."
            )
    columns, cells = read_columns(frames, NAMES)
    for each, name in zip(cells, NAMES, strict=True):
        if (each.ranks == each.ranks[0]).all():
            raise ValueError(
                f"All rows of {name} are equal: there is nothing in them that could be told apart."
            )
    scaled = _scaled([each.offsets for each in cells], columns)
    tables = [
        Table(each.values, distances, each.ranks, np.arange(len(distances)))
        for each, distances in zip(cells, scaled, strict=True)
    ]
    return Tables(columns, *tables)


def _as_frame(given: Any, name: str) -> Any:
    """Return a table as a pandas frame."""
    if sparse.issparse(given):
        raise ValueError(f"{name} is a sparse matrix: give {name}.toarray().")
    table = as_table(given, name)
    if is_documents(table):
        raise ValueError(
            f"{name} holds texts: synthetic tables are compared column by column. Give a data "
            "frame, or an array of two dimensions."
        )
    if n_rows(table) == 0:
        raise ValueError(f"{name} holds no records.")
    frame = to_pandas(table)
    if not is_frame(frame):
        import pandas as pd

        if frame.ndim != 2:
            raise ValueError(
                f"{name} must have two dimensions, got shape {frame.shape}; give "
                f"{name}.reshape(len({name}), -1)."
            )
        frame = pd.DataFrame(frame)
    if frame.shape[1] == 0:
        raise ValueError(f"{name} has no columns.")
    return frame


def _check_columns(frames: Sequence[Any], given: Sequence[Any]) -> None:
    """Raise unless all tables have the columns of the training records, in their order."""
    named = [not isinstance(each, (np.ndarray, list, tuple)) for each in given]
    expected = list(frames[1].columns)
    for frame, name, has_names in zip(frames, NAMES, named, strict=True):
        columns = list(frame.columns)
        if columns == expected:
            continue
        if not (has_names and named[1]):
            raise ValueError(
                f"{name} and X_train must both be data frames with the same columns, or both "
                f"arrays with as many; got {len(columns)} and {len(expected)} columns."
            )
        missing = [column for column in expected if column not in set(columns)]
        extra = [column for column in columns if column not in set(expected)]
        if missing or extra:
            parts = [f"it lacks {_listed(missing)}"] if missing else []
            parts += [f"it alone has {_listed(extra)}"] if extra else []
            raise ValueError(
                f"{name} has other columns than X_train: {'; '.join(parts)}. Give all three tables "
                "the same columns."
            )
        raise ValueError(
            f"{name} has the columns of X_train in another order: give {name}[X_train.columns]."
        )


def _listed(names: Sequence[Any], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more


def _scaled(offsets: Sequence[np.ndarray], columns: Sequence[Column]) -> list[np.ndarray]:
    """Return cells for distances, see `Table`."""
    scaled = [np.empty_like(each) for each in offsets]
    for place, column in enumerate(columns):
        own = offsets[0][:, place]
        known = own[np.isfinite(own)]
        low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
        for source, target in zip(offsets, scaled, strict=True):
            cells = source[:, place]
            if column.kind is Kind.CATEGORY:
                target[:, place] = np.where(np.isnan(cells), -_MISSING, cells)
                continue
            with np.errstate(over="ignore", invalid="ignore"):
                # Half of each, since the range of extreme values would be infinite.
                share = (cells / 2 - low / 2) / (high / 2 - low / 2) if high > low else cells * 0.0
            share = np.where(np.isposinf(cells), 1.0, np.where(np.isneginf(cells), 0.0, share))
            target[:, place] = np.where(np.isnan(cells), _MISSING, np.clip(share, 0.0, 1.0))
    return scaled
