"""What an attacker learns around a record: its neighbours in the pool, perturbed copies of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state

from .._records._numeric import numeric_features, spread
from .._records._rows import from_pandas, is_frame, take_rows, to_pandas
from .._records._text import is_text, mixed_words, thinned

_MEANS_OVER = (3, 5, 10, 15)
_SIDES_OVER = (3, 6, 15)
_FAR, _NEAR = 6.0, 4.0  # limits of ratios and distances, of residuals
_CLOSE = 1.0  # distance within which records share most of their features
_NOISE = (0.1, 0.2, 0.3)  # standard deviations
_CROSSOVER = 0.4  # share of features taken from the other record


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
        one_by_one = ("distance", "same", "ratio", "residual", "signed_logit", "gap")
        names = [f"{kind}_{k}" for kind in one_by_one for k in range(self.n_neighbors)]
        names += [
            f"{kind}_mean_{size}"
            for size in _MEANS_OVER
            for kind in ("ratio", "residual", "signed_ratio")
        ]
        names += [
            f"{kind}_{side}_{size}"
            for size in _SIDES_OVER
            for kind in ("ratio", "residual", "above_out")
            for side in ("same", "different")
        ]
        return [f"neighbor_{name}" for name in (*names, "close", "close_ratio")]

    def fill(self, target: np.ndarray, rows: np.ndarray, evidence: Evidence) -> None:
        """Write the columns of `rows`.

        Parameters
        ----------
        target : ndarray of shape (n_rows, n_columns)
        rows : ndarray of shape (n_rows,)
        evidence : Evidence
            What is known of every pool record.
        """
        index, distance, same = self.index[rows], self.distance[rows], self.same[rows]
        ratio = np.clip(evidence.ratio, -_FAR, _FAR)[index]
        residual = np.clip(evidence.residual, -_NEAR, _NEAR)[index]
        above_out = np.clip(evidence.above_out, -_FAR, _FAR)[index]
        sign = np.where(same, 1.0, -1.0)
        near = slice(0, self.n_neighbors)
        columns = [distance[:, near], same[:, near], ratio[:, near], residual[:, near]]
        columns += [(sign * evidence.logit[index])[:, near], evidence.gap[index][:, near]]
        weight = 1 / (distance + 0.1)
        for size in _MEANS_OVER:
            columns += [
                _weighted_mean(weight, value, size) for value in (ratio, residual, ratio * sign)
            ]
        for size in _SIDES_OVER:
            columns += [
                _weighted_mean(np.where(side, weight, 0.0), value, size)
                for value in (ratio, residual, above_out)
                for side in (same, ~same)
            ]
        close = distance < _CLOSE
        columns += [close.sum(axis=1)[:, None], (close * sign * ratio).sum(axis=1)[:, None]]
        target[:] = np.hstack(columns)


class Evidence(NamedTuple):
    """What one model's answers say of each pool record, against the references'.

    Each an ndarray of shape (n_records,).
    """

    #: The model's phi.
    logit: np.ndarray
    #: Log-likelihood ratio of in against out.
    ratio: np.ndarray
    #: phi above the middle of the in and out references.
    residual: np.ndarray
    #: phi above the mean of the out references.
    above_out: np.ndarray
    #: Mean of the in references above that of the out references.
    gap: np.ndarray


def _weighted_mean(weight: np.ndarray, value: np.ndarray, size: int) -> np.ndarray:
    total = weight[:, :size].sum(axis=1)
    return ((weight * value)[:, :size].sum(axis=1) / (total + 1e-3))[:, None]


def perturbed_copies(X: Any, labels: np.ndarray, n_queries: int, random_state: Any) -> list[Any]:
    """Return `n_queries` tables of perturbed copies of all records.

    Even ones add Gaussian noise of 0.1 to 0.3 standard deviations to numeric features, and leave
    out as large a share of the words of texts; odd ones take 40 % of the features, and of the
    words, from the nearest record of another class. Tables without numeric features and texts are
    crossed over only, binary features likewise. The same seed gives the same copies, so that
    targets and references answer the same.
    """
    rng = check_random_state(random_state)
    if sparse.issparse(X):
        raise ValueError("n_queries perturbs dense tables only; pass X.toarray(), or n_queries=0.")
    given, X = X, to_pandas(X)
    partner = _nearest_of_another_class(numeric_features(X, one_hot=True), labels)
    copies = []
    for query in range(n_queries):
        scale = _NOISE[(query // 2) % len(_NOISE)]
        if query % 2 == 0 and _has_noise_features(X):
            copies.append(_noisy(X, scale, rng))
        else:
            copies.append(_crossed(X, partner, rng))
    return [from_pandas(copy, given) for copy in copies]


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
        columns = [X.iloc[:, j] for j in range(X.shape[1])]
        return any(is_text(column) or _is_continuous(np.asarray(column)) for column in columns)
    flat = X.reshape(len(X), -1)
    return any(_is_continuous(flat[:, j]) for j in range(min(flat.shape[1], 64)))


def _shaken(column: np.ndarray, scale: float, rng: np.random.RandomState) -> np.ndarray:
    noise = scale * spread(column) * rng.normal(size=column.shape)
    with np.errstate(over="ignore", invalid="ignore"):
        moved = column + noise
        moved = (np.rint(moved) if column.dtype.kind in "iu" else moved).astype(column.dtype)
    # What would leave the numbers, and what is infinite, stays.
    return np.where(np.isfinite(moved) | np.isnan(column), moved, column)


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
        if is_text(X.iloc[:, j]):
            moved[name] = _with(X.iloc[:, j], [thinned(text, scale, rng) for text in column])
        elif _is_continuous(column):
            moved[name] = _shaken(column, scale, rng)
    return moved


def _with(column: Any, values: list[Any]) -> Any:
    import pandas as pd

    held = np.empty(len(values), dtype=object)
    held[:] = values
    return pd.Series(held, index=column.index, dtype=column.dtype)


def _crossed(X: Any, partner: np.ndarray, rng: np.random.RandomState) -> Any:
    other = take_rows(X, partner)
    take = rng.uniform(size=(len(partner), int(np.prod(X.shape[1:])))) < _CROSSOVER
    if not is_frame(X):
        return np.where(take.reshape(X.shape), other, X)
    crossed = X.copy()
    other.index = X.index
    for j, name in enumerate(X.columns):
        if is_text(X.iloc[:, j]):
            pairs = zip(X.iloc[:, j], other.iloc[:, j], strict=True)
            mixed = [mixed_words(own, theirs, _CROSSOVER, rng) for own, theirs in pairs]
            crossed[name] = _with(X.iloc[:, j], mixed)
            continue
        crossed[name] = X.iloc[:, j].where(~take[:, j], other.iloc[:, j])
    return crossed
