"""Labels in the kind of column that a caller gave: some estimators read their `y.values`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._rows import is_frame, narwhals_series, through_narwhals

__all__ = ["kind_of_labels", "labels_like"]


def kind_of_labels(y: Any) -> Any:
    """Return an empty column like that of labels: a Series or a frame; None of arrays and lists."""
    if hasattr(y, "iloc"):
        return y.iloc[:0]
    return None if through_narwhals(y) is None else y[:0]


def labels_like(labels: np.ndarray, kind: Any, X: Any) -> Any:
    """Return labels as a column with name and dtype of `kind`, and the index of their records.

    Parameters
    ----------
    labels : ndarray of shape (n_records,) or (n_records, n_outputs)
    kind : Series, frame or None
        What `kind_of_labels` returns; of None labels stay an array.
    X : table of shape (n_records, ...)

    Returns
    -------
    ndarray, Series or frame
    """
    if kind is None:
        return labels
    if hasattr(kind, "iloc"):
        return _pandas_like(labels, kind, X)
    seen = through_narwhals(kind)
    column = seen[seen.columns[0]] if hasattr(seen, "columns") else seen
    if labels.ndim == 2:
        columns = [
            narwhals_series(name, values, seen[name])
            for name, values in zip(seen.columns, labels.T, strict=True)
        ]
        return columns[0].to_frame().with_columns(*columns[1:]).to_native()
    made = narwhals_series(column.name, labels, column)
    return (made.to_frame() if hasattr(seen, "columns") else made).to_native()


def _pandas_like(labels: np.ndarray, kind: Any, X: Any) -> Any:
    import pandas as pd

    if labels.ndim == 2:
        columns = [_pandas_like(values, kind.iloc[:, j], X) for j, values in enumerate(labels.T)]
        return pd.concat(columns, axis=1)
    of_frame = is_frame(kind)
    column = kind.iloc[:, 0] if of_frame else kind
    made = pd.Series(labels, index=X.index if hasattr(X, "iloc") else None, name=column.name)
    try:
        same = made.astype(column.dtype)
        made = same if (same.astype(object).to_numpy() == labels).all() else made
    except (TypeError, ValueError):
        # Positions in place of classes, of which the dtype knows nothing.
        pass
    return made.to_frame() if of_frame else made
