"""Many GANs of one kind trained as one: their weights stacked, each on its own records."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from skorch.callbacks import EpochTimer, PassthroughScoring, PrintLog
from skorch.dataset import Dataset
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.utils.data import DataLoader

from ..._models._random import seeded
from ..._process._progress import progress_bar
from .._training._batchable import ELEMENTWISE, LOADING
from .._training._chunks import draw, shuffled
from .._training._functions import TrainingFunctions
from ._adversarial_net import PARTS
from ._gan import GAN

__all__ = ["train_gans", "why_not_stacked"]

_CPU_BYTES = 2**30
_GPU_SHARE = 0.5
_MOST_MODELS = 128
_PROBE_ROWS = 4
_WATCHING = (EpochTimer, PassthroughScoring, PrintLog)


def train_gans(
    gan: GAN, tables: Sequence[Any], seeds: Sequence[int], *, progress: bool = False
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
    progress : bool, default=False
        Whether to show a bar.

    Returns
    -------
    list of GAN
        Fitted ones: the same, but for rounding, as
        ``clone(gan).set_params(random_state=seed).fit(table)``. Their history has the losses of
        each epoch, and none of single batches.

    Raises
    ------
    ValueError
        If there is not one seed per table, or `fit` of one of them fails.

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

    Trained one by one are nets with callbacks, a `train_split`, modules that draw random numbers
    (dropout) or a subclass with steps of its own, and convolutions on a CPU, which computes single
    ones faster.

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
    reason = why_not_stacked(gan, tables[0])
    bar = progress_bar(
        total=len(nets) * gan.max_epochs,
        desc=f"{len(nets)} GANs",
        unit="epoch",
        disable=not progress,
    )
    with bar:
        if reason:
            warnings.warn(f"The GANs are trained one by one, not as one: {reason}.", stacklevel=2)
            for net, X in zip(nets, tables, strict=True):
                net.fit(X)
                bar.update(gan.max_epochs)
            return nets
        records = [net.begin(X) for net, X in zip(nets, tables, strict=True)]
        for models in _chunks(nets[0], records):
            stack = _Stack([nets[i] for i in models], [records[i] for i in models])
            stack.train(bar)
    return nets


def _chunks(net: GAN, records: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the models to train together: on equally many records, as many as memory allows."""
    sizes = np.array([len(X) for X in records])
    parameters = sum(
        p.numel() for part in PARTS for p in getattr(net, f"{part}_module_").parameters()
    )
    # Weights, gradients and two moments; records and what a step makes of a batch of them.
    per_model = 16 * parameters + 3 * max(X.nbytes for X in records)
    device = torch.device(net.device)
    if device.type == "cuda":
        available = int(_GPU_SHARE * torch.cuda.mem_get_info(device)[0])
    else:
        available = _CPU_BYTES
    most = max(1, min(_MOST_MODELS, available // per_model))
    return [
        models[start : start + most]
        for models in (np.flatnonzero(sizes == size) for size in np.unique(sizes))
        for start in range(0, len(models), most)
    ]


def why_not_stacked(gan: GAN, X: Any) -> str:
    """Return why GANs of a kind cannot be trained as one; empty where they can."""
    net = clone(gan).set_params(random_state=0, verbose=0)
    reason = _why_not_by_parameters(net)
    if reason:
        return reason
    X = net.begin(X)
    return _why_not_after_start(net) or _why_not_by_trying(net, X[:_PROBE_ROWS])


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
    parts = [layer for part in PARTS for layer in getattr(net, f"{part}_module_").modules()]
    convolves = any(isinstance(layer, nn.modules.conv._ConvNd) for layer in parts)
    if others:
        return f"the callback {others[0]} looks at single networks"
    if any(True for _ in net.criterion_.parameters()):
        return "the criterion has parameters of its own"
    if convolves and torch.device(net.device).type == "cpu":
        return "a CPU computes stacked convolutions slower than single ones"
    return ""


def _why_not_by_trying(net: GAN, X: np.ndarray) -> str:
    with seeded(0), torch.no_grad():
        before = _random_states(net)
        net._set_training(True)
        made = net.generator_module_(torch.zeros(len(X), net.latent_dim, device=net.device))
        net.infer(made)
        drawn = any(
            not torch.equal(old, new) for old, new in zip(before, _random_states(net), strict=True)
        )
    if drawn:
        return "its modules draw random numbers of their own"
    try:
        nets = [clone(net).set_params(max_epochs=1, random_state=seed) for seed in (0, 1)]
        _Stack(nets, [each.begin(X) for each in nets]).train()
    except (RuntimeError, NotImplementedError):
        return "torch cannot stack its modules"
    return ""


def _random_states(net: GAN) -> list[Tensor]:
    device = torch.device(net.device)
    states = [torch.get_rng_state()]
    return states + ([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])


class _Stack:
    """GANs that have begun, whose parameters are stacked along a first dimension."""

    def __init__(self, nets: Sequence[GAN], records: Sequence[np.ndarray]) -> None:
        self.nets, self.net = nets, nets[0]
        self.records = torch.from_numpy(np.stack(records)).to(self.net.device)
        # Each goes on with the numbers that `fit` would seed.
        self.generators = [torch.Generator().manual_seed(net.next_seed()) for net in nets]
        self.templates, self.learned, self.buffers, self.optimizers = {}, {}, {}, {}
        for part in PARTS:
            modules = [getattr(net, f"{part}_module_").train() for net in nets]
            stacked, self.buffers[part] = stack_module_state(modules)
            needed = {name: p.requires_grad for name, p in modules[0].named_parameters()}
            self.learned[part] = {
                name: value.detach().requires_grad_(needed[name]) for name, value in stacked.items()
            }
            self.templates[part] = modules[0]
            self.optimizers[part] = self.net.made_optimizer(part, self.learned[part].items())

    def train(self, bar: Any = None) -> None:
        """Train for the nets' number of epochs, and hand them what was learned."""
        n = self.records.shape[1]
        loading = self.net.get_params_for("iterator_train")
        batch = loading.get("batch_size", self.net.batch_size)
        batch = n if batch == -1 else batch
        stop = n - n % batch if loading.get("drop_last") else n
        for _ in range(self.net.max_epochs):
            for net in self.nets:
                net.history.new_epoch()
                net.history.record("epoch", len(net.history))
            order = self._order(n, loading.get("shuffle", False))
            losses: dict[str, list[tuple[int, Tensor]]] = {part: [] for part in PARTS}
            for start in range(0, stop, batch):
                self._step(order[:, start : start + batch], losses)
            self._note(losses)
            if bar is not None:
                bar.update(len(self.nets))
        self._hand_over()

    def _order(self, n: int, shuffle: bool) -> Tensor:
        """Return the order of each model's records, by the draws of its DataLoader."""
        if shuffle:
            orders = [shuffled(n, generator) for generator in self.generators]
        else:
            for generator in self.generators:
                draw(generator)
            orders = [torch.arange(n)] * len(self.generators)
        return torch.stack(orders).to(self.records.device)

    def _step(self, rows: Tensor, losses: dict[str, list[tuple[int, Tensor]]]) -> None:
        n = rows.shape[1]
        models = torch.arange(len(rows), device=rows.device)[:, None]
        with torch.no_grad():
            made = self._answers("generator", self._noise(n))
        real = self._answers("discriminator", self.records[models, rows])
        false = self._answers("discriminator", made)
        loss = vmap(self.net.discriminator_loss_of)(real, false)
        self._descend("discriminator", loss)
        losses["discriminator"].append((n, loss.detach()))
        self.net.n_steps_ += 1
        if self.net.n_steps_ % self.net.n_discriminator_steps == 0:
            made = self._answers("generator", self._noise(n))
            loss = vmap(self.net.generator_loss_of)(self._answers("discriminator", made))
            self._descend("generator", loss)
            losses["generator"].append((n, loss.detach()))

    def _noise(self, n: int) -> Tensor:
        return torch.stack([self.net.noise(n, generator) for generator in self.generators])

    def _answers(self, part: str, x: Tensor) -> Tensor:
        """Return what all models' generators, or discriminators, answer: (n_models, n, ...)."""
        template = self.templates[part]

        def answer(learned: Any, buffers: Any, x: Tensor) -> Tensor:
            # No module draws random numbers: the key is not used.
            with TrainingFunctions(torch.zeros((), dtype=torch.int32), stacked=True):
                found = functional_call(template, (learned, buffers), (x,))
            return found.reshape(-1) if part == "discriminator" else found

        return vmap(answer)(self.learned[part], self.buffers[part], x)

    def _descend(self, part: str, losses: Tensor) -> None:
        optimizer = self.optimizers[part]
        optimizer.zero_grad()
        # The sum's gradient by one model's parameters is that of its own loss.
        learned = [p for p in self.learned[part].values() if p.requires_grad]
        losses.sum().backward(inputs=learned)
        optimizer.step()

    def _note(self, losses: dict[str, list[tuple[int, Tensor]]]) -> None:
        """Write the epoch's mean losses into each history."""
        for part, name in (("discriminator", "train_loss"), ("generator", "generator_loss")):
            if not losses[part]:
                continue
            total = sum(n for n, _ in losses[part])
            means = torch.stack([loss * (n / total) for n, loss in losses[part]]).sum(dim=0)
            for net, mean in zip(self.nets, means.cpu(), strict=True):
                net.check_loss(part, mean)
                net.history.record(name, mean.item())

    @torch.no_grad()
    def _hand_over(self) -> None:
        """Give each net its own weights and the state of its optimizers."""
        for place, net in enumerate(self.nets):
            net.n_steps_ = self.net.n_steps_
            for part in PARTS:
                module = getattr(net, f"{part}_module_")
                optimizer = getattr(net, f"{part}_optimizer_")
                for name, value in self.buffers[part].items():
                    module.get_buffer(name).copy_(value[place])
                for name, p in module.named_parameters():
                    stacked = self.learned[part][name]
                    p.copy_(stacked[place])
                    state = self.optimizers[part].state.get(stacked)
                    if state:
                        optimizer.state[p] = {
                            key: _own(value, stacked, place) for key, value in state.items()
                        }


def _own(value: Any, stacked: Tensor, place: int) -> Any:
    """Return one model's part of an optimizer's state, which is stacked as the parameter is."""
    if not isinstance(value, Tensor):
        return value
    return (value[place] if value.shape == stacked.shape else value).clone()
