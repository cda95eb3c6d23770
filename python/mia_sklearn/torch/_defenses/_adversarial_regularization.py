"""Train a network against an attack that is trained beside it."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from torch import Tensor, nn
from torch.nn import functional as F

from ..._models._kinds import last_step
from ..._models._random import seeded
from ..._records._rows import positions
from ...base import BaseDefense, BaseReferenceDefense, TrainingSet
from .._targets._outputs import kind_of, read_output
from .._training._acting import TrainingCallback
from .._training._nets import targets_of
from ._defended_nets import (
    DefendedNet,
    as_numbers,
    epoch_loss,
    wrap_criterion,
)

__all__ = ["AdversarialRegularization"]


class AdversarialRegularization(DefendedNet, BaseReferenceDefense):
    r"""Train a network and an attack on it against each other.

    Threat model: protects against attackers who read posteriors (black-box) and the label, as
    far as one attack network, which knows no reference models, can stand for them.

    Parameters
    ----------
    net : skorch NeuralNetClassifier, NeuralNetBinaryClassifier, or Pipeline that ends in one
        Cloned, the clone is trained. Its criterion is CrossEntropyLoss, NLLLoss,
        BCEWithLogitsLoss or BCELoss.
    attack : callable, default=None
        Makes the attack network: called with the number of classes, for example the class of a
        module. The module is called with the posteriors and the labels as one-hot rows, and
        returns one logit of membership per record. By default each of the two goes through
        dense layers of its own (128 and 64 units, 64 units), and both, joined, through 64 and
        one more.
    lam : float, default=3.0
        Weight of the attack's gain, at least 0. 0 trains the net as it is.
    k : int, default=1
        Steps of the attack before each step of the net.
    attack_lr : float, default=1e-3
        Learning rate of the attack, by Adam.
    reference_size : float, default=0.3
        Share of the records that the attack sees as non-members, and the released network is not
        trained on, where `fit` is given no `X_reference`.
    random_state : int, RandomState or None, default=None
        Draws the reference records, the attack's first weights and its batches. The network
        itself is drawn by torch's own generator.

    Attributes
    ----------
    estimator_ : TorchTarget
        The trained network, which is what is released. It holds no attack and no record.
    history_ : list of dict
        For each epoch: ``epoch``, the attack's ``gain`` (the mean log-likelihood of memberships,
        in nats; that of a coin is -0.693) and ``attack_accuracy`` on training batches against
        reference batches, each before the step on them, and the classification's ``train_loss``.
    classes_ : ndarray of shape (n_classes,)

    See Also
    --------
    RelaxLoss : Needs no reference records.

    Notes
    -----
    The net minimises its loss plus :math:`\lambda` times the mean of :math:`\log h(x, y, f(x))`
    over its batch, where the attack h maximises :math:`\frac12 \mathrm{mean}_D \log h +
    \frac12 \mathrm{mean}_{D'} \log(1 - h)` over training records D and reference records D'.
    Each of its k steps draws as many of either as the net's batch holds, with replacement, and
    reads the net in evaluation mode. The default attack is smaller than the paper's (1,024, 512
    and 64 units), which suits 100 classes and tens of thousands of records. The losses that
    skorch reports leave the attack's gain out.

    References
    ----------
    .. [1] M. Nasr, R. Shokri, A. Houmansadr, "Machine Learning with Membership Privacy using
       Adversarial Regularization", CCS 2018, equation 6 and algorithm 1.

    Examples
    --------
    >>> import torch
    >>> from skorch import NeuralNetClassifier
    >>> from sklearn.datasets import load_iris
    >>> from mia_sklearn.defenses import AdversarialRegularization
    >>> X, y = load_iris(return_X_y=True)
    >>> net = NeuralNetClassifier(torch.nn.Linear(4, 3), criterion=torch.nn.CrossEntropyLoss,
    ...                           max_epochs=5, lr=0.1, verbose=0)
    >>> defended = AdversarialRegularization(net, lam=1, random_state=0).fit(X, y)
    >>> sorted(defended.history_[-1])
    ['attack_accuracy', 'epoch', 'gain', 'train_loss']
    """

    _needs_labels = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseDefense._parameter_constraints,
        "attack": [callable, None],
        "lam": [Interval(Real, 0, None, closed="left")],
        "k": [Interval(Integral, 1, None, closed="left")],
        "attack_lr": [Interval(Real, 0, None, closed="neither")],
        "reference_size": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        net: Any,
        attack: Any = None,
        lam: float = 3.0,
        k: int = 1,
        *,
        attack_lr: float = 1e-3,
        reference_size: float = 0.3,
        random_state: Any = None,
    ) -> None:
        self.net = net
        self.attack = attack
        self.lam = lam
        self.k = k
        self.attack_lr = attack_lr
        self.reference_size = reference_size
        self.random_state = random_state

    def _fit_beside(self, data: TrainingSet, reference: TrainingSet) -> None:
        if isinstance(self.attack, nn.Module):
            raise ValueError(
                f"attack is an instance of {type(self.attack).__name__}, which would keep what it "
                "has learned. Pass its class, or a function that makes one; it is called with the "
                "number of classes."
            )
        rng = check_random_state(self.random_state)
        opponent = _Opponent(self, reference, np.random.default_rng(rng.randint(2**31 - 1)))
        self._train(data, opponent)
        self.history_ = opponent.history_


class _DefaultAttack(nn.Module):
    """One component for the posteriors, one for the label, joined."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.posteriors = nn.Sequential(
            nn.Linear(n_classes, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU()
        )
        self.label = nn.Sequential(nn.Linear(n_classes, 64), nn.ReLU())
        self.joined = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, posteriors: Tensor, label: Tensor) -> Tensor:
        return self.joined(torch.cat([self.posteriors(posteriors), self.label(label)], dim=1))


