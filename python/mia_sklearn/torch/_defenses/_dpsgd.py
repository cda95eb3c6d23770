"""Train a network with differential privacy."""

from __future__ import annotations

from math import ceil
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import skorch
import torch
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..._models._random import seeded
from ...base import BaseDefense, TrainingSet
from .._targets._inputs import check_device
from ._defended_nets import as_numbers, fresh_module
from ._privacy_accounting import (
    PrivacyPlan,
    check_opacus,
    epsilon_spent,
    required_noise,
)
from ._private_training import check_honoured, train_privately

__all__ = ["DPSGD"]

# The delta by default is this share of what would allow to publish a record.
_SMALL = 0.1


class DPSGD(BaseDefense):
    r"""Train a network with differential privacy: clipped gradients, random batches and noise.

    Threat model: protects each record against attackers who know all others, see every
    parameter at every step, and know everything but the random numbers; black-box, white-box
    and federated ones are weaker.

    Parameters
    ----------
    net : NeuralNetClassifier or NeuralNetBinaryClassifier
        Unfitted. Its module, criterion, optimizer, batch size, epochs and device are used. What
        would be passed over (callbacks, a `train_step` of its own, ...) is refused by name.
    epsilon : float, default=8.0
        Privacy budget, above 0. `inf` clips gradients and adds no noise, which promises
        nothing.
    delta : float, default=None
        Chance that the promise does not hold; below 1 / n_records. 1 / (10 n_records) by default.
    max_grad_norm : float, default=1.0
        Longest gradient of a record (Euclidean); longer ones are scaled down to it.
    batch_size : int, default=None
        Expected number of records in a batch; by default the net's.
    accountant : {"prv", "rdp"}, default="prv"
        How epsilon is reckoned: by numerical composition (tight), or by Rényi divergences
        (quick, asks for more noise).
    random_state : int, RandomState instance or None, default=None
        Seed of first parameters, batches and noise. None draws one from torch's own generator.

    Attributes
    ----------
    estimator_ : TorchTarget
        The trained module, of the class that the net names, and nothing else of the training.
    epsilon_ : float
        What the accountant finds after the training; at most `epsilon`.
    delta_ : float
    noise_multiplier_ : float
        Standard deviation of the noise on a sum of gradients, as a multiple of `max_grad_norm`.
    sample_rate_ : float
        Chance of each record to be in a batch.
    n_steps_ : int
        `max_epochs` / `sample_rate_`, rounded up.
    classes_ : ndarray of shape (n_classes,)

    Raises
    ------
    ImportError
        If Opacus is absent: `pip install 'mia-sklearn[dp]'`.

    See Also
    --------
    mia_sklearn.metrics.epsilon_lower_bound : What attacks show epsilon to be at least.

    Notes
    -----
    What is promised: with any one record added to the training set or removed from it, every
    released set of parameters is at most :math:`e^\varepsilon` times as likely, but for a chance
    of delta. Not covered are the number of records and the labels that exist, which are taken
    for known; what a step in front of the net learned from the records (a scaler's means); a
    module given as an instance, which brings what it has learned; and the choice of parameters
    by trying several, of which each pays its own epsilon: one fit is one model. Predictions of
    training records are private as the parameters are; a test score is not, of the test records.

    An audit's lower bound on epsilon is to stay below `epsilon_`. Where it lies above, one of
    the two is wrong. Strictly, an audit with a fixed number of members puts another record in
    the place of one left out, which are two steps of the kind that epsilon counts: only a bound
    above two epsilons is a proof.

    The noise comes from torch's ordinary generator: whoever knows or guesses its seed can
    subtract it, and its numbers are floating-point ones. That is right for audits. For a
    release against such attackers train with Opacus itself, `secure_mode=True` and torchcsprng;
    a fixed `random_state` is to be avoided in any release.

    As in [1]_, batches hold each record by chance and may be empty; gradients are divided by the
    expected size. The loss is summed over records whatever the criterion's `reduction`, and no
    loss weight depends on other records. Layers that mix records are replaced where Opacus knows
    by what (batch by group normalisation), with a warning; others are refused, and so are layers
    that keep statistics of the records. There is no validation set. Frames and sparse
    matrices are read as arrays of numbers.

    References
    ----------
    .. [1] M. Abadi et al., "Deep Learning with Differential Privacy", CCS 2016, algorithm 1.
    .. [2] A. Yousefpour et al., "Opacus: User-Friendly Differential Privacy Library in
       PyTorch", 2021.
    .. [3] S. Gopi, Y. T. Lee and L. Wutschitz, "Numerical Composition of Differential Privacy",
       NeurIPS 2021 (accountant "prv").
    .. [4] I. Mironov, K. Talwar and L. Zhang, "Rényi Differential Privacy of the Sampled
       Gaussian Mechanism", 2019 (accountant "rdp").

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skorch import NeuralNetClassifier
    >>> from torch import nn
    >>> from mia_sklearn.defenses import DPSGD
    >>> X, y = make_blobs(500, centers=2, random_state=0)
    >>> net = NeuralNetClassifier(
    ...     nn.Linear, module__in_features=2, module__out_features=2, lr=0.2, max_epochs=5,
    ...     criterion=nn.CrossEntropyLoss, batch_size=100, train_split=None,
    ... )
    >>> private = DPSGD(net, epsilon=2, random_state=0).fit(X, y)  # doctest: +SKIP
    >>> private.epsilon_ <= 2, private.score(X, y) > 0.9  # doctest: +SKIP
    (True, True)
    """

    needs_networks: ClassVar[bool] = True
    # What audits look for: `watch_`, set for one training, is called at each step.
    takes_canaries: ClassVar[bool] = True

    _inner_name = "net"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "net": [HasMethods(["fit", "predict"])],
        # Closed at infinity.
        "epsilon": [Interval(Real, 0, None, closed="right")],
        "delta": [Interval(Real, 0, 1, closed="neither"), None],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "accountant": [StrOptions({"prv", "rdp"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        net: Any,
        epsilon: float = 8.0,
        delta: float | None = None,
        max_grad_norm: float = 1.0,
        *,
        batch_size: int | None = None,
        accountant: str = "prv",
        random_state: Any = None,
    ) -> None:
        self.net = net
        self.epsilon = epsilon
        self.delta = delta
        self.max_grad_norm = max_grad_norm
        self.batch_size = batch_size
        self.accountant = accountant
        self.random_state = random_state

    def _fit(self, data: TrainingSet) -> None:
        check_opacus()
        self._check_net(data.params)
        self._check_enough(data, 2, "so that each can hide among others")
        plan = self._plan(len(data))
        X = as_numbers(data.X, fresh_module(self.net))
        if self.random_state is None:
            seed = int(torch.randint(2**31 - 1, ()))
        else:
            seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        with seeded(seed):
            noise = required_noise(plan)
            options = {"noise": noise, "max_grad_norm": self.max_grad_norm, "seed": seed}
            watch = getattr(self, "watch_", None)
            self.estimator_, self.n_steps_ = train_privately(
                clone(self.net), X, data.y, plan, watch=watch, **options
            )
            self.epsilon_ = epsilon_spent(plan, noise, self.n_steps_)
        # Columns of labels that no record has are answered too.
        self.classes_ = self.estimator_.classes_
        self.delta_, self.noise_multiplier_ = plan.delta, noise
        self.sample_rate_ = plan.sample_rate

    def _check_net(self, params: dict[str, Any]) -> None:
        """Refuse what the training would not honour."""
        net = self.net
        if not isinstance(net, skorch.NeuralNet) or not hasattr(type(net), "classes_"):
            raise ValueError(
                "net must be skorch's NeuralNetClassifier or NeuralNetBinaryClassifier, got "
                f"{type(net).__name__}. Put steps in front of it before DPSGD: "
                "make_pipeline(step, DPSGD(net))."
            )
        if params:
            name = next(iter(params))
            raise ValueError(
                f"DPSGD passes nothing to fit of the net, got {name}: every record counts alike, "
                f"up to max_grad_norm. Drop {name}."
            )
        check_device(net.device)
        check_honoured(net)

    def delta_for(self, n_records: int) -> float:
        """Return the delta that a training on so many records promises.

        Parameters
        ----------
        n_records : int

        Returns
        -------
        float
        """
        return _SMALL / n_records if self.delta is None else float(self.delta)

    def get_epsilon(self, delta: float) -> float:
        """Return the epsilon of the training at another delta, by its accountant.

        So that `mia_sklearn.stats.TradeOff.of` reads a fitted model as it reads an accountant.

        Parameters
        ----------
        delta : float
            In (0, 1).

        Returns
        -------
        float
        """
        check_is_fitted(self)
        if not 0 < delta < 1:
            raise ValueError(f"delta must lie strictly between 0 and 1, got {delta!r}.")
        plan = PrivacyPlan(self.epsilon_, delta, self.sample_rate_, self.n_steps_, self.accountant)
        return epsilon_spent(plan, self.noise_multiplier_, self.n_steps_)

    def _plan(self, n: int) -> PrivacyPlan:
        delta = self.delta_for(n)
        if delta >= 1 / n:
            raise ValueError(
                f"delta={delta:g} is not below 1 / n_records = {1 / n:g}: publishing one of the "
                "records in full would keep the promise. Give a smaller delta, or None."
            )
        size = self.net.batch_size if self.batch_size is None else self.batch_size
        # skorch takes all records for batches of size -1.
        size = n if size < 1 else min(size, n)
        steps = ceil(self.net.max_epochs * n / size)
        return PrivacyPlan(float(self.epsilon), delta, size / n, steps, self.accountant)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _asked(self, X: Any) -> np.ndarray:
        return as_numbers(super()._asked(X), self.estimator_.module)
