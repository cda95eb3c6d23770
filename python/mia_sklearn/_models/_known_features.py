"""How many features a fitted model takes, and their names, as far as it tells."""

from __future__ import annotations

from typing import Any

__all__ = ["known_names", "n_known_features"]


def known_names(model: Any) -> list[Any] | None:
    """Return the names of the columns that a model was fitted on; None where it knows none."""
    names = _told(model, "feature_names_in_")
    if names is None:
        names = _names_of_catboost(model)
    return None if names is None else list(names)


def n_known_features(model: Any) -> int | None:
    """Return how many features a model was fitted on; None where it does not tell."""
    # CatBoost says 0 once it has been saved and loaded.
    n = _told(model, "n_features_in_") or len(_told(_first_step(model), "feature_names_") or ())
    return n or None


def _names_of_catboost(model: Any) -> list[str] | None:
    names = _told(_first_step(model), "feature_names_")
    # Of an array it makes up positions.
    made_up = names is None or list(names) == [str(place) for place in range(len(names))]
    return None if made_up else list(names)


def _first_step(model: Any) -> Any:
    while hasattr(model, "steps") or hasattr(model, "best_estimator_"):
        model = model.steps[0][1] if hasattr(model, "steps") else model.best_estimator_
    return model


def _told(model: Any, name: str) -> Any:
    try:
        return getattr(model, name, None)
    except Exception:  # A property of somebody's estimator.
        return None
