"""One p-value from several queries about the same record."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import gammaincc

from .._rust import leave_one_out_t

__all__ = ["kost_mcdermott", "stacked_p_values"]


def stacked_p_values(signal: Any, references: Any) -> np.ndarray:
    """Return one p-value per record from the answers to several queries, valid for any of them.

    Parameters
    ----------
    signal : array-like of shape (n_records, n_queries)
        The target's signal at each query, higher means member; NaN marks a missing query.
    references : array-like of shape (n_records, n_queries, n_references)
        The same signal of references that did not train on the record; NaN throughout marks an
        empty place.

    Returns
    -------
    ndarray of shape (n_records,)
        Never below 1 / (n_references + 1).

    Raises
    ------
    ValueError
        If the shapes do not belong together.

    Notes
    -----
    Target and references are treated alike: every model's answer to a query is standardised
    by the answers of all others, the standardised answers are summed over queries, and the
    p-value is the rank of the target's sum. A query whose other answers are all equal adds
    nothing. However dependent the queries are, the p-value is valid, which the
    combination of Kost and McDermott is not for p-values from few references.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.stats import stacked_p_values
    >>> references = np.random.default_rng(0).normal(size=(1, 5, 19))
    >>> stacked_p_values(np.full((1, 5), 2.0), references)
    array([0.05])
    """
    signal, references = (np.asarray(values, dtype=np.float64) for values in (signal, references))
    if signal.ndim != 2 or references.ndim != 3 or references.shape[:2] != signal.shape:
        raise ValueError(
            "`signal` must have shape (n_records, n_queries) and `references` (n_records, "
            f"n_queries, n_references), got {signal.shape} and {references.shape}."
        )
    answers = np.concatenate([signal[:, :, None], references], axis=2)
    table = answers.reshape(-1, answers.shape[2])
    _, standardised = leave_one_out_t(np.zeros(len(table)), table)
    sums = np.nan_to_num(standardised).reshape(answers.shape).sum(axis=1)
    present = ~np.isnan(references).all(axis=1)
    reached = (present & (sums[:, 1:] >= sums[:, :1])).sum(axis=1)
    return (1 + reached) / (1 + present.sum(axis=1))


def kost_mcdermott(p_values: Any, correlation: Any, *, n_references: int | None = None) -> Any:
    r"""Combine dependent p-values by Fisher's method with Kost and McDermott's correction.

    Parameters
    ----------
    p_values : array-like of shape (..., n_queries)
        One-sided p-values.
    correlation : float or array-like of shape (n_queries, n_queries)
        Correlation of the statistics behind the p-values, one for all pairs or pair by pair.
    n_references : int, default=None
        Where p-values are empirical, the references behind them: smaller ones, 0 included, are
        raised to 1 / (n_references + 1).

    Returns
    -------
    float or ndarray of shape (...)

    Raises
    ------
    ValueError
        If p-values lie outside [0, 1], or 0 is among them without `n_references`.

    Notes
    -----
    :math:`-2 \sum \log p` is taken for a scaled chi-square with the variance
    :math:`4n + 2 \sum_{i<j} (3.263 \rho + .710 \rho^2 + .027 \rho^3)`; Fisher's law where that
    is below the independent one. Meant for continuous p-values: with those from 16 references
    it errs in 11-28 % of cases at .05, from 100 in 6-9 %. `stacked_p_values` does not.

    References
    ----------
    .. [1] J. Kost and M. McDermott, "Combining dependent P-values", Statistics & Probability
       Letters 2002.

    Examples
    --------
    >>> from mia_sklearn.stats import kost_mcdermott
    >>> [round(kost_mcdermott([0.1, 0.02, 0.1, 0.02, 0.3], rho), 5) for rho in (0, 0.5, 1)]
    [0.00236, 0.03341, 0.06544]
    """
    p = np.asarray(p_values, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("`p_values` must lie in [0, 1].")
    if n_references is not None:
        p = np.maximum(p, 1 / (n_references + 1))
    if not p.all():
        raise ValueError("`p_values` holds 0: give `n_references`, below which none can be.")
    n = p.shape[-1]
    rho = np.broadcast_to(np.asarray(correlation, dtype=np.float64), (n, n))
    covariance = 3.263 * rho + 0.710 * rho**2 + 0.027 * rho**3
    mean = 2.0 * n
    variance = max(2 * mean, 2 * mean + 2 * covariance[np.triu_indices(n, 1)].sum())
    # A gamma law with this mean and variance, which is the scaled chi-square.
    tail = gammaincc(mean**2 / variance, -2 * np.log(p).sum(axis=-1) * mean / variance)
    return float(tail) if tail.ndim == 0 else tail
