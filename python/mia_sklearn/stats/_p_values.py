"""A record's p-values against references that did not train on it.

All four take the signal of one target, `(n_records,)`, or of several, `(n_records, n_targets)`,
beside the same references. A record without references has p = 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtr
from sklearn.utils import check_random_state

from .. import _rust

__all__ = ["pchip_p_values", "pooled_p_values", "rank_p_values", "t_p_values"]

#: References without which each p-value is but the rank, or says nothing at all.
FEWEST_REFERENCES = {"pooled": 3, "pchip": 1, "rank": 1, "t": 2}


def rank_p_values(
    signal: Any, references: Any, *, randomized: bool = False, random_state: Any = None
) -> np.ndarray:
    """Return the p-value of the rank of each record's signal among its references.

    Parameters
    ----------
    signal : array-like of shape (n_records,) or (n_records, n_targets)
        The targets' signal, higher means member; NaN gives NaN.
    references : array-like of shape (n_records, n_references)
        The same signal of references that did not train on the record; NaN marks an empty
        place.
    randomized : bool, default=False
        Draw the place among ties, and within the step of the rank, at random: exactly uniform
        for a non-member, where the plain rank counts every tie against membership.
    random_state : int, RandomState or None, default=None
        Used when `randomized`.

    Returns
    -------
    ndarray of the shape of `signal`, float64
        `(1 + #{reference >= signal}) / (n_references + 1)`, over the record's own references;
        randomized `(#{reference > signal} + U (1 + #{reference = signal})) / (n_references + 1)`.

    Raises
    ------
    ValueError
        If `references` is not a table with one row for each row of `signal`.

    Notes
    -----
    Valid for every record by itself, whatever the distribution: the target, if it did not train
    on the record, is exchangeable with references that did not. Never below
    1 / (n_references + 1) unless randomized: p <= .01 takes 99 references (`references_needed`).

    Examples
    --------
    >>> from mia_sklearn.stats import rank_p_values
    >>> rank_p_values([2.5, 0.0], [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]])
    array([0.25, 1.  ])
    """
    signal, references = _check(signal, references)
    places = None
    if randomized:
        places = check_random_state(random_state).uniform(size=signal.shape)
        places = places.reshape(_as_table(signal).shape)
    p = _rust.rank_p_values(_as_table(signal), references, places)
    return p.reshape(signal.shape)


def pchip_p_values(signal: Any, references: Any, *, scale: str = "loss") -> np.ndarray:
    r"""Return p-values read from a smoothed distribution of each record's reference losses.

    The p-value of GMIA as published: the share of references whose loss is at most the target's,
    made smooth by a monotone cubic (PCHIP) through the points
    :math:`(\ell_{(i)}, i / K)`, one for each distinct loss.

    Parameters
    ----------
    signal : array-like of shape (n_records,) or (n_records, n_targets)
        The targets' signal, higher means member; NaN gives NaN.
    references : array-like of shape (n_records, n_references)
        The same signal of references that did not train on the record; NaN marks an empty
        place.
    scale : {"loss", "signal"}, default="loss"
        What is smoothed, which matters: cubics do not follow a change of scale. "loss": signals
        are rescaled logits phi, and the distribution is that of the loss
        :math:`-\log p_y = \log(1 + e^{-\phi})`, in float64. "signal": the distribution is that of
        `-signal`; give minus the loss, whatever the loss.

    Returns
    -------
    ndarray of the shape of `signal`, float64
        0 for a loss below all references', 1 from the largest on. With one or two distinct
        losses there is no cubic: the share of references whose loss is at most the target's.

    Raises
    ------
    ValueError
        If `references` is not a table with one row for each row of `signal`, or `scale` is
        unknown.

    Notes
    -----
    Not calibrated below 1 / (n_references + 1): a target that did not train on the record has
    p = 0 with exactly that probability, and p <= .01 with probability .058 for 16 references, .01
    for 100. `rank_p_values` holds for each record, `pooled_p_values` reaches further down.

    Losses beyond phi = 745 are 0 in float64, and are tied.

    References
    ----------
    .. [1] Y. Long et al., "Understanding Membership Inferences on Well-Generalized Learning
       Models", 2018, section 4.4.
    .. [2] F. N. Fritsch and J. Butland, "A method for constructing local monotone piecewise cubic
       interpolants", SIAM Journal on Scientific and Statistical Computing 1984: the slopes, as in
       `scipy.interpolate.PchipInterpolator`.

    Examples
    --------
    >>> from mia_sklearn.stats import pchip_p_values
    >>> pchip_p_values([0.5, 3.0], [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]).round(4)
    array([0.8504, 0.    ])
    """
    if scale not in ("loss", "signal"):
        raise ValueError(f"`scale` must be 'loss' or 'signal', got {scale!r}.")
    signal, references = _check(signal, references)
    p = _rust.pchip_p_values(_as_table(signal), references, scale == "loss")
    return p.reshape(signal.shape)


def t_p_values(signal: Any, references: Any) -> np.ndarray:
    r"""Return the p-value of each record's signal under a normal law of its references.

    Parameters
    ----------
    signal : array-like of shape (n_records,) or (n_records, n_targets)
        The targets' signal, higher means member; NaN gives NaN.
    references : array-like of shape (n_records, n_references)
        The same signal of references that did not train on the record; NaN marks an empty
        place.

    Returns
    -------
    ndarray of the shape of `signal`, float64
        Upper tail of Student's t with K - 1 degrees of freedom at
        :math:`T = (\phi - \bar\phi) / (s \sqrt{1 + 1/K})`, for K references with mean
        :math:`\bar\phi` and standard deviation s. Rank p-values where T is undefined: fewer than
        two references, or all equal.

    Raises
    ------
    ValueError
        If `references` is not a table with one row for each row of `signal`.

    Notes
    -----
    Valid where references are normal. For skewed ones (Gumbel, log-normal) with 16 references
    p <= .01 happens with probability .03-.05 without any leak; use `pooled_p_values`.

    Examples
    --------
    >>> from mia_sklearn.stats import t_p_values
    >>> t_p_values([3.0, 0.0], [[-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]]).round(4)
    array([0.0608, 0.5   ])
    """
    signal, references = _check(signal, references)
    t, _ = _rust.leave_one_out_t(signal, references)
    degrees = _count(references, signal) - 1
    return np.where(np.isfinite(t), stdtr(degrees, -t), rank_p_values(signal, references))


def pooled_p_values(signal: Any, references: Any, *, strata: Any = None) -> np.ndarray:
    r"""Return p-values that read each record's tail from the references of all records.

    Parameters
    ----------
    signal : array-like of shape (n_records,) or (n_records, n_targets)
        The targets' signal, higher means member; NaN gives NaN. Use phi, not the loss, whose
        shape varies from record to record.
    references : array-like of shape (n_records, n_references)
        The same signal of references that did not train on the record; NaN marks an empty
        place.
    strata : array-like of shape (n_records,), default=None
        Groups of records, fixed without looking at the target, to pool within.

    Returns
    -------
    ndarray of the shape of `signal`, float64
        `(1 + #{e >= T}) / (1 + #e)`. T is the target's statistic over all references of the
        record but the last, and e that of each reference over the others of its record, so that
        both stand against equally many; values that differ by rounding are equal. Rank p-values
        for records with fewer than three references.

    Raises
    ------
    ValueError
        If `references` is not a table with one row for each row of `signal`, or `strata`
        has another length.

    Notes
    -----
    The statistic of x over m references is
    :math:`(x - \bar\phi) / \sqrt{v (1 + 1/m)}` with
    :math:`v = (\sum_k (\phi_k - \bar\phi)^2 + 4 s_0^2) / (m - 1 + 4)`: the common variance
    :math:`s_0^2`, the mean of the records' own, counts as four observations, so that votes and
    leaves that happen to agree do not look certain. Where even that is 0 it is 0 at the mean and
    infinite elsewhere. Each record weighs the same in the pool.

    Valid on average over records, not for each: a record with heavier tails than the others
    gets too small values. Reaches far below 1 / (n_references + 1), which ranks cannot.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.stats import pooled_p_values
    >>> references = np.random.default_rng(0).normal(size=(1000, 8))
    >>> bool(pooled_p_values(np.full(1000, 9.0), references).max() < 0.01)
    True
    """
    signal, references = _check(signal, references)
    if strata is None:
        return _pooled(signal, references)
    strata = np.asarray(strata)
    if strata.shape != (len(signal),):
        raise ValueError(
            f"`strata` must have one entry per record: shape ({len(signal)},), got {strata.shape}."
        )
    groups = np.unique(strata, return_inverse=True)[1]
    p = np.empty(signal.shape)
    for group in np.unique(groups):
        rows = groups == group
        p[rows] = _pooled(signal[rows], references[rows])
    return p


def least_pooled_p_values(n_references: Any) -> np.ndarray:
    """Return the smallest `pooled_p_values` that records can have, whatever a target answers.

    Parameters
    ----------
    n_references : array-like of shape (n_records,)
        How many references each record has.
    """
    counts = np.asarray(n_references)
    pooled = counts >= FEWEST_REFERENCES["pooled"]
    return 1 / (1 + np.where(pooled, counts[pooled].sum(), counts))


def _pooled(signal: np.ndarray, references: np.ndarray) -> np.ndarray:
    p = _rust.pooled_p_values(_as_table(signal), references)
    return p.reshape(signal.shape)


def _or_rank(p: np.ndarray, signal: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Fill in rank p-values where there is no other."""
    missing = np.isnan(p)
    missing = missing if p.ndim == 1 else missing.any(axis=1)
    if missing.any():
        p[missing] = np.where(
            np.isnan(p[missing]), rank_p_values(signal[missing], references[missing]), p[missing]
        )
    return p


