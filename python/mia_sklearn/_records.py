"""The records of an audit, checked and joined into one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from ._data import as_table, concat_rows, is_frame, n_rows, take_rows

__all__ = ["Records", "check_records", "check_same_features", "gather", "without_labels"]


@dataclass(frozen=True)
class Records:
    """A pool, a population and a core, one behind the other."""

    table: Any
    labels: np.ndarray
    n_pool: int
    n_population: int
    n_core: int

    @property
    def n_asked(self) -> int:
        """Records that models answer on: all but the core."""
        return self.n_pool + self.n_population

    @property
    def first(self) -> int:
        """First row that models may train on: of the pool, or of the population if there is one."""
        return self.n_pool if self.n_population else 0

    @property
    def asked(self) -> Any:
        """The table without the core."""
        return take_rows(self.table, slice(self.n_asked)) if self.n_core else self.table


def gather(X: Any, y: Any, population: Any, core: Any) -> Records:
    """Check the tables and join them.

    Raises
    ------
    ValueError
        If they do not fit together; names the argument.
    """
    labelled = y is not None
    pool, labels = check_records(X, y, "X", "y") if labelled else without_labels(X)
    tables, targets, sizes = [pool], [labels], []
    for name, extra in (("population", population), ("core", core)):
        if extra is None:
            sizes.append(0)
            continue
        is_pair = isinstance(extra, (tuple, list) if labelled else tuple)
        if (labelled or is_pair) and not (is_pair and len(extra) == 2):
            raise ValueError(f"{name} must be a pair (X, y), got {type(extra).__name__}.")
        if labelled:
            records, their_labels = check_records(extra[0], extra[1], f"{name}[0]", f"{name}[1]")
        else:
            records, their_labels = without_labels(extra[0] if is_pair else extra, f"{name}[0]")
        check_same_features(pool, records, "X", f"{name}[0]")
        tables.append(records)
        targets.append(their_labels)
        sizes.append(n_rows(records))
    table = concat_rows(*tables) if len(tables) > 1 else pool
    gathered = Records(table, np.concatenate(targets), n_rows(pool), *sizes)
    trainable = np.unique(gathered.labels[gathered.first :])
    if labelled and len(trainable) < 2:
        raise ValueError(
            "y must hold at least two classes among the records that models train on, got one "
            f"class: {trainable[0]!r}."
        )
    return gathered


def check_records(X: Any, y: Any, X_name: str = "X", y_name: str = "y") -> tuple[Any, np.ndarray]:
    """Return records and labels as a table and an array, or raise naming the argument."""
    import pandas as pd

    table = as_table(X, X_name)
    if y is None:
        raise ValueError(f"{y_name} is None: only generators are looked at without labels.")
    labels = np.asarray(y)
    if labels.ndim != 1:
        raise ValueError(f"{y_name} must have one label per record, got shape {labels.shape}.")
    if n_rows(table) != len(labels):
        raise ValueError(
            f"{X_name} and {y_name} must have one row per record, got {n_rows(table)} and "
            f"{len(labels)} rows."
        )
    if len(labels) == 0:
        raise ValueError(f"{X_name} holds no records.")
    missing = pd.isna(labels)
    if missing.any():
        raise ValueError(f"{y_name} has no label in row {missing.argmax()}; drop such records.")
    return table, labels


def without_labels(X: Any, name: str = "X") -> tuple[Any, np.ndarray]:
    """Return a table of records, and zeros for the labels that there are not."""
    table = as_table(X, name)
    if n_rows(table) == 0:
        raise ValueError(f"{name} holds no records.")
    return table, np.zeros(n_rows(table), dtype=np.int64)


def check_same_features(one: Any, other: Any, one_name: str, other_name: str) -> None:
    """Raise unless two tables are of one kind and have the same features."""
    if (is_frame(one), sparse.issparse(one)) != (is_frame(other), sparse.issparse(other)):
        raise ValueError(
            f"{one_name} and {other_name} must be tables of one kind, got {type(one).__name__} "
            f"and {type(other).__name__}."
        )
    if is_frame(one) and list(one.columns) != list(other.columns):
        raise ValueError(
            f"{one_name} and {other_name} must have the same columns in the same order."
        )
    if one.shape[1:] != other.shape[1:]:
        raise ValueError(
            f"{one_name} and {other_name} must have the same features, got records of shape "
            f"{one.shape[1:]} and {other.shape[1:]}."
        )
