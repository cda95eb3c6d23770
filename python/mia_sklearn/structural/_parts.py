"""A fitted model taken apart: each part, and the training records as it saw them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from .._models._kinds import is_pipeline
from .._records._rows import copied, is_frame, to_pandas

__all__ = ["Part", "fitted_parts", "seen_by_last"]

_DEEPEST = 8
_ANSWERING = ("fit", "predict", "predict_proba", "transform")


class Part(NamedTuple):
    """A fitted part of a model.

    Attributes
    ----------
    part : object
    seen : table or None
        The training records as it was fitted on them; None where that cannot be told.
    """

    part: Any
    seen: Any

    @property
    def name(self) -> str:
        return type(self.part).__name__


def fitted_parts(model: Any, X: Any) -> Iterator[Part]:
    """Yield a model, then the fitted parts within it: steps, members of ensembles, best estimators.

    Parameters
    ----------
    model : fitted estimator
    X : table of shape (n_records, ...)
        Training records, as they were given to `model`.
    """
    yield from _walk(model, X, set(), _DEEPEST)


def seen_by_last(model: Any, X: Any) -> tuple[Any, Any]:
    """Return what answers in the end, of Pipelines and searches, and the records as it sees them.

    Returns
    -------
    estimator, table or None
    """
    while is_pipeline(model) or hasattr(model, "best_estimator_"):
        if is_pipeline(model):
            for _, step in model.steps[:-1]:
                X = _transformed(step, X)
            model = model.steps[-1][1]
        else:
            model = model.best_estimator_
    return model, X


def _walk(part: Any, seen: Any, met: set[int], depth: int) -> Iterator[Part]:
    if id(part) in met or depth < 0:
        return
    met.add(id(part))
    yield Part(part, seen)
    if is_pipeline(part):
        for _, step in part.steps:
            if not _is_absent(step):
                yield from _walk(step, seen, met, depth - 1)
                seen = _transformed(step, seen)
        return
    for inner, shown in _inner(part, seen):
        yield from _walk(inner, shown, met, depth - 1)


def _inner(part: Any, seen: Any) -> Iterator[tuple[Any, Any]]:
    """Yield what an estimator holds that was fitted, each with the records that it saw."""
    if hasattr(part, "transformers_"):
        for _, transformer, columns in part.transformers_:
            if not _is_absent(transformer):
                yield transformer, _columns(seen, columns)
        return
    if hasattr(part, "transformer_list"):
        for _, transformer in part.transformer_list:
            if not _is_absent(transformer):
                yield transformer, seen
        return
    chosen: Any = getattr(part, "estimators_features_", None)
    for name, value in list(getattr(part, "__dict__", {}).items()):
        for place, inner in enumerate(_estimators(value, 3)):
            of_some = name == "estimators_" and chosen is not None and place < len(chosen)
            yield inner, _columns(seen, chosen[place]) if of_some else seen


def _estimators(value: Any, depth: int) -> Iterator[Any]:
    """Yield the fitted estimators in an attribute: itself, or those that a collection holds."""
    if depth < 0 or value is None or isinstance(value, (str, bytes, type)):
        return
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, np.ndarray):
        value = value.ravel().tolist() if value.dtype == object else ()
    if isinstance(value, (list, tuple)):
        for inner in value:
            yield from _estimators(inner, depth - 1)
    elif _has_learned(value):
        yield value


def _has_learned(value: Any) -> bool:
    answers = any(hasattr(value, name) for name in _ANSWERING)
    if not answers or not hasattr(value, "__dict__"):
        return False
    # A template is a parameter; what was fitted has attributes that it learned, or holds such.
    own = vars(value)
    learned = any(name.endswith("_") and not name.startswith("__") for name in own)
    return learned or is_pipeline(value) or any(map(_is_fitted_estimator, own.values()))


def _is_fitted_estimator(value: Any) -> bool:
    own = getattr(value, "__dict__", {}) if hasattr(value, "fit") else {}
    return any(name.endswith("_") and not name.startswith("__") for name in own)


def _is_absent(step: Any) -> bool:
    return step is None or isinstance(step, str)


def _transformed(step: Any, seen: Any) -> Any:
    """Return what a step of a Pipeline hands on; samplers hand on the records that they got."""
    if seen is None or _is_absent(step):
        return seen
    if not hasattr(step, "transform"):
        return seen if hasattr(step, "fit_resample") else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return step.transform(copied(seen))
    except Exception:  # A step of anybody's: it may need what is not there.
        return None


def _columns(seen: Any, columns: Any) -> Any:
    """Return columns by name, position or mask; None where there are none such."""
    if seen is None:
        return None
    table = seen if sparse.issparse(seen) else to_pandas(seen)
    try:
        if not is_frame(table):
            return table[:, columns]
        if isinstance(columns, (str, slice)):
            by_name = isinstance(columns, str) or isinstance(columns.start, str)
            return (
                table[columns]
                if isinstance(columns, str)
                else (table.loc[:, columns] if by_name else table.iloc[:, columns])
            )
        wanted = np.asarray(columns)
        return table.iloc[:, wanted] if wanted.dtype.kind in "biu" else table[list(columns)]
    except Exception:
        return None
