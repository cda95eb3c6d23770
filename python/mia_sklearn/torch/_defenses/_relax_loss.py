"""Train a network towards a loss that is not too small."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor, nn

from ...base import BaseDefense, TrainingSet
from .._training._acting import TrainingCallback
from ._defended_nets import DefendedNet, wrap_criterion

__all__ = ["RelaxLoss"]


class RelaxLoss(DefendedNet):
    """Train a network towards a loss of `alpha` on its training records, and no smaller.

    Threat model: protects against attackers who read posteriors (black-box): the training
    records' losses spread around a value that other records reach too. Who gets how much
    protection depends on the record.

    Parameters
    ----------
    net : skorch NeuralNetClassifier, NeuralNetBinaryClassifier, or Pipeline that ends in one
        Cloned, the clone is trained. Its criterion is CrossEntropyLoss, NLLLoss,
        BCEWithLogitsLoss or BCELoss.
    alpha : float, default=0.5
        Mean cross-entropy of a batch below which it is no longer lowered, in nats; at least 0,
        which trains the net as it is. log(n_classes) is the loss of an even guess.

    Attributes
    ----------
    estimator_ : TorchTarget
        The trained network, which is what is released. Nothing of the defense is left in it.
    classes_ : ndarray of shape (n_classes,)

    See Also
    --------
    AdversarialRegularization : Trains against an attack instead of against a small loss.

    Notes
    -----
    Batches whose mean loss is at least `alpha` are trained on as ever. Of the others, those of
    even epochs (counted from 1) raise their loss by gradient ascent; those of odd epochs train
    towards flattened posteriors: the true class keeps its posterior, the other classes share
    what is left evenly. With two classes there is nothing to flatten, and odd epochs leave such
    batches alone. The losses that skorch reports are cross-entropies throughout.

    References
    ----------
    .. [1] D. Chen, N. Yu, M. Fritz, "RelaxLoss: Defending Membership Inference Attacks without
       Losing Utility", ICLR 2022, algorithm 1.

    Examples
    --------
    >>> import torch
    >>> from skorch import NeuralNetClassifier
    >>> from sklearn.datasets import load_iris
    >>> from mia_sklearn.defenses import RelaxLoss
    >>> X, y = load_iris(return_X_y=True)
    >>> net = NeuralNetClassifier(torch.nn.Linear(4, 3), criterion=torch.nn.CrossEntropyLoss,
    ...                           max_epochs=30, lr=0.1, verbose=0)
    >>> _ = torch.manual_seed(0)
    >>> defended = RelaxLoss(net, alpha=0.8).fit(X, y)
    >>> float(defended.estimator_.source.history[-1, "train_loss"]) > 0.6
    True
    """

    trains_once: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseDefense._parameter_constraints,
        "alpha": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, net: Any, alpha: float = 0.5) -> None:
        self.net = net
        self.alpha = alpha

    def _fit(self, data: TrainingSet) -> None:
        self._train(data, _Relaxed(self.alpha))


class _Relaxed(TrainingCallback):
    acts_on_many_ = True

    def __init__(self, alpha: float) -> None:
        self.alpha_ = alpha
        self.epoch_ = 0
        self.criterion_: nn.Module | None = None

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        self.criterion_ = wrap_criterion(net, self._loss, "RelaxLoss")

    def on_epoch_begin(
        self, net: Any, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any
    ) -> None:
        self.epoch_ = len(net.history)

    def _loss(self, loss: Tensor, log_proba: Tensor, label: Tensor) -> Tensor:
        is_small = loss.detach() < self.alpha_
        if self.epoch_ % 2 == 0:
            # The value of the loss, and the gradient of its negative.
            return torch.where(is_small, 2 * loss.detach() - loss, loss)
        # Of batches that are not to be relaxed nothing is computed that could be infinite.
        log_proba = torch.where(is_small, log_proba, torch.zeros_like(log_proba))
        flattened = -(_flattened(log_proba, label) * log_proba).sum(dim=1).mean()
        return torch.where(is_small, loss.detach() + flattened - flattened.detach(), loss)

    def release(self, net: Any) -> None:
        if self.criterion_ is not None:
            net.criterion_, self.criterion_ = self.criterion_, None


def _flattened(log_proba: Tensor, label: Tensor) -> Tensor:
    """Return posteriors that keep that of the label and share the rest evenly."""
    with torch.no_grad():
        own = log_proba.gather(1, label[:, None]).exp().clamp(max=1)
        others = (1 - own) / (log_proba.shape[1] - 1)
        return others.expand_as(log_proba).scatter(1, label[:, None], own)
