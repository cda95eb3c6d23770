"""A torch module that is asked about records, alone or as the net that holds it asks it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..._models._kinds import is_pipeline, last_step
from ..._models._random import seeded
from ..._records._rows import copied, is_frame
from ._inputs import as_input, check_device

__all__ = ["ModuleTarget"]


class ModuleTarget:
    """A torch module as a fitted model, asked in evaluation mode.

    Parameters
    ----------
    module : torch.nn.Module
    device : str or torch.device, default=None
        Where to compute; by default where the module's parameters are.
    batch_size : int, default=1024
        Records asked about at a time.
    """

    def __init__(self, module: nn.Module, *, device: Any = None, batch_size: int = 1024) -> None:
        if not isinstance(module, nn.Module):
            raise ValueError(f"module must be a torch.nn.Module, got {type(module).__name__}.")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size!r}.")
        self.module = module
        own = next(module.parameters(), torch.empty(0))
        self.device = own.device if device is None else check_device(device)
        self.dtype = own.dtype if own.is_floating_point() else torch.float32
        self.batch_size = batch_size
        #: The estimator that holds the module, where one does; what it is called in reports.
        self.source: Any = None
        self._net: Any = None
        self._before: Any = None
        self._nonlinearity: Any = None

    def _held_by(self, estimator: Any) -> None:
        """Ask as a fitted net does, or a Pipeline or search that ends in one."""
        self.source, self._net = estimator, last_step(estimator)
        self._before = _before(estimator)
        nonlinearity = self._net.predict_nonlinearity
        self._nonlinearity = nonlinearity if callable(nonlinearity) else None

    def of(self, module: nn.Module) -> Any:
        """Return another module of the same kind as a target, for what this one's net did.

        Parameters
        ----------
        module : torch.nn.Module

        Returns
        -------
        ModuleTarget
        """
        target = copy.copy(self)
        target.module = module
        target.source = target._net = target._before = None
        return target

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({type(self.module).__name__})"
            if self._net is None
            else repr(self._net)
        )

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of the columns that the first step of a pipeline was fitted on."""
        return self._before.feature_names_in_

    @property
    def n_features_in_(self) -> int:
        """Number of features that the first step of a pipeline was fitted on."""
        return self._before.n_features_in_

    def inputs(self, X: Any) -> Tensor:
        """Return records as the module takes them, on its device.

        Parameters
        ----------
        X : table of shape (n_records, ...)

        Returns
        -------
        Tensor of shape (n_records, ...)
        """
        X = self._prepared(X)
        return torch.as_tensor(X, device=self.device)

    def output(self, X: Any) -> Tensor:
        """Return the module's first output on records, in evaluation mode, without gradients.

        Parameters
        ----------
        X : table of shape (n_records, ...)

        Returns
        -------
        Tensor of shape (n_records, ...), on the CPU
        """
        # Loading records draws a number, and some modules draw their noise.
        with seeded(0):
            answers = list(self._batches(self._prepared(X)))
        return torch.cat([a[0] if isinstance(a, tuple) else a for a in answers])

    def _prepared(self, X: Any) -> Any:
        if self._before is not None:
            X = self._before.transform(copied(X))
        if hasattr(X, "toarray"):
            X = X.toarray()
        if is_frame(X):
            if self._net is not None:
                # skorch hands the columns to the module by their names.
                return X
            X = X.to_numpy()
        return as_input(X, self.dtype)

    def _batches(self, X: Any) -> Iterator[Any]:
        if self._net is not None:
            yield from self._net.forward_iter(X)
            return
        was_training = self.module.training
        self.module.eval()
        try:
            with torch.no_grad():
                for start in range(0, len(X), self.batch_size):
                    # A copy, which the module may write to.
                    batch = torch.tensor(X[start : start + self.batch_size], device=self.device)
                    answer = self.module(batch)
                    yield (answer[0] if isinstance(answer, tuple) else answer).cpu()
        finally:
            self.module.train(was_training)


def _before(estimator: Any) -> Any:
    """Return the steps of a pipeline in front of its net; None without."""
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    if not is_pipeline(estimator):
        return None
    if is_pipeline(estimator.steps[-1][1]):
        raise ValueError("A Pipeline whose last step is a Pipeline: put all steps into one.")
    return estimator[:-1] if len(estimator.steps) > 1 else None
