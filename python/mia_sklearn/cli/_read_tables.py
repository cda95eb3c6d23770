"""Tables of records from files, each column read as the model was fitted on it."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._models._fitted_columns import kind_of_values, takes_documents
from .._models._predictors import answers_several
from ._read_csv import TextFile
from ._reading import (
    Reading,
    as_dates,
    beside,
    classes_of,
    classes_of_outputs,
    joined,
    shortened,
    unreadable,
    without_value,
)

COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zip": "zip", ".zst": "zstd"}
TABLES = (".csv", ".tsv", ".parquet", ".feather", ".npz")


def check_table_file(path: Path) -> None:
    """Raise if a table cannot be read from a file, as far as its name tells."""
    check_file(path)
    kind, _ = kind_of_file(path)
    if kind not in TABLES:
        raise ValueError(
            f"{path}: records are read from .csv, .csv.gz, .tsv, .parquet, .feather and .npz, not "
            f"from {kind or 'a file without extension'}."
        )


def check_file(path: Path) -> None:
    """Raise if there is no such file, or none that may be read."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file.")
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise PermissionError(f"{path} cannot be read ({error.strerror}).") from error


def kind_of_file(path: Path) -> tuple[str, str | None]:
    """Return a file's kind by its name, and how it is compressed."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = COMPRESSIONS[suffixes.pop()] if suffixes and suffixes[-1] in COMPRESSIONS else None
    return (suffixes[-1] if suffixes else ""), packed


def read_tables(
    paths: Sequence[Path], model: Any, reading: Reading
) -> tuple[list[tuple[Any, Any]], str]:
    """Return the records and the labels of each file, and how columns were read, for the user.

    A column is read as the model was fitted on it, as far as that tells. Of an npz file the records
    are the array "X", or the only other one. Labels are None where the reading has none; what is
    said is empty where files hold their types and the model knows the names of its columns; one
    that does not is given the columns of the first file, in its order, of all files.
    """
    tables: list[tuple[Any, Any]] = []
    readers: list[TextFile] = []
    for path in paths:
        check_table_file(path)
        kind, packed = kind_of_file(path)
        if kind == ".npz":
            tables.append(_read_npz(path, reading, model))
            continue
        if reading.labelled and reading.target is None:
            what = "column of the true values" if reading.numbers else "label's column"
            raise ValueError(f"Name the {what} of {path.name} with --target.")
        if kind in (".csv", ".tsv"):
            readers.append(TextFile(path, kind, packed, model, reading))
            tables.append(readers[-1].read())
        else:
            tables.append(_read_typed(path, kind, reading, model))
        if not reading.columns:
            columns = [str(name) for name in tables[-1][0].columns]
            reading = beside(model, columns, reading, path)
    _unite_categories([X for X, _ in tables], readers)
    for path, (X, y) in zip(paths, tables, strict=True):
        if len(X) == 0:
            raise ValueError(f"{path} holds no records.")
        if y is not None and len(X) != len(y):
            raise ValueError(f"{path}: {len(X)} rows of features but {len(y)} labels.")
    if not readers and reading.dtypes:
        raise ValueError("--dtype is for text files; these files hold the types of their columns.")
    said = [reader.said() for reader in readers[:1]]
    if reading.columns and len(paths) > 1:
        said.append(
            f"The model knows no names of columns: it is given those of {reading.named_by}, in "
            f"this order, {shortened(reading.columns, 5)}."
        )
    return tables, " ".join(filter(None, said))


def _unite_categories(tables: list[Any], readers: list[TextFile]) -> None:
    """Give columns of categories the same ones in all files, the model's first."""
    import pandas as pd

    if not readers:
        return
    for name in readers[0].fed:
        columns = [table[name] for table in tables if hasattr(table, "columns") and name in table]
        if readers[0].kind_of(name) != "category" or len(columns) != len(tables):
            continue
        if not all(isinstance(column.dtype, pd.CategoricalDtype) for column in columns):
            continue
        known = readers[0].fitted[name].values if name in readers[0].fitted else []
        met = {value for column in columns for value in column.cat.categories}
        new = sorted(met - set(known), key=lambda value: (str(type(value)), value))
        for table in tables:
            table[name] = table[name].cat.set_categories([*known, *new])


