"""Boosting that stops early, by records that reference models need as well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ._callbacks import is_early_stopping
from ._kinds import nested

__all__ = ["check_early_stopping"]

# The parameters that ask for it, under all names that a library has for them.
_ASKING = {
    "catboost": ("early_stopping_rounds", "od_pval", "od_type", "od_wait"),
    "lightgbm": (
        "early_stopping",
        "early_stopping_round",
        "early_stopping_rounds",
        "n_iter_no_change",
    ),
    "xgboost": ("early_stopping_rounds",),
}


def check_early_stopping(estimator: Any, fit_params: Mapping[str, Any]) -> None:
    """Refuse boosting that would stop early by records that nobody gave.

    `estimator` may be fitted: then it tells whether it was stopped.

    Raises
    ------
    ValueError
        Names the parameter and the way out.
    """
    given = {name for name, value in fit_params.items() if value is not None}
    listed = [fit_params[name] for name in given if _stem(name) == "callbacks"]
    callbacks = [held for value in listed if isinstance(value, (list, tuple)) for held in value]
    has_records = any(name.endswith(("eval_set", "eval_X")) for name in given)
    asks_in_fit = any(map(is_early_stopping, callbacks)) or any(
        _stem(name) in _ASKING["catboost"] for name in given
    )
    for part in nested(estimator):
        library = type(part).__module__.partition(".")[0]
        if library not in _ASKING:
            continue
        asking = [*_asking(part, library)]
        if has_records:
            # A CatBoost model is cut at its best round without being asked.
            if library != "lightgbm" or asking or callbacks or not _was_stopped(part):
                continue
            raise ValueError(
                f"{type(part).__name__} was stopped early, and fit_params say not how: give what "
                "was passed to its fit beside eval_set too (callbacks=), or "
                "pass estimator= with as many rounds as the model has."
            )
        if asks_in_fit:
            asking.append(("Early stopping in fit_params", "without it"))
        elif not asking and not callbacks and _was_stopped(part):
            # Callbacks of the user's own may stop by something else.
            asking.append((f"{type(part).__name__}, which was stopped early,", ""))
        for what, without in asking:
            if library == "catboost" and not asks_in_fit and _had_no_records(part):
                # CatBoost then trains all rounds, as references will.
                continue
            raise ValueError(
                f"{what} needs records to stop by: give them as "
                'fit_params={"eval_set": [(X_val, y_val)]} (in a Pipeline with the step\'s name in '
                f"front), or pass estimator= with {without}{' and ' if without else ''}as many "
                "rounds as the model has."
            )


def _asking(part: Any, library: str) -> Iterator[tuple[str, str]]:
    """Yield what of an estimator asks for early stopping, and what takes its place without."""
    known, kind = part.get_params(deep=False), type(part).__name__
    for name in _ASKING[library]:
        # Of CatBoost's two detectors this one does nothing without a threshold.
        if known.get(name) and known[name] != "IncToDec":
            yield f"{name}={known[name]} of {kind}", f"{name}=None"
    callbacks = known.get("callbacks") or ()
    yield from (
        (f"{type(callback).__name__} in callbacks of {kind}", "other callbacks")
        for callback in callbacks
        if is_early_stopping(callback)
    )


def _was_stopped(part: Any) -> bool:
    """Tell whether a fitted booster has fewer rounds than it was to have, by records of others."""
    try:
        if hasattr(part, "tree_count_"):
            rounds = part.get_all_params().get("iterations")
            return part.best_iteration_ is not None and part.tree_count_ < rounds
        # Of LightGBM: 0 where nothing was watched.
        return 0 < getattr(part, "best_iteration_", 0) < part.n_estimators
    except Exception:
        # Not fitted, which each library says in its own way.
        return False


def _had_no_records(part: Any) -> bool:
    fitted = getattr(part, "is_fitted", lambda: False)()
    return fitted and part.best_iteration_ is None


def _stem(name: str) -> str:
    return name.rpartition("__")[2]