@dataclass(frozen=True)
class Pool:
    """What the references of many records look like beside the others of their record.

    Attributes
    ----------
    values : ndarray of shape (n_pooled,), float64
        Their statistics, see `pooled_p_values`, in ascending order.
    weights : ndarray of shape (n_pooled,), float64
        What each counts for: 1 where all records have equally many, and each record the same.
    variance : float
        The mean variance within records.
    """

    values: np.ndarray
    weights: np.ndarray
    variance: float


def pool_of(references: np.ndarray, most: int) -> Pool:
    """Return the statistic of every reference against the others of its record.

    Parameters
    ----------
    references : ndarray of shape (n_records, n_references)
    most : int
        Where there are more numbers than this, records at even distances give theirs.
    """
    step = max(1, -(-references.size // most))
    references = references[::step]
    _, each, variance = _rust.shrunken_t(np.empty((len(references), 0)), references)
    present = ~np.isnan(each)
    sizes = np.count_nonzero(present, axis=1)
    some = np.maximum(sizes, 1)
    weights = np.broadcast_to(
        (sizes.sum() / max(1, np.count_nonzero(sizes)) / some)[:, None], each.shape
    )
    order = np.argsort(each[present])
    return Pool(each[present][order], weights[present][order], variance)


def p_values_from_pool(signal: Any, references: Any, pool: Pool) -> np.ndarray:
    """Return `pooled_p_values` of one target with the tail read from the pool of other records."""
    signal, references = _check(signal, references)
    if not len(pool.values):
        return rank_p_values(signal, references)
    t, _, _ = _rust.shrunken_t(signal, references, pool.variance)
    with np.errstate(invalid="ignore"):
        from_ = np.where(np.isinf(t), t, t - 1e-9 * np.abs(t) - 1e-12)
    below = np.append(0.0, np.cumsum(pool.weights))
    reached = below[-1] - below[np.searchsorted(pool.values, from_)]
    p = np.where(np.isnan(t), np.nan, (1 + reached) / (1 + below[-1]))
    return _or_rank(p, signal, references)


def _count(references: np.ndarray, signal: np.ndarray | None = None) -> np.ndarray:
    """Return each record's number of references, as a column where there are several targets."""
    count = np.count_nonzero(~np.isnan(references), axis=1)
    return count if signal is None or signal.ndim == 1 else count[:, None]


def _as_table(signal: np.ndarray) -> np.ndarray:
    return signal[:, None] if signal.ndim == 1 else signal


def _check(signal: Any, references: Any) -> tuple[np.ndarray, np.ndarray]:
    signal, references = np.asarray(signal), np.asarray(references)
    # In the lower of the two precisions, or equal answers would no longer be equal.
    single = np.float32 in (signal.dtype, references.dtype)
    precision = np.float32 if single else np.float64
    signal = signal.astype(precision, copy=False)
    references = references.astype(precision, copy=False)
    if signal.ndim not in (1, 2) or references.ndim != 2 or len(signal) != len(references):
        raise ValueError(
            "`references` must have one row per entry of `signal`, or per row for several "
            "targets, and one column per reference, "
            f"got shapes {references.shape} and {signal.shape}."
        )
    return signal, references
