"""Digests of records, equal for equal records whatever holds them."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from scipy import sparse

from ._cells import cell_in_words, holds_containers
from ._rows import is_frame, n_rows, plain_values, to_pandas

_LARGEST_EXACT = 2.0**53  # the last whole number up to which floats hold each


def row_digests(X: Any, y: Any = None) -> np.ndarray:
    """Return one 64-bit digest per record, equal for equal records.

    Numbers are compared by value, so the digest does not depend on their width, on the memory
    order, or on whether a frame or an array holds them.

    Parameters
    ----------
    X : table
    y : array-like of shape (n_records,) or (n_records, n_outputs), default=None
        Labels or true values; part of the record when given.

    Returns
    -------
    ndarray of shape (n_records,), dtype uint64
    """
    import pandas as pd

    if sparse.issparse(X):
        digests = _sparse_digests(X.tocsr())
    else:
        X = to_pandas(X)
        columns: list[Any]
        if is_frame(X):
            columns = [plain_values(X.iloc[:, j]) for j in range(X.shape[1])]
        else:
            flat = np.asarray(X).reshape(len(X), -1)
            columns = list(flat.T)
        digests = np.zeros(n_rows(X), dtype=np.uint64)
        for column in columns:
            digests = mixed_digests(digests, _value_digests(column))
    if y is not None:
        y = np.asarray(y)
        for column in [y] if y.ndim == 1 else y.T:
            digests = mixed_digests(digests, _value_digests(pd.Series(column)))
    return digests


def table_digest(X: Any, y: Any = None) -> str:
    """Return the SHA-256 of a table's records, whatever their order and what holds them.

    Parameters
    ----------
    X : table
    y : array-like of shape (n_records,), default=None

    Returns
    -------
    str
        In hexadecimal.
    """
    # Bytes in one order on every machine.
    return hashlib.sha256(np.sort(row_digests(X, y)).astype("<u8").tobytes()).hexdigest()


def _value_digests(column: Any) -> np.ndarray:
    import pandas as pd

    values = np.asarray(column)
    if values.dtype == object:
        # Numbers are objects where a column was joined with one of another kind, or lacks some.
        found = pd.api.types.infer_dtype(values, skipna=True)
        if found in ("integer", "floating", "mixed-integer-float", "boolean"):
            values = pd.Series(values).astype("Float64").to_numpy(np.float64, na_value=np.nan)
        elif found == "mixed-integer":
            values = np.array([_number_as_float(value) for value in values], dtype=object)
    if values.dtype.kind in "biuf":
        # Adding zero turns -0.0 into 0.0; every NaN becomes the same NaN.
        numbers = values.astype(np.float64) + 0.0
        numbers[np.isnan(numbers)] = np.nan
        digests = pd.util.hash_array(numbers)
        if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
            # Whole numbers of more digits than a float holds are told apart by all of them.
            large = np.flatnonzero(np.abs(numbers) >= _LARGEST_EXACT)
            with np.errstate(invalid="ignore"):
                large = large[numbers[large].astype(values.dtype) != values[large]]
            digests[large] = mixed_digests(digests[large], values[large].view(np.uint64))
        return digests
    if values.dtype.kind in "mM":
        # As text, a time would be written as the others of its column are.
        return pd.util.hash_array(values.astype(f"{values.dtype.kind}8[ns]").astype(np.int64))
    if values.dtype.kind == "O" and holds_containers(values.tolist()):
        values = np.array([cell_in_words(value) for value in values.tolist()], dtype=object)
    return pd.util.hash_array(np.asarray(pd.Series(values).astype("string").astype(object)))


def _number_as_float(value: Any) -> Any:
    return float(value) if isinstance(value, (int, float, np.number)) else value


def mixed_digests(digests: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return digests of what `digests` stand for and `values` beside it, both of dtype uint64."""
    # The multiply-xorshift step of splitmix64: order matters, zeros do not vanish.
    with np.errstate(over="ignore"):
        mixed = (digests ^ values) * np.uint64(0xBF58476D1CE4E5B9) + np.uint64(0x9E3779B97F4A7C15)
        return mixed ^ (mixed >> np.uint64(29))


def _sparse_digests(X: sparse.csr_matrix) -> np.ndarray:
    X = X.copy()
    X.sum_duplicates()
    X.eliminate_zeros()
    entries = mixed_digests(_value_digests(X.indices), _value_digests(X.data))
    # Entries of a row are combined by addition, so that a row without entries is 0. Whole numbers
    # throughout: as floating point, the sums would depend on the rows before.
    totals = np.concatenate([np.zeros(1, np.uint64), np.cumsum(entries, dtype=np.uint64)])
    with np.errstate(over="ignore"):
        return totals[X.indptr[1:]] - totals[X.indptr[:-1]]