def _read_typed(path: Path, kind: str, reading: Reading, model: Any) -> tuple[Any, Any]:
    """Read a file that holds the types of its columns."""
    import pandas as pd

    try:
        frame = pd.read_parquet(path) if kind == ".parquet" else pd.read_feather(path)
    except ImportError as error:
        raise ValueError(f"{path}: reading {kind} needs pyarrow: pip install pyarrow.") from error
    except Exception as error:  # Parsers, decoders and decompressors raise their own kinds.
        raise unreadable(path, error) from error
    targets = reading.targets(frame.columns)
    for target in targets:
        if target not in frame.columns:
            raise ValueError(
                f"--target {target!r} is no column of {path}; its columns are "
                f"{shortened(frame.columns)}."
            )
    cells = [frame.pop(target) for target in targets]
    if not cells or not reading.labelled:
        return frame, None
    known = classes_of_outputs(model, len(cells))
    read = [
        _typed_labels(path, labels, reading.numbers, classes)
        for labels, classes in zip(cells, known, strict=True)
    ]
    return frame, joined(read)


def _typed_labels(path: Path, labels: Any, numbers: bool, classes: list[Any]) -> np.ndarray:
    if labels.isna().any():
        if numbers:
            raise ValueError(without_value(path, labels.name, labels.isna()))
        raise ValueError(
            f"{path}: {int(labels.isna().sum())} of {len(labels)} records have no label in "
            f"{labels.name!r}. Drop them."
        )
    if kind_of_values(classes) == "datetime":
        return as_dates(labels, classes, path)
    return np.asarray(labels.tolist())


def _read_npz(path: Path, reading: Reading, model: Any) -> tuple[np.ndarray, Any]:
    target = reading.target or "y"
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("not a zip archive")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # zipfile, zlib and NumPy raise their own kinds.
        raise ValueError(
            f"{path} could not be read ({type(error).__name__}: {error}). It must be an .npz of "
            "plain arrays, such as numpy.savez(file, X=X, y=y) writes."
        ) from error
    if reading.labelled and target not in arrays:
        raise ValueError(
            f"{path} has no array {target!r} (name one with --target); its arrays are "
            f"{shortened(arrays)}."
        )
    y = arrays.pop(target, None)
    if "X" not in arrays and len(arrays) != 1:
        raise ValueError(
            f"{path} must hold the features in an array 'X'; its other arrays are "
            f"{shortened(arrays)}."
        )
    X = arrays["X"] if "X" in arrays else next(iter(arrays.values()))
    if X.dtype.kind == "c":
        raise ValueError(
            f"{path}: the features are complex numbers, which no model takes: give their real and "
            "imaginary parts as columns."
        )
    if y is not None and y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    least = 1 if takes_documents(model) else 2
    several = reading.numbers or answers_several(model)
    if (y is not None and y.ndim not in ((1, 2) if several else (1,))) or X.ndim < least:
        raise ValueError(
            f"{path}: the labels must have one dimension{', or two,' if several else ''} and the "
            f"features two or more; got {'none' if y is None else y.ndim} and {X.ndim}."
        )
    if not reading.labelled:
        return X, None
    if several:
        return X, y
    classes = classes_of(model)
    dates = kind_of_values(classes) == "datetime"
    return X, as_dates(y, classes, path) if dates else _as_classes(y, classes)


def _as_classes(y: np.ndarray, classes: list[Any]) -> np.ndarray:
    """Return labels as the model writes them, where each is one of its classes as text."""
    y = np.char.decode(y, "utf-8", "replace") if y.dtype.kind == "S" else y
    labels = y.tolist()
    known = {str(label): label for label in classes}
    if set(labels) <= set(classes) or not {str(label) for label in labels} <= known.keys():
        return y
    return np.asarray([known[str(label)] for label in labels], dtype=np.asarray(classes).dtype)
