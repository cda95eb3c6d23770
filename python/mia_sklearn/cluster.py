"""Clusters of records that point the same way."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils._param_validation import Interval, validate_parameter_constraints
from sklearn.utils.validation import validate_data

from . import _rust

__all__ = ["CosineAgglomerative"]


class CosineAgglomerative(ClusterMixin, BaseEstimator):
    """Agglomerative clustering with average linkage on cosine distance, and medoids.

    The same tree as `sklearn.cluster.AgglomerativeClustering(metric="cosine",
    linkage="average")` and `scipy.cluster.hierarchy.linkage(X, "average", metric="cosine")`, many
    times as fast and without the table of all distances: for records scaled to length 1 the mean
    cosine distance of two clusters follows from the sums of their records.

    Parameters
    ----------
    n_clusters : int, default=50
        Clusters to cut the tree into, from 1 to the number of records.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,), int64
        Cluster of each record. Clusters are numbered by their first record: the first record is
        in cluster 0.
    medoid_indices_ : ndarray of shape (n_clusters,), int64
        In each cluster the record with the least mean cosine distance to the others, the first
        one among equals (within 1e-12).
    children_ : ndarray of shape (n_samples - 1, 2), int64
        The two clusters of each merge, from the lowest merge to the highest, the lower number
        first: records are 0 to `n_samples - 1`, merge i makes cluster `n_samples + i`. SciPy's
        ``Z[:, :2]`` and scikit-learn's `children_`.
    distances_ : ndarray of shape (n_samples - 1,), float64
        Mean cosine distance of the two clusters of each merge, never decreasing: SciPy's
        ``Z[:, 2]``.
    n_clusters_ : int
    n_leaves_ : int
        Number of records.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only after `fit` on a data frame.

    See Also
    --------
    sklearn.cluster.AgglomerativeClustering : Other distances and linkages.

    Notes
    -----
    Records and sums are float64, whatever `X` is: heights lie within rounding of SciPy's. Where
    distances are equal, as among duplicates, several trees are right, and this one may differ from
    SciPy's. Memory grows with the number of records, not with its square: next to `X`, 12 bytes
    per number of it and 300 per record. Results do not depend on the number of threads.
    Ctrl-C ends `fit`.

    Each cluster remembers its 16 nearest neighbours and a bound for all others. The bound
    outlives merges, since the similarity of a union is the mean of its parts': searches are needed
    only where no remembered neighbour reaches the bound. They compute in float32, and the bound
    allows for its rounding; what is compared in the end is float64. All pairs of clusters than
    which neither has a nearer one merge at once, which gives the tree of merging the nearest pair
    first [1]_.

    References
    ----------
    .. [1] D. Müllner, "Modern hierarchical, agglomerative clustering algorithms", 2011,
       arXiv:1109.2378, section 2 (definitions) and 3.1 (reducible linkages and nearest neighbours).

    Examples
    --------
    >>> from mia_sklearn.cluster import CosineAgglomerative
    >>> X = [[1.0, 0.0], [0.0, 2.0], [3.0, 0.1], [0.1, 1.0], [0.0, 5.0]]
    >>> clusters = CosineAgglomerative(n_clusters=2).fit(X)
    >>> clusters.labels_
    array([0, 1, 0, 1, 1])
    >>> clusters.medoid_indices_
    array([0, 1])
    >>> clusters.distances_.round(3)
    array([0.   , 0.001, 0.005, 0.95 ])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_clusters": [Interval(Integral, 1, None, closed="left")]
    }

    def __init__(self, n_clusters: int = 50) -> None:
        self.n_clusters = n_clusters

    def fit(self, X: Any, y: Any = None) -> CosineAgglomerative:
        """Cluster records.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
            At least two records, finite and none of them zero. float32 and float64 are read in
            place; other numbers become float64.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a record is zero, NaN or infinite (the message names the rows), there are fewer than
            two records, or `n_clusters` is not between 1 and their number.
        """
        validate_parameter_constraints(
            self._parameter_constraints, self.get_params(deep=False), type(self).__name__
        )
        X = validate_data(
            self,
            X,
            dtype=[np.float64, np.float32],
            ensure_all_finite=False,
            ensure_min_samples=2,
        )
        if self.n_clusters > len(X):
            raise ValueError(
                f"n_clusters={self.n_clusters} must be at most the number of records in X, "
                f"{len(X)}: lower n_clusters or pass more records."
            )
        self.children_, self.distances_ = _rust.average_linkage(X)
        self.n_leaves_ = len(X)
        self.n_clusters_ = int(self.n_clusters)
        self.labels_ = _cut(self.children_, self.n_clusters)
        self.medoid_indices_ = _rust.cluster_medoids(X, self.labels_)
        return self


def _cut(children: NDArray[np.int64], n_clusters: int) -> NDArray[np.int64]:
    """Return the cluster of each record once all but the last `n_clusters - 1` merges are made."""
    n_records = len(children) + 1
    n_merges = n_records - n_clusters
    above = np.arange(n_records + n_merges)
    above[children[:n_merges]] = np.arange(n_records, len(above))[:, None]
    # Every step doubles how far a node sees.
    while (above[above] != above).any():
        above = above[above]
    _, first, label = np.unique(above[:n_records], return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[label].astype(np.int64)
