"""What a record's own presence does to the model's answer about it, without any other record."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.metrics.pairwise import pairwise_kernels

from .._records._numeric import as_matrix
from .._records._rows import n_rows
from ._elsewhere import alters_in_fit, learned_elsewhere
from ._parts import seen_by_last
from ._trees import flat, mean_share_of_leaves, share_in_boosting

__all__ = ["Influence", "equal_parts", "is_of_neighbors", "is_smoother", "self_influence"]

_MOST_KERNEL = 2000  # records of which kernels are inverted
_MOST_ASKED = 500  # of neighbours
# Records x features^2 of which leverages are computed, and records per feature that it takes.
_MOST_WORK, _RECORDS_PER_FEATURE = 3e9, 3
_DEEPEST = 4


class Influence(NamedTuple):
    """Mean self-influence, what it may miss of it, and which definition it has."""

    value: float
    error: float
    what: str


class _Asked(NamedTuple):
    """What is known besides the model and the records as it sees them.

    Attributes
    ----------
    all_seen : bool
        Whether these are all that it is said to have learned from, as it saw them in fit.
    """

    y: np.ndarray
    n_train: int
    seed: int
    all_seen: bool


class _NotDefinedError(Exception):
    """No definition for this kind of model; says which."""


def self_influence(model: Any, X: Any, y: np.ndarray, n_train: int, seed: int) -> Influence:
    """Return the mean, over training records, of the share of its answer that is a record's own.

    Trees: a record's weight in its leaf, 1 / (training weight of the leaf); the mean over the
    records is the number of leaves / the number of records, exactly, and of forests and bagging
    the mean over the trees, AdaBoost's by their weights. Boosting by gradients: 1 - prod(1 -
    learning rate x leaves / records) over the stages. Nearest neighbours: its own vote among its
    neighbours, itself one of them. Linear models: its leverage, x' (X'WX + P)^-1 x w, where P is
    the penalty of L2 and W the weights of the last step of a logistic regression (1 for
    regressors); of a penalty of L1 on the features that are left. Kernel ridge and Gaussian
    processes: theirs, 1 - alpha (K + alpha)^-1. Weights of records are not looked at. Support
    vectors: the part of the unit margin that its own term supplies, min(1, alpha K(x, x)); of
    SVR, in standard deviations of y. Ensembles of several models: the mean of their parts'.

    Parameters
    ----------
    model : fitted estimator
    X : table of shape (n_records, ...)
        Training records, or some of them.
    y : ndarray of shape (n_records,) or (n_records, n_outputs)
    n_train : int
        How many there are in all.
    seed : int

    Returns
    -------
    Influence
        NaN, with the reason in `what`, where it is not defined for the model.
    """
    try:
        all_seen = n_rows(X) == n_train and not alters_in_fit(model)
        return _of(model, X, _Asked(y, n_train, seed, all_seen), _DEEPEST)
    except _NotDefinedError as error:
        return Influence(math.nan, math.nan, str(error))
    except Exception as error:  # Attributes of anybody's estimator may hold anything.
        reason = f"it could not be computed: {type(error).__name__}"
        return Influence(math.nan, math.nan, reason)


def _of(model: Any, X: Any, asked: _Asked, depth: int) -> Influence:
    model, seen = seen_by_last(model, X)
    name = type(model).__name__
    elsewhere = learned_elsewhere(model, seen) if asked.all_seen else ""
    if elsewhere:
        raise _NotDefinedError(elsewhere)
    share = mean_share_of_leaves(model, asked.n_train)
    if share is not None:
        return Influence(share, 0.0, "leaves per record, of the trees on average")
    share = share_in_boosting(model, asked.n_train)
    if share is not None:
        return Influence(share, 0.0, "leaves per record, summed up over the stages of boosting")
    if seen is None:
        raise _NotDefinedError("what the last step was fitted on cannot be told")
    for has, measure in _KINDS:
        if has(model):
            return measure(model, seen, asked)
    parts = equal_parts(model)
    if not parts or depth == 0:
        raise _NotDefinedError(f"it is not defined for {name}")
    of_parts = [_of(part, seen, asked, depth - 1) for part in parts]
    return Influence(
        float(np.mean([each.value for each in of_parts])),
        float(np.mean([each.error for each in of_parts])),
        f"mean of {len(parts)} parts: {of_parts[0].what}",
    )


def equal_parts(model: Any) -> list[Any]:
    """Return the fitted models whose answers an ensemble mixes, or the one that it wraps."""
    calibrated = getattr(model, "calibrated_classifiers_", None)
    if calibrated is not None:
        return [each.estimator for each in calibrated]
    if getattr(model, "estimators_features_", None) is not None and not _sees_all(model):
        return []
    for name in ("estimators_", "estimator_", "regressor_"):
        held = getattr(model, name, None)
        if held is not None:
            return [part for part in flat(held) if not isinstance(part, str)]
    return []


def _sees_all(model: Any) -> bool:
    everything = np.arange(model.n_features_in_)
    return all(np.array_equal(chosen, everything) for chosen in model.estimators_features_)


def _neighbors(model: Any, seen: Any, asked: _Asked) -> Influence:
    """Return the share of a record's own vote where it asks about itself; 0 of what is not kept."""
    weights = getattr(model, "weights", "uniform")
    if callable(weights):
        raise _NotDefinedError("weights of neighbours by a function are not looked at")
    # Members of bagging and folds of a calibration keep some of the records.
    kept = model._fit_X.shape[0] / asked.n_train
    by_radius = hasattr(model, "radius_neighbors") and not hasattr(model, "kneighbors")
    if weights in (None, "uniform") and not by_radius:
        return Influence(kept / model.n_neighbors, 0.0, "its own vote, one of n_neighbors")
    order = np.random.default_rng(asked.seed).permutation(model._fit_X.shape[0])
    own_records = model._fit_X[np.sort(order[:_MOST_ASKED])]
    ask = model.radius_neighbors if by_radius else model.kneighbors
    with warnings.catch_warnings():
        # What it keeps bears no names, which it may have been fitted on.
        warnings.simplefilter("ignore")
        distances = ask(own_records)[0]
    # By distance, those at distance zero share all of the vote.
    near = (np.sum(d == 0) if weights == "distance" else len(d) for d in distances)
    own = kept * np.array([1 / max(1, count) for count in near])
    return _mean(own, "its own vote among its neighbours", exact=len(order) <= _MOST_ASKED)


