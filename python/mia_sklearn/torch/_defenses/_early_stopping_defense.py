"""Stop the training of a network before it remembers."""

from __future__ import annotations

import warnings
from copy import deepcopy
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval
from skorch.dataset import ValidSplit

from ..._models._kinds import last_step
from ...base import BaseDefense, TrainingSet
from .._training._acting import TrainingCallback
from ._defended_nets import DefendedNet, epoch_loss

__all__ = ["EarlyStoppingDefense"]

_FOLDS = 5


class EarlyStoppingDefense(DefendedNet):
    """Train a network until its validation loss exceeds its training loss by too much.

    Threat model: protects against black-box attackers as far as the mean goes: the gap between
    the losses is what a threshold on the loss lives from. Single records may stand out before
    the gap does.

    Parameters
    ----------
    net : skorch NeuralNetClassifier, NeuralNetBinaryClassifier, or Pipeline that ends in one
        Cloned, the clone is trained for at most its `max_epochs`. Validation records are those
        of its `train_split`; where that is None, skorch's ``ValidSplit(5)`` sets a fifth of the
        records aside, stratified where every class has five records.
    max_gap : float, default=0.1
        Validation loss minus training loss above which the training stops, in nats; at least 0.

    Attributes
    ----------
    estimator_ : TorchTarget
        The network of the last epoch before the gap was too wide, which is what is released.
    n_epochs_ : int
        Epochs that the released network was trained for.
    gaps_ : ndarray of shape (n_epochs_run,)
        Validation loss minus training loss of each epoch; the last one is above `max_gap` if
        the training was stopped.
    classes_ : ndarray of shape (n_classes,)

    Warns
    -----
    UserWarning
        If the gap is too wide after the first epoch: the untrained network is released.

    Notes
    -----
    The training loss is the one that skorch reports: the mean over the batches of an epoch,
    each before its step, with dropout at work. It is therefore larger than the loss of the
    network at the end of the epoch, and the gap smaller. Validation records are not trained on,
    but decide when to stop.

    References
    ----------
    .. [1] L. Song, P. Mittal, "Systematic Evaluation of Privacy Risks of Machine Learning
       Models", USENIX Security 2021, section 5.2.

    Examples
    --------
    >>> import torch
    >>> from skorch import NeuralNetClassifier
    >>> from sklearn.datasets import load_iris
    >>> from mia_sklearn.defenses import EarlyStoppingDefense
    >>> X, y = load_iris(return_X_y=True)
    >>> net = NeuralNetClassifier(torch.nn.Linear(4, 3), criterion=torch.nn.CrossEntropyLoss,
    ...                           max_epochs=10, lr=0.1, verbose=0)
    >>> _ = torch.manual_seed(0)
    >>> defended = EarlyStoppingDefense(net, max_gap=0.5).fit(X, y)
    >>> bool((defended.gaps_[: defended.n_epochs_] <= 0.5).all())
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseDefense._parameter_constraints,
        "max_gap": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, net: Any, max_gap: float = 0.1) -> None:
        self.net = net
        self.max_gap = max_gap

    def _fit(self, data: TrainingSet) -> None:
        options: dict[str, Any] = {}
        if not last_step(self.net).train_split:
            self._check_enough(data, _FOLDS, "to validate on some of them")
            counts = np.unique(data.y, return_counts=True)[1]
            options["train_split"] = ValidSplit(_FOLDS, stratified=bool(counts.min() >= _FOLDS))
        watch = _Gap(self.max_gap)
        self._train(data, watch, **options)
        self.gaps_ = np.array(watch.gaps_)
        self.n_epochs_ = watch.n_epochs_
        if self.n_epochs_ == 0:
            warnings.warn(
                f"The gap between the losses was {self.gaps_[0]:.3g} after the first epoch, above "
                f"max_gap={self.max_gap}: the untrained network is released. Raise max_gap, or "
                "lower the net's learning rate.",
                stacklevel=3,
            )


class _Gap(TrainingCallback):
    def __init__(self, max_gap: float) -> None:
        self.max_gap_ = max_gap
        self.gaps_: list[float] = []
        self.n_epochs_ = 0
        self.kept_: Any = None

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        self._keep(net)

    def _keep(self, net: Any) -> None:
        self.kept_ = deepcopy(net.module_.state_dict())

    def on_epoch_end(
        self, net: Any, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any
    ) -> None:
        if dataset_valid is None:
            raise ValueError(
                "EarlyStoppingDefense needs records to validate on, but the net's train_split "
                "gives none. Use skorch's ValidSplit, or train_split=None for its default."
            )
        gap = epoch_loss(net, "valid") - epoch_loss(net, "train")
        self.gaps_.append(gap)
        if gap > self.max_gap_:
            net.module_.load_state_dict(self.kept_)
            # How skorch is told to end a training in good order.
            raise KeyboardInterrupt
        self.n_epochs_ += 1
        self._keep(net)

    def release(self, net: Any) -> None:
        self.kept_ = None
