"""The nearest records of a table under the distance of mixed types."""

from __future__ import annotations

import numpy as np

from .._rust import gower_nearest

__all__ = ["nearest", "nearest_others"]


def nearest(
    queries: np.ndarray, table: np.ndarray, n_neighbors: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest records of a table to each query, and how far they are.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, n_columns), float64
    table : ndarray of shape (n_records, n_columns), float64
        Both scaled, see `Table`: the distance is the sum over columns of ``min(abs(a - b), 1)``.
    n_neighbors : int, default=1
        At most the number of records.

    Returns
    -------
    distances : ndarray of shape (n_queries, n_neighbors)
        In rising order.
    indices : ndarray of shape (n_queries, n_neighbors), intp
        Of equal distances the lower index comes first.
    """
    distances, indices = gower_nearest(queries, table, np.ones(table.shape[1]), n_neighbors)
    return distances, indices.astype(np.intp, copy=False)


def nearest_others(table: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return how far some records of a table are from the nearest other record of it.

    Parameters
    ----------
    table : ndarray of shape (n_records, n_columns), float64
        Scaled, as for `nearest`; two records or more.
    rows : ndarray of int of shape (n_rows,)
    """
    distances, indices = nearest(table[rows], table, 2)
    # Where two others are as near as the record itself, at 0, it need not be among the two.
    return np.where(indices[:, 0] == rows, distances[:, 1], distances[:, 0])
