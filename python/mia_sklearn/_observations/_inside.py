"""White-box columns: their names, and which models have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._models._backend import networks
from .._models._kinds import is_network_target, last_step
from ._inside_columns import PARTS

__all__ = ["has_gradients", "white_box_columns"]


def has_gradients(target: Any) -> bool:
    """Tell whether a fitted target's gradients can be computed; without importing torch."""
    from ._closed_gradients import is_closed

    return is_network_target(target) or is_closed(target)


def white_box_columns(
    target: Any,
    X: Any,
    labels: np.ndarray,
    *,
    layers: Sequence[str] | None = None,
    parts: Sequence[str] = PARTS,
) -> tuple[list[str], np.ndarray]:
    """Return names and values, (n_records, n_columns), of gradients and activations by record.

    `labels` are positions in `target.classes_`; `layers` are the last two by default.
    """
    if is_network_target(target):
        return networks().record_features(target, X, labels, layers=layers, parts=parts)
    from ._closed_gradients import closed_features, is_closed

    if not is_closed(target):
        raise ValueError(
            f"{type(last_step(target)).__name__} has no gradients to look at. White-box "
            "observations are made of skorch nets and TorchTarget, and of scikit-learn's "
            "LogisticRegression, SGDClassifier(loss='log_loss') and MLPClassifier, alone or at "
            "the end of a Pipeline or search."
        )
    return closed_features(target, X, labels, layers=layers, parts=parts)