def _kernel_smoother(model: Any, seen: Any, asked: _Asked) -> Influence:
    """Return the leverage of kernel ridge or of a Gaussian process: 1 - alpha (K + alpha)^-1."""
    of_process = hasattr(model, "X_train_")
    n = (model.X_train_ if of_process else model.X_fit_).shape[0]
    if n > _MOST_KERNEL:
        raise _NotDefinedError(f"leverages of kernels of {n:,} records would take long")
    alpha = np.mean(model.alpha)
    if of_process:
        inverse = np.linalg.inv(model.L_)
        left = (inverse**2).sum(axis=0)
    else:
        params = {name: getattr(model, name) for name in ("gamma", "degree", "coef0")}
        kernel = pairwise_kernels(model.X_fit_, metric=model.kernel, filter_params=True, **params)
        left = np.diag(np.linalg.inv(kernel + alpha * np.eye(n)))
    own = np.clip(1 - alpha * left, 0.0, 1.0)
    return Influence(float(own.sum()) / asked.n_train, 0.0, "its leverage")


def _support_vectors(model: Any, seen: Any, asked: _Asked) -> Influence:
    alpha = np.abs(model.dual_coef_)
    alpha = alpha.toarray() if sparse.issparse(alpha) else alpha
    vectors = model.support_vectors_
    own = alpha.max(axis=0) * _kernel_with_itself(model, vectors)
    spread = 1.0
    if not hasattr(model, "classes_"):
        spread = float(np.std(np.asarray(asked.y, dtype=np.float64))) or 1.0
    total = float(np.minimum(1.0, own / spread).sum())
    return Influence(total / asked.n_train, 0.0, "what its own term supplies of the margin")


def _kernel_with_itself(model: Any, vectors: Any) -> np.ndarray:
    kernel = model.kernel
    if kernel == "rbf":
        return np.ones(vectors.shape[0])
    if callable(kernel) or kernel == "precomputed" or not vectors.shape[0]:
        raise _NotDefinedError("kernels by a function are not looked at")
    params = {}
    if kernel in ("poly", "sigmoid"):
        params = {"gamma": model._gamma, "coef0": model.coef0}
    if kernel == "poly":
        params["degree"] = model.degree
    return np.array(
        [
            float(pairwise_kernels(vectors[[i]], metric=kernel, **params)[0, 0])
            for i in range(vectors.shape[0])
        ]
    )


def _linear(model: Any, seen: Any, asked: _Asked) -> Influence:
    values = as_matrix(seen)
    if values is None:
        raise _NotDefinedError("the last step was not fitted on numbers")
    coef = np.atleast_2d(np.asarray(model.coef_, dtype=np.float64))
    if coef.shape[1] != values.shape[1]:
        raise _NotDefinedError(f"coefficients of {type(model).__name__} are not one per feature")
    left = np.flatnonzero(np.any(coef != 0, axis=0))
    n, work = values.shape[0], max(1, len(left)) ** 2
    n_shown = min(n, int(_MOST_WORK / work))
    if n_shown < min(n, _RECORDS_PER_FEATURE * len(left)):
        raise _NotDefinedError(f"leverages of {len(left):,} features would take long")
    rows = np.sort(np.random.default_rng(asked.seed).permutation(n)[:n_shown])
    values = values[rows][:, left]
    values = values.toarray() if sparse.issparse(values) else values
    values = np.asarray(values, dtype=np.float64)
    intercept = getattr(model, "fit_intercept", True)
    penalty = _penalty(model, asked.n_train)
    # Of a sample of the records, sums are scaled up to all of them.
    scale = asked.n_train / values.shape[0]
    own = np.zeros(values.shape[0])
    weights = _step_weights(model, coef[:, left] @ values.T)
    # Of many classes some tell the mean.
    weights = weights[: max(1, int(_MOST_WORK / (work * n_shown)))]
    for weight in weights:
        own += _leverages(values, weight, penalty / scale, bool(intercept))
    own = own / len(weights) / scale
    return _mean(own, "its leverage", exact=scale == 1)


