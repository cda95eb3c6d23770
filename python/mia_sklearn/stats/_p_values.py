"""A record's p-values against references that did not train on it.

All four take the signal of one target, `(n_records,)`, or of several, `(n_records, n_targets)`,
beside the same references. A record without references has p = 1.
"""

from __future__ import annotations

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
        `(1 + #{e >= T}) / (1 + #e)` with T as in `t_p_values`, and e the same statistic of every
        reference against the other references of its record. Rank p-values for records with
        fewer than three references or with equal ones.

    Raises
    ------
    ValueError
        If `references` is not a table with one row for each row of `signal`, or `strata`
        has another length.

    Notes
    -----
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
    groups = np.zeros(len(signal), dtype=np.intp)
    if strata is not None:
        strata = np.asarray(strata)
        if strata.shape != (len(signal),):
            raise ValueError(
                f"`strata` must have one entry per record: shape ({len(signal)},), got "
                f"{strata.shape}."
            )
        groups = np.unique(strata, return_inverse=True)[1]
    # What the references are worth does not depend on the target: once for all of them.
    t, each = _rust.leave_one_out_t(signal, references)
    p = rank_p_values(signal, references)
    pooled = np.isfinite(t) & (_count(references, signal) >= FEWEST_REFERENCES["pooled"])
    for group in np.unique(groups):
        rows = groups == group
        own = t[rows]
        reached, total = _rust.pooled_counts(own.ravel(), each[rows])
        smooth = (1 + reached.reshape(own.shape)) / (1 + total)
        p[rows] = np.where(pooled[rows], smooth, p[rows])
    return p


def pool_of(references: np.ndarray, most: int) -> np.ndarray:
    """Return the statistic of every reference against the others of its record, in order.

    Parameters
    ----------
    references : ndarray of shape (n_records, n_references)
    most : int
        Where there are more numbers than this, records at even distances give theirs.
    """
    step = max(1, -(-references.size // most))
    references = references[::step]
    _, each = _rust.leave_one_out_t(np.empty((len(references), 0)), references)
    return np.sort(each[~np.isnan(each)])


def p_values_from_pool(signal: Any, references: Any, pool: np.ndarray) -> np.ndarray:
    """Return `pooled_p_values` of one target with the tail read from the pool of other records."""
    signal, references = _check(signal, references)
    t, _ = _rust.leave_one_out_t(signal, references)
    smooth = (1 + len(pool) - np.searchsorted(pool, t)) / (1 + len(pool))
    pooled = np.isfinite(t) & (_count(references) >= FEWEST_REFERENCES["pooled"])
    return np.where(pooled & (len(pool) > 0), smooth, rank_p_values(signal, references))


def _count(references: np.ndarray, signal: np.ndarray | None = None) -> np.ndarray:
    """Return each record's number of references, as a column where there are several targets."""
    count = np.count_nonzero(~np.isnan(references), axis=1)
    return count if signal is None or signal.ndim == 1 else count[:, None]


def _as_table(signal: np.ndarray) -> np.ndarray:
    return signal[:, None] if signal.ndim == 1 else signal


def _check(signal: Any, references: Any) -> tuple[np.ndarray, np.ndarray]:
    references = np.asarray(references)
    if references.dtype not in (np.float32, np.float64):
        references = references.astype(np.float64)
    # In the precision of the references, or equal answers would no longer be equal.
    signal = np.asarray(signal).astype(references.dtype, copy=False)
    if signal.ndim not in (1, 2) or references.ndim != 2 or len(signal) != len(references):
        raise ValueError(
            "`references` must have one row per entry of `signal`, or per row for several "
            "targets, and one column per reference, "
            f"got shapes {references.shape} and {signal.shape}."
        )
    return signal, references
