"""Tables of records, whatever holds them: arrays, data frames, sparse matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.utils import _safe_indexing

MAX_CATEGORIES = 64
_LARGEST_EXACT = 2.0**53  # the last whole number up to which floats hold each
# Arguments of `fit` that hold records beside the training set, however many they are.
_OF_OTHER_RECORDS = ("X_reference", "y_reference")


def is_frame(X: Any) -> bool:
    """Tell whether `X` is a pandas data frame, without importing pandas."""
    return hasattr(X, "iloc") and hasattr(X, "columns")


def as_table(X: Any, name: str = "X") -> Any:
    """Return `X` as an array of two or more dimensions, a data frame or a CSR matrix."""
    if is_frame(X):
        return X
    if sparse.issparse(X):
        return X.tocsr()
    if hasattr(X, "detach"):
        # A torch tensor, of whatever device.
        X = X.detach().cpu()
    if (
        hasattr(X, "__getitem__")
        and not hasattr(X, "__array__")
        and not isinstance(X, (list, tuple))
    ):
        raise ValueError(
            f"{name} must be an array, a data frame or a sparse matrix, got {type(X).__name__}. "
            "Pass the arrays that it holds, of a skorch Dataset dataset.X and dataset.y."
        )
    X = np.asarray(X)
    if X.ndim < 2:
        raise ValueError(
            f"{name} must be a table with one row per record, got {X.ndim} dimension(s). "
            f"Reshape your data, a single feature with {name}.reshape(-1, 1)."
        )
    return X


def n_rows(X: Any) -> int:
    return X.shape[0] if hasattr(X, "shape") else len(X)


def take_rows(X: Any, rows: Any) -> Any:
    """Select rows by position, keeping the kind of table."""
    return _safe_indexing(X, rows)


def concat_rows(*tables: Any) -> Any:
    """Stack tables of one kind on top of each other, renumbering the rows of frames."""
    if is_frame(tables[0]):
        import pandas as pd

        return pd.concat(tables, ignore_index=True)
    if sparse.issparse(tables[0]):
        return sparse.vstack(tables, format="csr")
    return np.concatenate(tables)


def take_params(params: dict[str, Any], rows: Any, n: int) -> dict[str, Any]:
    """Select rows of those arguments of `fit` that have one entry for each of `n` records."""
    return {
        name: take_rows(value, rows) if has_entries(name, value) and n_rows(value) == n else value
        for name, value in params.items()
    }


def has_entries(name: str, value: Any) -> bool:
    """Tell whether an argument of `fit` may hold one entry per record."""
    is_array = getattr(value, "shape", ()) != () or isinstance(value, (list, tuple))
    return is_array and name not in _OF_OTHER_RECORDS


def positions(labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return each label's position among the classes, -1 for a label that is none of them."""
    position = {label: code for code, label in enumerate(classes.tolist())}
    return np.array([position.get(label, -1) for label in labels.tolist()], dtype=np.intp)


def row_digests(X: Any, y: Any = None) -> np.ndarray:
    """Return one 64-bit digest per record, equal for equal records.

    Numbers are compared by value, so the digest does not depend on their width, on the memory
    order, or on whether a frame or an array holds them.

    Parameters
    ----------
    X : array, data frame or sparse matrix of shape (n_records, ...)
    y : array-like of shape (n_records,), default=None
        Labels; part of the record when given.

    Returns
    -------
    ndarray of shape (n_records,), dtype uint64
    """
    import pandas as pd

    if sparse.issparse(X):
        digests = _sparse_digests(X.tocsr())
    else:
        columns: list[Any]
        if is_frame(X):
            columns = [X.iloc[:, j] for j in range(X.shape[1])]
        else:
            flat = np.asarray(X).reshape(len(X), -1)
            columns = list(flat.T)
        digests = np.zeros(n_rows(X), dtype=np.uint64)
        for column in columns:
            digests = mix(digests, _value_digests(column))
    if y is not None:
        digests = mix(digests, _value_digests(pd.Series(np.asarray(y))))
    return digests


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
            digests[large] = mix(digests[large], values[large].view(np.uint64))
        return digests
    return pd.util.hash_array(np.asarray(pd.Series(values).astype("string").astype(object)))


