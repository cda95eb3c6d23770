"""The nearest records of a table under the distance of mixed types."""

from __future__ import annotations

import numpy as np

__all__ = ["nearest"]

# Distances that are held at once.
_AT_ONCE = 2**21


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
    distances = np.empty((len(queries), n_neighbors))
    indices = np.empty((len(queries), n_neighbors), dtype=np.intp)
    columns = np.ascontiguousarray(table.T)
    step = max(1, _AT_ONCE // len(table))
    for start in range(0, len(queries), step):
        rows = slice(start, min(start + step, len(queries)))
        far = np.zeros((rows.stop - start, len(table)))
        gap = np.empty_like(far)
        for own, column in zip(queries[rows].T, columns, strict=True):
            np.subtract(own[:, np.newaxis], column, out=gap)
            np.abs(gap, out=gap)
            np.minimum(gap, 1.0, out=gap)
            far += gap
        if n_neighbors == 1:
            found = far.argmin(axis=1)[:, np.newaxis]
        else:
            found = np.argsort(far, axis=1, kind="stable")[:, :n_neighbors]
        indices[rows] = found
        distances[rows] = np.take_along_axis(far, found, axis=1)
    return distances, indices
