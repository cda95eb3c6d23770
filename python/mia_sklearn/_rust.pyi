"""Statistics kernels, compiled.

Every function reads its tables in place (float32 or float64, any strides, read-only or not),
treats NaN as absent, compares in float64, releases the interpreter lock and answers the same bits
on any number of threads (`RAYON_NUM_THREADS`, else `OMP_NUM_THREADS`, else all cores; read once).
One-dimensional arguments are converted to float64. Other threads must not write to an array while
a function reads it. Wrong shapes and values raise ValueError, wrong types of table TypeError.
"""

from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "CosineIndex",
    "average_linkage",
    "boosted_sums",
    "boosted_trees",
    "cluster_medoids",
    "euclidean_nearest",
    "gower_nearest",
    "kernel_log_density",
    "leave_one_out_t",
    "pchip_p_values",
    "pooled_p_values",
    "rank_p_values",
    "reference_statistics",
    "rmia_scores",
    "shrunken_t",
]

_Numbers = NDArray[np.float64]

@final
class CosineIndex:
    """References in the form in which cosine neighbours are counted among them.

    Pickles and copies hold the references alone, up to a power of two each, and prepare them again.

    Parameters
    ----------
    references : ndarray of shape (n_references, n_features)
        Neither empty nor NaN, infinite or all zeros in any row. Copied.
    """

    def __new__(cls, references: NDArray[Any]) -> CosineIndex: ...
    def count(
        self, queries: NDArray[Any], radii: ArrayLike, cap: int | None = None
    ) -> NDArray[np.int64]:
        """Count the references nearer to each query than each radius.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features)
            As the references, of either type.
        radii : array-like of shape (n_radii,)
            Cosine distances, at least 1e-12 and below 2.
        cap : int, default=None
            At least 1: larger counts become `cap`.

        Returns
        -------
        ndarray of shape (n_queries, n_radii)
            What a scan of all pairs in float64 gives. Ctrl-C ends a long search.
        """

    def __getnewargs__(self) -> tuple[NDArray[Any]]: ...

def reference_statistics(
    signal: ArrayLike, references: NDArray[Any], skip: tuple[int, int] | None = None
) -> _Numbers:
    """Describe each record's references, and where the target's signal lies among them.

    Parameters
    ----------
    signal : array-like of shape (n_records,)
    references : ndarray of shape (n_records, n_models)
    skip : (start, stop), default=None
        Columns of `references` to treat as absent.

    Returns
    -------
    ndarray of shape (n_records, 8)
        Count, mean, sd (ddof 1), minimum, maximum, number of references below the signal, number
        equal to it, mean of sigmoid(reference). All but the count are NaN without references, the
        sd with one; the two numbers are NaN where the signal is. Equal references have sd 0.
    """

def kernel_log_density(
    signal: ArrayLike,
    references: NDArray[Any],
    bandwidths: ArrayLike,
    skip: tuple[int, int] | None = None,
) -> _Numbers:
    """Return the log-density of each signal under a Gaussian kernel estimate.

    Parameters
    ----------
    signal : array-like of shape (n_records,)
    references : ndarray of shape (n_records, n_models)
    bandwidths : array-like of shape (n_bandwidths,)
        Standard deviations of the kernel, positive.
    skip : (start, stop), default=None
        Columns of `references` to treat as absent.

    Returns
    -------
    ndarray of shape (n_records, n_bandwidths)
        Never underflows; NaN without references and where the signal is NaN.
    """

def rmia_scores(log_ratios: ArrayLike, log_population: ArrayLike, gamma: float) -> _Numbers:
    """Return the share of the population that each record's likelihood ratio beats.

    Parameters
    ----------
    log_ratios : array-like of shape (n_records,)
    log_population : array-like of shape (n_population,)
        Log-ratios of the population; neither empty nor NaN.
    gamma : float
        Positive.

    Returns
    -------
    ndarray of shape (n_records,)
        Share of z with `log_ratio - z >= log(gamma)`; NaN for NaN.
    """

