"""The records of an audit, checked and joined into one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from ._dtypes import united
from ._index import check_label_order
from ._rows import (
    as_table,
    column_names,
    concat_rows,
    is_documents,
    kind_of,
    n_rows,
    record_shape,
    through_narwhals,
)
from ._targets import is_constant

__all__ = [
    "Records",
    "as_labels",
    "check_names",
    "check_records",
    "check_same_features",
    "gather",
    "note_features",
    "without_labels",
]


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
        """The table without the core; the same memory, not to be given to a model."""
        if not self.n_core:
            return self.table
        rows = slice(self.n_asked)
        return self.table.iloc[rows] if hasattr(self.table, "iloc") else self.table[rows]


def gather(
    X: Any,
    y: Any,
    population: Any,
    core: Any,
    as_truth: Callable[[Any, str], np.ndarray] | None = None,
) -> Records:
    """Check the tables and join them; `as_truth` is as in `check_records`.

    Raises
    ------
    ValueError
        If they do not fit together; names the argument.
    """
    labelled = y is not None
    as_truth = as_truth or as_labels
    pool, labels = check_records(X, y, as_truth=as_truth) if labelled else without_labels(X)
    tables, targets, sizes = [pool], [labels], []
    for name, extra in (("population", population), ("core", core)):
        if extra is None:
            sizes.append(0)
            continue
        is_pair = isinstance(extra, (tuple, list) if labelled else tuple)
        if (labelled or is_pair) and not (is_pair and len(extra) == 2):
            raise ValueError(f"{name} must be a pair (X, y), got {type(extra).__name__}.")
        if labelled:
            records, their_labels = check_records(
                extra[0], extra[1], f"{name}[0]", f"{name}[1]", as_truth
            )
            if their_labels.shape[1:] != labels.shape[1:]:
                raise ValueError(
                    f"{name}[1] must have as many outputs as y, of shape {labels.shape}; got shape "
                    f"{their_labels.shape}."
                )
        else:
            records, their_labels = without_labels(extra[0] if is_pair else extra, f"{name}[0]")
        check_same_features(pool, records, "X", f"{name}[0]")
        pool, records = united(tables[0], records, "X", f"{name}[0]")
        tables = [pool, *(united(pool, table, "X", "population[0]")[1] for table in tables[1:])]
        tables.append(records)
        targets.append(their_labels)
        sizes.append(n_rows(records))
    table = concat_rows(*tables) if len(tables) > 1 else pool
    gathered = Records(table, np.concatenate(targets), n_rows(pool), *sizes)
    trained_on = gathered.labels[gathered.first :]
    if labelled and is_constant(trained_on):
        only, of_classes = trained_on[0].tolist(), as_truth is as_labels
        raise ValueError(
            "y must hold at least two classes among the records that models train on, got one "
            f"class: {only!r}."
            if of_classes
            else f"y is {only!r} for all records that models train on: there is nothing to learn."
        )
    return gathered


def check_records(
    X: Any,
    y: Any,
    X_name: str = "X",
    y_name: str = "y",
    as_truth: Callable[[Any, str], np.ndarray] | None = None,
) -> tuple[Any, np.ndarray]:
    """Return records and labels as a table and an array, or raise naming the argument.

    `as_truth` reads what is no single label for each record, see `_targets`.
    """
    table = as_table(X, X_name)
    if y is None:
        raise ValueError(f"{y_name} is None: only generators are looked at without labels.")
    check_label_order(y_name, y, X, X_name)
    labels = (as_truth or as_labels)(y, y_name)
    if n_rows(table) != len(labels):
        raise ValueError(
            f"{X_name} and {y_name} must have one row per record, got {n_rows(table)} and "
            f"{len(labels)} rows."
        )
    if len(labels) == 0:
        raise ValueError(f"{X_name} holds no records.")
    return table, labels


def as_labels(y: Any, name: str = "y") -> np.ndarray:
    """Return labels as an array of one dimension: of a Series, a list, a frame of one column.

    Raises
    ------
    ValueError
        If there is more than one label for a record, or one is missing.
    """
    import pandas as pd

    if hasattr(y, "detach"):
        y = y.detach().cpu()
    foreign = through_narwhals(y)
    labels = y if foreign is None else foreign.to_numpy()
    if hasattr(labels, "columns") and labels.shape[1] == 1:
        labels = labels.iloc[:, 0]
    if hasattr(labels, "dtype") and pd.api.types.is_extension_array_dtype(labels.dtype):
        # Nullable numbers without a missing one are numbers.
        labels = pd.Series(labels).astype(object).infer_objects()
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(f"{name} must have one label per record, got shape {labels.shape}.")
    missing = pd.isna(labels)
    if missing.any():
        raise ValueError(f"{name} has no label in row {missing.argmax()}; drop such records.")
    return labels


def without_labels(X: Any, name: str = "X") -> tuple[Any, np.ndarray]:
    """Return a table of records, and zeros for the labels that there are not."""
    table = as_table(X, name)
    if n_rows(table) == 0:
        raise ValueError(f"{name} holds no records.")
    return table, np.zeros(n_rows(table), dtype=np.int64)


def check_same_features(one: Any, other: Any, one_name: str, other_name: str) -> None:
    """Raise unless two tables are of one kind and have the same features."""
    if kind_of(one) != kind_of(other):
        raise ValueError(
            f"{one_name} and {other_name} must be tables of one kind, got {type(one).__name__} "
            f"({kind_of(one)}) and {type(other).__name__} ({kind_of(other)})."
        )
    if column_names(one) != column_names(other):
        raise ValueError(
            f"{one_name} and {other_name} must have the same columns in the same order."
        )
    if record_shape(one) != record_shape(other):
        raise ValueError(
            f"{one_name} and {other_name} must have the same features, got records of shape "
            f"{record_shape(one)} and {record_shape(other)}."
        )


def note_features(estimator: Any, X: Any, y: Any = "no_validation", *, reset: bool = True) -> None:
    """Note the number and the names of the features of a table, or compare with those noted."""
    if is_documents(X):
        return
    validate_data(estimator, X, y, skip_check_array=True, reset=reset)


def check_names(model: Any, X: Any, name: str) -> None:
    """Raise if a frame has other columns than the model was fitted on.

    Raises
    ------
    ValueError
        Names the columns.
    """
    expected = getattr(model, "feature_names_in_", None)
    columns = column_names(X)
    if expected is None or not columns:
        return
    missing = [str(column) for column in expected if column not in set(columns)]
    extra = [str(column) for column in columns if column not in set(expected)]
    if missing or extra:
        parts = [f"missing: {', '.join(missing[:5])}"] if missing else []
        parts += [f"not known to it: {', '.join(extra[:5])}"] if extra else []
        raise ValueError(
            f"{name} has other columns than the model was fitted on ({'; '.join(parts)}). "
            "Give the columns of its training data."
        )
    if list(expected) != columns:
        raise ValueError(
            f"{name} has the model's columns in another order; use {name}[model.feature_names_in_]."
        )
