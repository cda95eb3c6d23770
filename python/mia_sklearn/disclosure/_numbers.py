"""Records as numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from .._records._rows import as_table


def numbers(X: Any, name: str) -> np.ndarray:
    """Return records as an array of finite numbers, or raise naming the argument.

    Parameters
    ----------
    X : table of shape (n_records, ...)
    name : str

    Returns
    -------
    ndarray of the same shape, float64
    """
    table = as_table(X, name)
    if sparse.issparse(table):
        raise ValueError(f"{name} is sparse: pass a dense table, {name}.toarray().")
    try:
        values = np.array(table, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} must hold numbers: {error}. Encode categories in front of the model."
        ) from error
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds values that are NaN or infinite: fill them.")
    return values