def leave_one_out_t(signal: ArrayLike, references: NDArray[Any]) -> tuple[_Numbers, _Numbers]:
    """Standardise each signal by its references, and each reference by the others.

    Parameters
    ----------
    signal : array-like of shape (n_records,) or (n_records, n_targets)
    references : ndarray of shape (n_records, n_models)

    Returns
    -------
    t : ndarray of the shape of signal
        (signal - mean) / (sd * sqrt(1 + 1 / K)) over the record's K references; NaN where K < 2 or
        the sd is 0.
    e : ndarray of shape (n_records, n_models)
        The same of each reference against the record's K - 1 others.
    """

def rank_p_values(
    signal: NDArray[Any], references: NDArray[Any], places: _Numbers | None = None
) -> _Numbers:
    """Return each signal's place among its record's references. Ctrl-C is honoured.

    Parameters
    ----------
    signal : ndarray of shape (n_records, n_targets)
    references : ndarray of shape (n_records, n_models)
    places : float64 ndarray of shape (n_records, n_targets), default=None
        Numbers in [0, 1): places among equal references, instead of the last.

    Returns
    -------
    ndarray of shape (n_records, n_targets)
        (1 + #{reference >= signal}) / (K + 1) for the record's K references, or
        (#{reference > signal} + place * (1 + #{reference = signal})) / (K + 1); NaN for NaN.
    """

def pchip_p_values(signal: NDArray[Any], references: NDArray[Any], of_loss: bool) -> _Numbers:
    """Read the smoothed distribution of each record's references. Ctrl-C is honoured.

    Parameters
    ----------
    signal : ndarray of shape (n_records, n_targets)
    references : ndarray of shape (n_records, n_models)
    of_loss : bool
        Whether signals are rescaled logits and the distribution is that of log(1 + exp(-signal)).
        Otherwise it is that of -signal.

    Returns
    -------
    ndarray of shape (n_records, n_targets)
        PCHIP through the share of references up to each distinct one; 0 beyond the largest signal,
        1 beyond the smallest and without references; steps, no cubic, where fewer than three are
        distinct. Numbers beyond 4e307 in size stand for it. NaN for NaN.
    """

def shrunken_t(
    signal: ArrayLike, references: NDArray[Any], variance: float | None = None
) -> tuple[_Numbers, _Numbers, float]:
    """Standardise signals and references by equally many references, variances shrunk together.

    Parameters
    ----------
    signal : array-like of shape (n_records,) or (n_records, n_targets)
    references : ndarray of shape (n_records, n_models)
    variance : float, default=None
        What the records have in common; by default the mean of their own variances, of those with
        three references or more and a finite one.

    Returns
    -------
    s : ndarray of the shape of signal
        (signal - mean) / sqrt(v * (1 + 1 / m)) over all m references of the record but the last,
        with v = (sum of squares + 4 * variance) / (m - 1 + 4). 0 where the signal is the mean up
        to rounding, infinite where v is 0 and it is not. Infinite references stand for the limit
        of ever larger ones. NaN where a record has fewer than three references.
    e : ndarray of shape (n_records, n_models)
        The same of each reference over the record's others, which are as many.
    variance : float
        The one that was used.
    """

def pooled_p_values(signal: NDArray[Any], references: NDArray[Any]) -> _Numbers:
    """Hold signals against all records' references, as `shrunken_t` has both. Ctrl-C is honoured.

    Parameters
    ----------
    signal : ndarray of shape (n_records, n_targets)
    references : ndarray of shape (n_records, n_models)
        Never copied.

    Returns
    -------
    ndarray of shape (n_records, n_targets)
        (1 + #{e >= s}) / (1 + #e), each e counted as often as its record has fewer than the mean
        record. It reaches s from 1e-9 of its size and 1e-12 below. The p-value of the rank where a
        record has fewer than three references. NaN for NaN.
    """

def euclidean_nearest(
    queries: NDArray[np.float32], table: NDArray[np.float32], n_neighbors: int
) -> tuple[_Numbers, NDArray[np.int64]]:
    """Find the nearest rows of a table under Euclidean distance. Ctrl-C ends a long search.

    Parameters
    ----------
    queries : float32 ndarray of shape (n_queries, n_columns)
    table : float32 ndarray of shape (n_rows, n_columns)
        Of any strides, without NaN. Every query is compared with every row.
    n_neighbors : int
        From 1 to `n_rows`.

    Returns
    -------
    distances : ndarray of shape (n_queries, n_neighbors)
        Rising; roots of sums in float64, over columns in their order.
    indices : ndarray of shape (n_queries, n_neighbors)
        Of equal distances the lowest first.
    """

