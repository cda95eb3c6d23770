"""Weights of records in training: one of weight 0 is not trained on, whoever was given it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._rows import has_entries

__all__ = ["WITHOUT_WEIGHT", "rows_without_weight"]

WITHOUT_WEIGHT = (
    "A model learns nothing from a record of weight 0: it is no member, and no reference would "
    "train on it."
)


def rows_without_weight(name: str, values: Any) -> np.ndarray:
    """Return the positions of records of weight 0; of no others than arguments that weigh them.

    Parameters
    ----------
    name : str
        Of an argument of `fit`, with that of a step before it perhaps.
    values : array-like of shape (n_records,)
    """
    if name.rpartition("__")[2] != "sample_weight" or not has_entries(name, values):
        return np.empty(0, dtype=np.intp)
    values = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    if values.ndim != 1 or values.dtype.kind not in "biuf":
        return np.empty(0, dtype=np.intp)
    return np.flatnonzero(values == 0)