def _number_as_float(value: Any) -> Any:
    return float(value) if isinstance(value, (int, float, np.number)) else value


def mix(digests: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return digests of what `digests` stand for and `values` beside it, both of dtype uint64."""
    # The multiply-xorshift step of splitmix64: order matters, zeros do not vanish.
    with np.errstate(over="ignore"):
        mixed = (digests ^ values) * np.uint64(0xBF58476D1CE4E5B9) + np.uint64(0x9E3779B97F4A7C15)
        return mixed ^ (mixed >> np.uint64(29))


def _sparse_digests(X: sparse.csr_matrix) -> np.ndarray:
    X = X.copy()
    X.sum_duplicates()
    X.eliminate_zeros()
    entries = mix(_value_digests(X.indices), _value_digests(X.data))
    # Entries of a row are combined by addition, so that a row without entries is 0. Whole numbers
    # throughout: as floating point, the sums would depend on the rows before.
    totals = np.concatenate([np.zeros(1, np.uint64), np.cumsum(entries, dtype=np.uint64)])
    with np.errstate(over="ignore"):
        return totals[X.indptr[1:]] - totals[X.indptr[:-1]]


def numeric_features(X: Any, *, one_hot: bool, like: Any = None) -> Any:
    """Return records as numbers, for distances (`one_hot`) or for trees.

    Parameters
    ----------
    X : array, data frame or sparse matrix of shape (n_records, ...)
    one_hot : bool
        True: standardise numbers and encode categories as indicator columns, so that
        Euclidean distances mean something. False: keep numbers, encode categories as integers.
    like : same kind of table as `X`, default=None
        Records from which scales and categories are learned; `X` itself by default.

    Returns
    -------
    array or CSR matrix of shape (n_records, n_features), float64
    """
    if sparse.issparse(X):
        if one_hot:
            return StandardScaler(with_mean=False).fit(X if like is None else like).transform(X)
        return X
    if not is_frame(X):
        flat = np.asarray(X)
        flat = flat.reshape(len(flat), -1)
        if flat.dtype.kind in "biuf":
            values = np.nan_to_num(flat.astype(np.float64)) if one_hot else flat.astype(np.float64)
            if not one_hot:
                return values
            source = values
            if like is not None:
                source = np.nan_to_num(np.asarray(like).reshape(len(like), -1).astype(np.float64))
            return StandardScaler().fit(source).transform(values)
        import pandas as pd

        X = pd.DataFrame(flat).infer_objects()
        if like is not None:
            like = np.asarray(like)
            like = pd.DataFrame(like.reshape(len(like), -1)).infer_objects()
    like = X if like is None else like
    numeric = [j for j in range(X.shape[1]) if _is_numeric(X.iloc[:, j])]
    other = [j for j in range(X.shape[1]) if j not in set(numeric)]
    parts = []
    if numeric:
        values = X.iloc[:, numeric].to_numpy(dtype=np.float64, na_value=np.nan)
        if one_hot:
            source = like.iloc[:, numeric].to_numpy(dtype=np.float64, na_value=np.nan)
            values = StandardScaler().fit(np.nan_to_num(source)).transform(np.nan_to_num(values))
        parts.append(values)
    if other:
        names = X.iloc[:, other].astype("string").astype(object).fillna("").to_numpy()
        source = like.iloc[:, other].astype("string").astype(object).fillna("").to_numpy()
        if one_hot:
            encoder = OneHotEncoder(
                handle_unknown="ignore", sparse_output=False, max_categories=MAX_CATEGORIES
            )
            # A differing category moves two indicators: halve the squared distance.
            parts.append(encoder.fit(source).transform(names) / np.sqrt(2.0))
        else:
            codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
            parts.append(codes.fit(source).transform(names))
    return np.hstack(parts)


def _is_numeric(column: Any) -> bool:
    import pandas as pd

    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column)