class _Opponent(TrainingCallback):
    """Trains the attack before each step of the net, and adds its gain to the net's loss."""

    def __init__(
        self,
        options: AdversarialRegularization,
        reference: TrainingSet,
        rng: np.random.Generator,
    ) -> None:
        self.options_ = options
        self.reference_ = reference
        self.rng_ = rng
        self.history_: list[dict[str, float]] = []
        self.sides_: Any = None
        self.criterion_: nn.Module | None = None

    def prepare(self, estimator: Any, classes: np.ndarray) -> None:
        self.estimator_, self.classes_ = estimator, classes
        options = self.options_
        with seeded(int(self.rng_.integers(2**31))):
            self.attack_ = (options.attack or _DefaultAttack)(len(classes))
            if not isinstance(self.attack_, nn.Module):
                raise ValueError(
                    "attack must make a torch.nn.Module, got "
                    f"{type(self.attack_).__name__}. It is called with the number of classes."
                )
            device = last_step(estimator).device
            self.attack_ = self.attack_.to(device).requires_grad_(False)
            even = torch.eye(len(classes), device=device)[:2]
            answer = self.attack_.eval()(even, even)
        if answer.numel() != len(even):
            raise ValueError(
                "attack must return one logit per record, got shape "
                f"{tuple(answer.shape)} for {len(even)} records."
            )
        parameters = self.attack_.parameters()
        self.optimizer_ = torch.optim.Adam(parameters, lr=options.attack_lr)

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        self.criterion_ = wrap_criterion(net, self._loss, type(self.options_).__name__)

    def on_epoch_begin(
        self, net: Any, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any
    ) -> None:
        if self.sides_ is None:
            # Loading draws numbers that are the network's.
            with seeded(0):
                members = _loaded(net, dataset_train)
                codes = targets_of(net, positions(self.reference_.y, self.classes_))
                reference = net.get_dataset(self._as_input(net, self.reference_.X), codes)
                self.sides_ = (members, _loaded(net, reference))
        self.seen_: list[tuple[float, float]] = []

    def _as_input(self, net: Any, X: Any) -> Any:
        if net is self.estimator_:
            return as_numbers(X, net.module_)
        # The steps in front of the net are fitted by now.
        return self.estimator_[:-1].transform(X)

    def on_batch_begin(
        self, net: Any, batch: Any = None, training: Any = None, **kwargs: Any
    ) -> None:
        if not training:
            return
        size = len(batch[1])
        with seeded(int(self.rng_.integers(2**31))):
            self.attack_.train().requires_grad_(True)
            for _ in range(self.options_.k):
                self._step(net, size)
            self.attack_.eval().requires_grad_(False)

    def _step(self, net: Any, size: int) -> None:
        rows = [self.rng_.integers(len(y), size=size) for _, y in self.sides_]
        X, y = (
            torch.cat([side[part][r] for side, r in zip(self.sides_, rows, strict=True)])
            for part in (0, 1)
        )
        output = net.evaluation_step((X, y), training=False)
        output = output[0] if isinstance(output, tuple) else output
        logits = isinstance(self.criterion_, (nn.CrossEntropyLoss, nn.BCEWithLogitsLoss))
        log_proba = read_output(output, "logits" if logits else kind_of(output))
        with torch.enable_grad():
            score = self._score(log_proba, y.to(log_proba.device).reshape(-1).long())
            gain = (F.logsigmoid(score[:size]).mean() + F.logsigmoid(-score[size:]).mean()) / 2
            self.optimizer_.zero_grad()
            (-gain).backward()
            self.optimizer_.step()
        right = ((score[:size] > 0).sum() + (score[size:] <= 0).sum()).item() / (2 * size)
        self.seen_.append((gain.item(), right))

    def _score(self, log_proba: Tensor, label: Tensor) -> Tensor:
        posteriors = log_proba.exp()
        one_hot = F.one_hot(label, posteriors.shape[1]).to(posteriors.dtype)
        return self.attack_(posteriors.float(), one_hot.float()).reshape(-1)

    def _loss(self, loss: Tensor, log_proba: Tensor, label: Tensor) -> Tensor:
        if self.options_.lam == 0:
            return loss
        gain = F.logsigmoid(self._score(log_proba, label)).mean()
        # The gradient of both, and the value of the loss alone, which is reported.
        return loss + self.options_.lam * (gain - gain.detach())

    def on_epoch_end(
        self, net: Any, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any
    ) -> None:
        gain, accuracy = np.mean(self.seen_, axis=0).tolist()
        self.history_.append(
            {
                "epoch": len(net.history),
                "gain": gain,
                "attack_accuracy": accuracy,
                "train_loss": epoch_loss(net, "train"),
            }
        )

    def release(self, net: Any) -> None:
        if self.criterion_ is not None:
            net.criterion_, self.criterion_ = self.criterion_, None
        self.sides_ = None


def _loaded(net: Any, dataset: Any) -> tuple[Tensor, Tensor]:
    """Return the records of a dataset and the positions of their labels."""
    batches = list(net.get_iterator(dataset, training=False))
    if not isinstance(batches[0][0], Tensor):
        raise ValueError(
            "AdversarialRegularization needs records that reach the net as arrays, got "
            f"{type(batches[0][0]).__name__}. Let the steps in front of the net give arrays."
        )
    X, y = (torch.cat([batch[part] for batch in batches]).to(net.device) for part in (0, 1))
    return X, y
