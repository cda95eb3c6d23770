"""Training records that stand in the synthetic table as they are."""

from __future__ import annotations

import numpy as np

from ._risk import Risk
from ._tables import Table, Tables

__all__ = ["copies", "found_in"]


def copies(tables: Tables) -> Risk:
    """Count the records of which the synthetic table holds a copy."""
    train, control = (
        found_in(side, tables.synthetic).sum() for side in (tables.train, tables.control)
    )
    n_train, n_control = len(tables.train), len(tables.control)
    return Risk(
        "copies",
        "",
        n_train,
        train / n_train,
        0.0,
        n_control,
        control / n_control,
        f"{train:,} of {n_train:,} training records stand in the synthetic table with all their "
        f"values, and {control:,} of {n_control:,} records of the control, which can only be there "
        "by coincidence.",
    )


def found_in(records: Table, table: Table) -> np.ndarray:
    """Tell of each record whether a table holds one that is equal in all columns."""
    known = {row.tobytes() for row in np.ascontiguousarray(table.ranks)}
    rows = np.ascontiguousarray(records.ranks)
    return np.fromiter((row.tobytes() in known for row in rows), dtype=bool, count=len(rows))
