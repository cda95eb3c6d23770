"""What defenses that train networks share: they act on a clone while it trains, and leave it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils import check_array
from torch import Tensor, nn

from ..._models._kinds import is_net, is_pipeline, last_step
from ..._models._random import seeded
from ...base import BaseDefense, TrainingSet
from ...base._wrapped import check_kind, kind_to_defend
from .._targets._inputs import as_input, check_device
from .._targets._outputs import read_output
from .._targets._target import TorchTarget
from .._training._acting import TrainingCallback
from .._training._nets import net_classes, train_net

__all__ = [
    "DefendedNet",
    "as_numbers",
    "epoch_loss",
    "is_norm",
    "wrap_criterion",
]

_NORMS: tuple[type[nn.Module], ...] = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    # torch 2.4 and later.
    *([nn.RMSNorm] if hasattr(nn, "RMSNorm") else []),
)
# What reaches the criteria that are understood; skorch takes the logarithm for NLLLoss.
_KINDS: dict[type[nn.Module], str] = {
    nn.CrossEntropyLoss: "logits",
    nn.NLLLoss: "log_proba",
    nn.BCEWithLogitsLoss: "logits",
    nn.BCELoss: "proba",
}


class DefendedNet(BaseDefense):
    """Base of defenses that train a network.

    A subclass trains by `_train`, with callbacks that do what the defense consists of.
    """

    needs_networks: ClassVar[bool] = True

    _inner_name = "net"

    def _training_set(self, X: Any, y: Any, fit_params: dict[str, Any]) -> TrainingSet:
        net = self._inner()
        check_kind(self, kind_to_defend(net), f"net={type(last_step(net)).__name__}")
        if not is_net(net) or not hasattr(type(last_step(net)), "classes_"):
            raise ValueError(
                "net must be a skorch NeuralNetClassifier or NeuralNetBinaryClassifier, or a "
                f"Pipeline that ends in one, got {type(last_step(net)).__name__}."
            )
        check_device(last_step(net).device)
        data = super()._training_set(X, y, fit_params)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes, y holds one class only."
            )
        return data

    def _train(self, data: TrainingSet, *callbacks: TrainingCallback, **options: Any) -> Any:
        """Train a clone of the net, watched by callbacks, and keep it as `estimator_`.

        Parameters
        ----------
        data : TrainingSet
        *callbacks : TrainingCallback
            Called after the net's own.
        **options
            Parameters of the net to replace.

        Returns
        -------
        fitted net
        """
        estimator = clone(self._inner())
        net = last_step(estimator)
        # Not `set_params`, which stumbles over a net whose callbacks are switched off.
        for name, value in options.items():
            setattr(net, name, value)
        X = data.X if net is not estimator else as_numbers(data.X, fresh_module(net))
        classes = net_classes(estimator, X, data.y)
        for callback in callbacks:
            callback.prepare(estimator, classes)
        with _added(net, callbacks):
            self.estimator_: TorchTarget = train_net(
                estimator, X, data.y, data.params, classes=classes
            )
        # A network may have columns for labels that were not in y.
        self.classes_ = classes
        return net

    def _asked(self, X: Any) -> Any:
        X = super()._asked(X)
        return X if is_pipeline(self._inner()) else as_numbers(X, self.estimator_.module)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # What is sparse is made dense.
        tags.input_tags.sparse = True
        return tags


def fresh_module(net: Any) -> nn.Module:
    """Return a module like the one that an unfitted net will train."""
    with seeded(0):
        return clone(net).initialize().module_


def as_numbers(X: Any, module: nn.Module) -> np.ndarray:
    """Return records as an array that a module takes."""
    if hasattr(X, "toarray"):
        X = X.toarray()
    try:
        X = check_array(X, allow_nd=True, input_name="X")
    except ValueError as error:
        if "could not convert" not in str(error):
            raise
        raise ValueError(
            f"A network takes numbers, and X holds others: {error}. Encode them, in a Pipeline in "
            "front of the net for example."
        ) from error
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    if not any(isinstance(part, (nn.Embedding, nn.EmbeddingBag)) for part in module.modules()):
        # Whole numbers are quantities, where they are no positions in a table.
        X = X.astype(np.float64) if X.dtype.kind in "biu" else X
    return as_input(X, dtype)


@contextmanager
def _added(net: Any, callbacks: tuple[TrainingCallback, ...]) -> Iterator[None]:
    """Add callbacks to a net that is not initialised, and remove all trace of them at the end."""
    own, silenced = net.callbacks, []
    if own == "disable":
        # Its defaults stay away too.
        for item in net.get_default_callbacks():
            name = item[0] if isinstance(item, (tuple, list)) else type(item).__name__
            silenced.append(f"callbacks__{name}")
            setattr(net, silenced[-1], None)
    net.callbacks = [*(own if isinstance(own, (tuple, list)) else ()), *callbacks]
    try:
        yield
    finally:
        for callback in callbacks:
            callback.release(net)
        for name in silenced:
            delattr(net, name)
        net.callbacks = own
        net.callbacks_ = [
            (name, callback)
            for name, callback in getattr(net, "callbacks_", [])
            if not isinstance(callback, TrainingCallback)
        ]


def is_norm(module: nn.Module) -> bool:
    """Tell whether a module normalises."""
    return isinstance(module, _NORMS)


def epoch_loss(net: Any, which: str) -> float:
    """Return a net's mean "train" or "valid" loss in its last epoch; NaN without such batches."""
    batches = [b for b in net.history[-1]["batches"] if f"{which}_loss" in b]
    sizes = [b[f"{which}_batch_size"] for b in batches]
    losses = [b[f"{which}_loss"] for b in batches]
    return float(np.average(losses, weights=sizes)) if batches else float("nan")


