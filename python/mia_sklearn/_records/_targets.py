"""True values of records, one or several for each: numbers, or labels of several kinds."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ._rows import positions, through_narwhals

_LARGEST = 1e30

__all__ = [
    "as_numbers",
    "as_several_labels",
    "codes_of_outputs",
    "is_constant",
    "labels_of_outputs",
]


def as_numbers(y: Any, name: str = "y") -> np.ndarray:
    """Return the true values of a regression as an array of numbers.

    Parameters
    ----------
    y : array-like of shape (n_records,) or (n_records, n_outputs)
    name : str
        What errors call it.

    Returns
    -------
    ndarray of the same shape
        In the dtype that it has, where that is one of numbers; frames of one column have one
        dimension.

    Raises
    ------
    ValueError
        If it holds anything but finite numbers.
    """
    values = _as_array(y, name)
    if values.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} must hold real numbers.")
    if values.dtype.kind not in "biuf":
        if values.dtype.kind != "O":
            raise ValueError(
                f"{name} must hold numbers, since the model is a regressor; got {values.dtype}."
            )
        try:
            values = _without_na(values).astype(np.float64)
        except (TypeError, ValueError) as error:
            texts = [value for value in values.ravel().tolist() if isinstance(value, str)]
            got = repr(texts[0]) if texts else "values that are missing, or no numbers"
            raise ValueError(
                f"{name} must hold numbers, since the model is a regressor; got {got}."
            ) from error
    finite = np.isfinite(values.astype(np.float64)).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        row = int(finite.argmin())
        raise ValueError(
            f"{name} holds {values[row].tolist()!r} in row {row}, which is no finite number; drop "
            "such records."
        )
    _check_size(values, name)
    return values


def _without_na(values: np.ndarray) -> np.ndarray:
    """Return objects with NaN in place of what pandas calls missing, which is no number."""
    import pandas as pd

    return np.where(pd.isna(values), np.nan, values)


def _check_size(values: np.ndarray, name: str) -> None:
    """Raise where residuals would be lost in tables of single precision."""
    size = np.abs(values.astype(np.float64))
    largest, spread = float(size.max(initial=0)), float(np.ptp(size, axis=0).max(initial=0))
    if largest > _LARGEST or 0 < spread < 1 / _LARGEST:
        raise ValueError(
            f"{name} holds values of up to {largest:.3g} that differ by up to {spread:.3g}, beyond "
            "what single precision holds: train the model on other units."
        )


def as_several_labels(y: Any, name: str = "y") -> np.ndarray:
    """Return the labels of a classifier with several outputs, one column for each.

    Parameters
    ----------
    y : array-like of shape (n_records, n_outputs)
    name : str
        What errors call it.

    Returns
    -------
    ndarray of shape (n_records, n_outputs)

    Raises
    ------
    ValueError
        If it has another number of dimensions, or labels are missing.
    """
    import pandas as pd

    labels = _as_array(y, name)
    if labels.ndim != 2:
        raise ValueError(
            f"{name} must have one column for each output of the model, got shape {labels.shape}."
        )
    missing = pd.isna(labels).any(axis=1)
    if missing.any():
        raise ValueError(f"{name} has no label in row {missing.argmax()}; drop such records.")
    return labels


def _as_array(y: Any, name: str) -> np.ndarray:
    if sparse.issparse(y):
        raise ValueError(f"{name} is a sparse matrix: give {name}.toarray().")
    if hasattr(y, "detach"):
        y = y.detach().cpu()
    names = list(getattr(y, "columns", ()))
    if len(set(names)) < len(names):
        twice = next(column for column in names if names.count(column) > 1)
        raise ValueError(f"{name} has several columns of the name {twice!r}: rename them.")
    foreign = through_narwhals(y)
    if foreign is not None:
        y = foreign.to_pandas()
    if hasattr(y, "columns") and y.shape[1] == 1:
        y = y.iloc[:, 0]
    if hasattr(y, "iloc"):
        # Nullable numbers without a missing one are numbers.
        y = y.astype(object).infer_objects() if _is_extension(y) else y
    try:
        values = np.asarray(y)
    except ValueError as error:  # Rows of several lengths.
        raise ValueError(f"{name} must have as many values for each record: {error}") from error
    if values.ndim not in (1, 2) or values.shape[1:] == (0,):
        raise ValueError(
            f"{name} must have one row per record and one column per output, got shape "
            f"{values.shape}."
        )
    return values


def _is_extension(y: Any) -> bool:
    import pandas as pd

    dtypes = y.dtypes if hasattr(y, "columns") else [y.dtype]
    return any(pd.api.types.is_extension_array_dtype(dtype) for dtype in dtypes)


def is_constant(y: np.ndarray) -> bool:
    """Tell whether all records have the same true values."""
    return bool((y == y[:1]).all())


def labels_of_outputs(y: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the different labels of each output, sorted."""
    return tuple(np.array(sorted(set(column.tolist()))) for column in y.T)


def codes_of_outputs(y: np.ndarray, classes: tuple[np.ndarray, ...]) -> np.ndarray:
    """Return positions of labels among the classes of their output, -1 for what is none.

    Returns
    -------
    ndarray of shape (n_records, n_outputs), float64
    """
    return np.column_stack(
        [
            positions(np.array(column.tolist()), known).astype(np.float64)
            for column, known in zip(y.T, classes, strict=True)
        ]
    )
