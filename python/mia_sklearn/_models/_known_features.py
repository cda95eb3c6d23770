"""How many features a fitted model takes, and their names, as far as it tells."""

from __future__ import annotations

from typing import Any

from .._records._checked import check_names
from ._kinds import is_pipeline

__all__ = ["check_features", "known_names", "n_known_features"]


def known_names(model: Any) -> list[Any] | None:
    """Return the names of the columns that a model was fitted on; None where it knows none."""
    names = _told(model, "feature_names_in_")
    if names is not None:
        return list(names)
    kept = _kept_by_catboost(model)
    # Of an array it makes up positions.
    return None if kept == [str(place) for place in range(len(kept))] else kept


def n_known_features(model: Any) -> int | None:
    """Return how many features a model was fitted on; None where it does not tell."""
    # CatBoost says 0 once it has been saved and loaded.
    return _told(model, "n_features_in_") or len(_kept_by_catboost(model)) or None


def check_features(model: Any, X: Any, name: str) -> None:
    """Raise if a table has other columns than the model was fitted on."""
    check_names(model, X, name)
    n_features = n_known_features(model)
    if n_features is not None and len(X.shape) == 2 and X.shape[1] != n_features:
        raise ValueError(
            f"{name} has {X.shape[1]} features, but the model was fitted on {n_features}."
        )


def _kept_by_catboost(model: Any) -> list[str]:
    """Return the names that CatBoost keeps in its file; none of other models."""
    while is_pipeline(model) or hasattr(model, "best_estimator_"):
        model = model.steps[0][1] if is_pipeline(model) else model.best_estimator_
    if not any(kind.__module__.partition(".")[0] == "catboost" for kind in type(model).__mro__):
        return []
    return list(_told(model, "feature_names_") or ())


def _told(model: Any, name: str) -> Any:
    try:
        return getattr(model, name, None)
    except Exception:  # A property of somebody's estimator.
        return None
