"""Which parameters of a model make it remember less: those that it has, with what they are now."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from typing import Any

from .._models._predictors import predicts_numbers

__all__ = ["advice_for"]

_MOST = 4
_LETTERS = 40  # of a value in a sentence

# What to do with a parameter, those that matter most first. Names are what they are called in
# scikit-learn, XGBoost, LightGBM, CatBoost and skorch.
_ADVICE = {
    "min_samples_leaf": "raise it",
    "min_child_samples": "raise it",
    "min_data_in_leaf": "raise it",
    "min_child_weight": "raise it",
    "n_neighbors": "raise it",
    "bandwidth": "raise it",
    "max_depth": "lower it",
    "depth": "lower it",
    "num_leaves": "lower it",
    "C": "lower it",
    "epsilon": "raise it",
    "max_epochs": "lower it",
    "n_components": "lower it",
    "learning_rate": "lower it",
    "n_estimators": "lower it",
    "max_iter": "lower it",
    "iterations": "lower it",
    "alpha": "raise it",
    "reg_lambda": "raise it",
    "l2_leaf_reg": "raise it",
    "l2_regularization": "raise it",
    "optimizer__weight_decay": "raise it",
    "dropout": "raise it",
    "max_leaf_nodes": "lower it",
    "ccp_alpha": "raise it",
    "var_smoothing": "raise it",
    "reg_param": "raise it",
    "reg_covar": "raise it",
    "weights": "weigh all neighbours alike",
    "early_stopping": "turn it on",
}
_RANK = {name: rank for rank, name in enumerate(_ADVICE)}
_UNLIMITED = ("max_depth", "max_leaf_nodes")
# Rounds of boosting; elsewhere these names mean something else.
_OF_BOOSTING = ("learning_rate", "n_estimators", "max_iter", "iterations")


def advice_for(model: Any) -> str:
    """Name the parameters of a model by which it would remember less, with their present values.

    Parameters
    ----------
    model : estimator
        Pipelines, ensembles and search objects are looked through: names are those that
        `set_params` takes, of a search those of its best estimator.

    Returns
    -------
    str
        Empty where no such parameter is known.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from mia_sklearn._audit._advice import advice_for
    >>> advice_for(make_pipeline(StandardScaler(), KNeighborsClassifier(1)))
    'kneighborsclassifier__n_neighbors=1 (raise it)'
    """
    found = sorted(_that_matter(getattr(model, "best_estimator_", model)))[:_MOST]
    return ", ".join(
        f"{name}={_shown(value)} ({_what_to_do(key, value)})" for _, name, key, value in found
    )


def _that_matter(model: Any) -> Iterator[tuple[int, str, str, Any]]:
    """Yield rank, full name, name in the table and value of each parameter that matters."""
    if not hasattr(model, "get_params") or isinstance(model, type):
        return
    params = model.get_params(deep=True)
    if hasattr(model, "get_all_params") and hasattr(model, "is_fitted") and model.is_fitted():
        params = {**model.get_all_params(), **params}  # CatBoost lists only what it was given.
    for name, value in params.items():
        key = next((k for k in _ADVICE if name == k or name.endswith(f"__{k}")), None)
        if key is None or "callbacks__" in name:
            continue
        prefix = name[: -len(key)]
        owner = params.get(prefix.removesuffix("__"), model) if prefix else model
        boosts = _is_amount(params.get(f"{prefix}learning_rate", ""))
        if _matters(key, value, owner, boosts):
            yield _RANK[key], name, key, value


def _matters(key: str, value: Any, owner: Any, boosts: bool) -> bool:
    if hasattr(owner, "transform") and not hasattr(owner, "predict"):
        return False  # What prepares records for the model.
    if key in ("weights", "early_stopping"):
        return value == "distance" or value is False
    if not _is_amount(value):
        return False  # "scale", "constant": rules, not amounts.
    if key in _OF_BOOSTING or key == "alpha":
        return boosts == (key != "alpha")  # Of boosting alpha is the quantile that is predicted.
    if key == "epsilon":
        return "C" in owner.get_params(deep=False)  # The tube of support vectors, nothing else.
    return key != "n_components" or hasattr(owner, "sample") or predicts_numbers(owner)


def _what_to_do(key: str, value: Any) -> str:
    return "limit it" if key in _UNLIMITED and value in (None, -1) else _ADVICE[key]


def _is_amount(value: Any) -> bool:
    return value is None or (isinstance(value, Real) and not isinstance(value, bool))


def _shown(value: Any) -> str:
    text = repr(value.item() if hasattr(value, "item") else value)
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 3]}..."
