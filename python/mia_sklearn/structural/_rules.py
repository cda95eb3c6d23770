"""Rules on hyper-parameters that were published, and what they are worth."""

from __future__ import annotations

import math
from typing import Any

from ._parts import seen_by_last

__all__ = ["MEASURED_PRECISION", "flagged_by_rules"]

# Of the models of `benchmarks/structural.py` that the rules flag, how many an attack with
# references tells members of at an AUC of .6 or more; and of all models there.
MEASURED_PRECISION = (
    "Of 20 trees and forests on two tables, 11 of the 12 that they flag had an AUC of .6 or more, "
    "and so had 6 of the 8 others."
)
_DEEP, _SHALLOW, _SMALL, _MEDIUM = 7.5, 3.5, 7.5, 15
_WITHOUT_LIMIT = 500.0


def flagged_by_rules(model: Any, n_train: int) -> bool | None:
    """Tell whether published rules count a model's hyper-parameters among the riskiest fifth.

    Those of Preen and Smith (2025) [1]_ for decision trees, random forests and XGBoost that
    classify; None for all other models.

    Parameters
    ----------
    model : fitted estimator
    n_train : int
        Training records, of which limits may be shares.

    References
    ----------
    .. [1] R. J. Preen and J. Smith, "A hierarchical approach for assessing the vulnerability of
       tree-based classification models to membership inference attack", arXiv:2502.09396, 2025.
    """
    last = seen_by_last(model, None)[0]
    rule = _RULES.get(type(last).__name__)
    return None if rule is None else bool(rule(last, n_train))


def _tree(model: Any, n_train: int) -> bool:
    depth = float(model.max_depth or _WITHOUT_LIMIT)
    leaf = _count(model.min_samples_leaf, n_train)
    split = _count(model.min_samples_split, n_train)
    best, all_features = model.splitter == "best", model.max_features is None
    if depth > _DEEP and leaf <= _SMALL:
        return split <= _MEDIUM or best or all_features
    if not (best and all_features):
        return False
    return (depth > _DEEP and leaf <= _MEDIUM) or (_SHALLOW < depth <= _DEEP and leaf <= _SMALL)


def _forest(model: Any, n_train: int) -> bool:
    depth = float(model.max_depth or _WITHOUT_LIMIT)
    leaf = _count(model.min_samples_leaf, n_train)
    split = _count(model.min_samples_split, n_train)
    many = model.n_estimators > 35
    if depth > _SHALLOW and many:
        return model.max_features is not None or (split <= _MEDIUM and bool(model.bootstrap))
    some = _MEDIUM < model.n_estimators <= 35
    return depth > _DEEP and some and leaf <= _MEDIUM and not model.bootstrap


def _xgboost(model: Any, n_train: int) -> bool:
    depth, n_trees = float(model.max_depth or 6), int(model.n_estimators or 100)
    weight = float(model.min_child_weight or 1)
    if depth <= _SHALLOW:
        return False
    if n_trees > 12.5:
        return weight <= 3 or (n_trees > 62.5 and weight <= 6)
    return n_trees > 3.5 and weight <= 1.5


def _count(limit: Any, n_train: int) -> float:
    """Return a limit in records; a fraction is one of the training set."""
    return math.ceil(limit * n_train) if isinstance(limit, float) else limit


_RULES = {
    "DecisionTreeClassifier": _tree,
    "RandomForestClassifier": _forest,
    "XGBClassifier": _xgboost,
}
