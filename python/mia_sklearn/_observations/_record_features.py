"""Records as numbers between which distances mean something, or why there are none.

Of texts and pictures these are what the steps in front of the model make of them, fitted anew on
records of all kinds alike: who was in the target's training set has no part in it.
"""

from __future__ import annotations

import logging
import warnings
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .._models._preprocessing import preprocessing_of
from .._records._numeric import as_matrix, numeric_features
from .._records._rows import (
    copied,
    is_documents,
    is_frame,
    n_rows,
    record_shape,
    take_rows,
    to_pandas,
)
from .._records._text import is_text

__all__ = ["RecordFeatures", "record_features", "without_texts"]

_LOG = logging.getLogger(__name__)

# Wider tables are read in as many directions as say most of them; of what would take minutes, and
# gibibytes, nothing is read.
_MOST_FEATURES, _N_DIRECTIONS, _MOST_VALUES = 1024, 64, 2**27
_LARGEST = 1e100


class RecordFeatures(NamedTuple):
    """What distances are computed from.

    Attributes
    ----------
    values : ndarray of shape (n_records, n_features), float32, or None
    text : str
        What they are, or why there are none.
    """

    values: np.ndarray | None
    text: str


def without_texts(X: Any) -> Any:
    """Return the part of a table that is read as it is; None where there is none."""
    if is_documents(X):
        return None
    X = to_pandas(X)
    if is_frame(X):
        kept = [j for j in range(X.shape[1]) if not is_text(X.iloc[:, j])]
        return X if len(kept) == X.shape[1] else X.iloc[:, kept] if kept else None
    if not sparse.issparse(X):
        X = np.asarray(X)
    return X if X.ndim == 2 and X.shape[1] else None


def record_features(X: Any, known: np.ndarray, estimator: Any, seed: int) -> RecordFeatures:
    """Return records as numbers.

    Parameters
    ----------
    X : table of shape (n_records, ...)
    known : ndarray of int
        Records by which scales, categories, vocabularies and directions are chosen.
    estimator : estimator or callable
        The steps in front of it are asked where records are, or hold, texts or pictures.
    seed : int
    """
    plain = without_texts(X)
    if plain is not None and tuple(plain.shape[1:]) == record_shape(X):
        return _of_table(plain, known)
    made = _of_steps(X, known, estimator, seed)
    if made.values is not None or plain is None:
        return made
    found = _of_table(plain, known)
    return found._replace(text=f"{found.text}, texts left out: {made.text}")


def _of_table(X: Any, known: np.ndarray) -> RecordFeatures:
    if X.shape[1] > _MOST_FEATURES:
        matrix = as_matrix(X)
        if matrix is None:
            return RecordFeatures(None, f"of {X.shape[1]:,} columns some are no numbers")
        return _narrowed(matrix, known, f"{X.shape[1]:,} columns")
    like = take_rows(X, known) if len(known) < n_rows(X) else X
    features = numeric_features(like, one_hot=True)
    if n_rows(X) * features.shape[1] > _MOST_VALUES:
        return _too_large(n_rows(X), features.shape[1])
    if like is not X:
        features = numeric_features(X, one_hot=True, like=like)
    text = "numbers standardised, categories as indicators"
    if features.shape[1] > _MOST_FEATURES:
        return _narrowed(features, known, text)
    return RecordFeatures(_dense(features), text)


def _of_steps(X: Any, known: np.ndarray, estimator: Any, seed: int) -> RecordFeatures:
    """Return what the steps in front of a model make of records, fitted without labels."""
    try:
        steps = preprocessing_of(estimator, seed)
        if steps is None:
            return RecordFeatures(
                None,
                "these are texts or pictures, and no step in front of the model makes numbers of "
                "them without labels",
            )
        names = ", ".join(type(step).__name__ for _, step in steps.steps)
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore")
            made = steps.fit(take_rows(X, known)).transform(copied(X))
    except Exception as error:  # A step of anybody's: it may need what is not there.
        _LOG.info("columns of the records: the steps in front of the model fail", exc_info=True)
        why = f"a step in front of the model cannot be fitted alone ({type(error).__name__})"
        return RecordFeatures(None, why)
    matrix = as_matrix(made)
    if matrix is None or matrix.shape[0] != n_rows(X) or not matrix.shape[1]:
        return RecordFeatures(
            None, f"what {names} makes of texts or pictures is no table of numbers"
        )
    return _narrowed(matrix, known, f"what {names} makes of them, fitted without labels")


def _narrowed(matrix: Any, known: np.ndarray, text: str) -> RecordFeatures:
    """Return numbers of which no column counts for much more than others, in few directions."""
    n_values = matrix.nnz if sparse.issparse(matrix) else matrix.size
    if n_values > _MOST_VALUES:
        return _too_large(*matrix.shape)
    matrix = _evened(matrix, known)
    if matrix.shape[1] > _N_DIRECTIONS and (
        sparse.issparse(matrix) or matrix.shape[1] > _MOST_FEATURES
    ):
        directions = TruncatedSVD(min(_N_DIRECTIONS, len(known)), n_iter=5, random_state=0)
        text += f", in {directions.n_components} of {matrix.shape[1]:,} directions"
        with threadpool_limits(1), warnings.catch_warnings():
            # Of a table without any spread.
            warnings.simplefilter("ignore", RuntimeWarning)
            matrix = directions.fit(matrix[known]).transform(matrix)
    return RecordFeatures(_dense(matrix), text)


def _evened(matrix: Any, known: np.ndarray) -> Any:
    """Return numbers divided by their column's spread where it is above 1.

    What is rare, like a word, stays rare.
    """
    if sparse.issparse(matrix):
        matrix = matrix.astype(np.float64)
        matrix.data = np.clip(np.nan_to_num(matrix.data), -_LARGEST, _LARGEST)
        part = matrix[known]
        square, mean = (
            np.asarray(each.mean(axis=0)).ravel() for each in (part.multiply(part), part)
        )
        spread = np.sqrt(np.maximum(square - mean**2, 0))
        return matrix @ sparse.diags(1 / np.maximum(spread, 1))
    matrix = np.nan_to_num(matrix.astype(np.float64), copy=False)
    np.clip(matrix, -_LARGEST, _LARGEST, out=matrix)
    matrix /= np.maximum(matrix[known].std(axis=0), 1)
    return matrix


def _dense(values: Any) -> np.ndarray:
    values = values.toarray() if sparse.issparse(values) else values
    return np.ascontiguousarray(values, dtype=np.float32)


def _too_large(n_records: int, n_columns: int) -> RecordFeatures:
    return RecordFeatures(
        None, f"{n_records:,} records of {n_columns:,} columns are too many for distances"
    )