def _penalty(model: Any, n_train: int) -> float:
    """Return the penalty of L2, on the scale of a sum over records."""
    name = type(model).__name__
    if name in ("LogisticRegression", "LogisticRegressionCV"):
        strength = float(np.mean(model.C_ if hasattr(model, "C_") else model.C))
        kind = getattr(model, "penalty", "deprecated")
        if kind in (None, "none", "l1"):
            return 0.0
        return (1.0 if kind == "l2" else 1 - _share_of_l1(model)) / strength
    if name in ("Ridge", "RidgeCV", "RidgeClassifier", "RidgeClassifierCV"):
        return float(np.mean(getattr(model, "alpha_", getattr(model, "alpha", 0.0))))
    if "ElasticNet" in name:
        return (
            n_train
            * float(model.alpha_ if hasattr(model, "alpha_") else model.alpha)
            * (1 - _share_of_l1(model))
        )
    if name == "BayesianRidge":
        return float(model.lambda_ / model.alpha_)
    return 0.0


def _share_of_l1(model: Any) -> float:
    chosen = np.ravel(getattr(model, "l1_ratio_", getattr(model, "l1_ratio", 0.0)))
    return float(np.mean([0.0 if share is None else float(share) for share in chosen.tolist()]))


def _step_weights(model: Any, scores: np.ndarray) -> list[np.ndarray]:
    """Return, for each class, the weights of the records in the last step of the fit."""
    if type(model).__name__ not in ("LogisticRegression", "LogisticRegressionCV"):
        return [np.ones(scores.shape[1])]
    scores = scores + np.reshape(model.intercept_, (-1, 1))
    if len(scores) == 1:
        scores = np.concatenate([np.zeros_like(scores), scores])
        columns = slice(1, 2)
    else:
        columns = slice(None)
    proba = np.exp(scores - scores.max(axis=0))
    proba /= proba.sum(axis=0)
    return list((proba * (1 - proba))[columns])


def _leverages(
    values: np.ndarray, weight: np.ndarray, penalty: float, intercept: bool
) -> np.ndarray:
    """Return the diagonal of the matrix that makes answers of true values."""
    root = np.sqrt(weight)
    design = values * root[:, None]
    own = np.zeros(len(values))
    if intercept and weight.sum() > 0:
        # The intercept is not penalised: what it takes is projected out first.
        along = root / np.sqrt(weight.sum())
        own += along**2
        design = design - np.outer(along, along @ design)
    left, singular, _ = np.linalg.svd(design, full_matrices=False)
    kept = singular > 1e-10 * (singular[0] if len(singular) else 1)
    left, singular = left[:, kept], singular[kept]
    return own + (left**2 * (singular**2 / (singular**2 + penalty))).sum(axis=1)


def _mean(own: np.ndarray, what: str, *, exact: bool) -> Influence:
    error = 0.0 if exact or len(own) < 2 else 1.96 * float(own.std(ddof=1)) / math.sqrt(len(own))
    return Influence(float(own.mean()), error, what)


def _is_linear(model: Any) -> bool:
    return type(model).__name__ in _LINEAR and hasattr(model, "coef_")


def is_of_neighbors(model: Any) -> bool:
    return hasattr(model, "_fit_X") and hasattr(model, "predict")


def is_smoother(model: Any) -> bool:
    return type(model).__name__ in _SMOOTHERS


_LINEAR = {
    *("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV"),
    *("LassoLars", "LassoLarsCV", "Lars", "LarsCV", "LassoLarsIC", "BayesianRidge"),
    *("MultiTaskLasso", "MultiTaskLassoCV", "MultiTaskElasticNet", "MultiTaskElasticNetCV"),
    *("ARDRegression", "OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV"),
    *("LogisticRegression", "LogisticRegressionCV", "RidgeClassifier", "RidgeClassifierCV"),
}
_SMOOTHERS = {"KernelRidge", "GaussianProcessRegressor"}
# What tells a kind, and what measures it.
_KINDS: tuple[tuple[Callable[[Any], bool], Callable[..., Influence]], ...] = (
    (lambda model: hasattr(model, "support_vectors_"), _support_vectors),
    (is_of_neighbors, _neighbors),
    (_is_linear, _linear),
    (is_smoother, _kernel_smoother),
)
