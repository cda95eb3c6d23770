"""What defenses share that need records beside the training set."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils import column_or_1d

from .._records._checked import check_same_features
from .._records._digests import row_digests
from .._records._dtypes import united
from .._records._rows import as_table, n_rows, take_rows
from .._records._targets import as_numbers
from ._defense import BaseDefense
from ._training_set import TrainingSet

__all__ = ["BaseReferenceDefense"]

_NAMED = 5


class BaseReferenceDefense(BaseDefense):
    """Base of defenses that need records beside the training set.

    A subclass has the parameters `reference_size` and `random_state`, and implements
    `_fit_beside`.
    """

    needs_reference_data: ClassVar[bool] = True

    # Whether the labels of the reference records are needed.
    _needs_labels: ClassVar[bool] = False

    # Whether records are set apart class by class, so that labels decide which ones.
    _stratified: ClassVar[bool] = True

    reference_size: float
    random_state: Any

    def fit(
        self,
        X: Any,
        y: Any,
        X_reference: Any = None,
        y_reference: Any = None,
        **fit_params: Any,
    ) -> BaseReferenceDefense:
        """Train the defended model.

        Parameters
        ----------
        X : table of shape (n_records, n_features)
            An array, a data frame or a sparse matrix, as the inner estimator takes it.
        y : array-like of shape (n_records,) or (n_records, n_outputs)
            Labels, or numbers.
        X_reference : table of shape (n_reference, n_features), default=None
            Records of the same kind, none of which is in `X`. By default a random share
            `reference_size` of `X`, which the released model is then not trained on.
        y_reference : array-like of shape (n_reference,) or (n_reference, n_outputs), default=None
            Their labels or numbers, where the defense uses them.
        **fit_params
            Passed to the inner estimator's `fit`. Values with one entry per record of `X` follow
            their records.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of its range, there are too few records, reference records are
            training records too (named), or the inner estimator does not take what is passed.
        """
        data = self._training_set(X, y, fit_params)
        data, reference = self._set_apart(data, X_reference, y_reference)
        self._fit_beside(data, reference)
        return self

    def _fit(self, data: TrainingSet) -> None:
        raise NotImplementedError

    @abstractmethod
    def _fit_beside(self, data: TrainingSet, reference: TrainingSet) -> None:
        """Train what is released and keep it as `estimator_`.

        Labels of the reference records that were not given are an empty array.
        """

    def _set_apart(
        self, data: TrainingSet, X_reference: Any, y_reference: Any
    ) -> tuple[TrainingSet, TrainingSet]:
        """Return the training records and the reference records."""
        if X_reference is not None:
            return data, self._given(data, X_reference, y_reference)
        if y_reference is not None:
            raise ValueError("y_reference holds labels of X_reference, which was not given.")
        n_reference = round(self.reference_size * len(data))
        classes = () if self.is_of_numbers else self.classes_
        fewest = max(2, len(classes))
        if min(n_reference, len(data) - n_reference) < fewest:
            who = f"{len(classes)} classes need" if len(classes) else "there must be"
            raise ValueError(
                f"Too few records to set some apart: {who} at least "
                f"{fewest} on each side, and reference_size={self.reference_size} of "
                f"n_samples={len(data)} is {n_reference}. Give more records, or X_reference."
            )
        by_class = self._stratified and len(classes) > 0
        by_class = by_class and np.unique(data.y, return_counts=True)[1].min() > 1
        rows = train_test_split(
            np.arange(len(data)),
            test_size=n_reference,
            stratify=data.y if by_class else None,
            random_state=self.random_state,
        )
        kept, apart = (np.sort(part) for part in rows)
        return data.take(kept), TrainingSet(take_rows(data.X, apart), data.y[apart], {})

    def _given(self, data: TrainingSet, X_reference: Any, y_reference: Any) -> TrainingSet:
        records = as_table(X_reference, "X_reference")
        check_same_features(data.X, records, "X", "X_reference")
        records = united(data.X, records, "X", "X_reference")[1]
        if n_rows(records) == 0:
            raise ValueError("X_reference holds no records.")
        shared = np.flatnonzero(np.isin(row_digests(records), row_digests(data.X)))
        if len(shared):
            named = ", ".join(map(str, shared[:_NAMED]))
            more = ", ..." if len(shared) > _NAMED else ""
            raise ValueError(
                f"X_reference must hold none of the records of X; {len(shared)} of its "
                f"{n_rows(records)} rows are there too: {named}{more}. Drop them."
            )
        if y_reference is None:
            if self._needs_labels:
                raise ValueError(
                    f"{type(self).__name__} uses the labels of the reference records: give "
                    "y_reference with X_reference."
                )
            return TrainingSet(records, np.empty(0, dtype=data.y.dtype), {})
        of_numbers = self.is_of_numbers
        labels = as_numbers(y_reference) if of_numbers else column_or_1d(y_reference)
        if len(labels) != n_rows(records):
            raise ValueError(
                f"X_reference and y_reference must have one row per record, got "
                f"{n_rows(records)} and {len(labels)} rows."
            )
        unknown = labels[:0] if of_numbers else labels[~np.isin(labels, self.classes_)]
        if len(unknown):
            raise ValueError(f"y_reference holds {unknown.tolist()[0]!r}, which y does not.")
        return TrainingSet(records, labels, {})
