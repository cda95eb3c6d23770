"""Fitted nets as targets: classifiers and regressors."""

from __future__ import annotations

from typing import Any

from ..._models._predictors import predicts_numbers
from ._regressor import NetRegressor
from ._target import TorchTarget

__all__ = ["as_target"]


def as_target(estimator: Any, X: Any) -> Any:
    """Return a fitted net, or a Pipeline or search that ends in one, as a target.

    Parameters
    ----------
    estimator : fitted NeuralNetClassifier, NeuralNetBinaryClassifier, NeuralNetRegressor, ...
    X : table of shape (n_records, ...)
        Some records, the first of which show what the module of a classifier returns.

    Returns
    -------
    TorchTarget or NetRegressor
    """
    if predicts_numbers(estimator):
        return NetRegressor(estimator)
    return TorchTarget.from_estimator(estimator, X)
