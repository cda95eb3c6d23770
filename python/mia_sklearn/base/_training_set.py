"""What a model is trained on, as defenses pass it on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._models._alike import fitted
from .._models._backend import backend_of
from .._models._trainable import check_fit_takes, unfitted
from .._records._rows import take_params, take_rows

__all__ = ["TrainingSet", "fit_clone"]


@dataclass(frozen=True)
class TrainingSet:
    """Records to train on, and what else is passed to an estimator's `fit`.

    Attributes
    ----------
    X : table of shape (n_records, n_features)
    y : ndarray of shape (n_records,) or (n_records, n_outputs)
        Labels, or numbers.
    params : dict of str to object
        What is passed to `fit` beside, some of it with one entry per record.
    """

    X: Any
    y: np.ndarray
    params: dict[str, Any]

    def __len__(self) -> int:
        return len(self.y)

    @property
    def n_outputs(self) -> int:
        """How many labels, or numbers, each record has."""
        return self.y.shape[1] if self.y.ndim > 1 else 1

    def take(self, rows: np.ndarray | slice) -> TrainingSet:
        """Return some of the records, with their own entries of what is passed per record.

        Parameters
        ----------
        rows : ndarray of int or bool, or slice

        Returns
        -------
        TrainingSet
        """
        params = take_params(self.params, rows, len(self))
        return TrainingSet(take_rows(self.X, rows), take_rows(self.y, rows), params)

    def copied(self) -> TrainingSet:
        """Return the same records, for a model that may write to what it is trained on.

        Returns
        -------
        TrainingSet
        """
        return self.take(slice(None))


def fit_clone(estimator: Any, data: TrainingSet) -> Any:
    """Return a clone trained on records.

    Parameters
    ----------
    estimator : unfitted classifier or regressor
    data : TrainingSet

    Returns
    -------
    fitted estimator
        A network is returned as a `TorchTarget`, which knows the labels of its columns.

    Raises
    ------
    ValueError
        If the estimator's `fit` does not take what is passed to it, or a network's loss became
        NaN.
    """
    check_fit_takes(estimator, data.params)
    data = data.copied()
    backend = backend_of(estimator)
    if backend is not None:
        return backend.train_net(unfitted(estimator), data.X, data.y, data.params)
    return fitted(unfitted(estimator), data.X, data.y, data.params)