#: A training loss, made from the plain loss, the log-posteriors and the positions of the labels.
TrainingLoss = Callable[[Tensor, Tensor, Tensor], Tensor]


class _Wrapped(nn.Module):
    """A criterion that is another one while the net trains, and itself when it is asked."""

    def __init__(self, inner: nn.Module, kind: str, training_loss: TrainingLoss) -> None:
        super().__init__()
        self.inner = inner
        self.kind = kind
        self.training_loss = training_loss

    def forward(self, y_pred: Tensor, y_true: Tensor) -> Tensor:
        loss = self.inner(y_pred, y_true)
        if not self.training:
            return loss
        if self.kind == "proba":
            tiny = torch.finfo(y_pred.dtype).eps
            y_pred = y_pred.clamp(tiny, 1 - tiny)
        return self.training_loss(loss, read_output(y_pred, self.kind), y_true.reshape(-1).long())


class _WrappedNLL(_Wrapped, nn.NLLLoss):
    """Known to skorch as the criterion that takes logarithms."""


def wrap_criterion(net: Any, training_loss: TrainingLoss, who: str) -> nn.Module:
    """Replace the criterion of an initialised net while it trains; returns it, to be put back.

    `training_loss` is called with the criterion's own value, the log-posteriors and the positions
    of the labels; `who` names the defense in messages.
    """
    own = net.criterion_
    kind = next((k for known, k in _KINDS.items() if isinstance(own, known)), None)
    if kind is None:
        raise ValueError(
            f"{who} works with the criteria {', '.join(known.__name__ for known in _KINDS)}; the "
            f"net's is {type(own).__name__}. Set the net's criterion to one of them."
        )
    if own.reduction != "mean":
        raise ValueError(
            f"{who} needs a criterion that is a mean over records; the net's has "
            f"reduction={own.reduction!r}. Drop criterion__reduction."
        )
    wrapper = _WrappedNLL if isinstance(own, nn.NLLLoss) else _Wrapped
    net.criterion_ = wrapper(own, kind, training_loss).to(net.device)
    return own
