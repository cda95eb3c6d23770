"""Networks as targets: skorch classifiers and bare torch modules."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..._models._kinds import last_step
from ..._models._random import seeded
from ..._records._rows import copied, is_frame, n_rows, take_rows
from ...signals import LEAST_LOG_POSTERIOR
from ._inputs import as_input, check_device
from ._outputs import _declared, kind_of, read_output

__all__ = ["TorchTarget"]

OUTPUTS = ("logits", "log_proba", "proba")
_PROBE_ROWS = 64


class TorchTarget:
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
        if not isinstance(module, nn.Module):
            raise ValueError(f"module must be a torch.nn.Module, got {type(module).__name__}.")
        if outputs not in ("auto", *OUTPUTS):
            raise ValueError(f"outputs must be one of auto, {', '.join(OUTPUTS)}, got {outputs!r}.")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size!r}.")
        self.module = module
        self.classes_ = np.asarray(classes)
        if self.classes_.ndim != 1 or len(np.unique(self.classes_)) != len(self.classes_):
            raise ValueError("classes must be a list of different labels.")
        self.outputs = outputs
        own = next(module.parameters(), torch.empty(0))
        self.device = own.device if device is None else check_device(device)
        self.dtype = own.dtype if own.is_floating_point() else torch.float32
        self.batch_size = batch_size
        #: The estimator that holds the module, where one does; what it is called in reports.
        self.source: Any = None
        self._net: Any = None
        self._before: Any = None
        self._nonlinearity: Callable[[Tensor], Tensor] | None = None

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
                "pass mia_sklearn.torch.TorchTarget(net.module_, classes=...)."
            )
        check_device(net.device)
        # Replaced below, once the module's answer tells how many classes there are.
        target = cls(net.module_, [0, 1], device=net.device)
        target.source, target._net = estimator, net
        target._before = _before(estimator)
        output = target.output(take_rows(X, slice(min(_PROBE_ROWS, n_rows(X)))))
        nonlinearity = net.predict_nonlinearity
        if callable(nonlinearity):
            target._nonlinearity = nonlinearity
            output = nonlinearity(output)
        target.outputs = _declared(net, output, target._nonlinearity is not None)
        target.classes_ = _classes(net, read_output(output, target.outputs).shape[1])
        return target

    def of(self, module: nn.Module, classes: Any) -> TorchTarget:
        """Return another module of the same kind as a target, for what this one's net did.

        Parameters
        ----------
        module : torch.nn.Module
        classes : array-like of shape (n_classes,)
            Labels, in the order of the module's columns.

        Returns
        -------
        TorchTarget
        """
        target = copy.copy(self)
        target.module, target.classes_ = module, np.asarray(classes)
        target.source = target._net = target._before = None
        return target

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return (
            f"TorchTarget({type(self.module).__name__})" if self._net is None else repr(self._net)
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


def _before(estimator: Any) -> Any:
    """Return the steps of a pipeline in front of its net; None without."""
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    if not hasattr(estimator, "steps"):
        return None
    if hasattr(estimator.steps[-1][1], "steps"):
        raise ValueError("A Pipeline whose last step is a Pipeline: put all steps into one.")
    return estimator[:-1] if len(estimator.steps) > 1 else None
