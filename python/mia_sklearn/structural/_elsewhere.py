"""Whether a model shows, by its leaves or what it keeps, that it learned from other records."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.metrics import euclidean_distances

from .._models._kinds import nested
from .._records._numeric import as_matrix
from ._trees import trees_of

__all__ = ["alters_in_fit", "learned_elsewhere"]

_MOST_TREES, _MOST_KEPT = 10, 200
# Of the leaves, that none of the records reaches. What steps before hand on is rounded otherwise
# in fit_transform than in transform, so that a record may miss its leaf.
_EMPTY = 0.1
_EQUAL = 1e-6  # squared distance to the nearest record, by the mean
_KEPT = ("support_vectors_", "_fit_X", "X_fit_", "X_train_")


def alters_in_fit(model: Any) -> bool:
    """Tell whether a step gives the next one other records in fit than it does afterwards."""
    return any(
        hasattr(part, "fit_resample") or type(part).__name__ == "TargetEncoder"
        for part in nested(model)
    )


def learned_elsewhere(model: Any, seen: Any) -> str:
    """Return how a model shows that it was trained on other records, nothing where it does not.

    Parameters
    ----------
    model : fitted estimator
        That is no Pipeline.
    seen : table
        All records that it is said to have been trained on, as it saw them.
    """
    values = as_matrix(seen)
    if values is None:
        return ""
    trees = trees_of(model)
    if trees:
        if not _misses_leaves(trees[:_MOST_TREES], values):
            return ""
        where = "leaves of its trees hold no record of X_train"
        return f"{where}: it was trained on others, or on more"
    kept = next((getattr(model, name) for name in _KEPT if hasattr(model, name)), None)
    if kept is None or np.ndim(kept) != 2 or kept.shape[1] != values.shape[1] or not kept.shape[0]:
        return ""
    if _has_some(values, kept):
        return ""
    return "the records that it keeps are none of X_train: it was trained on others"


def _misses_leaves(trees: list[Any], values: Any) -> bool:
    values = values.astype(np.float32)
    n_empty, n_leaves = 0, 0
    for each in trees:
        if each.tree_.n_features != values.shape[1]:
            return False  # It sees some of the columns.
        n_leaves += each.tree_.n_leaves
        n_empty += each.tree_.n_leaves - len(np.unique(each.tree_.apply(values)))
    return n_empty > _EMPTY * n_leaves


def _has_some(values: Any, kept: Any) -> bool:
    kept = kept[np.linspace(0, kept.shape[0] - 1, min(_MOST_KEPT, kept.shape[0])).astype(int)]
    if not sparse.issparse(values) and not sparse.issparse(kept):
        middle = values.mean(axis=0)
        values, kept = values - middle, kept - middle
    distances = euclidean_distances(kept, values, squared=True)
    return bool((distances.min(axis=1) <= _EQUAL * distances.mean()).any())
