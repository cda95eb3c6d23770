"""Train a network with dropout after its hidden activations."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval
from torch import nn
from torch.nn import functional as F
from torch.nn.parameter import is_lazy

from ...base import BaseDefense, TrainingSet
from .._training._acting import TrainingCallback
from ._defended_nets import DefendedNet, is_norm

__all__ = ["DropoutDefense"]


class DropoutDefense(DefendedNet):
    """Train a network with dropout after each hidden activation, its module left as it is.

    Threat model: protects, in part, against black-box attackers: a network that trains with
    dropout remembers single records less. It may need more epochs to learn as much.

    Parameters
    ----------
    net : skorch NeuralNetClassifier, NeuralNetBinaryClassifier, or Pipeline that ends in one
        Cloned, the clone is trained.
    p : float, default=0.5
        Probability that a hidden activation is dropped, at least 0 and below 1. 0 trains the
        net as it is.

    Attributes
    ----------
    estimator_ : TorchTarget
        The trained network, which is what is released. Nothing of the defense is left in it.
    classes_ : ndarray of shape (n_classes,)

    See Also
    --------
    WeightPenalty : Keeps weights small instead.

    Notes
    -----
    While the net trains, the input of every layer with weights (dense, convolutional,
    recurrent) is dropped, except that of the layer called first: what comes out of an embedding
    or of the first of two parallel branches included. Activations of convolutional layers are
    dropped one by one, not map by map. Layers that normalise, and embeddings, do not count.

    References
    ----------
    .. [1] A. Salem et al., "ML-Leaks: Model and Data Independent Membership Inference Attacks
       and Defenses on Machine Learning Models", NDSS 2019, section VI-A.

    Examples
    --------
    >>> import torch
    >>> from skorch import NeuralNetClassifier
    >>> from sklearn.datasets import load_iris
    >>> from mia_sklearn.defenses import DropoutDefense
    >>> X, y = load_iris(return_X_y=True)
    >>> module = torch.nn.Sequential(
    ...     torch.nn.Linear(4, 20), torch.nn.ReLU(), torch.nn.Linear(20, 3))
    >>> net = NeuralNetClassifier(
    ...     module, criterion=torch.nn.CrossEntropyLoss, max_epochs=30, lr=0.1, verbose=0)
    >>> _ = torch.manual_seed(0)
    >>> defended = DropoutDefense(net, p=0.2).fit(X, y)
    >>> defended.predict_proba(X).shape
    (150, 3)
    """

    trains_once: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseDefense._parameter_constraints,
        "p": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(self, net: Any, p: float = 0.5) -> None:
        self.net = net
        self.p = p

    def _fit(self, data: TrainingSet) -> None:
        self._train(data, *([_Dropout(self.p)] if self.p > 0 else []))


class _Dropout(TrainingCallback):
    acts_on_many_ = True

    def __init__(self, p: float) -> None:
        self.p_ = p
        self.handles_: list[Any] = []
        self.module_: Any = None
        self.is_first_ = True

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        self.module_ = net.module_
        layers = [layer for layer in net.module_.modules() if _has_weights(layer)]
        if len(layers) < 2:
            raise ValueError(
                "DropoutDefense drops hidden activations, but the net's module "
                f"{type(net.module_).__name__} has {len(layers)} layer(s) with weights, and so "
                "none. Use a module with a hidden layer, or WeightPenalty."
            )
        # Before the hooks that draw the weights of lazy layers; the last to come is called first.
        self.handles_ = [
            layer.register_forward_pre_hook(self._drop, prepend=True, with_kwargs=True)
            for layer in layers
        ]
        self.handles_.append(net.module_.register_forward_pre_hook(self._begin, prepend=True))

    def _begin(self, module: nn.Module, args: Any) -> None:
        self.is_first_ = True

    def _drop(self, layer: nn.Module, args: Any, kwargs: Any) -> Any:
        if self.is_first_ or not self.module_.training:
            self.is_first_ = False
            return None
        if args:
            return (F.dropout(args[0], self.p_), *args[1:]), kwargs
        name = next(iter(kwargs))
        return args, {**kwargs, name: F.dropout(kwargs[name], self.p_)}

    def release(self, net: Any) -> None:
        for handle in self.handles_:
            handle.remove()
        self.handles_, self.module_ = [], None


def _has_weights(layer: nn.Module) -> bool:
    """Tell whether a layer multiplies what it is given by weights."""
    if is_norm(layer) or isinstance(layer, (nn.Embedding, nn.EmbeddingBag)):
        return False
    if isinstance(layer, nn.Linear):
        return True
    return any(
        "weight" in name and (is_lazy(p) or p.ndim >= 2)
        for name, p in layer.named_parameters(recurse=False)
    )
