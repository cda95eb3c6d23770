"""One record's p-value against references that did not train on it."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import stdtr
from sklearn.utils import check_random_state

from .._rust import leave_one_out_t, pooled_counts, reference_statistics

__all__ = ["pooled_p_values", "rank_p_values", "t_p_values"]

# Fewer references leave a reference without two others to be compared with.
_FEWEST_TO_POOL = 3


def rank_p_values(
    signal: Any, references: Any, *, randomized: bool = False, random_state: Any = None
) -> np.ndarray:
    """Return the p-value of the rank of each record's signal among its references.

    Parameters
    ----------
    signal : array-like of shape (n_records,)
        The target's signal, higher means member; NaN gives NaN.
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
    ndarray of shape (n_records,)
        `(1 + #{reference >= signal}) / (n_references + 1)`, over the record's own references;
        randomized `(#{reference > signal} + U (1 + #{reference = signal})) / (n_references + 1)`.

    Raises
    ------
    ValueError
        If `references` is not a table with one row for each entry of `signal`.

    Notes
    -----
    Valid for every record by itself, whatever the distribution: the target, if it did not train
    on the record, is exchangeable with references that did not. Never below
    1 / (n_references + 1) unless randomized.

    Examples
    --------
    >>> from mia_sklearn.stats import rank_p_values
    >>> rank_p_values([2.5, 0.0], [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]])
    array([0.25, 1.  ])
    """
    signal, references = _check(signal, references)
    table = reference_statistics(signal, references)
    count, below, equal = table[:, 0], np.nan_to_num(table[:, 5]), np.nan_to_num(table[:, 6])
    if randomized:
        place = check_random_state(random_state).uniform(size=len(signal)) * (1 + equal)
        p = (count - below - equal + place) / (count + 1)
    else:
        p = (1 + count - below) / (count + 1)
    return np.where(np.isnan(signal), np.nan, p)


def t_p_values(signal: Any, references: Any) -> np.ndarray:
    r"""Return the p-value of each record's signal under a normal law of its references.

    Parameters
    ----------
    signal : array-like of shape (n_records,)
        The target's signal, higher means member; NaN gives NaN.
    references : array-like of shape (n_records, n_references)
        The same signal of references that did not train on the record; NaN marks an empty
        place.

    Returns
    -------
    ndarray of shape (n_records,)
        Upper tail of Student's t with K - 1 degrees of freedom at
        :math:`T = (\phi - \bar\phi) / (s \sqrt{1 + 1/K})`, for K references with mean
        :math:`\bar\phi` and standard deviation s. Rank p-values where T is undefined: fewer than
        two references, or all equal.

    Raises
    ------
    ValueError
        If `references` is not a table with one row for each entry of `signal`.

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
    t, _ = leave_one_out_t(signal, references)
    count = np.count_nonzero(~np.isnan(references), axis=1)
    return np.where(np.isfinite(t), stdtr(count - 1, -t), rank_p_values(signal, references))


def pooled_p_values(signal: Any, references: Any, *, strata: Any = None) -> np.ndarray:
    r"""Return p-values that read each record's tail from the references of all records.

    Parameters
    ----------
    signal : array-like of shape (n_records,)
        The target's signal, higher means member; NaN gives NaN. Use phi, not the loss, whose
        shape varies from record to record.
    references : array-like of shape (n_records, n_references)
        The same signal of references that did not train on the record; NaN marks an empty
        place.
    strata : array-like of shape (n_records,), default=None
        Groups of records, fixed without looking at the target, to pool within.

    Returns
    -------
    ndarray of shape (n_records,)
        `(1 + #{e >= T}) / (1 + #e)` with T as in `t_p_values`, and e the same statistic of every
        reference against the other references of its record. Rank p-values for records with
        fewer than three references or with equal ones.

    Raises
    ------
    ValueError
        If `references` is not a table with one row for each entry of `signal`, or `strata`
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
        if strata.shape != signal.shape:
            raise ValueError(
                f"`strata` must have one entry per record: shape {signal.shape}, got "
                f"{strata.shape}."
            )
        groups = np.unique(strata, return_inverse=True)[1]
    t, each = leave_one_out_t(signal, references)
    count = np.count_nonzero(~np.isnan(references), axis=1)
    p = rank_p_values(signal, references)
    pooled = np.isfinite(t) & (count >= _FEWEST_TO_POOL)
    for group in np.unique(groups):
        rows = groups == group
        reached, total = pooled_counts(t[rows], each[rows])
        smooth = (1 + reached) / (1 + total)
        p[rows] = np.where(pooled[rows], smooth, p[rows])
    return p


def _check(signal: Any, references: Any) -> tuple[np.ndarray, np.ndarray]:
    references = np.asarray(references)
    if references.dtype not in (np.float32, np.float64):
        references = references.astype(np.float64)
    # In the precision of the references, or equal answers would no longer be equal.
    signal = np.asarray(signal).astype(references.dtype)
    if signal.ndim != 1 or references.ndim != 2 or len(signal) != len(references):
        raise ValueError(
            "`references` must have one row per entry of `signal` and one column per reference, "
            f"got shapes {references.shape} and {signal.shape}."
        )
    return signal, references
