"""Asking a model while other work runs: loops of one thread, large tables in parts side by side."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from joblib import cpu_count
from scipy import sparse
from sklearn import config_context, get_config

from .._process._parallel import map_on_cores, one_thread_each
from .._records._rows import copied, n_rows, take_rows
from ._alike import answered
from ._kinds import is_net, is_network_target, last_step, nested

__all__ = ["ask", "beside_other_work"]

# One loop over a whole table, or threads that torch or the library itself was told the number of.
_OWN_THREADS = ("catboost", "lightgbm", "mia_sklearn.torch", "skorch", "torch", "xgboost")
# Their loops are short and many: one for each tree, or for each few records.
_SHORT_LOOPS = ("sklearn.ensemble._hist_gradient_boosting", "sklearn.neighbors")
# What answers each record by itself, whatever is asked with it, and may be asked in threads.
_BY_RECORD = (
    *_SHORT_LOOPS,
    "sklearn.calibration",
    "sklearn.compose",
    "sklearn.impute._base",
    "sklearn.impute._knn",
    "sklearn.model_selection",
    "sklearn.multiclass",
    "sklearn.multioutput",
    "sklearn.pipeline",
    "sklearn.preprocessing",
)
# Models work on so many records at a time, or on a part of so many: parts of whole ones of these
# are worked on as in one piece.
_ROWS = 1024


def beside_other_work(model: Any) -> AbstractContextManager[int]:
    """Return a context in which to ask a model, so that it answers soon while other work runs.

    Its parallel loops get one thread, as those of references do. Networks, and libraries that
    share a table out among threads once, are left alone. The context says how many threads there
    would have been; 1 where nothing is altered.
    """
    last = last_step(model)
    module = type(last).__module__
    if is_network_target(last) or is_net(model) or module.startswith(_OWN_THREADS):
        return nullcontext(1)
    return one_thread_each()


def ask(model: Any, method: str, X: Any) -> Any:
    """Return what a model's method answers about a copy of records.

    Of many records, scikit-learn's boosting and nearest neighbours are asked in parts, one for
    each thread that they would have had; the answers are the same.
    """
    return answered(model, method, X, lambda: _asked(model, method, X))


def _asked(model: Any, method: str, X: Any) -> Any:
    with beside_other_work(model) as n_threads:
        size = -(-n_rows(X) // min(n_threads, cpu_count()))
        size = -(-size // _ROWS) * _ROWS
        if size < n_rows(X) and _answers_by_record(model):
            starts = range(0, n_rows(X), size)
            parts = [take_rows(X, slice(start, start + size)) for start in starts]
            return _joined(_in_threads(getattr(model, method), parts))
        return getattr(model, method)(copied(X))


def _in_threads(method: Any, tables: list[Any]) -> list[Any]:
    # scikit-learn keeps its settings for each thread.
    settings = get_config()

    def answer(table: Any) -> Any:
        with config_context(**settings):
            return method(table)

    return map_on_cores(answer, tables)


def _joined(answers: list[Any]) -> Any:
    """Return the answers about all parts as one: a table, or a list of one for each output."""
    if isinstance(answers[0], list):
        return [np.concatenate(of_output) for of_output in zip(*answers, strict=True)]
    if sparse.issparse(answers[0]):
        return sparse.vstack(answers, format=answers[0].format)
    return np.concatenate(answers)


def _answers_by_record(model: Any) -> bool:
    """Tell whether all of a model is scikit-learn's, with short loops, and nobody's function."""
    if not hasattr(model, "get_params"):
        return False
    modules = [type(part).__module__ for part in nested(model)]
    if not all(module.startswith(_BY_RECORD) for module in modules):
        return False
    given = model.get_params(deep=True).values()
    if any(callable(value) and not isinstance(value, type) for value in given):
        return False
    return any(module.startswith(_SHORT_LOOPS) for module in modules)
