"""How many references a list of exposed records needs."""

from __future__ import annotations

import math

from ._checks import check_level

__all__ = ["references_needed"]


def references_needed(n_records: int, n_rejected: int, q: float = 0.1) -> int:
    """Return the references from which rank p-values can expose that many records.

    A rank p-value is at least 1 / (references + 1), and Benjamini-Hochberg at rate `q` rejects
    `n_rejected` of `n_records` only where that many p-values reach `q * n_rejected / n_records`.
    The arithmetic itself is `scipy.stats.false_discovery_control`.

    Parameters
    ----------
    n_records : int
        Records tested.
    n_rejected : int
        Records that should be able to be listed.
    q : float, default=0.1
        False discovery rate, in (0, 1).

    Returns
    -------
    int
        Out-references per record.

    Raises
    ------
    ValueError
        If not 1 <= `n_rejected` <= `n_records`, or `q` lies outside (0, 1).

    Examples
    --------
    >>> from mia_sklearn.stats import references_needed
    >>> references_needed(1_000, 50, 0.1)
    199
    """
    q = check_level(q, "q")
    if not 1 <= n_rejected <= n_records:
        raise ValueError(
            f"`n_rejected` must lie between 1 and n_records={n_records}, got {n_rejected}."
        )
    return math.ceil(n_records / (q * n_rejected) - 1 - 1e-9)
