"""GANs of one kind in training together, each on its own records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from .._training._chunks import draw, shuffled
from .._training._functions import TrainingFunctions, step_keys
from ._adversarial_net import PARTS
from ._gan import GAN

__all__ = ["GansInTraining", "Plan"]


@dataclass(frozen=True)
class Plan:
    """How GANs of one kind train: with stacked weights, or each by itself in the same steps."""

    stacked: bool
    channels_last: bool = False


class GansInTraining:
    """GANs that have begun.

    Parameters
    ----------
    nets : sequence of GAN
        One alone where they are not stacked.
    records : sequence of ndarray of shape (n_records, ...)
        Of each.
    plan : Plan
        Stacked parameters have the models as their first dimension.
    """

    def __init__(self, nets: Sequence[GAN], records: Sequence[np.ndarray], plan: Plan) -> None:
        self.nets, self.net, self.plan = nets, nets[0], plan
        self.records = torch.from_numpy(np.stack(records)).to(self.net.device)
        # Each goes on with the numbers that `fit` would seed.
        self.seeds = np.array([net.next_seed() for net in nets])
        self.generators = [torch.Generator().manual_seed(seed) for seed in self.seeds.tolist()]
        self.n_passes = 0
        self.templates: dict[str, Any] = {}
        self.learned: dict[str, dict[str, Tensor]] = {}
        self.buffers: dict[str, dict[str, Tensor]] = {}
        self.optimizers: dict[str, Any] = {}
        for part in PARTS:
            if not plan.stacked:
                module = getattr(self.net, f"{part}_module_").train()
                self._lay_out(module, torch.channels_last)
                self.templates[part] = module
                self.learned[part] = dict(module.named_parameters())
                self.optimizers[part] = getattr(self.net, f"{part}_optimizer_")
                continue
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
        loss = self._each(self.net.discriminator_loss_of)(real, false)
        self._descend("discriminator", loss)
        losses["discriminator"].append((n, loss.detach()))
        self.net.n_steps_ += 1
        if self.net.n_steps_ % self.net.n_discriminator_steps == 0:
            made = self._answers("generator", self._noise(n))
            loss = self._each(self.net.generator_loss_of)(self._answers("discriminator", made))
            self._descend("generator", loss)
            losses["generator"].append((n, loss.detach()))

    def _noise(self, n: int) -> Tensor:
        return torch.stack([self.net.noise(n, generator) for generator in self.generators])

    def _each(self, function: Any) -> Any:
        """Return a function of one model's tensors as one of all models'."""
        if self.plan.stacked:
            return vmap(function)
        return lambda *tensors: function(*(tensor[0] for tensor in tensors))[None]

    def _answers(self, part: str, x: Tensor) -> Tensor:
        """Return what all models' generators, or discriminators, answer: (n_models, n, ...)."""
        template = self.templates[part]
        # What dropout drops depends on the model and on how often its modules were called.
        keys = torch.as_tensor(step_keys(self.seeds, self.n_passes), device=x.device)
        self.n_passes += 1

        def answer(learned: Any, buffers: Any, x: Tensor, key: Tensor) -> Tensor:
            with TrainingFunctions(key, stacked=True):
                found = functional_call(template, (learned, buffers), (x,))
            return found.reshape(-1) if part == "discriminator" else found

        if self.plan.stacked:
            return vmap(answer)(self.learned[part], self.buffers[part], x, keys)
        x = x[0]
        if self.plan.channels_last and x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        with TrainingFunctions(keys[0]):
            found = template(x)
        return (found.reshape(-1) if part == "discriminator" else found)[None]

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

    def _lay_out(self, module: Any, layout: torch.memory_format) -> None:
        if self.plan.channels_last:
            module.to(memory_format=layout)

    @torch.no_grad()
    def _hand_over(self) -> None:
        """Give each net its own weights and the state of its optimizers."""
        if not self.plan.stacked:
            for part in PARTS:
                self._lay_out(self.templates[part], torch.contiguous_format)
                for state in self.optimizers[part].state.values():
                    numbers = {k: v.contiguous() for k, v in state.items() if torch.is_tensor(v)}
                    state.update(numbers)
            return
        for place, net in enumerate(self.nets):
            net.n_steps_ = self.net.n_steps_
            for part in PARTS:
                self._hand_over_part(net, part, place)

    def _hand_over_part(self, net: GAN, part: str, place: int) -> None:
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
