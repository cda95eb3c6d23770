"""Trees within a model: their leaves, and the training records in these."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._boosters import boosted

__all__ = [
    "flat",
    "leaf_sizes",
    "mean_share_of_leaves",
    "n_nodes",
    "share_in_boosting",
    "trees_of",
]

_NO_CHILD = -1


def flat(held: Any) -> list[Any]:
    """Return what lists and arrays hold, however nested; ensembles, which are sequences, whole."""
    if isinstance(held, (list, tuple, np.ndarray)):
        return [inner for each in held for inner in flat(each)]
    return [held]


def _is_tree(model: Any) -> bool:
    return hasattr(getattr(model, "tree_", None), "n_node_samples")


def _members(model: Any) -> list[Any] | None:
    """Return the trees whose answers a model averages; None where it is no such model."""
    if _is_tree(model):
        return [model]
    held = getattr(model, "estimators_", None)
    if held is None or hasattr(model, "init_") or not isinstance(held, (list, tuple)):
        return None
    return list(held) if held and all(map(_is_tree, held)) else None


def _stages(model: Any) -> list[list[Any]] | None:
    """Return the trees of each stage of scikit-learn's gradient boosting, None of other models."""
    held = getattr(model, "estimators_", None)
    if hasattr(model, "init_") and isinstance(held, np.ndarray) and held.ndim == 2:
        return [list(stage) for stage in held]
    return None


def _histogram_stages(model: Any) -> list[list[Any]] | None:
    """The same of boosting on histograms, whose trees are arrays of nodes."""
    held = getattr(model, "_predictors", None)
    if not isinstance(held, list) or not held:
        return None
    try:
        return [[tree.nodes for tree in stage] for stage in held]
    except (AttributeError, TypeError):
        return None


def trees_of(model: Any) -> list[Any] | None:
    """Return scikit-learn's trees within a model; None where it is made of none."""
    trees = _members(model)
    if trees is None:
        stages = _stages(model)
        trees = None if stages is None else [tree for stage in stages for tree in stage]
    return trees


def leaf_sizes(model: Any) -> list[np.ndarray] | None:
    """Return how many training records each leaf holds, tree by tree; None where there is none.

    Of records that a tree drew several times each draw counts.
    """
    trees = trees_of(model)
    if trees is not None:
        return [_sizes(tree.tree_) for tree in trees]
    stages = _histogram_stages(model)
    if stages is None:
        return None
    nodes = [tree for stage in stages for tree in stage]
    return [tree["count"][tree["is_leaf"].astype(bool)].astype(np.int64) for tree in nodes]


def _sizes(tree: Any) -> np.ndarray:
    leaves = tree.children_left == _NO_CHILD
    return np.asarray(tree.n_node_samples)[leaves]


def n_nodes(model: Any) -> int | None:
    """Return how many nodes a model of trees has in all; None where it is no such model."""
    trees = trees_of(model)
    if trees is not None:
        return int(sum(tree.tree_.node_count for tree in trees))
    stages = _histogram_stages(model)
    if stages is None:
        return None
    return int(sum(len(tree) for stage in stages for tree in stage))


def mean_share_of_leaves(model: Any, n_train: int) -> float | None:
    """Return the mean share that a record has in its leaf, over records and trees.

    Whatever the records weigh and however often they were drawn, the shares of those in a leaf
    add up to one: the mean over the records is leaves per record. Trees that are weighed, as
    AdaBoost's, are averaged by their weights.
    """
    trees = _members(model)
    if trees is None:
        return None
    shares = [tree.tree_.n_leaves / n_train for tree in trees]
    weights = getattr(model, "estimator_weights_", None)
    if weights is not None and len(weights) >= len(shares) and np.sum(weights[: len(shares)]) > 0:
        return float(np.average(shares, weights=weights[: len(shares)]))
    return float(np.mean(shares))


def share_in_boosting(model: Any, n_train: int) -> float | None:
    """Return the same of boosting by gradients: what is left of a residual shrinks by stages."""
    others = boosted(model)
    if others is not None:
        return _left_over(others.leaves.mean(axis=1), others.rate, n_train)
    rate = getattr(model, "learning_rate", None)
    stages = _stages(model)
    if stages is not None:
        leaves = [[tree.tree_.n_leaves for tree in stage] for stage in stages]
    else:
        stages = _histogram_stages(model)
        if stages is None:
            return None
        leaves = [[int(tree["is_leaf"].sum()) for tree in stage] for stage in stages]
    if not isinstance(rate, (int, float)):
        return None
    return _left_over(np.array([np.mean(stage) for stage in leaves]), rate, n_train)


def _left_over(leaves: np.ndarray, rate: float, n_train: int) -> float:
    shares = np.minimum(1.0, leaves / n_train)
    return float(1 - np.prod(1 - np.minimum(1.0, rate * shares)))
