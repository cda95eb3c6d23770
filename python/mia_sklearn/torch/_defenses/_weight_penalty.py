"""Train a network with a penalty on its weights."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import nn

from ...base import BaseDefense, TrainingSet
from .._training._acting import TrainingCallback
from ._defended_nets import DefendedNet, is_norm

__all__ = ["WeightPenalty"]


class WeightPenalty(DefendedNet):
    r"""Train a network with a penalty on the size of its weights.

    Threat model: protects, in part, against black-box attackers: small weights remember single
    records less. Strong penalties cost accuracy before they protect fully.

    Parameters
    ----------
    net : skorch NeuralNetClassifier, NeuralNetBinaryClassifier, or Pipeline that ends in one
        Cloned, the clone is trained.
    l1 : float, default=0.0
        Weight of the sum of absolute values, at least 0.
    l2 : float, default=1e-3
        Weight of the sum of squares, at least 0. If both are 0, the net is trained as it is.

    Attributes
    ----------
    estimator_ : TorchTarget
        The trained network, which is what is released. Nothing of the defense is left in it.
    classes_ : ndarray of shape (n_classes,)

    See Also
    --------
    DropoutDefense : Drops activations instead.

    Notes
    -----
    The loss becomes :math:`L + l_1 \lVert w \rVert_1 + l_2 \lVert w \rVert_2^2` over the weights
    of two dimensions or more: biases and the weights of layers that normalise are left alone.
    The penalty's gradient :math:`l_1 \operatorname{sign}(w) + 2 l_2 w` is added before each step
    of the optimizer, after the net's own callbacks, and is not in the losses that skorch reports.
    With SGD `l2` does what ``weight_decay = 2 * l2`` does; with Adam the penalty is scaled as
    gradients are.

    References
    ----------
    .. [1] R. Shokri et al., "Membership Inference Attacks Against Machine Learning Models",
       IEEE S&P 2017, section VIII-A.

    Examples
    --------
    >>> import torch
    >>> from skorch import NeuralNetClassifier
    >>> from sklearn.datasets import load_iris
    >>> from mia_sklearn.defenses import WeightPenalty
    >>> X, y = load_iris(return_X_y=True)
    >>> net = NeuralNetClassifier(torch.nn.Linear(4, 3), criterion=torch.nn.CrossEntropyLoss,
    ...                           max_epochs=30, lr=0.1, verbose=0)
    >>> _ = torch.manual_seed(0)
    >>> strong, weak = (WeightPenalty(net, l2=l2).fit(X, y) for l2 in (0.1, 0))
    >>> norms = [d.estimator_.module.weight.norm().item() for d in (strong, weak)]
    >>> norms[0] < norms[1]
    True
    """

    trains_once: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseDefense._parameter_constraints,
        "l1": [Interval(Real, 0, None, closed="left")],
        "l2": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, net: Any, l1: float = 0.0, l2: float = 1e-3) -> None:
        self.net = net
        self.l1 = l1
        self.l2 = l2

    def _fit(self, data: TrainingSet) -> None:
        penalised = self.l1 > 0 or self.l2 > 0
        self._train(data, *([_Penalty(self.l1, self.l2)] if penalised else []))


class _Penalty(TrainingCallback):
    acts_on_many_ = True

    def __init__(self, l1: float, l2: float) -> None:
        self.l1_ = l1
        self.l2_ = l2
        self.weights_: set[str] = set()

    def on_grad_computed(
        self,
        net: Any,
        named_parameters: Any,
        X: Any = None,
        y: Any = None,
        training: Any = None,
        **kwargs: Any,
    ) -> None:
        if not self.weights_:
            # Only now do lazy modules know their weights.
            self.weights_ = _weights(net.module_)
        with torch.no_grad():
            for name, w in named_parameters:
                if name not in self.weights_ or w.grad is None:
                    continue
                if self.l1_:
                    w.grad.add_(torch.sign(w), alpha=self.l1_)
                if self.l2_:
                    w.grad.add_(w, alpha=2 * self.l2_)

    def release(self, net: Any) -> None:
        self.weights_ = set()


def _weights(module: nn.Module) -> set[str]:
    """Return the names of all weights; of one that several layers share, the first."""
    found = {
        id(p)
        for part in module.modules()
        if not is_norm(part)
        for name, p in part.named_parameters(recurse=False)
        if p.ndim >= 2 and "bias" not in name
    }
    return {name for name, p in module.named_parameters() if id(p) in found}
