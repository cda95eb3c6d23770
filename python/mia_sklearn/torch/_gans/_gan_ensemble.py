"""Many GANs of one kind trained as one, each on its own records."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from skorch.callbacks import EpochTimer, PassthroughScoring, PrintLog
from skorch.dataset import Dataset
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..._models._random import seeded
from ..._process._progress import progress_bar
from .._training._batchable import ELEMENTWISE, LOADING
from .._training._functions import TrainingFunctions
from .._training._machine import free_bytes, in_halves, in_threads, n_cores, torch_threads
from .._training._trainer import Draws
from ._adversarial_net import PARTS
from ._gan import GAN
from ._gans_in_training import GansInTraining, Plan

__all__ = ["plan_for", "train_gans"]

_MOST_MODELS = 128
_PROBE_ROWS = 4
_WATCHING = (EpochTimer, PassthroughScoring, PrintLog)


def train_gans(
    gan: GAN,
    tables: Sequence[Any],
    seeds: Sequence[int],
    *,
    n_jobs: int | None = None,
    progress: bool = False,
) -> list[GAN]:
    """Train GANs of one kind, each on records of its own; as one where that is possible.

    Parameters
    ----------
    gan : GAN
        Cloned for each model.
    tables : sequence of array-like or data frame of shape (n_records, ...)
        Training set of each. Those of equal length are trained together.
    seeds : sequence of int
        `random_state` of each.
    n_jobs : int, default=None
        Cores; None for as many as torch uses.
    progress : bool, default=False
        Whether to show a bar.

    Returns
    -------
    list of GAN
        Fitted ones: the same, but for rounding and the draws of dropout, as
        ``clone(gan).set_params(random_state=seed).fit(table)``. Their history has the losses of
        each epoch, and none of single batches.

    Raises
    ------
    ValueError
        If there is not one seed per table, or `fit` of one of them fails.
    CannotTrain
        If not even one fits into memory.

    Warns
    -----
    UserWarning
        If they must be trained one by one; says why.

    See Also
    --------
    GAN : One of them.

    Notes
    -----
    What rounding makes different grows with the epochs, as in any training of two networks
    against each other: behind hundreds of epochs the models of the two ways are as like as
    those of two seeds.

    Weights are stacked, and all models make each step at once. Convolutions on a CPU, which
    computes single ones faster, and modules that torch cannot stack make their steps one model per
    core. Trained one by one are nets with callbacks, a `train_split`, modules that draw random
    numbers otherwise than by dropout, or a subclass with steps of its own.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.torch import GAN, train_gans
    >>> tables = np.random.default_rng(0).normal(size=(3, 40, 2))
    >>> [gan.sample(2).shape for gan in train_gans(GAN(max_epochs=2), tables, seeds=[0, 1, 2])]
    [(2, 2), (2, 2), (2, 2)]
    """
    if len(tables) != len(seeds):
        raise ValueError(
            f"Each model needs a table and a seed: got {len(tables)} tables, {len(seeds)} seeds."
        )
    nets = [clone(gan).set_params(random_state=int(seed), verbose=0) for seed in seeds]
    if len(nets) < 2:
        return [net.fit(X) for net, X in zip(nets, tables, strict=True)]
    plan = plan_for(gan, tables[0])
    bar = progress_bar(
        total=len(nets) * gan.max_epochs,
        desc=f"{len(nets)} GANs",
        unit="epoch",
        disable=not progress,
    )
    with bar:
        if isinstance(plan, str):
            warnings.warn(f"The GANs are trained one by one, not as one: {plan}.", stacklevel=2)
            for net, X in zip(nets, tables, strict=True):
                net.fit(X)
                bar.update(gan.max_epochs)
            return nets
        cores = n_cores(n_jobs)
        # What is wrong with a table is said before any is trained on.
        sizes = np.array([len(net.begin(X)) for net, X in zip(nets, tables, strict=True)])
        with torch_threads(cores if plan.stacked else 1):
            for models in _chunks(nets[0], sizes, cores, plan):
                _train_chunk(nets, tables, models, plan, bar)
    return nets


def _train_chunk(
    nets: Sequence[GAN], tables: Sequence[Any], models: np.ndarray, plan: Plan, bar: Any
) -> None:
    """Train some models at a time: stacked, or beside each other."""

    def begun(some: Sequence[int]) -> GansInTraining:
        # After a try that did not fit into memory they begin anew.
        records = [nets[i].begin(tables[i]) for i in some]
        return GansInTraining([nets[i] for i in some], records, plan)

    def stacked(some: Sequence[int]) -> list[None]:
        begun(some).train(bar)
        return []

    def apart(one: GansInTraining) -> None:
        def train(_: Sequence[int]) -> list[None]:
            one.train(bar)
            return []

        in_halves(train, [0], device, "GANs")

    device = torch.device(nets[0].device)
    if plan.stacked:
        in_halves(stacked, models.tolist(), device, "GANs")
    else:
        # First weights are drawn in turn, by the generators of the process.
        waiting = [begun([i]) for i in models.tolist()]
        list(in_threads(apart, waiting, len(waiting)))


def _chunks(net: GAN, sizes: np.ndarray, cores: int, plan: Plan) -> list[np.ndarray]:
    """Return the models to train together: on equally many records, as many as memory allows."""
    if not plan.stacked:
        every = np.arange(len(sizes))
        return [every[start : start + cores] for start in range(0, len(sizes), cores)]
    most = max(1, min(_MOST_MODELS, free_bytes(torch.device(net.device)) // _bytes(net, sizes)))
    return [
        models[start : start + most]
        for models in (np.flatnonzero(sizes == size) for size in np.unique(sizes))
        for start in range(0, len(models), most)
    ]


def _bytes(net: GAN, sizes: np.ndarray) -> int:
    """Return what one of the models needs of memory while it trains."""
    parameters = sum(
        p.numel() for part in PARTS for p in getattr(net, f"{part}_module_").parameters()
    )
    n = int(sizes.max())
    batch = n if net.batch_size == -1 else min(net.batch_size, n)
    saved: list[int] = []

    def count(tensor: Tensor) -> Tensor:
        saved.append(tensor.numel() * tensor.element_size())
        return tensor

    with seeded(0), torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        # Copies: what normalises takes note of every batch.
        generator, discriminator = (
            deepcopy(getattr(net, f"{part}_module_")).train() for part in PARTS
        )
        discriminator(generator(net.noise(batch)))
    # Weights, gradients and two moments; activations and their gradients; records.
    return 16 * parameters + 2 * sum(saved) + 8 * n * math.prod(net.record_shape_)


def plan_for(gan: GAN, X: Any) -> Plan | str:
    """Return how GANs of a kind train together, or why they cannot."""
    net = clone(gan).set_params(random_state=0, verbose=0)
    reason = _why_not_by_parameters(net)
    if reason:
        return reason
    X = net.begin(X)
    reason = _why_not_after_start(net)
    return reason or _found_by_trying(net, X[:_PROBE_ROWS])


def _why_not_by_parameters(net: GAN) -> str:
    kinds = type(net).__mro__[: type(net).__mro__.index(GAN)]
    changed = [
        name
        for kind in kinds
        for name, value in vars(kind).items()
        if hasattr(GAN, name) and inspect.isfunction(value) and name != "__init__"
    ]
    loading = sorted(net.get_params_for("iterator_train").keys() - LOADING)
    unknown = [
        f"{name}={getattr(value, '__name__', value)}"
        for name, value, allowed in (
            ("iterator_train", net.iterator_train, {DataLoader}),
            ("dataset", net.dataset, {Dataset}),
            *(
                (f"{part}_optimizer", getattr(net, f"{part}_optimizer"), {None, *ELEMENTWISE})
                for part in PARTS
            ),
        )
        if value not in allowed
    ]
    reason = ""
    if changed:
        reason = f"{type(net).__name__} has a method {changed[0]} of its own"
    elif unknown:
        reason = f"{unknown[0]} is not known to update or load each model apart"
    elif loading:
        reason = f"iterator_train__{loading[0]} is not honoured"
    elif net.train_split:
        reason = "train_split keeps records apart"
    elif net.compile:
        reason = "compile=True compiles single networks"
    return reason


def _why_not_after_start(net: GAN) -> str:
    others = [type(call).__name__ for _, call in net.callbacks_ if type(call) not in _WATCHING]
    if others:
        return f"the callback {others[0]} looks at single networks"
    if any(True for _ in net.criterion_.parameters()):
        return "the criterion has parameters of its own"
    with seeded(0), torch.no_grad(), Draws() as watch:
        net._set_training(True)
        noise = torch.zeros(_PROBE_ROWS, net.latent_dim, device=net.device)
        with TrainingFunctions(torch.zeros((), dtype=torch.int32)):
            net.infer(net.generator_module_(noise))
    return f"its modules draw random numbers by {watch.drawn[0]}" if watch.drawn else ""


def _found_by_trying(net: GAN, X: np.ndarray) -> Plan | str:
    parts = [layer for part in PARTS for layer in getattr(net, f"{part}_module_").modules()]
    convolves = any(isinstance(layer, nn.modules.conv._ConvNd) for layer in parts)
    plans = [Plan(stacked=False, channels_last=convolves and X.ndim == 4), Plan(stacked=False)]
    # Stacked convolutions are grouped ones, which the CPU computes slower than plain ones.
    if not (convolves and torch.device(net.device).type == "cpu"):
        plans.insert(0, Plan(stacked=True))
    for plan in plans:
        seeds = (0, 1) if plan.stacked else (0,)
        nets = [clone(net).set_params(max_epochs=1, random_state=seed) for seed in seeds]
        try:
            GansInTraining(nets, [each.begin(X) for each in nets], plan).train()
        except (RuntimeError, NotImplementedError):
            continue
        return plan
    return "its modules cannot be called outside of their own training"
