"""Records as numbers, for distances and for trees."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from ._rows import MAX_CATEGORIES, is_documents, is_frame, n_rows, to_pandas
from ._text import bags, is_text

__all__ = ["as_matrix", "numeric_features", "spread"]

# Numbers up to here can be squared and added up.
_LARGEST = 1e100


def as_matrix(seen: Any) -> Any:
    """Return records as an array of two dimensions, or CSR; None where they are no numbers."""
    if seen is None or is_documents(seen):
        return None
    if sparse.issparse(seen):
        return seen.tocsr()
    table = to_pandas(seen)
    try:
        values = np.asarray(table.to_numpy(dtype=np.float64) if is_frame(table) else table)
    except (TypeError, ValueError):
        return None
    if values.dtype.kind not in "biuf" or values.ndim < 2:
        return None
    return values.reshape(len(values), -1)


def numeric_features(X: Any, *, one_hot: bool, like: Any = None) -> Any:
    """Return records as numbers, for distances (`one_hot`) or for trees, in float64.

    With `one_hot`, numbers are standardised and categories become indicator columns, so that
    Euclidean distances mean something; without, numbers stay and categories are numbered. Scales
    and categories are those of `like`, by default of `X`. Texts become the counts of their words,
    hashed to 2 ** 18 columns and of length 1 together. A dense column of `like` that holds infinite
    values, or such as cannot be squared, becomes ranks among its values; others are cut there.
    """
    like = X if like is None else like
    if sparse.issparse(X):
        scaler = _plain(StandardScaler(with_mean=False))
        X, like = map(_cut, (X, like))
        return scaler.fit(like).transform(X) if one_hot else X
    if is_documents(X):
        return bags(to_pandas(X).iloc[:, 0].tolist())
    X, like = to_pandas(X), to_pandas(like)
    if is_frame(X):
        return _of_frame(X, like, one_hot=one_hot)
    flat, source = (np.asarray(table).reshape(n_rows(table), -1) for table in (X, like))
    if flat.dtype.kind in "biuf":
        return _scaled(flat, source) if one_hot else _tamed(flat, source)
    import pandas as pd

    frames = (pd.DataFrame(table).infer_objects() for table in (flat, source))
    return _of_frame(*frames, one_hot=one_hot)


def _of_frame(X: Any, like: Any, *, one_hot: bool) -> Any:
    places = set(range(X.shape[1]))
    numeric = [j for j in sorted(places) if _is_numeric(X.iloc[:, j])]
    texts = [j for j in sorted(places.difference(numeric)) if is_text(like.iloc[:, j])]
    other = sorted(places.difference(numeric, texts))
    parts: list[Any] = []
    if numeric:
        values, source = (
            table.iloc[:, numeric].to_numpy(dtype=np.float64, na_value=np.nan)
            for table in (X, like)
        )
        parts.append(_scaled(values, source) if one_hot else _tamed(values, source))
    if other:
        names, source = (
            table.iloc[:, other].astype("string").astype(object).fillna("").to_numpy()
            for table in (X, like)
        )
        parts.append(_indicators(names, source) if one_hot else _codes(names, source))
    if texts:
        parts += [bags(X.iloc[:, j].tolist()) for j in texts]
        return sparse.hstack([sparse.csr_matrix(part) for part in parts], format="csr")
    return np.hstack(parts) if parts else np.empty((len(X), 0))


def _scaled(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    values, like = (np.nan_to_num(_tamed(table, like)) for table in (values, like))
    return _plain(StandardScaler()).fit(like).transform(values)


def _tamed(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return numbers that can be squared: cut, or ranks where `like` holds what cannot."""
    values, like = (table.astype(np.float64, copy=False) for table in (values, like))
    tamed = np.clip(values, -_LARGEST, _LARGEST)
    for place in np.flatnonzero((np.abs(like) > _LARGEST).any(axis=0)):
        known = np.unique(like[:, place])
        known = known[~np.isnan(known)]
        column = values[:, place]
        tamed[:, place] = np.where(np.isnan(column), np.nan, np.searchsorted(known, column))
    return tamed


def _cut(X: Any) -> Any:
    """Return a sparse table whose entries can be squared, missing ones as 0."""
    values = np.asarray(X.data, dtype=np.float64)
    if (np.abs(values) <= _LARGEST).all():
        return X
    cut = X.astype(np.float64)
    cut.data = np.clip(np.nan_to_num(values), -_LARGEST, _LARGEST)
    return cut


def spread(values: np.ndarray) -> float:
    """Return the standard deviation of the finite values, however large they are."""
    known = values.astype(np.float64)
    known = known[np.isfinite(known)]
    largest = np.abs(known).max(initial=0.0)
    unit = largest if largest > _LARGEST else 1.0
    return float((known / unit).std() * unit) if len(known) else 0.0


def _indicators(names: np.ndarray, like: np.ndarray) -> np.ndarray:
    encoder = OneHotEncoder(
        handle_unknown="ignore", sparse_output=False, max_categories=MAX_CATEGORIES
    )
    # A differing category moves two indicators: halve the squared distance.
    return _plain(encoder).fit(like).transform(names) / np.sqrt(2.0)


def _codes(names: np.ndarray, like: np.ndarray) -> np.ndarray:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return _plain(encoder).fit(like).transform(names)


def _plain(transformer: Any) -> Any:
    """Let a transformer return arrays, whatever scikit-learn is set to."""
    return transformer.set_output(transform="default")


def _is_numeric(column: Any) -> bool:
    import pandas as pd

    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column)
