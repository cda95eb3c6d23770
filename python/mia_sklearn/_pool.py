"""What an attacker learns around a record: its neighbours in the pool, perturbed copies of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state

from ._data import is_frame, numeric_features, take_rows

_MEANS_OVER = (3, 5, 10, 15)
_RATIO_LIMIT = 6.0
_RESIDUAL_LIMIT = 4.0
_NOISE = (0.1, 0.2, 0.3)  # standard deviations
_CROSSOVER = 0.6


class Neighborhood:
    """The nearest pool records of each pool record, itself left out.

    Parameters
    ----------
    X : table of shape (n_pool, n_features)
    labels : ndarray of shape (n_pool,)
        Class index.
    n_neighbors : int
        How many are described one by one; means go over up to 15.
    """

    def __init__(self, X: Any, labels: np.ndarray, n_neighbors: int) -> None:
        from sklearn.neighbors import NearestNeighbors

        features = numeric_features(X, one_hot=True)
        n = len(labels)
        self.n_neighbors = min(n_neighbors, n - 1)
        size = min(max(*_MEANS_OVER, self.n_neighbors), n - 1)
        distance, index = NearestNeighbors(n_neighbors=size + 1).fit(features).kneighbors(features)
        own = index == np.arange(n)[:, None]
        # Among many duplicates a record may not be in its own list: drop the last one then.
        own[~own.any(axis=1), -1] = True
        self.distance = distance[~own].reshape(n, size)
        self.index = index[~own].reshape(n, size)
        self.same = labels[self.index] == labels[:, None]

    def columns(self) -> list[str]:
        names = [
            f"neighbor_{kind}_{k}"
            for kind in ("distance", "same", "ratio", "residual")
            for k in range(self.n_neighbors)
        ]
        return names + [
            f"neighbor_{kind}_mean_{k}"
            for k in _MEANS_OVER
            for kind in ("ratio", "residual", "signed_ratio")
        ]

    def fill(
        self, target: np.ndarray, rows: np.ndarray, ratio: np.ndarray, residual: np.ndarray
    ) -> None:
        """Write the columns of `rows`.

        Parameters
        ----------
        target : ndarray of shape (n_rows, n_columns)
        rows : ndarray of shape (n_rows,)
        ratio, residual : ndarray of shape (n_pool,)
            Every pool record's likelihood ratio, and its phi above the middle of its references.
        """
        index, distance, same = self.index[rows], self.distance[rows], self.same[rows]
        near = slice(0, self.n_neighbors)
        ratios = np.clip(ratio, -_RATIO_LIMIT, _RATIO_LIMIT)[index]
        residuals = np.clip(residual, -_RESIDUAL_LIMIT, _RESIDUAL_LIMIT)[index]
        columns = [distance[:, near], same[:, near], ratios[:, near], residuals[:, near]]
        weight = 1 / (distance + 0.1)
        sign = np.where(same, 1.0, -1.0)
        for size in _MEANS_OVER:
            total = weight[:, :size].sum(axis=1)
            columns += [
                ((weight * value)[:, :size].sum(axis=1) / total)[:, None]
                for value in (ratios, residuals, ratios * sign)
            ]
        target[:] = np.hstack(columns)


def perturbed_copies(X: Any, labels: np.ndarray, n_queries: int, random_state: Any) -> list[Any]:
    """Return `n_queries` tables of perturbed copies of all records.

    Even ones add Gaussian noise of 0.1 to 0.3 standard deviations to numeric features; odd
    ones take 60 % of the features from the nearest record of another class. Tables without
    numeric features are crossed over only, binary features likewise.

    Parameters
    ----------
    X : array, data frame or CSR matrix of shape (n_records, n_features)
    labels : ndarray of shape (n_records,)
    n_queries : int
    random_state : int
        The same seed gives the same copies, so that targets and references answer the same.

    Returns
    -------
    list of tables like `X`
    """
    rng = check_random_state(random_state)
    if sparse.issparse(X):
        raise ValueError("n_queries perturbs dense tables only; pass X.toarray(), or n_queries=0.")
    partner = _nearest_of_another_class(numeric_features(X, one_hot=True), labels)
    copies = []
    for query in range(n_queries):
        scale = _NOISE[(query // 2) % len(_NOISE)]
        if query % 2 == 0 and _has_noise_features(X):
            copies.append(_noisy(X, scale, rng))
        else:
            copies.append(_crossed(X, partner, rng))
    return copies


def _nearest_of_another_class(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    from sklearn.neighbors import NearestNeighbors

    partner = np.arange(len(labels))
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        other = np.flatnonzero(labels != label)
        if len(other):
            search = NearestNeighbors(n_neighbors=1).fit(features[other])
            partner[own] = other[search.kneighbors(features[own], return_distance=False)[:, 0]]
    return partner


def _is_continuous(column: np.ndarray) -> bool:
    return column.dtype.kind in "iuf" and len(np.unique(column[:10_000])) > 2


def _has_noise_features(X: Any) -> bool:
    if is_frame(X):
        return any(_is_continuous(np.asarray(X.iloc[:, j])) for j in range(X.shape[1]))
    flat = X.reshape(len(X), -1)
    return any(_is_continuous(flat[:, j]) for j in range(min(flat.shape[1], 64)))


def _shaken(column: np.ndarray, scale: float, rng: np.random.RandomState) -> np.ndarray:
    noise = scale * np.nanstd(column.astype(np.float64)) * rng.normal(size=column.shape)
    moved = column + noise
    return (np.rint(moved) if column.dtype.kind in "iu" else moved).astype(column.dtype)


def _noisy(X: Any, scale: float, rng: np.random.RandomState) -> Any:
    if not is_frame(X):
        flat = X.reshape(len(X), -1).copy()
        for j in range(flat.shape[1]):
            if _is_continuous(flat[:, j]):
                flat[:, j] = _shaken(flat[:, j], scale, rng)
        return flat.reshape(X.shape)
    moved = X.copy()
    for j, name in enumerate(X.columns):
        column = np.asarray(X.iloc[:, j])
        if _is_continuous(column):
            moved[name] = _shaken(column, scale, rng)
    return moved


def _crossed(X: Any, partner: np.ndarray, rng: np.random.RandomState) -> Any:
    other = take_rows(X, partner)
    take = rng.uniform(size=(len(partner), int(np.prod(X.shape[1:])))) < _CROSSOVER
    if not is_frame(X):
        return np.where(take.reshape(X.shape), other, X)
    crossed = X.copy()
    other.index = X.index
    for j, name in enumerate(X.columns):
        crossed[name] = X.iloc[:, j].where(~take[:, j], other.iloc[:, j])
    return crossed
