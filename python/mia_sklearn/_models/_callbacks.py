"""Callbacks and other arguments of `fit` as they were before any training."""

from __future__ import annotations

import copy
import dis
import inspect
from collections.abc import Mapping
from types import FunctionType, MethodType
from typing import Any

from .._process._printable import told
from .._records._own_copy import own_copy
from ._reach import is_library

__all__ = ["as_new_arguments", "is_early_stopping", "renew_callbacks"]

# What XGBoost's early stopping knows of the training that it has seen.
_SEEN = {
    "stopping_history": dict,
    "best_scores": dict,
    "current_rounds": int,
    "starting_round": int,
}
_EARLY_STOPPING = (("lightgbm", "_EarlyStoppingCallback"), ("xgboost", "EarlyStopping"))
_OUTSIDE = ("DELETE_DEREF", "DELETE_GLOBAL", "STORE_DEREF", "STORE_GLOBAL")
_WAY_OUT = "pass as estimator= a function (X, y, seed) that makes it anew for each model it trains"


def as_new_arguments(fit_params: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of `fit` with callbacks as they were before they saw a training.

    Raises
    ------
    ValueError
        If a model's own copy cannot be made of one, which the error names.
    """
    new = {}
    for name, value in fit_params.items():
        is_listed = name.rpartition("__")[2] == "callbacks" and isinstance(value, (list, tuple))
        try:
            new[name] = [_as_new(callback) for callback in value] if is_listed else value
            if getattr(value, "shape", None) is None:
                own_copy(new[name])
        except Exception as error:
            raise ValueError(
                f"fit_params[{name!r}] cannot be copied as it was before training, and reference "
                f"models would share it: {told(error)}. Drop it, or {_WAY_OUT}."
            ) from error
    return new


def renew_callbacks(estimator: Any) -> None:
    """Give an XGBoost model callbacks that have seen no training, as a copy of a fitted one has.

    Raises
    ------
    ValueError
        If one cannot be made anew.
    """
    callbacks = estimator.get_params(deep=False).get("callbacks")
    if not callbacks or not type(estimator).__module__.startswith("xgboost."):
        return
    try:
        estimator.set_params(callbacks=[_as_new(callback) for callback in callbacks])
    except ValueError as error:
        raise ValueError(
            f"callbacks of {type(estimator).__name__}: {error}; or {_WAY_OUT}."
        ) from None


def _as_new(callback: Any) -> Any:
    """Return a callback that has seen no training, with the parameters of the one given.

    Raises
    ------
    ValueError
        If it cannot be made anew from what it holds.
    """
    if isinstance(callback, MethodType):
        return MethodType(callback.__func__, _as_new(callback.__self__))
    if isinstance(callback, FunctionType):
        if _changes_outside(callback):
            raise ValueError(
                f"{callback.__name__} changes names outside itself, which models share"
            )
        return callback
    if is_early_stopping(callback):
        new = copy.copy(callback)
        for name, empty in _SEEN.items():
            if name in vars(new):
                setattr(new, name, empty())
        return new
    kind = type(callback)
    if is_library(kind) or not getattr(callback, "__dict__", {}):
        return callback
    parameters = inspect.signature(kind).parameters.values()
    known = vars(callback)
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) or p.name not in known for p in parameters):
        raise ValueError(
            f"{kind.__name__} may hold what it saw of another training, and cannot be made anew: "
            "keep each argument of its constructor as an attribute of the same name"
        )
    return kind(**{p.name: known[p.name] for p in parameters})


def is_early_stopping(callback: Any) -> bool:
    """Tell whether a callback stops boosting by the score on other records."""
    kinds = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(callback).__mro__}
    return not kinds.isdisjoint(_EARLY_STOPPING)


def _changes_outside(function: FunctionType) -> bool:
    """Tell whether a function keeps count in names that are not its own."""
    code = function.__code__
    outside = {*code.co_freevars, *code.co_names}
    return any(
        instruction.opname in _OUTSIDE and instruction.argval in outside
        for instruction in dis.get_instructions(code)
    )