def gower_nearest(
    queries: _Numbers, table: _Numbers, caps: ArrayLike, n_neighbors: int
) -> tuple[_Numbers, NDArray[np.int64]]:
    """Find the nearest rows of a table under Gower's distance. Ctrl-C ends a long search.

    Parameters
    ----------
    queries : float64 ndarray of shape (n_queries, n_columns)
    table : float64 ndarray of shape (n_rows, n_columns)
        Of any strides. NaN is equal to itself, and a cap apart from all else.
    caps : array-like of shape (n_columns,)
        Positive: the distance of two rows is the sum over columns of ``min(abs(a - b), cap)``.
    n_neighbors : int
        From 1 to `n_rows`.

    Returns
    -------
    distances : ndarray of shape (n_queries, n_neighbors)
        Rising; to the bit those of a scan that adds columns in their order.
    indices : ndarray of shape (n_queries, n_neighbors)
        Of equal distances the lowest first.
    """

def average_linkage(vectors: NDArray[Any]) -> tuple[NDArray[np.int64], _Numbers]:
    """Cluster vectors by average linkage on cosine distance, in memory for them and few more.

    Ctrl-C ends it. What is zero, NaN or infinite has no direction and raises ValueError.

    Parameters
    ----------
    vectors : ndarray of shape (n_vectors, n_features)

    Returns
    -------
    children : ndarray of shape (n_vectors - 1, 2)
        The two clusters of each merge, the lower number first; merge i makes `n_vectors + i`.
    heights : ndarray of shape (n_vectors - 1,)
        Mean cosine distance of the two, never decreasing.
    """

def cluster_medoids(vectors: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the vector of each cluster with the least mean cosine distance to the others.

    Parameters
    ----------
    vectors : ndarray of shape (n_vectors, n_features)
    labels : ndarray of shape (n_vectors,)
        0 to `n_clusters - 1`, none of them missing.

    Returns
    -------
    ndarray of shape (n_clusters,)
        Row numbers, the lowest among equals (within 1e-12).
    """

def boosted_sums(
    rows: NDArray[np.float32],
    feature: NDArray[np.int64],
    threshold: _Numbers,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    *,
    missing_left: NDArray[np.bool_],
    value: _Numbers,
    starts: NDArray[np.int64],
    baseline: float,
) -> _Numbers:
    """Add up what many small trees say of each row.

    Parameters
    ----------
    rows : float32 ndarray of shape (n_rows, n_columns)
    feature, threshold, left, right : ndarray of shape (n_nodes,)
        Of the trees' nodes, one tree after the other: the column looked at, negative for leaves;
        up to which number rows go left; the children, numbered within their tree.
    missing_left : bool ndarray of shape (n_nodes,)
        Whether rows go left that have no number there.
    value : ndarray of shape (n_nodes,)
        What a leaf says.
    starts : ndarray of shape (n_trees,)
        Each tree's first node. A tree has 32 leaves at most.
    baseline : float
        What the trees' values are added to, in their order.

    Returns
    -------
    ndarray of shape (n_rows,)
    """

def boosted_trees(
    rows: NDArray[np.float32],
    member: NDArray[np.bool_],
    *,
    trees: int,
    learning_rate: float,
    leaves: int,
    rows_in_leaf: int,
    l2: float,
    columns: int,
    seed: int,
) -> dict[str, Any]:
    """Grow small trees that learn who is a member. Ctrl-C ends it.

    Numbers are read in 63 bins. The trees are the same on any number of threads.

    Parameters
    ----------
    rows : float32 ndarray of shape (n_rows, n_columns)
        NaN where a number is missing.
    member : bool ndarray of shape (n_rows,)
    trees : int
    learning_rate, l2 : float
    leaves, rows_in_leaf : int
        Most leaves of a tree, and fewest rows in one.
    columns, seed : int
        How many columns each tree looks at, and what draws them.

    Returns
    -------
    dict
        What `boosted_sums` takes besides the rows.
    """
