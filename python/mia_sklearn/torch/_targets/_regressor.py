"""A net that predicts numbers, as a fitted regressor."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._models._kinds import last_step
from ..._models._random import seeded
from ._module import ModuleTarget

__all__ = ["NetRegressor"]


class NetRegressor(ModuleTarget):
    """What a fitted skorch regressor predicts, or a Pipeline or search that ends in one.

    Parameters
    ----------
    estimator : fitted NeuralNetRegressor, Pipeline, search

    Raises
    ------
    ValueError
        If the net is not fitted, or its device is absent.
    """

    _estimator_type = "regressor"

    def __init__(self, estimator: Any) -> None:
        net = last_step(estimator)
        if not getattr(net, "initialized_", False):
            raise ValueError(f"model is not fitted: call fit on this {type(net).__name__} first.")
        super().__init__(net.module_, device=net.device)
        self._held_by(estimator)
        # Of the usual criteria none.
        self._nonlinearity = net._get_predict_nonlinearity()

    def predict(self, X: Any) -> np.ndarray:
        """Return the predictions, by the net's own method where one holds the module.

        Parameters
        ----------
        X : table of shape (n_records, ...)

        Returns
        -------
        ndarray of shape (n_records,) or (n_records, n_outputs)
        """
        if self._net is None:
            return self._nonlinearity(self.output(X)).numpy()
        with seeded(0):
            return np.asarray(self._net.predict(self._prepared(X)))
