"""The values that a feature may have, and records with one of them put in."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._records._rows import MAX_CATEGORIES, is_frame, plain_values, positions

__all__ = ["LEAST", "Candidates"]

#: Records that must have a value for it to be a candidate: one for each fold of the imputer.
LEAST = 5


class Candidates:
    """What can be guessed for one feature of a table.

    Parameters
    ----------
    table : array of two dimensions, or data frame
    feature : column name of a frame, column number of an array
    n_bins : int
        A numeric feature of more values than this is cut at its quantiles.

    Attributes
    ----------
    values : ndarray of shape (n_values,)
        The values themselves, or a middle value of each bin that records have.
    edges : ndarray of shape (n_values - 1,) or None
        Largest values of all bins but the last; None where values are guessed as they are.

    Raises
    ------
    ValueError
        If there is no such feature, or it holds missing values, one value only or too many.
    """

    def __init__(self, table: Any, feature: Any, n_bins: int) -> None:
        self.feature = feature
        self.place = _place(table, feature)
        column = self._column(table, "X_aux")
        self.edges: np.ndarray | None = None
        if column.dtype.kind in "iuf" and len(np.unique(column)) > n_bins:
            self.edges = _quantiles(column, n_bins)
            bins = np.searchsorted(self.edges, column)
            if np.bincount(bins).min() < LEAST:
                raise ValueError(
                    f"A bin of the feature {feature!r} has fewer than {LEAST} records of X_aux: "
                    f"give more records, or fewer bins than n_bins={n_bins}."
                )
            self.values = _middles(column, bins)
        else:
            self.values = _frequent(column, feature)

    def __len__(self) -> int:
        return len(self.values)

    def codes(self, table: Any, name: str) -> np.ndarray:
        """Return the place of each record's own value among the candidates, -1 for none."""
        column = self._column(table, name)
        if self.edges is None:
            return positions(column, self.values)
        return np.searchsorted(self.edges, column)

    def check_not_the_label(self, codes: np.ndarray, labels: np.ndarray) -> None:
        """Raise if each value goes with one class, and each class with one value."""
        if labels.ndim > 1:
            labels = np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1)
        pairs = set(zip(codes.tolist(), labels.tolist(), strict=True))
        if len(pairs) == len(np.unique(codes)) == len(np.unique(labels)):
            raise ValueError(
                f"The feature {self.feature!r} is the label: each of its values goes with one "
                "class of y_aux, and the attacker knows that. Name another feature."
            )

    def put(self, table: Any, candidate: int) -> Any:
        """Return the records with a candidate in place of their own values."""
        value = self.values[candidate : candidate + 1].tolist()[0]
        filled = table.copy()
        if is_frame(table):
            import pandas as pd

            dtype = table.dtypes.iloc[self.place]
            values = pd.Series([value] * len(table), index=table.index, dtype=dtype)
            filled.isetitem(self.place, values)
        else:
            filled[:, self.place] = value
        return filled

    def others(self, table: Any, labels: np.ndarray, classes: np.ndarray) -> Any:
        """Return the other features and the label, all that an imputer may look at.

        The label is the last column of a frame; an array gets an indicator of each class. Numbers
        that regressors learn stand there as they are, for which there are no `classes`.
        """
        if len(classes):
            known = positions(labels, classes)[:, None] == np.arange(len(classes))
        else:
            known = np.asarray(labels, dtype=np.float64).reshape(len(labels), -1)
        if not is_frame(table):
            return np.hstack([np.delete(table, self.place, axis=1), known])
        import pandas as pd

        # Many estimators refuse names that are no strings beside names that are.
        other = table.drop(columns=table.columns[self.place]).rename(columns=str)
        if len(classes):
            added = {"label": pd.Categorical(labels, categories=classes)}
        else:
            added = {f"label_{j}": column for j, column in enumerate(known.T)}
        while set(added) & set(other.columns):
            added = {f"_{name}": column for name, column in added.items()}
        return other.assign(**added)

    def _column(self, table: Any, name: str) -> np.ndarray:
        import pandas as pd

        column = (
            plain_values(table.iloc[:, self.place]) if is_frame(table) else table[:, self.place]
        )
        missing = pd.isna(column)
        if missing.any():
            raise ValueError(
                f"The feature {self.feature!r} is missing in row {int(missing.argmax())} of "
                f"{name}: drop such records, there is nothing to guess."
            )
        return column


def _place(table: Any, feature: Any) -> int:
    if not (is_frame(table) or (isinstance(table, np.ndarray) and table.ndim == 2)):
        raise ValueError(
            "X_aux must be a pandas data frame or a dense array of two dimensions: candidate "
            "values are put into a column of it. Pass X.toarray(), X.to_pandas(), or "
            "X.reshape(len(X), -1); a function may ask a model that takes another table."
        )
    if is_frame(table):
        columns = table.columns.tolist()
        if columns.count(feature) != 1:
            raise ValueError(
                f"feature={feature!r} must name one column of X_aux; it has {columns}."
            )
        return int(columns.index(feature))
    whole = isinstance(feature, (int, np.integer)) and not isinstance(feature, bool)
    if not whole or not 0 <= feature < table.shape[1]:
        raise ValueError(
            f"feature={feature!r} must be the number of a column of X_aux, from 0 to "
            f"{table.shape[1] - 1}."
        )
    return int(feature)


def _quantiles(column: np.ndarray, n_bins: int) -> np.ndarray:
    """Return cuts that leave no bin empty: values that occur, the largest not among them."""
    inner = np.arange(1, n_bins) / n_bins
    below = column[column < column.max()]
    edges = np.unique(np.quantile(column, inner, method="lower"))
    # Where nearly all values are the largest: apart from all others.
    return edges[edges < column.max()] if edges[0] < column.max() else np.array([below.max()])


def _middles(column: np.ndarray, bins: np.ndarray) -> np.ndarray:
    # A value that occurs, as the median of an even number may not.
    parts = (np.sort(column[bins == place]) for place in range(bins.max() + 1))
    return np.array([part[(len(part) - 1) // 2] for part in parts], dtype=column.dtype)


def _frequent(column: np.ndarray, feature: Any) -> np.ndarray:
    values: dict[Any, int] = {}
    for value in column.tolist():
        values[value] = values.get(value, 0) + 1
    if len(values) == 1:
        raise ValueError(
            f"The feature {feature!r} is constant in X_aux: there is nothing to guess."
        )
    kept = [value for value, count in values.items() if count >= LEAST]
    if not 2 <= len(kept) <= MAX_CATEGORIES:
        raise ValueError(
            f"The feature {feature!r} has {len(kept)} values that {LEAST} records of X_aux or more "
            f"have; 2 to {MAX_CATEGORIES} can be guessed. Join values into groups."
        )
    # In order of their names where they have none of their own.
    ordered = sorted(kept) if column.dtype.kind in "biuf" else sorted(kept, key=str)
    return np.array(ordered, dtype=column.dtype)
