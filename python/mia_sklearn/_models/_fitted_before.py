"""Models fitted before, which would tell every reference model what they were fitted on."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Set
from types import ModuleType
from typing import Any

from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from ._kinds import booster_library, is_module, is_net, is_pipeline, nested, tags_of
from ._reach import parts_of

__all__ = ["check_starts_anew", "check_unfitted", "handed_on"]

# Arguments of `fit` with which training goes on from what was learned before.
_STARTS = (
    "coef_init",
    "init_model",
    "intercept_init",
    "save_snapshot",
    "snapshot_file",
    "xgb_model",
)
# Of transformers that apply a function, which fits nothing.
_OF_FUNCTIONS = ("kw_args", "inv_kw_args")
_MOST_LOOKED_AT = 20_000


def check_unfitted(estimator: Any, copied: Any) -> None:
    """Refuse an estimator that holds or reaches, in a clone too, what was fitted before.

    Parameters
    ----------
    estimator : estimator
    copied : estimator
        Its clone.

    Raises
    ------
    ValueError
        Names the part and the way out.
    """
    for part in nested(estimator):
        for name in _OF_FUNCTIONS:
            found = _fitted_within(getattr(part, name, None))
            if found is not None:
                # scikit-learn's clone makes it unfitted, or keeps it, as its version has it.
                raise ValueError(
                    f"{name} of {type(part).__name__} holds a fitted {type(found).__name__}, which "
                    "a clone forgets or shares with every reference model. Make it a step that is "
                    "fitted with the model, or pass as estimator= a function (X, y, seed) that "
                    "fits all of it and returns the fitted model."
                )
    parts = nested(copied)
    for part in parts:
        if _stays_fitted(part):
            raise ValueError(_way_out(type(part).__name__))
        name, found = _fitted_beside(part, {id(other) for other in parts})
        if found is not None:
            kind = type(part).__name__
            raise ValueError(
                _way_out(f"{kind}, whose {name} reaches a fitted {type(found).__name__},")
            )


def _way_out(what: str) -> str:
    return (
        f"{what} stays fitted when it is cloned, so that every reference model would know what it "
        "was fitted on. Pass an estimator that trains from scratch as estimator=; or, where none "
        "of X_train is in what it was fitted on, estimator=lambda X, y, seed: "
        "clone(model).fit(X, y), which keeps it."
    )


def check_starts_anew(fit_params: Mapping[str, Any]) -> None:
    """Refuse arguments of `fit` that hold or reach what was fitted before.

    Raises
    ------
    ValueError
        Names the argument and the way out.
    """
    name, what = handed_on(fit_params)
    if name:
        raise ValueError(
            f"fit_params[{name!r}] hands on {what}, so that every reference model would know what "
            "it was fitted on. Drop it and pass as estimator= a function (X, y, seed) that trains "
            "from scratch on the records it is given, all steps of it, and returns the fitted "
            "model; only what was fitted on none of X_train may be used in it as it is."
        )


def handed_on(fit_params: Mapping[str, Any]) -> tuple[str, str]:
    """Return which argument of `fit` holds what was fitted before, and what; empty if none."""
    for name, value in fit_params.items():
        if name.rpartition("__")[2] in _STARTS and value is not None and value is not False:
            return name, "what was learned before"
        found = _fitted_within(value)
        if found is not None:
            return name, f"a fitted {type(found).__name__}"
    return "", ""


def _fitted_beside(part: Any, apart: Set[int]) -> tuple[str, Any]:
    """Return by which parameter an estimator reaches what was fitted, and that; None if nothing.

    Estimators that are looked at by themselves (`apart`) are left out.
    """
    known = part.get_params(deep=False)
    ways = {name: value for name, value in known.items() if id(value) not in apart}
    if is_net(part) and not is_pipeline(part):
        # What its module has learned is drawn anew, see `configured`.
        ways.pop("module", None)
    for name, value in {**ways, "class": type(part)}.items():
        found = _fitted_within(value, apart)
        if found is not None:
            return name, found
    return "", None


def _fitted_within(value: Any, apart: Set[int] = frozenset()) -> Any:
    """Return the first fitted model that is met in an object or is reached by a function."""
    queue = deque([value])
    met: dict[int, Any] = {}
    while queue and len(met) < _MOST_LOOKED_AT:
        held = queue.popleft()
        if id(held) in met or id(held) in apart or _is_plain(held):
            continue
        # Kept, so that no identity is given out twice.
        met[id(held)] = held
        if _has_learned(held):
            return held
        queue.extend(parts_of(held))
    return None


def _is_plain(value: Any) -> bool:
    """Tell whether nothing can be hidden in an object: values, tables, what libraries define."""
    if value is None or isinstance(value, (str, bytes, int, float, complex, ModuleType)):
        return True
    return getattr(value, "shape", None) is not None and not hasattr(value, "fit")


def _has_learned(value: Any) -> bool:
    """Tell whether an object that is reached is a model that has learned already."""
    if is_module(value):
        return any(True for _ in (*value.parameters(), *value.buffers()))
    if isinstance(value, type) or not hasattr(value, "fit"):
        return bool(booster_library(value))
    if not hasattr(value, "get_params"):
        return _knows(value)
    if is_net(value) and not is_pipeline(value):
        return bool(getattr(value, "initialized_", False))
    return any(map(_stays_fitted, nested(value)))


def _stays_fitted(part: Any) -> bool:
    from sklearn.frozen import FrozenEstimator

    if is_net(part) and not is_pipeline(part):
        # What its module has learned is drawn anew, see `configured`.
        return False
    params = part.get_params(deep=False)
    asks_for_it = params.get("prefit") is True or str(params.get("cv")) == "prefit"
    if isinstance(part, FrozenEstimator) or asks_for_it or _knows(part):
        return True
    # A composite of transformers without a state calls itself fitted, and so does an estimator
    # that names in advance what it will learn.
    if _learned(part) or len(nested(part)) > 1 or not hasattr(part, "fit"):
        return False
    tags = tags_of(part)
    if tags is None or not tags.requires_fit or not _calls_itself_fitted(part):
        return False
    # One that is so from the beginning has no state.
    return not _calls_itself_fitted(type(part)(**params))


def _learned(model: Any) -> list[Any]:
    own = getattr(model, "__dict__", {})
    return [held for name, held in own.items() if name.endswith("_") and not name.startswith("__")]


def _knows(model: Any) -> bool:
    return any(value is not None for value in _learned(model))


def _calls_itself_fitted(part: Any) -> bool:
    try:
        check_is_fitted(part)
    except NotFittedError:
        return False
    return True
