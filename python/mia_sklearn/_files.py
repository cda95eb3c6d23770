"""What the command line reads: models and tables of records, from files of unknown origin."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

PICKLES = (".joblib", ".pickle", ".pkl")
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zip", ".zst")


def read_model(path: Path, *, trusted_types: Collection[str] = (), trust: bool = False) -> Any:
    """Load an estimator without running code that nobody vouched for.

    Parameters
    ----------
    path : Path
        A skops file, or with `trust` a pickle or joblib file.
    trusted_types : collection of str, default=()
        Types that a skops file may hold beside those that skops trusts by itself.
    trust : bool, default=False
        Allow pickles, which run whatever code their author wrote.

    Returns
    -------
    object

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is of another kind, damaged, or holds types that are not trusted.
    """
    _check_exists(path)
    kind = path.suffix.lower()
    if kind in PICKLES and not trust:
        raise ValueError(
            f"{path} is a pickle, which runs whatever code its author wrote when it is loaded. "
            "Save the model with skops.io.dump, or add --trust if you know who made the file."
        )
    if kind not in (".skops", *PICKLES):
        raise ValueError(
            f"{path}: a model is read from .skops, {', '.join(PICKLES)}, not from "
            f"{kind or 'a file without extension'}."
        )
    try:
        if kind == ".skops":
            return _read_skops(path, trusted_types)
        import joblib

        return joblib.load(path)
    except UntrustedTypes:
        raise
    except Exception as error:  # A damaged or foreign file may raise anything.
        raise ValueError(
            f"{path} could not be loaded ({type(error).__name__}: {error}). Save it again with "
            "the installed versions of its libraries."
        ) from error


class UntrustedTypes(ValueError):
    """A skops file holds types that neither skops nor the user trusts."""


def _read_skops(path: Path, trusted_types: Collection[str]) -> Any:
    import skops.io

    untrusted = skops.io.get_untrusted_types(file=path)
    unknown = [name for name in untrusted if name not in trusted_types]
    if unknown:
        options = " ".join(f"--trust-type {name}" for name in unknown)
        raise UntrustedTypes(
            f"{path} holds types that skops does not trust by itself. If you know them, add: "
            f"{options}"
        )
    return skops.io.load(path, trusted=untrusted)


def read_records(path: Path, target: str | None, *, labelled: bool = True) -> tuple[Any, Any]:
    """Read a table of records and split off their labels.

    Parameters
    ----------
    path : Path
        CSV (also compressed), Parquet or npz.
    target : str or None
        Name of the column, or of the array of an npz file ("y" by default), that holds the
        labels.
    labelled : bool, default=True
        Whether labels are needed. Without, the target's column is dropped where one is named.

    Returns
    -------
    X : DataFrame or ndarray
        All other columns; of an npz file its array "X", or the only other one.
    y : ndarray of shape (n_records,), or None

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is of another kind or damaged, has no records, lacks the target or holds
        missing labels.
    """
    _check_exists(path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    kind = suffixes[-1] if suffixes else ""
    if kind == ".npz":
        X, y = _read_npz(path, target or "y", labelled)
    elif kind in (".csv", ".parquet"):
        if labelled and target is None:
            raise ValueError(f"Name the label's column of {path.name} with --target.")
        X, y = _read_frame(path, kind, target)
    else:
        raise ValueError(
            f"{path}: records are read from .csv, .csv.gz, .parquet and .npz, not from "
            f"{kind or 'a file without extension'}."
        )
    if len(X) == 0:
        raise ValueError(f"{path} holds no records.")
    if not labelled:
        return X, None
    if len(X) != len(y):
        raise ValueError(f"{path}: {len(X)} rows of features but {len(y)} labels.")
    return X, y


def _read_frame(path: Path, kind: str, target: str | None) -> tuple[Any, Any]:
    import pandas as pd

    try:
        frame = pd.read_csv(path) if kind == ".csv" else pd.read_parquet(path)
    except ImportError as error:
        raise ValueError(f"{path}: reading Parquet needs pyarrow: pip install pyarrow.") from error
    except Exception as error:  # Parsers, decoders and decompressors raise their own kinds.
        raise ValueError(f"{path} could not be read ({type(error).__name__}: {error}).") from error
    if target is None:
        return frame, None
    if target not in frame.columns:
        raise ValueError(
            f"--target {target!r} is no column of {path}; its columns are "
            f"{_shortened(frame.columns)}."
        )
    labels = frame[target]
    missing = int(labels.isna().sum())
    if missing:
        raise ValueError(
            f"{path}: {missing} of {len(labels)} records have no label in {target!r}. Drop them, "
            "or rename a class that reads as missing, such as NA or None."
        )
    return frame.drop(columns=target), np.asarray(labels.tolist())


def _read_npz(path: Path, target: str, labelled: bool) -> tuple[np.ndarray, Any]:
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
    if labelled and target not in arrays:
        raise ValueError(
            f"{path} has no array {target!r} (name one with --target); its arrays are "
            f"{_shortened(arrays)}."
        )
    y = arrays.pop(target, None)
    if "X" not in arrays and len(arrays) != 1:
        raise ValueError(
            f"{path} must hold the features in an array 'X'; its other arrays are "
            f"{_shortened(arrays)}."
        )
    X = arrays["X"] if "X" in arrays else next(iter(arrays.values()))
    if (y is not None and y.ndim != 1) or X.ndim < 2:
        raise ValueError(
            f"{path}: the labels must have one dimension and the features two or more; got "
            f"{'none' if y is None else y.ndim} and {X.ndim}."
        )
    return X, y


def features_for(model: Any, X: Any, path: Path) -> Any:
    """Return the columns that the model was fitted on, as it was given them.

    Parameters
    ----------
    model : fitted estimator
    X : DataFrame or ndarray
        All columns of the file but the target.
    path : Path
        The file, for messages.

    Returns
    -------
    DataFrame or ndarray

    Raises
    ------
    ValueError
        If columns are missing.
    """
    if isinstance(X, np.ndarray):
        return X
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        # A model that counted its features but knows no names was fitted on an array.
        fitted_on_array = hasattr(model, "n_features_in_")
        return X.to_numpy() if fitted_on_array and all(map(_is_number, X.dtypes)) else X
    missing = [name for name in names if name not in X.columns]
    if missing:
        raise ValueError(
            f"{path} lacks columns that the model was fitted on: {_shortened(missing)}."
        )
    return X[list(names)]


def column_of(name: str, X: Any, y: np.ndarray | None, path: Path) -> list[Any]:
    """Return the values by which records are sliced: a column of the file, or its labels.

    Parameters
    ----------
    name : str
        A column, whether the model knows it or not; "label" stands for the labels.
    X : DataFrame or ndarray
        All columns of the file but the target.
    y : ndarray of shape (n_records,), or None
    path : Path
        The file, for messages.

    Returns
    -------
    list of length n_records

    Raises
    ------
    ValueError
        If there is no such column.
    """
    if name == "label" and y is not None:
        return y.tolist()
    if isinstance(X, np.ndarray) or name not in X.columns:
        raise ValueError(f"--slices {name!r} is no column of {path}.")
    return X[name].tolist()


def _is_number(dtype: Any) -> bool:
    import pandas as pd

    return pd.api.types.is_numeric_dtype(dtype)


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file.")


def _shortened(names: Any, most: int = 10) -> str:
    listed = [repr(str(name)) for name in names]
    more = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {more} more" if more > 0 else "")
