"""The records of a comparison: which are trained on, and what is passed to `fit` with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from .._records._checked import as_labels, check_records, check_same_features
from .._records._dtypes import united
from .._records._index import bearing_index, params_in_order
from .._records._rows import concat_rows, take_params, take_rows
from ..access import TrueValueAccess
from ..base import TrainingSet

__all__ = ["ComparedRecords", "gather_compared"]


@dataclass
class ComparedRecords:
    """All records, which of them are trained on, and what is passed to `fit` with them."""

    X: Any
    y: np.ndarray
    params: dict[str, Any]
    outputs: TrueValueAccess | None
    train: np.ndarray
    test: np.ndarray
    given: bool

    def split(self, test_size: float, seed: int) -> None:
        if self.given:
            return
        by_class = self.outputs is None and np.unique(self.y, return_counts=True)[1].min() > 1
        try:
            parts = train_test_split(
                np.arange(len(self.y)),
                test_size=test_size,
                stratify=self.y if by_class else None,
                random_state=seed,
            )
        except ValueError as error:
            raise ValueError(f"test_size={test_size!r} does not split the records: {error}") from (
                error
            )
        self.train, self.test = (np.sort(part) for part in parts)

    def training_set(self) -> TrainingSet:
        params = take_params(self.params, self.train, len(self.y))
        return TrainingSet(take_rows(self.X, self.train), self.y[self.train], params)

    def in_order(self) -> dict[str, Any]:
        """Return what is passed to `fit`, training records first, as an audit takes it."""
        return take_params(self.params, np.concatenate([self.train, self.test]), len(self.y))


def gather_compared(
    X: Any,
    y: Any,
    others: tuple[Any, Any],
    fit_params: Any,
    outputs: TrueValueAccess | None,
) -> ComparedRecords:
    """Check the arguments of a comparison; `others` are `X_test` and `y_test`, or None each."""
    X_test, y_test = others
    as_truth = as_labels if outputs is None else outputs.as_truth
    table, labels = check_records(X, y, as_truth=as_truth)
    params = dict(fit_params) if isinstance(fit_params, Mapping) else {}
    rows = np.arange(len(labels))
    if (X_test is None) != (y_test is None):
        raise ValueError("X_test and y_test go together: give both or none.")
    if X_test is None:
        params = params_in_order(params, len(labels), bearing_index(X, y))
        if hasattr(table, "iloc"):
            # Rows that are numbered as those of the arguments are, which an audit holds together.
            table = concat_rows(table)
        return ComparedRecords(table, labels, params, outputs, rows, rows[:0], given=False)
    other, other_labels = check_records(X_test, y_test, "X_test", "y_test", as_truth)
    if other_labels.shape[1:] != labels.shape[1:]:
        raise ValueError(
            f"y_test must have as many outputs as y, of shape {labels.shape}; got shape "
            f"{other_labels.shape}."
        )
    check_same_features(table, other, "X", "X_test")
    table, other = united(table, other, "X", "X_test")
    indexed = bearing_index(X, y), bearing_index(X_test, y_test)
    params = params_in_order(params, len(labels) + len(other_labels), *indexed)
    table, labels = concat_rows(table, other), np.concatenate([labels, other_labels])
    test = np.arange(len(rows), len(labels))
    return ComparedRecords(table, labels, params, outputs, rows, test, given=True)
