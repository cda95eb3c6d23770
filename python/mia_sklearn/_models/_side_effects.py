"""Models that act on nothing but what they are given: no folders read, no files written."""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Callable
from types import MethodType
from typing import Any

from joblib.memory import MemorizedFunc

from ._backend import networks

__all__ = ["without_side_effects"]

# Callbacks that write, print or keep what happened, and change no model; and the one that begins
# with what another training has left, with which no model is trained anew.
_WATCHING = {
    "skorch": {
        "LoadInitState",
        "MlflowLogger",
        "NeptuneLogger",
        "PrintLog",
        "ProgressBar",
        "SacredLogger",
        "TensorBoard",
        "TrainEndCheckpoint",
        "WandbLogger",
    },
    "xgboost": {"EvaluationMonitor", "TrainingCheckPoint"},
    "lightgbm": {"_LogEvaluationCallback", "_RecordEvaluationCallback"},
}
# Parameters that print, and the value that does not.
_TALKING = {
    ("imblearn", "verbose"): 0,
    ("lightgbm", "verbose"): -1,
    ("lightgbm", "verbosity"): -1,
    ("sklearn", "verbose"): 0,
    ("skorch", "verbose"): 0,
    ("xgboost", "verbosity"): 0,
}
_OF_CATBOOST_FILES_AND_TEXT = {
    "allow_writing_files",
    "logging_level",
    "save_snapshot",
    "silent",
    "snapshot_file",
    "snapshot_interval",
    "train_dir",
    "verbose",
    "verbose_eval",
}
_GONE = object()


def without_side_effects(model: Any) -> Any:
    """Return a model that neither reads nor writes files, nor prints, when it is used.

    Whatever is nested in it, to any depth, lists and dicts of arguments too: caches of steps
    (`memory=`, functions that `joblib.Memory` caches), which unpickle what lies in a folder and
    fill it with records; callbacks that log, print or write checkpoints; CatBoost's folder and
    snapshots. None of them changes a model. What it learned is shared with the original, which
    stays as it is.
    """
    return _Copies().of(model)


class _Copies:
    """Copies of what was met, by identity: what is shared stays shared, circles end."""

    def __init__(self) -> None:
        self._made: dict[int, Any] = {}
        # The first kind that fits, in this order.
        self._kinds: tuple[tuple[Callable[[Any], bool], Callable[[Any], Any]], ...] = (
            (lambda value: type(value) in (list, tuple), self._sequence),
            (lambda value: type(value) is dict, self._dict),
            (lambda value: isinstance(value, MemorizedFunc), lambda value: value.func),
            (lambda value: isinstance(value, functools.partial), self._partial),
            (lambda value: isinstance(value, MethodType), self._method),
            (_is_watching, lambda _: _GONE),
            (_is_checkpoint, _in_memory),
            (_is_estimator, self._estimator),
        )

    def of(self, value: Any) -> Any:
        """Return the value, its copy, or `_GONE` where it is to be left out."""
        if id(value) in self._made:
            return self._made[id(value)]
        makers = (make for fits, make in self._kinds if fits(value))
        return next(makers, _unchanged)(value)

    def _dict(self, value: dict[Any, Any]) -> dict[Any, Any]:
        items = {key: self.of(item) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not _GONE}

    def _partial(self, value: Any) -> Any:
        arguments, keywords = self.of(list(value.args)), self.of(value.keywords)
        return functools.partial(self.of(value.func), *arguments, **keywords)

    def _method(self, value: Any) -> Any:
        return MethodType(value.__func__, self.of(value.__self__))

    def _sequence(self, value: Any) -> Any:
        items = [self.of(item) for item in value]
        if any(item is _GONE for item in items):
            if type(value) is tuple:
                # A callback and its name.
                return _GONE
            items = [item for item in items if item is not _GONE]
        unchanged = len(items) == len(value) and all(map(lambda a, b: a is b, items, value))
        return value if unchanged else type(value)(items)

    def _estimator(self, estimator: Any) -> Any:
        made = self._made[id(estimator)] = _shallow(estimator)
        own = getattr(made, "__dict__", {})
        for name, value in list(own.items()):
            item = self.of(value)
            if item is not value:
                own[name] = None if item is _GONE else item
        if _is_cache(own.get("memory")):
            own["memory"] = None
        # scikit-learn's own callbacks, which clones share.
        own.pop("_skl_callbacks", None)
        for (package, name), quiet in _TALKING.items():
            # LightGBM holds what its signature does not name twice.
            for held in (own, own.get("_other_params", {})):
                if package == _package(type(made)) and isinstance(held.get(name), int):
                    held[name] = False if isinstance(held[name], bool) else quiet
        if "_init_params" in own and _descends_from(type(made), "catboost"):
            given = own["_init_params"].items()
            kept = {name: item for name, item in given if name not in _OF_CATBOOST_FILES_AND_TEXT}
            own["_init_params"] = {**kept, "allow_writing_files": False, "logging_level": "Silent"}
            own["_canonized_params"] = None
        return made


def _shallow(estimator: Any) -> Any:
    """Return a copy that shares all attributes; pickling rules, which copy weights, left aside."""
    if not hasattr(estimator, "__dict__"):
        return copy.copy(estimator)
    made = object.__new__(type(estimator))
    made.__dict__.update(vars(estimator))
    return made


def _unchanged(value: Any) -> Any:
    return value


def _is_estimator(value: Any) -> bool:
    return hasattr(value, "get_params") and not isinstance(value, type)


def _is_cache(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike)) or hasattr(value, "cache")


def _is_watching(value: Any) -> bool:
    kind = value if isinstance(value, type) else type(value)
    return any(base.__name__ in _WATCHING.get(_package(base), ()) for base in kind.__mro__)


def _is_checkpoint(value: Any) -> bool:
    kind = value if isinstance(value, type) else type(value)
    return any(base.__name__ == "Checkpoint" for base in kind.__mro__) and _descends_from(
        kind, "skorch"
    )


def _in_memory(checkpoint: Any) -> Any:
    """Return what does the same without files; gone where nothing is to be loaded again."""
    kept = networks().in_memory(checkpoint)
    return _GONE if kept is None else kept


def _descends_from(kind: type, package: str) -> bool:
    return any(_package(base) == package for base in kind.__mro__)


def _package(kind: type) -> str:
    return kind.__module__.partition(".")[0]
