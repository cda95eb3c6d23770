"""p-values of scores, of any attack, against the scores of records that were not trained on."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["conformal_combine", "conformal_p_values"]


def conformal_p_values(scores: Any, others: Any = None) -> np.ndarray:
    """Return how often a record that was not trained on would score as high.

    Parameters
    ----------
    scores : array-like of shape (n_records,) or (n_records, n_attacks)
        Higher means member, column by column; NaN gives NaN.
    others : array-like of shape (n_others,) or (n_others, n_attacks), default=None
        Scores of records that were not trained on. By default `scores` are those of such records,
        each of which is held against the rest.

    Returns
    -------
    ndarray of the shape of `scores`, float64
        `(1 + #{other >= score}) / (n_others + 1)`, ties counted.

    Raises
    ------
    ValueError
        If the shapes do not belong together, or there is nobody to compare with.

    Notes
    -----
    Exact for any attack, learned or not, if a record that was not trained on is as likely to come
    before as after another: records of train and test are a random split of one set, and the
    attack treats both alike. Valid on average over records, not for each: records that are always
    easy have small values whoever trained on them. Never below 1 / (n_others + 1). Since all are
    held against the same others they depend on one another positively, so that Benjamini and
    Hochberg's list keeps its rate [1]_.

    References
    ----------
    .. [1] S. Bates et al., "Testing for outliers with conformal p-values", Annals of Statistics
       2023.

    Examples
    --------
    >>> from mia_sklearn.stats import conformal_p_values
    >>> conformal_p_values([2.5, 0.0], [0.0, 1.0, 2.0])
    array([0.25, 1.  ])
    """
    scores, others, of_others = _tables(scores, others)
    reached = _reached(scores, others) + of_others
    return np.where(np.isnan(scores), np.nan, reached / (_sizes(others) + of_others))


def conformal_combine(scores: Any, others: Any = None) -> np.ndarray:
    """Return one p-value per record from the scores of several attacks, valid for any of them.

    Parameters
    ----------
    scores : array-like of shape (n_records, n_attacks)
        Higher means member; NaN marks a missing one, which says nothing.
    others : array-like of shape (n_others, n_attacks), default=None
        Scores of records that were not trained on. By default `scores` are those of such records,
        each of which is held against the rest.

    Returns
    -------
    ndarray of shape (n_records,), float64
        The rank, among the others, of the harmonic mean of a record's `conformal_p_values`.

    Raises
    ------
    ValueError
        If the shapes do not belong together, or there is nobody to compare with.

    Notes
    -----
    However the attacks depend on one another, the others' combined values do alike, so that
    nothing is paid for dependence: the assumption is that of `conformal_p_values`. In its own
    comparison each of the others is given the p-value that it would have were the record below
    it, which errs on the side of too large p-values, by next to nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.stats import conformal_combine
    >>> rng = np.random.default_rng(0)
    >>> others = rng.normal(size=(999, 3))
    >>> conformal_combine([[9.0, 0.0, 0.0], [0.0, 0.0, 0.0]], others).round(3)
    array([0.002, 0.697])
    """
    scores, others, of_others = _tables(scores, others)
    if scores.ndim != 2:
        raise ValueError(
            f"`scores` must have shape (n_records, n_attacks), got {scores.shape}: one attack has "
            "nothing to combine, take conformal_p_values."
        )
    if scores.shape[1] == 1:
        # Nothing is to be combined, and nothing lost.
        return np.nan_to_num(conformal_p_values(scores, others if of_others else None)[:, 0], nan=1)
    sizes = _sizes(others) + of_others
    own = _evidence((_reached(scores, others) + of_others) / sizes, scores)
    with np.errstate(divide="ignore"):
        theirs = _evidence(_reached(others, others) / sizes, others)
    # Sums of the same numbers in another order must count as equal.
    reached = len(theirs) - np.searchsorted(np.sort(theirs), own - 1e-9 * own)
    return (reached + of_others) / (len(theirs) + of_others)


def _tables(scores: Any, others: Any) -> tuple[np.ndarray, np.ndarray, int]:
    """Return both as arrays, and what a record counts for beside the others: 0 if it is one."""
    scores = np.asarray(scores, dtype=np.float64)
    held_against = scores if others is None else np.asarray(others, dtype=np.float64)
    if scores.ndim not in (1, 2) or held_against.shape[1:] != scores.shape[1:]:
        raise ValueError(
            "`scores` and `others` must have one row per record and the same columns, one per "
            f"attack; got shapes {scores.shape} and {held_against.shape}."
        )
    if len(held_against) < 1 + (others is None):
        raise ValueError(
            f"`others` holds {0 if others is not None else len(scores)} records: there is nobody "
            "to compare with."
        )
    return scores, held_against, int(others is not None)


def _sizes(others: np.ndarray) -> np.ndarray:
    return (~np.isnan(others)).sum(axis=0)


def _reached(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Count, column by column, the others that score at least as high."""
    if scores.ndim == 1:
        known = np.sort(others[~np.isnan(others)])
        return len(known) - np.searchsorted(known, scores)
    columns = [_reached(one, other) for one, other in zip(scores.T, others.T, strict=True)]
    return np.column_stack(columns) if columns else np.empty(scores.shape, dtype=int)


def _evidence(p_values: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return what the harmonic mean is one over: large where some p-value is small."""
    return np.where(np.isnan(scores), 1.0, 1 / p_values).sum(axis=1)
