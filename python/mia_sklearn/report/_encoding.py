"""Values and tables as JSON that holds them exactly, and back."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .._process._printable import valid
from ._labels import decode_label, encode_label

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "column_of",
    "columns_of",
    "decode",
    "decode_rows",
    "dumps",
    "encode",
    "encode_rows",
    "refuse",
]

# JSON has no such numbers; strict readers refuse Python's spelling of them.
_SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
Column = dict[str, Any]


def dumps(content: Any) -> str:
    return json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def refuse(constant: str) -> None:
    """Refuse the numbers that Python reads and JSON has not."""
    raise ValueError(f"{constant} is no JSON")


def encode(value: Any) -> Any:
    """Turn a value into one that JSON holds exactly; numbers that it lacks become {"": name}."""
    import pandas as pd

    if isinstance(value, dict):
        return {valid(str(key)): encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [encode(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is pd.NA:
        return {"": "NA"}
    if isinstance(value, float) and not math.isfinite(value):
        return {"": str(value)}
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return valid(str(value))


def decode(value: Any) -> Any:
    """Return the value that `encode` was given, tuples as lists."""
    import pandas as pd

    if isinstance(value, list):
        return [decode(item) for item in value]
    if isinstance(value, dict):
        if list(value) == [""]:
            return pd.NA if value[""] == "NA" else _SPECIAL[value[""]]
        if "" in value:
            return decode_label(value, decode)
        return {key: decode(item) for key, item in value.items()}
    return value


def encode_rows(table: pd.DataFrame) -> tuple[list[Column], list[dict[str, Any]]]:
    """Return the columns of a table, and its rows.

    Of each column there are its ``name`` and its ``dtype``. A row has null where a column of
    numbers or text has nothing; ``missing`` says what null stands for in a column of objects.
    """
    if not table.columns.is_unique:
        raise ValueError("two columns of a report have the same name")
    columns, values = columns_of(table)
    names = [column["name"] for column in columns]
    if not names:
        return columns, []
    return columns, [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def columns_of(table: pd.DataFrame) -> tuple[list[Column], list[list[Any]]]:
    """Return what `encode_rows` says of each column, and its values for JSON."""
    columns, values = [], []
    for name in table.columns:
        about, encoded = _encode_column(plain(table[name]))
        columns.append({"name": valid(str(name)), **about})
        values.append(encoded)
    return columns, values


def plain(column: pd.Series) -> pd.Series:
    """Return a column of numbers, truths, texts or objects; others (dates, intervals) as text."""
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        column = pd.Series(np.asarray(column))
    api = pd.api.types
    if column.dtype.kind in "biuf" or api.is_object_dtype(column) or api.is_string_dtype(column):
        return column
    return column.astype("string").astype(object)


def _encode_column(column: pd.Series) -> tuple[Column, list[Any]]:
    about: Column = {"dtype": str(column.dtype)}
    missing = column.isna().to_numpy()
    if column.dtype.kind in "biuf":
        values = column.tolist()
        if column.dtype.kind == "f":
            for place in np.flatnonzero(np.isinf(column.to_numpy(float, na_value=np.nan))):
                values[place] = {"": str(values[place])}
    elif column.dtype == object:
        values, kinds = column.tolist(), {_kind(column.iloc[i]) for i in np.flatnonzero(missing)}
        if len(kinds) == 1 and kinds != {"other"}:
            about |= {"missing": kinds.pop()}
        else:
            missing = np.zeros(len(values), dtype=bool)
        values = [
            _text(value) if type(value) is str else encode_label(value, encode) for value in values
        ]
    else:
        values = [
            _text(value) if isinstance(value, str) else None
            for value in column.astype(object).tolist()
        ]
    for place in np.flatnonzero(missing):
        values[place] = None
    return about, values


def _text(value: str) -> str:
    # Most are, and there may be a million.
    return value if value.isascii() else valid(value)


def _kind(value: Any) -> str:
    """Name what a missing value is."""
    import pandas as pd

    if value is None:
        return "None"
    if value is pd.NA:
        return "NA"
    return "nan" if isinstance(value, float) else "other"


def decode_rows(table: str, columns: list[Column], rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Make the table that `encode_rows` was given.

    Raises
    ------
    TypeError, ValueError
        If a row has other columns than there are, or a column is named twice.
    """
    import pandas as pd

    names = [column["name"] for column in columns]
    if len(set(names)) != len(names) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"{table} is no table")
    expected = set(names)
    if not isinstance(rows, list) or not all(row.keys() == expected for row in rows):
        raise TypeError(f"a row of {table} has other columns than the table")
    return pd.DataFrame(
        {
            column["name"]: column_of(column, [row[column["name"]] for row in rows])
            for column in columns
        },
        columns=names,
    )


def column_of(column: Column, values: list[Any]) -> pd.Series:
    """Make a column of its values, null where one is missing."""
    import pandas as pd

    dtype, missing = str(column["dtype"]), column.get("missing")
    if dtype == "str" and not _has_str():
        dtype, missing = "object", "nan"
    if dtype != "object":
        if any(type(value) is dict for value in values):
            values = [decode(value) for value in values]
        return pd.Series(values, dtype=dtype)
    if missing is not None:
        stands_for = {"None": None, "NA": pd.NA, "nan": math.nan}[missing]
        values = [stands_for if value is None else value for value in values]
    values = [decode(value) if type(value) in (dict, list) else value for value in values]
    # One by one: NumPy would make arrays of tuples.
    return pd.Series(np.fromiter(values, dtype=object, count=len(values)), dtype=object)


def _has_str() -> bool:
    """Tell whether pandas has its dtype of texts, which it names "str" since version 3."""
    import pandas as pd

    return isinstance(pd.Series([""]).dtype, pd.StringDtype)
