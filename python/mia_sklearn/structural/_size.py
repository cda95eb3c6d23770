"""How many numbers a model holds."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

import numpy as np
from scipy import sparse

from ._boosters import boosted
from ._parts import fitted_parts
from ._trees import flat, n_nodes

__all__ = ["n_parameters"]

# Attributes that decide what a part answers, of whatever kind it is.
_LEARNED = (
    *("coef_", "intercept_", "coefs_", "intercepts_", "support_vectors_", "dual_coef_"),
    *("_fit_X", "X_fit_", "X_train_", "alpha_", "X_", "label_distributions_", "theta_", "var_"),
    *("feature_log_prob_", "class_log_prior_", "means_", "covariances_", "weights_"),
    *("centroids_", "components_", "mean_", "scale_", "cluster_centers_", "X_thresholds_"),
    *("y_thresholds_", "statistics_", "min_", "quantiles_", "idf_", "scalings_", "xbar_"),
)


def n_parameters(model: Any, X: Any) -> int | None:
    """Return how many numbers a fitted model answers with: nodes of trees, coefficients, records.

    Parameters
    ----------
    model : fitted estimator
    X : table
        Some training records.

    Returns
    -------
    int or None
        None where nothing is known to be one.
    """
    counted, trees = 0, set()
    for each in fitted_parts(model, X):
        if id(each.part) in trees:
            continue
        found = n_nodes(each.part)
        if found is None:
            trees_of = boosted(each.part)
            found = None if trees_of is None else trees_of.n_nodes
        if found is None:
            own = getattr(each.part, "__dict__", {})
            found = sum(_entries(own.get(name)) for name in _LEARNED)
            # A network of skorch's, or a torch module in a target.
            found += _of_module(own.get("module_") or own.get("module"))
        else:
            trees |= _held(each.part)
        counted += found
    return counted or None


def _held(model: Any) -> set[int]:
    """Return the trees that a model of trees is made of, which were counted with it."""
    return {id(tree) for tree in flat(getattr(model, "estimators_", ()))}


def _of_module(module: Any) -> int:
    if isinstance(module, type) or not hasattr(module, "parameters"):
        return 0
    return sum(int(each.numel()) for each in module.parameters())


def _entries(value: Any) -> int:
    if sparse.issparse(value):
        return int(value.nnz)
    if isinstance(value, np.ndarray):
        return int(value.size)
    if isinstance(value, (list, tuple)):
        return sum(map(_entries, value))
    if isinstance(value, Sized) or value is None:
        return 0
    return int(np.isscalar(value))
