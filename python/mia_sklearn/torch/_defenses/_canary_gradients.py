"""Canaries in a private training: gradients of their own, and what each step tells of them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback
from torch import Tensor, nn

from ..._models._kinds import last_step
from ..._models._random import seeded_within
from ..._models._trainable import configured
from .._training._nets import train_net
from ._privacy_accounting import PrivacyPlan
from ._step_scores import StepScores
from ._step_watch import StepWatch

__all__ = ["CanaryGradients", "fit_every_epoch", "fit_with_canaries"]

# How far beyond the longest gradient allowed those of canaries go: clipping has to act.
_BEYOND = 10.0


class CanaryGradients(StepWatch):
    """Gives canaries gradients along axes of their own, and reads those axes at each step.

    Parameters
    ----------
    rows : ndarray of shape (n_canaries,), int
        Places of the canaries among the training records, -1 for those left out.
    seed : int
        Draws the axes.
    places : ndarray of shape (n_guesses, n_canaries), default=None
        As of `StepScores`.

    Attributes
    ----------
    scores : ndarray of shape (n_canaries,)
        Log-likelihood ratio of having been a record, by all steps; after the training.

    Notes
    -----
    Each canary that a batch holds gets, in place of the gradient of its record, one that is ten
    times as long as allowed, along one parameter that no other canary has [1]_. The mechanism
    clips, adds and blurs it like any other. What other records of the batch supply along the axis
    is taken off: it is drawn and computed without regard to the canaries, so that whoever knows
    it is an attacker that differential privacy counts with.

    How the ratio reckons with batches that are not drawn as they should be, see `StepScores`.

    References
    ----------
    .. [1] M. Nasr et al., "Tight Auditing of Differentially Private Machine Learning", USENIX
       Security 2023, arXiv:2302.07956.
    """

    def __init__(self, rows: np.ndarray, seed: int, places: np.ndarray | None = None) -> None:
        self.rows = rows
        self.seed = seed
        self.in_order = np.empty((0, len(rows))) if places is None else places

    @property
    def scores(self) -> np.ndarray:
        return self.told.scores

    def start(
        self,
        module: nn.Module,
        plan: PrivacyPlan,
        *,
        n_records: int,
        noise: float,
        max_grad_norm: float,
    ) -> None:
        self.parameters: list[Any] = [p for p in module.parameters() if p.requires_grad]
        sizes = [p.numel() for p in self.parameters]
        if sum(sizes) < len(self.rows):
            raise ValueError(
                f"the network has {sum(sizes):,} parameters, and each of {len(self.rows):,} "
                "canaries takes one of its own: give fewer n_canaries, or canaries='mislabelled'."
            )
        axes = np.random.RandomState(self.seed).choice(
            sum(sizes), size=len(self.rows), replace=False
        )
        ends = np.cumsum(sizes)
        owners = np.searchsorted(ends, axes, side="right")
        # For each parameter its canaries, and their places in it.
        self.owned = [np.flatnonzero(owners == number) for number in range(len(sizes))]
        self.places = [
            torch.as_tensor(axes[owned] - (end - size))
            for owned, end, size in zip(self.owned, ends, sizes, strict=True)
        ]
        self.canary_of = {row: canary for canary, row in enumerate(self.rows) if row >= 0}
        self.owner_of = {
            canary: (number, int(place))
            for number, owned in enumerate(self.owned)
            for canary, place in zip(owned.tolist(), self.places[number].tolist(), strict=True)
        }
        self.size = max_grad_norm
        self.expected = plan.sample_rate * n_records
        self.others = np.zeros(len(self.rows))
        self.told = StepScores(plan.sample_rate, noise, self.in_order)

    def drawn(self, rows: Tensor) -> None:
        canaries = [self.canary_of.get(row, -1) for row in rows.tolist()]
        is_canary = torch.as_tensor(canaries) >= 0
        for parameter in self.parameters:
            parameter.grad_sample[is_canary] = 0
        lengths = torch.sqrt(
            sum((p.grad_sample.reshape(len(rows), -1) ** 2).sum(dim=1) for p in self.parameters)
        )
        kept = (self.size / (lengths + 1e-6)).clamp(max=1.0)
        for parameter, owned, places in zip(self.parameters, self.owned, self.places, strict=True):
            along = parameter.grad_sample.reshape(len(rows), -1)[:, places]
            self.others[owned] += (kept[:, None] * along).sum(dim=0).double().cpu().numpy()
        for place, canary in enumerate(canaries):
            if canary >= 0:
                number, axis = self.owner_of[canary]
                sample = self.parameters[number].grad_sample
                sample.reshape(len(rows), -1)[place, axis] = _BEYOND * self.size

    def stepped(self, steps: int) -> None:
        told = np.empty(len(self.rows))
        for parameter, owned, places in zip(self.parameters, self.owned, self.places, strict=True):
            told[owned] = parameter.grad.reshape(-1)[places].double().cpu().numpy()
        self.told.add((told * self.expected - self.others) / self.size)
        self.others[:] = 0


def fit_with_canaries(
    estimator: Any,
    X: Any,
    y: np.ndarray,
    rows: np.ndarray,
    *,
    places: np.ndarray,
    seed: int,
) -> tuple[Any, np.ndarray]:
    watch = CanaryGradients(rows, seed, places)
    with seeded_within(estimator, seed):
        model = configured(estimator, seed)
        last_step(model).watch_ = watch
        model.fit(X, y)
    del last_step(model).watch_
    return model, watch.scores


class _Epochs(StepWatch):
    """Keeps the parameters after each pass over the records."""

    def __init__(self) -> None:
        self.states: list[dict[str, Tensor]] = []

    def start(
        self,
        module: nn.Module,
        plan: PrivacyPlan,
        *,
        n_records: int,
        noise: float,
        max_grad_norm: float,
    ) -> None:
        self.module, self.last = module, plan.steps
        self.each = max(1, round(1 / plan.sample_rate))

    def stepped(self, steps: int) -> None:
        if steps % self.each == 0 or steps == self.last:
            self.states.append(_state_of(self.module))


class _KeepsEpochs(Callback):
    """The same of a net's own training."""

    def __init__(self, states: list[dict[str, Tensor]]) -> None:
        self.states = states

    def on_epoch_end(self, net: Any, **_: Any) -> None:
        self.states.append(_state_of(net.module_))


def _state_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def fit_every_epoch(
    estimator: Any, X: Any, y: np.ndarray, *, classes: np.ndarray | None, seed: int
) -> Sequence[Any]:
    model = configured(estimator, seed)
    last = last_step(model)
    if getattr(last, "takes_canaries", False):
        last.watch_ = watch = _Epochs()
        states = watch.states
        with seeded_within(model, seed):
            model.fit(X, y)
        del last.watch_
    else:
        states = []
        given = list(last.callbacks or ())
        last.set_params(callbacks=[*given, ("keeps_epochs", _KeepsEpochs(states))])
        model = train_net(model, X, y, classes=classes, seed=seed)
    # The last state is what is released.
    return [*(_with_state(model, state) for state in states[:-1]), model]


def _with_state(model: Any, state: dict[str, Tensor]) -> Any:
    """Return a copy of a fitted model with other parameters."""
    copied = copy.deepcopy(model)
    last = last_step(copied) if hasattr(copied, "fit") else copied
    target = getattr(last, "estimator_", last)
    target.module.load_state_dict(state)
    if target._net is not None:
        # Copies of a net make modules of their own.
        target._net.module_ = target.module
    return copied
