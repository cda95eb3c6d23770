"""How the command line reads files, and which of their columns a model takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from .._models._fitted_columns import takes_documents
from .._models._known_features import known_names, n_known_features

# What a cell may say that it holds nothing; pandas reads the same.
NA_VALUES = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)
DTYPES = {
    "str": "text",
    "int": "int",
    "float": "number",
    "category": "category",
    "bool": "bool",
    "datetime": "datetime",
}
# The header that pandas gives a column without one: an index that was written.
INDEX = "Unnamed: 0"


@dataclass(frozen=True)
class Reading:
    """How files are read, as far as the user says.

    Parameters
    ----------
    target : str or None
        Column (npz: array) of the labels; several, parted by commas, of several outputs.
    numbers : bool, default=False
        Whether true values are numbers, since the model is a regressor.
    labelled : bool, default=True
        Whether labels are needed. Without, the target's column is dropped where one is named.
    text : str or None
        Column of the texts that a model reads in place of a table.
    groups : str or None
        Column that says whose each record is.
    slices : collection of str
        Columns by which records are reported apart.
    dtypes : mapping of str to str
        A type of `DTYPES` for columns whose type the model does not tell.
    na_values : collection of str
        What also means that a cell holds nothing.
    default_na : bool, default=True
        Whether `NA_VALUES` do where a model does not know them as categories.
    sep : str or None
        What parts cells.
    decimal, thousands
        How numbers are written, see `Numerals`.
    columns : tuple of str, default=()
        What a model that knows no names is given, in this order: the columns of another file.
    named_by : str, default=""
        That file.
    """

    target: str | None = None
    labelled: bool = True
    text: str | None = None
    groups: str | None = None
    slices: Collection[str] = ()
    dtypes: Mapping[str, str] = field(default_factory=dict)
    na_values: Collection[str] = ()
    default_na: bool = True
    sep: str | None = None
    decimal: str = "."
    thousands: str | None = None
    numbers: bool = False
    columns: tuple[str, ...] = ()
    named_by: str = ""

    def targets(self, columns: Collection[str]) -> list[str]:
        """Return the columns of the labels, in the order of the outputs, as far as they are named.

        A name that holds commas is one name where a column is called so.
        """
        if self.target is None:
            return []
        if self.target in columns or "," not in self.target:
            return [self.target]
        return [name.strip() for name in self.target.split(",") if name.strip()]

    @property
    def missing(self) -> set[str]:
        """What a cell of numbers may say to hold nothing."""
        return {"", *self.na_values, *(NA_VALUES if self.default_na else ())}


def fed_columns(model: Any, columns: Sequence[str], reading: Reading) -> list[str]:
    """Return which columns of a file a model reads, in its order.

    Raises
    ------
    ValueError
        If the model reads texts, and which column holds them is not known.
    """
    targets = reading.targets(columns)
    rest = [name for name in columns if name not in targets]
    if reading.text is not None:
        return [reading.text]
    if takes_documents(model):
        found = [name for name in rest if name not in (INDEX, reading.groups, *reading.slices)]
        if len(found) == 1:
            return found
        raise ValueError(
            "The model was fitted on texts: name the column that holds them with --text; the "
            f"columns are {shortened(rest)}."
        )
    names = known_names(model)
    if names is not None:
        return [str(name) for name in names if name in rest]
    if reading.columns:
        missing = [name for name in reading.columns if name not in rest]
        if missing:
            raise ValueError(
                f"The model knows no names of columns, and is given those of {reading.named_by}; "
                f"another file lacks {shortened(missing)} and has {shortened(rest)}. Name the "
                "columns alike in both files."
            )
        return list(reading.columns)
    n = n_known_features(model)
    without = [name for name in rest if name != INDEX]
    ungrouped = [name for name in without if name != reading.groups]
    unsliced = [name for name in ungrouped if name not in reading.slices]
    candidates = (rest, without, ungrouped, unsliced)
    return next((names for names in candidates if len(names) == n), without)


def check_names(model: Any, columns: Sequence[str], path: Path) -> None:
    """Raise unless a file has all columns that a model knows by name."""
    missing = [name for name in known_names(model) or () if name not in columns]
    if missing:
        raise ValueError(
            f"{path} lacks columns that the model was fitted on: {shortened(missing)}. It has "
            f"{shortened(columns)}."
        )


def beside(model: Any, columns: Sequence[str], reading: Reading, path: Path) -> Reading:
    """Return how a file is read beside one of these columns: a model without names needs them."""
    if takes_documents(model) or reading.text is not None or known_names(model) is not None:
        return reading
    return replace(reading, columns=tuple(fed_columns(model, columns, reading)), named_by=path.name)


def classes_of(model: Any) -> list[Any]:
    """Return the labels that a model knows; none where it does not tell."""
    try:
        classes = np.asarray(model.classes_)
    except Exception:  # A property of somebody's estimator, or several outputs.
        return []
    if classes.ndim != 1:
        return []
    # Of nanoseconds, numpy makes whole numbers.
    return list(classes) if classes.dtype.kind == "M" else classes.tolist()


def classes_of_outputs(model: Any, n_outputs: int) -> list[list[Any]]:
    """Return the labels that a model knows of each output; [0, 1] where it has indicators."""
    if n_outputs == 1:
        return [classes_of(model)]
    try:
        own = [np.asarray(labels) for labels in model.classes_]
    except Exception:
        own = []
    if len(own) == n_outputs and all(labels.ndim == 1 for labels in own):
        return [labels.tolist() for labels in own]
    return [[0, 1] for _ in range(n_outputs)]


def joined(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Return labels, or true values, as an array: one column per output where there are several."""
    if len(columns) == 1:
        return columns[0]
    kinds = {column.dtype.kind for column in columns}
    if len(kinds) > 1 and not kinds <= set("biuf"):
        columns = [column.astype(object) for column in columns]
    return np.stack(columns, axis=1)


def as_dates(labels: Any, classes: Sequence[Any], path: Path) -> np.ndarray:
    """Return labels, dates or texts of dates, as those of a model's classes that they mean.

    Raises
    ------
    ValueError
        If one is no date, or none of the classes.
    """
    import pandas as pd

    known = {pd.Timestamp(label): label for label in classes}
    try:
        dates = pd.to_datetime(pd.Series(labels), format="ISO8601").tolist()
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{path} holds other labels than dates such as 2026-01-31; the model knows "
            f"{shortened(classes)}."
        ) from error
    strange = [row for row, date in enumerate(dates) if date not in known]
    if strange:
        raise ValueError(
            f"{path}: record {strange[0] + 1} has the label '{dates[strange[0]]}'; the model knows "
            f"{shortened(classes)}."
        )
    return np.asarray([known[date] for date in dates], dtype=np.asarray(classes).dtype)


def unreadable(path: Path, error: Exception) -> ValueError:
    """Return in one sentence what a reader could not make sense of."""
    reason = " ".join(str(error).split()).rstrip(".")
    return ValueError(f"{path} could not be read ({type(error).__name__}: {reason}).")


def without_value(path: Path, name: str, missing: Any) -> str:
    """Say that records of a regression have no true value in a column."""
    return (
        f"{path}: {int(missing.sum())} of {len(missing)} records have no value in {name!r}. Drop "
        "them."
    )


def shortened(names: Any, most: int = 10) -> str:
    """Return names in quotes, the first of them where there are many."""
    listed = [repr(str(name)) for name in names]
    more = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {more} more" if more > 0 else "")
