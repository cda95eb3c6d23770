"""Gradient boosters of small trees, grown and read by kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .._rust import boosted_sums, boosted_trees

__all__ = ["SmallBooster", "SmallTrees"]

_MOST_LEAVES = 32


class SmallTrees:
    """The trees of a booster as columns of nodes, which `decision_function` reads.

    Its answers are the booster's own, bit by bit, of features in float32.
    """

    def __init__(self, nodes: dict[str, np.ndarray], starts: np.ndarray, baseline: float) -> None:
        self._nodes, self._starts, self._baseline = nodes, starts, baseline

    @classmethod
    def of(cls, model: Any) -> SmallTrees | None:
        """Return the trees of a model; None of one that is no booster of small trees."""
        if type(model) is not HistGradientBoostingClassifier or model.n_trees_per_iteration_ != 1:
            return None
        # Of columns that hold categories; the booster puts them in front of the others.
        if model.is_categorical_ is not None:
            return None
        trees = [predictor.nodes for (predictor,) in model._predictors]
        sizes = np.array([len(nodes) for nodes in trees], dtype=np.int64)
        if not len(sizes) or sizes.max() >= 2 * _MOST_LEAVES:
            return None
        nodes = np.concatenate(trees)
        # In the middle between -inf and inf, where nothing lies below and nothing above.
        if np.isnan(nodes["num_threshold"]).any():
            return None
        columns = {
            "feature": np.where(nodes["is_leaf"], -1, nodes["feature_idx"]).astype(np.int64),
            "threshold": nodes["num_threshold"].astype(np.float64),
            "left": nodes["left"].astype(np.int64),
            "right": nodes["right"].astype(np.int64),
            "missing_left": nodes["missing_go_to_left"].astype(bool),
            "value": nodes["value"].astype(np.float64),
        }
        return cls(columns, np.cumsum(sizes) - sizes, float(model._baseline_prediction.ravel()[0]))

    def decision_function(self, features: np.ndarray) -> np.ndarray:
        return boosted_sums(features, **self._nodes, starts=self._starts, baseline=self._baseline)


class SmallBooster(ClassifierMixin, BaseEstimator):
    """A histogram gradient booster that tells two classes apart, in a third of scikit-learn's time.

    Its trees are the same on any number of threads. They differ from scikit-learn's in that each
    draws its columns once, not at every node, and in that a column has at most 63 bins.

    Parameters
    ----------
    max_iter : int, default=60
    learning_rate : float, default=0.1
    max_leaf_nodes : int, default=16
        At most 32.
    min_samples_leaf : int, default=20
    l2_regularization : float, default=0.0
    max_features : float, default=1.0
        Share of the columns that each tree looks at.
    random_state : int, RandomState instance or None, default=None
        Draws them.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    trees_ : SmallTrees
    """

    def __init__(
        self,
        *,
        max_iter: int = 60,
        learning_rate: float = 0.1,
        max_leaf_nodes: int = 16,
        min_samples_leaf: int = 20,
        l2_regularization: float = 0.0,
        max_features: float = 1.0,
        random_state: Any = None,
    ) -> None:
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.max_features = max_features
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray) -> SmallBooster:
        """Learn from numbers, NaN where one is missing; they are read in single precision."""
        X = np.asarray(X, dtype=np.float32)
        self.classes_, codes = np.unique(y, return_inverse=True)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        grown = boosted_trees(
            X,
            codes == len(self.classes_) - 1,
            trees=self.max_iter,
            learning_rate=self.learning_rate,
            leaves=self.max_leaf_nodes,
            rows_in_leaf=self.min_samples_leaf,
            l2=self.l2_regularization,
            columns=max(1, int(self.max_features * X.shape[1])),
            seed=int(seed),
        )
        self.trees_ = SmallTrees(grown, grown.pop("starts"), grown.pop("baseline"))
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Return the log-odds of the second class."""
        check_is_fitted(self)
        return self.trees_.decision_function(np.asarray(X, dtype=np.float32))

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the probabilities of both classes."""
        second = expit(self.decision_function(X))
        return np.column_stack([1 - second, second])
