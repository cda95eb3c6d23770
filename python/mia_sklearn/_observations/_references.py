"""What the table of observations reads of reference models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from ..access import BaseAccess

__all__ = ["References"]


class References(Protocol):
    """Fitted `ReferenceModels`, see there."""

    n_models_: int
    train_size_: int
    seeds_: np.ndarray
    n_pool_: int
    n_population_: int
    n_blocks_: int
    block_size_: int
    block_: np.ndarray
    holdout_: str
    X_: Any
    labels_: np.ndarray
    classes_: np.ndarray
    groups_: np.ndarray | None
    access_: BaseAccess | None
    outputs_: np.ndarray
    membership_: np.ndarray
    labelled_: np.ndarray
    lost_: Mapping[int, Any]

    def phi(self) -> np.ndarray:
        """Return the signal of every model on every record."""

    def query_phi(self, query: int) -> np.ndarray:
        """Return the signal of every model on one perturbed copy of every record."""

    def record_columns(self) -> np.ndarray | None:
        """Return what other records say of each record, see `record_columns`."""

    def signal_of(self, answers: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the signal of answers to some of the records."""
