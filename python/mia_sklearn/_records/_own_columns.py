"""Records as columns of numbers, each record by itself: what it becomes no other record decides."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ._digests import _value_digests
from ._rows import as_table, is_documents, is_frame, n_rows, to_pandas
from ._text import bags, is_text

__all__ = ["own_columns"]

# More columns of one kind, pixels or words, are added up: what trees have to look through.
_MOST = 256
# The largest number of 32 bits, and how many values of a category stay apart in one.
_LARGEST, _CODE_BITS = float(np.finfo(np.float32).max), 24


def own_columns(X: Any) -> np.ndarray:
    """Return records as numbers for trees, a row that depends on the record alone.

    Numbers and points in time stay what they are, cut to what 32 bits hold, and missing values stay
    missing. Any other value becomes a code made of its own text, and a text the counts of its
    words. Of more than 256 columns of one kind neighbouring ones are added up, so that sparse
    tables, pictures and words take no more memory than that.

    Parameters
    ----------
    X : table of shape (n_records, ...)

    Returns
    -------
    ndarray of shape (n_records, n_columns), float32
        Without infinite values.
    """
    X = as_table(X)
    if sparse.issparse(X):
        return _as_numbers(_fewer(X))
    if is_documents(X):
        return _as_numbers(_fewer(bags(to_pandas(X).iloc[:, 0].tolist())))
    X = to_pandas(X)
    if not is_frame(X):
        flat = np.asarray(X).reshape(n_rows(X), -1)
        if flat.dtype.kind in "biuf":
            return _as_numbers(_fewer(flat))
        import pandas as pd

        X = pd.DataFrame(flat).infer_objects()
    return _of_frame(X)


def _of_frame(X: Any) -> np.ndarray:
    numbers, parts = [], []
    for j in range(X.shape[1]):
        column = X.iloc[:, j]
        if is_text(column):
            parts.append(_as_numbers(_fewer(bags(column.tolist()))))
        else:
            numbers.append(_numbers(column))
    if numbers:
        parts.insert(0, _as_numbers(_fewer(np.column_stack(numbers))))
    return np.hstack(parts) if parts else np.empty((len(X), 0), dtype=np.float32)


def _numbers(column: Any) -> np.ndarray:
    """Return the values of a pandas column as numbers, in float64, NaN where one is missing."""
    import pandas as pd

    if column.dtype == object:
        column = column.infer_objects()
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    missing = np.asarray(pd.isna(column))
    if np.asarray(column).dtype.kind in "mM":
        numbers = np.asarray(column).astype(np.int64).astype(np.float64)
    else:
        numbers = (_value_digests(column) >> np.uint64(64 - _CODE_BITS)).astype(np.float64)
    return np.where(missing, np.nan, numbers)


def _fewer(values: Any) -> np.ndarray:
    """Return at most 256 columns: neighbouring ones added up where there are more."""
    n_columns = values.shape[1]
    if n_columns <= _MOST:
        return values.toarray() if sparse.issparse(values) else values
    place = np.arange(n_columns) * _MOST // n_columns
    if not sparse.issparse(values):
        known = np.nan_to_num(values, nan=0.0, posinf=_LARGEST, neginf=-_LARGEST)
        first = np.flatnonzero(np.diff(place, prepend=-1))
        return np.add.reduceat(known, first, axis=1, dtype=np.float64)
    one = sparse.csr_matrix((np.ones(n_columns), (np.arange(n_columns), place)))
    known = sparse.csr_matrix(values, dtype=np.float64, copy=True)
    known.data = np.nan_to_num(known.data, nan=0.0, posinf=_LARGEST, neginf=-_LARGEST)
    return (known @ one).toarray()


def _as_numbers(values: np.ndarray) -> np.ndarray:
    return np.clip(values.astype(np.float64), -_LARGEST, _LARGEST).astype(np.float32)
