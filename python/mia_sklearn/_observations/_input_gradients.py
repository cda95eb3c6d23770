"""What a model's answer to a record changes by when the record does."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from .._models._backend import networks
from .._models._kinds import is_network_target, is_pipeline
from ._closed_gradients import closed_input_gradients
from ._inside import has_gradients

__all__ = ["has_input_gradients", "input_gradients"]

_SCALERS = (MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler)


def has_input_gradients(target: Any) -> bool:
    """Tell whether a fitted target's answers can be differentiated by the record."""
    return has_gradients(target) and all(map(_is_affine, _steps_before(target)))


def input_gradients(target: Any, X: Any, labels: np.ndarray) -> np.ndarray:
    """Return the gradient, by each record, of its log-posterior of one class, in the shape of `X`.

    For targets for which `has_input_gradients` holds; `labels` are positions in `target.classes_`.
    """
    gradients = (
        networks().input_gradients(target, X, labels)
        if is_network_target(target)
        else closed_input_gradients(target, X, labels)
    )
    for step in reversed(_steps_before(target)):
        gradients = _pulled_back(step, gradients)
    return gradients


def _steps_before(target: Any) -> list[Any]:
    """Return the transformers that a record passes on its way to the last step."""
    if getattr(target, "source", None) is not None:
        # The estimator that a TorchTarget was made of.
        target = target.source
    steps: list[Any] = []
    while True:
        if hasattr(target, "best_estimator_"):
            target = target.best_estimator_
        elif is_pipeline(target):
            steps += [step for _, step in target.steps[:-1] if step not in (None, "passthrough")]
            target = target.steps[-1][1]
        else:
            return steps


def _is_affine(step: Any) -> bool:
    return isinstance(step, (PCA, *_SCALERS)) and not getattr(step, "clip", False)


def _pulled_back(step: Any, gradients: np.ndarray) -> np.ndarray:
    """Turn gradients by what a transformer returns into gradients by what it is given."""
    if isinstance(step, PCA):
        if step.whiten:
            gradients = gradients / np.sqrt(step.explained_variance_)
        return gradients @ step.components_
    if step.scale_ is None:
        return gradients
    return gradients * step.scale_ if isinstance(step, MinMaxScaler) else gradients / step.scale_
