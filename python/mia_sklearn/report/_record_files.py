"""The list of records in files of its own: CSV for spreadsheets, columns where they are many."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._process._printable import printable
from ._encoding import Column, column_of, columns_of, dumps, plain, refuse

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FILES", "goes_to_file", "read_file", "to_csv", "to_file"]

CSV, PARQUET, NPZ = FILES = ("records.csv", "records.parquet", "records.npz")
# From here on JSON and CSV take minutes and hundreds of MB, and spreadsheets are full.
MANY = 20_000
# A column of fewer different numbers is small as a dictionary; scores have about as many as rows.
_FEW_NUMBERS = 65_536
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def goes_to_file(records: pd.DataFrame) -> bool:
    """Tell whether records are kept in a file of columns, since they are many."""
    return len(records) > MANY


def to_csv(records: pd.DataFrame) -> str:
    """Return CSV; text that a spreadsheet would run as a formula gets an apostrophe in front.

    Characters that act on a terminal or cannot be seen are shown as escapes.
    """

    def harmless(cell: Any) -> Any:
        if not isinstance(cell, str):
            return cell
        cell = printable(cell)
        return "'" + cell if cell.startswith(_FORMULA_STARTS) else cell

    table = records.rename(columns=harmless)
    for name in table.columns:
        if table[name].dtype.kind not in "biuf":
            table[name] = table[name].astype(object).map(harmless)
    return table.to_csv(index=False)


def to_file(records: pd.DataFrame) -> tuple[bytes, dict[str, Any], list[Column]]:
    """Return a file of columns, and what ``audit.json`` says of it and of its columns.

    It is Parquet where pyarrow is there, and NumPy's npz elsewhere.
    """
    name = PARQUET if find_spec("pyarrow") is not None else NPZ
    content, columns = (_to_parquet if name == PARQUET else _to_npz)(records)
    digest = hashlib.sha256(content).hexdigest()
    return content, {"file": name, "rows": len(records), "sha256": digest}, columns


def _to_npz(records: pd.DataFrame) -> tuple[bytes, list[Column]]:
    """Return an array of each column of numbers, and the JSON of each other, as bytes.

    Arrays are numbered: a name may be none that a file can have.
    """
    columns: list[Column] = []
    buffer = io.BytesIO()
    # Harder compression takes three times as long, for an eighth of the size.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for place, name in enumerate(records.columns):
            column = plain(records[name])
            numeric = isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf"
            (about,), (values,) = columns_of(records[[name]].iloc[: 0 if numeric else None])
            if numeric:
                array = column.to_numpy()
            else:
                about, array = {**about, "json": True}, np.frombuffer(dumps(values).encode(), "u1")
            columns.append(about)
            with file.open(f"{place}.npy", "w", force_zip64=True) as part:
                np.lib.format.write_array(part, array, allow_pickle=False)
    return buffer.getvalue(), columns


def _to_parquet(records: pd.DataFrame) -> tuple[bytes, list[Column]]:
    """Return numbers as they are; columns of objects that are not all text hold JSON."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: list[Column] = []
    arrays: list[Any] = []
    encodings: dict[str, str] = {}
    for name in records.columns:
        column = plain(records[name])
        numeric = column.dtype.kind in "biuf"
        about, values = ({"dtype": str(column.dtype)}, None) if numeric else _texts(column)
        about = {"name": columns_of(records[[name]].iloc[:0])[0][0]["name"], **about}
        arrays.append(_numbers(column) if numeric else pa.array(values, pa.string()))
        columns.append(about)
        if column.dtype.kind == "f" and column.nunique() > _FEW_NUMBERS:
            # Signs and exponents, which are alike, lie together.
            encodings[about["name"]] = "BYTE_STREAM_SPLIT"
        elif column.dtype.kind in "iu":
            encodings[about["name"]] = "DELTA_BINARY_PACKED"
    names = [column["name"] for column in columns]
    buffer = io.BytesIO()
    pq.write_table(
        pa.table(arrays, names=names),
        buffer,
        compression="zstd",
        use_dictionary=[name for name in names if name not in encodings],
        column_encoding=encodings,
        store_schema=False,
    )
    return buffer.getvalue(), columns


def _numbers(column: pd.Series) -> Any:
    import pyarrow as pa

    if column.dtype.name[0].isupper() or column.dtype.name == "boolean":
        return pa.array(column)  # Of pandas' own, with missing values.
    return pa.array(column.to_numpy(), from_pandas=False)


def _texts(column: pd.Series) -> tuple[Column, list[str | None]]:
    """Return a column as texts: its own, or JSON where it holds anything else."""
    (about,), (values,) = columns_of(column.to_frame("x"))
    del about["name"]
    if column.dtype == object and not set(map(type, values)) <= {str, type(None)}:
        return {**about, "json": True}, [None if v is None else dumps(v) for v in values]
    return about, values


def read_file(folder: Path, about: dict[str, Any], columns: list[Column]) -> pd.DataFrame:
    """Read the records that ``audit.json`` says lie beside it.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        If it is not the one that was saved, or pyarrow is needed and not installed.
    """
    import pandas as pd

    if about["file"] not in (PARQUET, NPZ):
        raise ValueError(f"records lie in a file named {about['file']!r:.40}")
    path = folder / about["file"]
    if not path.is_file():
        raise FileNotFoundError(
            f"{str(path)!r} is missing: a report of many records needs it beside audit.json. Copy "
            "both, or save the report with records=False."
        )
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != about["sha256"]:
        raise ValueError(f"{str(path)!r} was damaged or changed after it was saved")
    if path.name == PARQUET and find_spec("pyarrow") is None:
        raise ValueError(f"{str(path)!r} is read by pyarrow: pip install pyarrow")
    read = _read_parquet if path.name == PARQUET else _read_npz
    series = read(content, columns)
    if series is None or any(len(column) != about["rows"] for column in series):
        raise ValueError(f"{str(path)!r} has other columns or rows than audit.json says")
    names = [column["name"] for column in columns]
    return pd.DataFrame(dict(zip(names, series, strict=True)), columns=names)


def _read_npz(content: bytes, columns: list[Column]) -> list[pd.Series] | None:
    """Return the columns; None where there are others than these."""
    import pandas as pd

    series = []
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        if file.files != [str(place) for place in range(len(columns))]:
            return None
        for about, array in zip(columns, map(file.__getitem__, file.files), strict=True):
            if about.get("json"):
                series.append(
                    column_of(about, json.loads(array.tobytes().decode(), parse_constant=refuse))
                )
            else:
                series.append(pd.Series(array, dtype=str(about["dtype"])))
    return series


def _read_parquet(content: bytes, columns: list[Column]) -> list[pd.Series] | None:
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(content))
    if table.column_names != [column["name"] for column in columns]:
        return None
    return [_column(column, table.column(column["name"])) for column in columns]


def _column(about: Column, values: Any) -> pd.Series:
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_string(values.type):
        texts = values.to_pylist()
        if about.get("json"):
            texts = [None if text is None else json.loads(text) for text in texts]
        return column_of(about, texts)
    dtype = str(about["dtype"])
    if values.null_count or dtype[0].isupper() or dtype == "boolean":
        return pd.Series(values.to_pylist(), dtype=dtype)
    return pd.Series(values.to_numpy(), dtype=dtype)
