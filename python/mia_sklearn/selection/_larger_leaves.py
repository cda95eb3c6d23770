"""The plainest remedy of trees: leaves that no record has to itself."""

from __future__ import annotations

from typing import Any

from .._models._trainable import unfitted

__all__ = ["with_larger_leaves"]

_PARAMETER = "min_samples_leaf"
# Records in a leaf: so many, or so many times as many as there were at least.
_RECORDS, _TIMES = 10, 5


def with_larger_leaves(estimator: Any) -> Any:
    """Return an unfitted copy whose trees have larger leaves; None where nothing sets them.

    Each `min_samples_leaf`, of the estimator and of those nested in it, becomes 10, or five times
    what it is where that is more; at most half of the records where it is a share.
    """
    if not hasattr(estimator, "get_params") or not hasattr(estimator, "set_params"):
        return None
    if hasattr(estimator, "cv") and hasattr(estimator, "refit"):
        return None  # A search, which may set them itself.
    given = {
        name: value
        for name, value in estimator.get_params(deep=True).items()
        if name.rpartition("__")[2] == _PARAMETER and isinstance(value, (int, float))
    }
    if not given:
        return None
    larger = {
        name: min(0.5, _TIMES * value)
        if isinstance(value, float)
        else max(_RECORDS, _TIMES * value)
        for name, value in given.items()
    }
    return unfitted(estimator).set_params(**larger)
