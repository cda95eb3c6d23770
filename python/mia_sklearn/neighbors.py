"""How many reference records look like a record to many models."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ._rust import CosineIndex

__all__ = ["CosineNeighborCounter"]


class CosineNeighborCounter(TransformerMixin, BaseEstimator):
    """Count the references within a cosine distance of each record, exactly.

    A record is *vulnerable* to GMIA when it has few neighbours: with features that are the outputs
    of reference models on the record, no other record can then stand in for it in training.

    Parameters
    ----------
    radius : float, default=0.2
        Cosine distance, in (0, 2), strictly below which a reference is a neighbour: 1 minus the
        cosine of the angle between the two rows.
    cap : int, default=None
        Stop at so many neighbours, at least 1: counts become `min(count, cap)`. Deciding whether a
        record has fewer than a few neighbours is several times cheaper than counting them all.

    Attributes
    ----------
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only after `fit` on a data frame.
    n_references_ : int

    Raises
    ------
    ValueError
        By `fit` and `count`, where rows hold NaN, infinity or zeros alone (they are named), the
        table is empty or has another number of features than at `fit`, the radius lies outside
        (0, 2) or is so small (below 1e-12) that rounding would decide, or the cap is below 1.

    Notes
    -----
    Counts are those of a scan of all pairs in float64, whatever the number of threads
    (`RAYON_NUM_THREADS`, else `OMP_NUM_THREADS`, else all cores) and the kind of processor: most
    pairs are decided by bounds, and the ones near the radius from the rows in the type in which
    they were given. Distances are exact to 1e-6 at the least, and to 1e-12 where rows have fewer
    than a thousand features; whole numbers that tie exactly with the radius are not below it.

    `fit` keeps one copy of the references and about half as much again, less where many features
    hold little; `count` needs as much as a few thousand queries, never a table of queries by
    references. Fitting again takes a fraction of a second for tens of thousands of references:
    pickles and copies hold the references alone.

    Differs from the paper in nothing but the speed: it counts neighbours by all pairs.

    References
    ----------
    Y. Long, V. Bindschaedler, L. Wang, D. Bu, X. Wang, H. Tang, C. A. Gunter, K. Chen:
    "Understanding Membership Inferences on Well-Generalized Learning Models", arXiv 1802.04889,
    2018, section 4.3 (vulnerable records).

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.neighbors import CosineNeighborCounter
    >>> references = [[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]
    >>> counter = CosineNeighborCounter(radius=0.1).fit(references)
    >>> counter.count([[2.0, 0.1], [-1.0, 0.0]])
    array([2, 0])
    >>> counter.count([[2.0, 0.1], [1.0, 1.0]], radius=[0.1, 0.5])
    array([[2, 2],
           [0, 3]])
    """

    def __init__(self, radius: float = 0.2, *, cap: int | None = None) -> None:
        self.radius = radius
        self.cap = cap

    def fit(self, X: ArrayLike, y: Any = None) -> CosineNeighborCounter:
        """Prepare the references.

        Parameters
        ----------
        X : data frame or array-like of shape (n_references, n_features)
            float32 is kept as it is; everything else becomes float64.
        y : None
            Ignored.

        Returns
        -------
        self
        """
        _checked_radii(self.radius)
        _checked_cap(self.cap)
        references = self._table(X, reset=True)
        self._index = CosineIndex(references)
        self.n_references_ = len(references)
        return self

    def count(
        self, X: ArrayLike, radius: ArrayLike | None = None, *, cap: int | None = None
    ) -> NDArray[np.int64]:
        """Count the references near each record.

        Parameters
        ----------
        X : data frame or array-like of shape (n_queries, n_features)
        radius : float or array-like of shape (n_radii,), default=None
            Other radii than the estimator's, all of them in one pass.
        cap : int, default=None
            Another cap than the estimator's.

        Returns
        -------
        ndarray of int64, of shape (n_queries,), or (n_queries, n_radii) for several radii
            The number of references whose cosine distance is strictly below the radius, at most
            the cap.

        Raises
        ------
        ValueError
            See the class.
        """
        check_is_fitted(self)
        radii = _checked_radii(self.radius if radius is None else radius)
        cap = _checked_cap(self.cap if cap is None else cap)
        counts = self._index.count(self._table(X, reset=False), np.atleast_1d(radii), cap)
        return counts if radii.ndim else counts[:, 0]

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the counts as a feature.

        Parameters
        ----------
        X : data frame or array-like of shape (n_queries, n_features)

        Returns
        -------
        ndarray of float64, of shape (n_queries, 1)
        """
        check_is_fitted(self)
        if np.ndim(self.radius):
            raise ValueError("radius must be one number for transform; count takes several.")
        return self.count(X)[:, np.newaxis].astype(np.float64)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Return the name of the one feature, `n_neighbors`.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of str, of shape (1,)
        """
        check_is_fitted(self)
        return np.array(["n_neighbors"], dtype=object)

    def _table(self, X: Any, *, reset: bool) -> NDArray[Any]:
        # Rows that hold NaN are named by the kernel.
        table: NDArray[Any] = validate_data(
            self, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite=False
        )
        return table


def _checked_radii(radius: Any) -> NDArray[np.float64]:
    try:
        radii = np.asarray(radius, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"radius must be a number in (0, 2), or several, got {radius!r}."
        ) from None
    if radii.ndim > 1 or radii.size == 0:
        raise ValueError(
            "radius must be a number in (0, 2), or a list of some, got an array of shape "
            f"{radii.shape}."
        )
    if not ((radii >= 1e-12) & (radii < 2)).all():
        raise ValueError(
            "radius must lie in (0, 2), the range of cosine distances, and not below 1e-12, where "
            f"rounding would decide; got {radius!r}."
        )
    return radii


def _checked_cap(cap: Any) -> int | None:
    if cap is None:
        return None
    if isinstance(cap, bool) or not isinstance(cap, Integral) or cap < 1:
        raise ValueError(f"cap must be a whole number, at least 1, or None; got {cap!r}.")
    return int(cap)
