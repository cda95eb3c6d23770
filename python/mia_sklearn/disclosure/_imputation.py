"""The guess from the other features: what a model has to beat before it gives anything away."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline

from .._records._numeric import numeric_features
from .._records._rows import MAX_CATEGORIES, copied, is_frame, take_rows
from ._candidates import LEAST

__all__ = ["Imputation"]

_LEAST_PROBABILITY = 1e-6


class Imputation:
    """A classifier of the feature's values, fitted on all records and, for these, fold by fold.

    Parameters
    ----------
    imputer : classifier or None
        None: the better of logistic regression and boosting, both tuned.
    seed : int

    Attributes
    ----------
    fitted : classifier
        After `fit`; of a search, the best one.
    """

    def __init__(self, imputer: Any, seed: int) -> None:
        self.folds = StratifiedKFold(LEAST, shuffle=True, random_state=seed)
        self.imputer = _tuned(seed) if imputer is None else clone(imputer)

    def fit(self, others: Any, codes: np.ndarray) -> np.ndarray:
        """Fit on the records that have one of the values, whose codes are not negative.

        Returns
        -------
        ndarray of shape (n_records, n_values)
            Log-probabilities, of each record by a model that was fitted on other records.
        """
        known = np.flatnonzero(codes >= 0)
        table = take_rows(others, known)
        found = self.imputer.fit(copied(table), codes[known])
        # What was chosen is fitted anew for each fold, not chosen anew.
        self.fitted = getattr(found, "best_estimator_", found)
        answers = np.full((len(codes), int(codes.max()) + 1), np.nan)
        answers[known] = _log(
            cross_val_predict(
                clone(self.fitted), table, codes[known], cv=self.folds, method="predict_proba"
            )
        )
        return answers

    def log_proba(self, others: Any) -> np.ndarray:
        """Return the log-probability of each value, of shape (n_records, n_values)."""
        return _log(self.fitted.predict_proba(copied(others)))


def _log(proba: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(proba, _LEAST_PROBABILITY))


class _Indicators(TransformerMixin, BaseEstimator):
    """Standardised numbers and indicators of words, for linear models."""

    def fit(self, X: Any, y: Any = None) -> _Indicators:
        self.like_ = X
        return self

    def transform(self, X: Any) -> Any:
        return numeric_features(X, one_hot=True, like=self.like_)


class _Categories(TransformerMixin, BaseEstimator):
    """Numbers, and words as categories, for trees: rare ones count as missing."""

    def fit(self, X: Any, y: Any = None) -> _Categories:
        columns = self._columns(X)
        self.categories_ = {
            place: column.value_counts().index[:MAX_CATEGORIES].sort_values()
            for place, column in columns.items()
            if column.dtype == object
        }
        return self

    def transform(self, X: Any) -> Any:
        import pandas as pd

        columns = self._columns(X)
        for place, categories in self.categories_.items():
            columns[place] = pd.Categorical(columns[place].astype(object), categories=categories)
        return pd.DataFrame(columns)

    def _columns(self, X: Any) -> dict[int, Any]:
        import pandas as pd

        frame = X.reset_index(drop=True) if is_frame(X) else pd.DataFrame(X).infer_objects()
        columns = {}
        for place in range(frame.shape[1]):
            column = frame.iloc[:, place]
            if pd.api.types.is_numeric_dtype(column):
                columns[place] = pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan))
            else:
                columns[place] = column.astype("string").astype(object)
        return columns


def _tuned(seed: int) -> GridSearchCV:
    # Stopping early would need validation sets that hold every value.
    boosting = HistGradientBoostingClassifier(
        categorical_features="from_dtype", early_stopping=False, random_state=seed
    )
    trees = {"records": [_Categories()], "model": [boosting]}
    grid = [
        {
            "records": [_Indicators()],
            "model": [LogisticRegression(max_iter=1000)],
            "model__C": [0.1, 1.0, 10.0],
        },
        {**trees, "model__max_leaf_nodes": [5], "model__max_iter": [150]},
        {**trees, "model__max_leaf_nodes": [15], "model__max_iter": [60]},
    ]
    pipeline = Pipeline([("records", "passthrough"), ("model", "passthrough")])
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    return GridSearchCV(pipeline, grid, scoring="accuracy", cv=folds, error_score="raise")
