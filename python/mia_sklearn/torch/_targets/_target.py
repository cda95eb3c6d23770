"""Networks as targets: skorch classifiers and bare torch modules."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..._models._kinds import last_step
from ..._models._random import seeded
from ..._records._rows import n_rows, take_rows
from ...signals import LEAST_LOG_POSTERIOR
from ._inputs import check_device
from ._module import ModuleTarget
from ._outputs import _declared, kind_of, read_output

__all__ = ["TorchTarget"]

OUTPUTS = ("logits", "log_proba", "proba")
_PROBE_ROWS = 64


class TorchTarget(ModuleTarget):
    """A torch module as a fitted classifier, with its logits read exactly.

    Threat model: what the attack on it needs; gradients and activations are there too.

    Parameters
    ----------
    module : torch.nn.Module
        Takes a tensor of records, returns one column per class (or, for two classes, one
        column or none for the second class); of several outputs the first counts. Asked in
        evaluation mode, with its parameters as they are.
    classes : array-like of shape (n_classes,)
        Labels, in the order of the module's columns.
    outputs : {"auto", "logits", "log_proba", "proba"}, default="auto"
        What the module returns. "auto" tells it from the answers to the first records: rows
        that sum to 1, whose exponentials do, or neither. Single columns between 0 and 1 are
        taken for probabilities.
    device : str or torch.device, default=None
        Where to compute; by default where the module's parameters are.
    batch_size : int, default=1024
        Records asked about at a time.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)

    Raises
    ------
    ValueError
        If `module` is no module, `classes` are not different labels, or the device is absent.

    See Also
    --------
    mia_sklearn.audit : Takes skorch classifiers as they are, and modules so wrapped.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from mia_sklearn.torch import TorchTarget
    >>> module = torch.nn.Linear(2, 3)
    >>> target = TorchTarget(module, classes=["a", "b", "c"])
    >>> target.predict_proba(np.zeros((4, 2), dtype=np.float32)).shape
    (4, 3)
    """

    def __init__(
        self,
        module: nn.Module,
        classes: Any,
        *,
        outputs: str = "auto",
        device: Any = None,
        batch_size: int = 1024,
    ) -> None:
        super().__init__(module, device=device, batch_size=batch_size)
        if outputs not in ("auto", *OUTPUTS):
            raise ValueError(f"outputs must be one of auto, {', '.join(OUTPUTS)}, got {outputs!r}.")
        self.classes_ = np.asarray(classes)
        if self.classes_.ndim != 1 or len(np.unique(self.classes_)) != len(self.classes_):
            raise ValueError("classes must be a list of different labels.")
        self.outputs = outputs

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any) -> TorchTarget:
        """Read a fitted skorch classifier, or a Pipeline or search that ends in one.

        Parameters
        ----------
        estimator : fitted NeuralNetClassifier or NeuralNetBinaryClassifier, Pipeline, search
        X : table of shape (n_records, ...)
            Some records, the first of which show what the module returns.

        Returns
        -------
        TorchTarget

        Raises
        ------
        ValueError
            If the net is not fitted, is no classifier, or the module's answers are no posteriors.
        """
        net = last_step(estimator)
        if not getattr(net, "initialized_", False):
            raise ValueError(f"model is not fitted: call fit on this {type(net).__name__} first.")
        if not hasattr(net, "get_loss") or not hasattr(type(net), "classes_"):
            raise ValueError(
                f"{type(net).__name__} is no classifier. Train a skorch NeuralNetClassifier, or "
                "pass mia_sklearn.torch.TorchTarget(net.module_, classes=...). What predicts "
                "numbers is a NeuralNetRegressor, or a mia_sklearn.FunctionRegressor."
            )
        check_device(net.device)
        # Replaced below, once the module's answer tells how many classes there are.
        target = cls(net.module_, [0, 1], device=net.device)
        target._held_by(estimator)
        output = target.output(take_rows(X, slice(min(_PROBE_ROWS, n_rows(X)))))
        if target._nonlinearity is not None:
            output = target._nonlinearity(output)
        target.outputs = _declared(net, output, target._nonlinearity is not None)
        target.classes_ = _classes(net, read_output(output, target.outputs).shape[1])
        return target

    def of(self, module: nn.Module, classes: Any = None) -> TorchTarget:
        """Return another module of the same kind as a target, for what this one's net did.

        Parameters
        ----------
        module : torch.nn.Module
        classes : array-like of shape (n_classes,), default=None
            Labels, in the order of the module's columns; by default those of this one.

        Returns
        -------
        TorchTarget
        """
        target = super().of(module)
        if classes is not None:
            target.classes_ = np.asarray(classes)
        return target

    def log_posteriors(self, output: Tensor) -> Tensor:
        """Return the log-posteriors that an output of the module stands for, differentiably.

        Parameters
        ----------
        output : Tensor of shape (n_records, n_columns)

        Returns
        -------
        Tensor of shape (n_records, n_classes)
        """
        if self._nonlinearity is not None:
            output = self._nonlinearity(output)
        return read_output(output, self.outputs)

    def log_normalizer(self, output: Tensor) -> Tensor:
        """Return what, added to the log-posteriors, gives the outputs before the soft-max.

        Parameters
        ----------
        output : Tensor of shape (n_records, n_columns)

        Returns
        -------
        Tensor of shape (n_records,)
            Where the module has no column of logits for each class, minus the mean of the
            log-posteriors, which centres them.
        """
        columns = output.shape[1] if output.ndim == 2 else 1
        if self._nonlinearity is None and self.outputs == "logits" and columns > 1:
            return torch.logsumexp(output, dim=1)
        return -self.log_posteriors(output).clamp(min=LEAST_LOG_POSTERIOR).mean(dim=1)

    def answers(self, output: Tensor) -> np.ndarray:
        """Return the log-posteriors of an output and, as last column, their normalizer.

        Parameters
        ----------
        output : Tensor of shape (n_records, n_columns)

        Returns
        -------
        ndarray of shape (n_records, n_classes + 1), float32
        """
        # On the CPU: some devices know no double precision.
        output = output.cpu().double()
        columns = (self.log_posteriors(output), self.log_normalizer(output)[:, None])
        return torch.cat(columns, dim=1).float().numpy()

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return log-posteriors.

        Parameters
        ----------
        X : table of shape (n_records, ...)

        Returns
        -------
        ndarray of shape (n_records, n_classes), float64
        """
        output = self.output(X)
        if self.outputs == "auto":
            self.outputs = kind_of(output)
        answer = self.log_posteriors(output.double()).numpy()
        if answer.shape[1] != len(self.classes_):
            raise ValueError(
                f"The module answers with {answer.shape[1]} classes; classes names "
                f"{len(self.classes_)}."
            )
        return answer

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return posteriors.

        Parameters
        ----------
        X : table of shape (n_records, ...)

        Returns
        -------
        ndarray of shape (n_records, n_classes), float64
        """
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable labels.

        Parameters
        ----------
        X : table of shape (n_records, ...)

        Returns
        -------
        ndarray of shape (n_records,)
        """
        return self.classes_[self.predict_log_proba(X).argmax(axis=1)]

    def predicted_by_net(self, X: Any) -> np.ndarray:
        """Return what the skorch net that holds the module predicts: positions of columns.

        Parameters
        ----------
        X : table of shape (n_records, ...)

        Returns
        -------
        ndarray of shape (n_records,)
        """
        with seeded(0):
            return np.asarray(self._net.predict(self._prepared(X)))


def _classes(net: Any, n_columns: int) -> np.ndarray:
    """Return the label of each of the module's columns."""
    given = getattr(net, "classes", None)
    if given is not None and len(given):
        if len(given) != n_columns:
            raise ValueError(
                f"The module answers with {n_columns} classes; the net's classes names "
                f"{len(given)}."
            )
        return np.asarray(given)
    # Labels are positions of columns, whether or not the training set held each.
    return np.arange(n_columns)
