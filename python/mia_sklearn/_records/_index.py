"""Values that bear the labels of records: put in the order of the records, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._rows import has_entries, n_rows

__all__ = [
    "bearing_index",
    "check_label_order",
    "in_order_asked",
    "in_order_of",
    "params_in_order",
    "row_labels",
]


def bearing_index(X: Any, y: Any) -> Any:
    """Return what has the records' index: their table, or `y` where a scaler dropped it."""
    if not _has_index(X) and _has_index(y):
        return y
    return X


def in_order_of(name: str, values: Any, *tables: Any) -> Any:
    """Return values, one for each record of some tables, in the order of the records.

    A pandas Series or frame bears an index. Where the tables are pandas' too and its labels are
    theirs, or hold theirs among others, values go with the labels: after a split that shuffles,
    `frame["weight"]` is in another order than `X_train` and `X_test`. An index that was never set
    (0, 1, 2, ...) and tables without one say nothing, and values are taken by position. For tables
    without an index the records' `y` may stand, see `bearing_index`. Labels that are not the
    records', or occur more than once and in another order, are an error, which calls the values
    `name`.
    """
    if not _has_index(values):
        return values
    labels = _labels(tables)
    if labels is None or values.index.equals(labels):
        return _without_index(values)
    unset = _is_unset(values.index)
    if not labels.is_unique:
        if unset:
            return _without_index(values)
        raise ValueError(
            f"The index of {name} is not that of the records, whose labels occur more than once: "
            f"give {name} in the order of the records, without its index (.to_numpy())."
        )
    places = values.index.get_indexer(labels) if values.index.is_unique else np.array([-1])
    if (places >= 0).all() and (len(values) == len(labels) or not _is_unset(labels)):
        return _without_index(values.iloc[places])
    if unset or _is_unset(labels):
        return _without_index(values)
    raise ValueError(
        f"The index of {name} holds other labels than the records, the first of which is "
        f"{labels.tolist()[0]!r}: give {name} with the labels of its records, or without its index "
        "(.to_numpy()) in their order."
    )


def row_labels(X: Any) -> Any:
    """Return what tells the rows of a table that is asked about: its index, or how many they are.

    To be called before the asking: a function may sort what it is given.
    """
    return X.index if _has_index(X) else n_rows(X)


def in_order_asked(name: str, answer: Any, labels: Any) -> Any:
    """Return an answer, one row for each record asked about, in the order of the records.

    A pandas Series or frame bears an index. Where it holds the records' labels in another order,
    rows go with the labels; one that counts the rows (0, 1, 2, ...) says nothing, and they are
    taken by position.

    Parameters
    ----------
    name : str
        What errors call who answered.
    answer : Any
        Whatever bears no index is returned as it is.
    labels : Index or int
        What `row_labels` returned of the records.

    Raises
    ------
    ValueError
        If the labels are others.
    """
    if not _has_index(answer):
        return answer
    import pandas as pd

    labels = pd.RangeIndex(labels) if isinstance(labels, int) else labels
    index = answer.index
    if len(index) != len(labels) or index.equals(labels) or _is_unset(index):
        return _without_index(answer)
    if labels.is_unique and index.is_unique:
        places = index.get_indexer(labels)
        if (places >= 0).all():
            return _without_index(answer.iloc[places])
    raise ValueError(
        f"{name} answered with other labels in the index than those of the records asked about, "
        f"first {index.tolist()[0]!r} in place of {labels.tolist()[0]!r}: return one row per "
        "record with their index, or an array (.to_numpy()) in their order."
    )


def params_in_order(params: dict[str, Any], n: int, *tables: Any) -> dict[str, Any]:
    """Return arguments of `fit` with those that have `n` entries in the order of the records."""
    return {
        name: in_order_of(f"fit_params[{name!r}]", value, *tables)
        if has_entries(name, value) and n_rows(value) == n
        else value
        for name, value in params.items()
    }


def check_label_order(name: str, y: Any, X: Any, X_name: str) -> None:
    """Raise if labels of records bear the index of the records in another order.

    scikit-learn takes labels by position, whatever index they bear. So do we, since a model was
    fitted so; but where the index says that they belong to other rows, one of both is wrong.
    """
    labels = _labels((X,))
    if labels is None or not _has_index(y):
        return
    if y.index.equals(labels) or not (labels.is_unique and y.index.is_unique):
        return
    if len(y) == len(labels) and (y.index.get_indexer(labels) >= 0).all():
        raise ValueError(
            f"{name} bears the index of {X_name} in another order, and scikit-learn takes labels "
            f"by position: give {name}.loc[{X_name}.index], or {name}.to_numpy() if the model was "
            "fitted by position."
        )


def _labels(tables: tuple[Any, ...]) -> Any:
    """Return the index of tables below each other; None unless all have one."""
    if not all(map(_has_index, tables)):
        return None
    labels = tables[0].index
    for table in tables[1:]:
        labels = labels.append(table.index)
    return labels


def _has_index(values: Any) -> bool:
    return hasattr(values, "iloc") and hasattr(values, "index")


def _is_unset(index: Any) -> bool:
    import pandas as pd

    return isinstance(index, pd.RangeIndex) and index.equals(pd.RangeIndex(len(index)))


def _without_index(values: Any) -> Any:
    return values.reset_index(drop=True) if hasattr(values, "columns") else values.to_numpy()
