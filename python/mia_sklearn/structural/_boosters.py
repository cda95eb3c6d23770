"""The trees of XGBoost, LightGBM and CatBoost, by what their models say of themselves."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["Boosted", "boosted", "is_boosted"]


class Boosted(NamedTuple):
    """What is known of a model that another library boosted.

    Attributes
    ----------
    leaves : ndarray of shape (n_rounds, n_trees_per_round)
        Leaves of each tree.
    rate : float
        By how much a tree counts.
    """

    leaves: np.ndarray
    rate: float

    @property
    def n_nodes(self) -> int:
        # Each split makes one leaf more.
        return int((2 * self.leaves - 1).sum())


def is_boosted(model: Any) -> bool:
    """Tell whether another library boosted a model."""
    return any(hasattr(model, name) for name in _READ)


def boosted(model: Any) -> Boosted | None:
    """Return what such a model says of its trees; None of all others, and of what has none."""
    for has, read in _READ.items():
        if hasattr(model, has):
            leaves, per_round, rate = read(model)
            rounds = len(leaves) // max(1, per_round)
            if not rounds or not leaves.all():
                return None
            return Boosted(leaves[: rounds * per_round].reshape(rounds, per_round), rate)
    return None


def _of_xgboost(model: Any) -> tuple[np.ndarray, int, float]:
    trees = model.get_booster().get_dump()
    leaves = np.array([tree.count("leaf=") for tree in trees])
    n_classes = getattr(model, "n_classes_", 0)
    rate = model.learning_rate
    return leaves, n_classes if n_classes > 2 else 1, 0.3 if rate is None else float(rate)


def _of_lightgbm(model: Any) -> tuple[np.ndarray, int, float]:
    booster = model.booster_
    leaves = np.array([tree["num_leaves"] for tree in booster.dump_model()["tree_info"]])
    return leaves, booster.num_model_per_iteration(), float(model.learning_rate)


def _of_catboost(model: Any) -> tuple[np.ndarray, int, float]:
    # A tree answers all classes at once. Leaves that no record fell into are none.
    weights = np.asarray(model.get_leaf_weights())
    ends = np.cumsum(np.asarray(model.get_tree_leaf_counts()))[:-1]
    leaves = np.array([np.count_nonzero(each) for each in np.split(weights, ends)])
    return leaves, 1, float(model.learning_rate_)


# What tells a library's models, and what reads them.
_READ = {
    "get_booster": _of_xgboost,
    "booster_": _of_lightgbm,
    "get_tree_leaf_counts": _of_catboost,
}
