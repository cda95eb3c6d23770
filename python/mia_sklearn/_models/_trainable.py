"""Estimators to train anew: which ones can be, with which seeds, on one core."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from sklearn.base import clone

from ._backend import backend_of
from ._callbacks import as_new_arguments, renew_callbacks
from ._early_stopping import check_early_stopping
from ._fitted_before import check_starts_anew, check_unfitted
from ._kinds import is_generator, is_pipeline, last_step, may_classify, nested
from ._lost_parameters import check_parameters
from ._predictors import predicts_numbers
from ._side_effects import without_side_effects

__all__ = [
    "check_fit_takes",
    "check_trainable",
    "configured",
    "may_draw_globally",
    "prefers_threads",
    "unfitted",
]

# What clone keeps beside the parameters.
_BESIDE_PARAMETERS = ("_metadata_request", "_sklearn_output_config")
# Their work is done outside the interpreter lock.
_THREADED_PACKAGES = (
    "sklearn.ensemble",
    "sklearn.neighbors",
    "sklearn.svm",
    "sklearn.tree",
    "xgboost",
    "lightgbm",
    "catboost",
)
# But for this: it grows each tree node by node, in Python.
_LOCKED_PACKAGE = "sklearn.ensemble._hist_gradient_boosting"
# All that they draw is by seeds that `configured` sets.
_SEEDED_PACKAGES = {"catboost", "imblearn", "lightgbm", "mia_sklearn", "sklearn", "xgboost"}


def unfitted(estimator: Any) -> Any:
    """Return an unfitted copy, also of estimators that scikit-learn's clone refuses.

    CatBoost keeps a copy of the cat_features that it is given, which clone takes for a change.
    """
    try:
        return clone(estimator)
    except RuntimeError:
        return _rebuilt(estimator)


def _rebuilt(value: Any) -> Any:
    """Return what clone would, comparing parameters by what they hold."""
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)(_rebuilt(entry) for entry in value)
    if isinstance(value, type) or not hasattr(value, "get_params"):
        return copy.deepcopy(value)
    params = value.get_params(deep=False)
    try:
        copied = clone(value)
    except RuntimeError:
        copied = type(value)(**{name: _rebuilt(given) for name, given in params.items()})
        kept = copied.get_params(deep=False)
        plain = [name for name in params if not any(map(_is_estimator, _entries(params[name])))]
        changed = [name for name in plain if repr(kept.get(name)) != repr(params[name])]
        if changed:
            raise RuntimeError(
                f"the constructor of {type(value).__name__} changes {changed[0]}."
            ) from None
        for name in _BESIDE_PARAMETERS:
            if hasattr(value, name):
                setattr(copied, name, copy.deepcopy(getattr(value, name)))
    return copied


def _entries(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [part for entry in value for part in _entries(entry)]
    return [value]


def _is_estimator(value: Any) -> bool:
    return hasattr(value, "get_params") and not isinstance(value, type)


def configured(estimator: Any, seed: int) -> Any:
    """Return a clone with its own seeds, which uses one core, reads and writes no files."""
    estimator = without_side_effects(unfitted(estimator))
    rng = np.random.default_rng(seed)
    for part in nested(estimator):
        # CatBoost lists only parameters that were given.
        known = part.get_params(deep=False)
        kind: Any = type(part)
        names = known.keys() | _parameters_of(kind)
        seeding = _first_of(("random_state", "random_seed"), known, names)
        if seeding:
            part.set_params(**{seeding: int(rng.integers(2**31 - 1))})
        cores = _first_of(("n_jobs", "thread_count"), known, names)
        if cores:
            # None stands for what joblib is told, which is 1; in other libraries for all cores.
            part.set_params(**{cores: None if _is_sklearn(part) else 1})
        renew_callbacks(part)
        backend = backend_of(part) if part is last_step(part) else None
        if backend is not None:
            backend.make_fresh(part, seed)
    return estimator


@lru_cache(maxsize=256)
def _parameters_of(kind: Any) -> frozenset[str]:
    return frozenset(inspect.signature(kind).parameters)


def _is_sklearn(part: Any) -> bool:
    return type(part).__module__.partition(".")[0] == "sklearn"


def _first_of(aliases: tuple[str, ...], known: Iterable[str], names: Iterable[str]) -> str | None:
    """Return the alias that was given, else the first that can be."""
    return next((name for which in (known, names) for name in aliases if name in which), None)


def prefers_threads(estimator: Any) -> bool:
    """Tell whether training runs well in threads, which need no start-up and no copies."""
    if may_draw_globally(estimator):
        return False
    while is_pipeline(estimator) or hasattr(getattr(estimator, "estimator", None), "fit"):
        estimator = estimator.steps[-1][1] if is_pipeline(estimator) else estimator.estimator
    module = type(estimator).__module__
    return module.startswith(_THREADED_PACKAGES) and not module.startswith(_LOCKED_PACKAGE)


def may_draw_globally(estimator: Any) -> bool:
    """Tell whether training may draw from a generator that all threads share.

    Other people's code may draw from NumPy's, and what splits records without a seed does. LIBSVM
    and liblinear have one of their own, which they seed at each fit.
    """
    if not hasattr(estimator, "get_params"):
        return True
    parts = nested(estimator)
    if any(map(_is_liblinear, parts)):
        return True
    if any(_package_of(type(part)) not in _SEEDED_PACKAGES for part in parts):
        return True
    values = _flat([list(part.get_params(deep=False).values()) for part in parts])
    # Those that a search tries are among the values alone.
    known = set(map(id, parts))
    others = [value for value in values if _is_estimator(value) and id(value) not in known]
    return any(map(_is_unknown, values)) or any(map(may_draw_globally, others))


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [part for entry in value for part in _flat(entry)]
    return [value]


def _is_liblinear(part: Any) -> bool:
    is_linear = type(part).__module__.startswith("sklearn.svm") and hasattr(part, "dual")
    asked = getattr(part, "probability", False), getattr(part, "solver", "")
    return is_linear or asked[0] is True or str(asked[1]) == "liblinear"


def _is_unknown(value: Any) -> bool:
    if isinstance(value, (type, np.ufunc)) or hasattr(value, "get_params"):
        return False
    if callable(value):
        named = value if hasattr(value, "__name__") else type(value)
        return _package_of(named) not in {*_SEEDED_PACKAGES, "numpy", "scipy"}
    return getattr(value, "random_state", 0) is None and getattr(value, "shuffle", True)


def _package_of(named: Any) -> str:
    return str(named.__module__).partition(".")[0]


def check_trainable(estimator: Any, fit_params: dict[str, Any] | None) -> None:
    """Refuse what cannot be trained anew, saying why and what to pass instead."""
    if fit_params is not None and not isinstance(fit_params, Mapping):
        raise ValueError(
            "fit_params must be a dict of arguments of fit, such as sample_weight, got "
            f"{type(fit_params).__name__}."
        )
    if isinstance(estimator, type):
        raise ValueError(
            f"estimator must be an instance, got the class {estimator.__name__}. "
            f"Pass {estimator.__name__}()."
        )
    if not hasattr(estimator, "fit"):
        if not callable(estimator):
            raise ValueError(
                "estimator must be a model or a function (X, y, seed) that returns a "
                f"fitted one, got {type(estimator).__name__}."
            )
        if fit_params:
            raise ValueError(
                "fit_params are passed to an estimator's fit; a function (X, y, seed) trains by "
                "itself. Drop fit_params or pass an estimator."
            )
        return
    # A defense that lacks a part has no tags, and cannot be cloned, to look at.
    getattr(estimator, "check_parts", lambda: None)()
    if not hasattr(estimator, "get_params") or not (
        may_classify(estimator) or predicts_numbers(estimator) or is_generator(estimator)
    ):
        raise ValueError(
            "estimator must be a classifier or regressor with fit, predict and get_params (or a "
            f"generator with sample or score_samples), got {type(estimator).__name__}."
        )
    check_fit_takes(estimator, fit_params or {})
    check_starts_anew(fit_params or {})
    check_parameters(estimator)
    check_early_stopping(estimator, fit_params or {})
    as_new_arguments(fit_params or {})
    try:
        copied = unfitted(estimator)
    except RuntimeError as error:
        raise ValueError(
            f"{type(estimator).__name__} cannot be copied: {error} Pass a function (X, y, seed) "
            "that returns a fitted model as estimator=."
        ) from error
    for part in nested(copied):
        renew_callbacks(part)
        backend = backend_of(part) if part is last_step(part) else None
        if backend is not None:
            backend.check_net(part)
    check_unfitted(estimator, copied)


def check_fit_takes(estimator: Any, params: Mapping[str, Any]) -> None:
    """Refuse arguments that an estimator's `fit` has no place for."""
    taken = inspect.signature(estimator.fit).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values()):
        return
    unknown = [name for name in params if name not in taken]
    if unknown:
        raise ValueError(
            f"{unknown[0]} is to be passed to fit of {type(estimator).__name__}, which does not "
            f"take it; it takes {', '.join(taken)}."
        )
