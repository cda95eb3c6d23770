"""Networks in training: some with their weights stacked, or one by itself."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from ..._models._random import seeded
from ..._models._trainable import configured
from ._functions import TrainingFunctions, step_keys

__all__ = ["ONE_AT_A_TIME", "Alone", "Stacked", "begin", "draw", "generator_at", "shuffled"]

_ANSWERS_AT_ONCE = 2**16
_ROWS_OF_ONE = 1024
# Modules draw their weights from the generator of the process, whatever the thread.
ONE_AT_A_TIME = threading.Lock()


class Training(Protocol):
    """What all models of a `Trainer` share, see there."""

    template: nn.Module
    device: torch.device
    tables: list[Tensor]
    y: Tensor
    clippings: list[tuple[float, float]]
    layout: torch.memory_format

    def started(self, seeds: np.ndarray) -> list[tuple[nn.Module, torch.Generator]]:
        """Return modules with their first weights, and the random numbers that follow these."""

    def changed_gradients(self, parameters: dict[str, Tensor]) -> None:
        """Let callbacks change the gradients of a step."""

    def gathered(self, rows: Tensor) -> Tensor:
        """Return records by their numbers."""

    def loss(self, output: Any, y: Tensor) -> Tensor:
        """Return the loss of an output."""

    def optimizer(self, parameters: dict[str, Tensor]) -> torch.optim.Optimizer:
        """Return a new optimizer of parameters."""


class Stacked:
    """A chunk of models whose parameters are stacked along a first dimension."""

    def __init__(self, ensemble: Training, seeds: np.ndarray) -> None:
        self.ensemble: Any = ensemble
        self.seeds = seeds
        modules, self.generators = zip(*ensemble.started(seeds), strict=True)
        stacked, self.buffers = stack_module_state(list(modules))
        trained = {name for name, p in modules[0].named_parameters() if p.requires_grad}
        self.parameters = {
            name: value.detach().requires_grad_(name in trained) for name, value in stacked.items()
        }
        self.optimizer = ensemble.optimizer(self.parameters)

    def _loss(self, parameters: Any, buffers: Any, x: Tensor, y: Tensor, key: Tensor) -> Tensor:
        with TrainingFunctions(key, stacked=True):
            output = functional_call(self.ensemble.template, (parameters, buffers), (x,))
        return self.ensemble.loss(output, y)

    def step(self, rows: Tensor, step: int) -> Tensor:
        """Make one step on each model's own batch and return the losses."""
        ensemble = self.ensemble
        ensemble.template.train()
        keys = torch.as_tensor(step_keys(self.seeds, step), device=ensemble.device)
        y = ensemble.y[rows]
        each = vmap(self._loss, in_dims=(0, 0, 0, 0, 0), randomness="error")
        losses = each(self.parameters, self.buffers, ensemble.gathered(rows), y, keys)
        self.optimizer.zero_grad(set_to_none=True)
        # The sum's gradient by one model's parameters is that of its own loss.
        losses.sum().backward()
        for most, order in ensemble.clippings:
            _clip(self.parameters.values(), most, order)
        ensemble.changed_gradients(self.parameters)
        self.optimizer.step()
        return losses.detach()

    @torch.no_grad()
    def answers(self, size: int) -> Iterator[tuple[slice, Tensor]]:
        """Yield the outputs of all models on consecutive records, copies behind them."""
        for rows, x in _tables_by_rows(self.ensemble, size):
            yield rows, self.outputs(x)

    def outputs(self, x: Tensor) -> Tensor:
        """Return the outputs of all models on some records: (n_models, n_records, ...)."""
        template = self.ensemble.template.eval()

        def output(parameters: Any, buffers: Any) -> Tensor:
            found = functional_call(template, (parameters, buffers), (x,))
            return found[0] if isinstance(found, tuple) else found

        return vmap(output, randomness="error")(self.parameters, self.buffers)

    def module_of(self, place: int) -> nn.Module:
        """Return one of the models as a module of its own."""
        module = copy.deepcopy(self.ensemble.template)
        self.write(module, place)
        return module

    @torch.no_grad()
    def write(self, module: nn.Module, place: int) -> None:
        """Give a module what one of the models has learned."""
        stacked = self.parameters | self.buffers
        for name, own in (*module.named_parameters(), *module.named_buffers()):
            own.copy_(stacked[name][place])

    def twin(self) -> Stacked:
        """Return a copy that trains on from here by itself."""
        twin = copy.copy(self)
        twin.parameters, twin.buffers = copy.deepcopy((self.parameters, self.buffers))
        twin.optimizer = _taken_over(self.ensemble, twin.parameters, self.optimizer)
        twin.generators = tuple(generator_at(g.get_state()) for g in self.generators)
        return twin

    def answer(self, target: np.ndarray) -> None:
        """Write the log-posteriors of all models and their normalizers, the last column."""
        size = max(1, _ANSWERS_AT_ONCE // len(self.seeds))
        for rows, outputs in self.answers(size):
            answers = self.ensemble.target.answers(outputs.flatten(0, 1))
            target[:, rows] = answers.reshape(*outputs.shape[:2], -1)


class Alone:
    """One model, trained by itself in the fastest layout of memory."""

    def __init__(self, ensemble: Training, seeds: np.ndarray) -> None:
        self.ensemble: Any = ensemble
        self.seeds = seeds
        ((self.module, generator),) = ensemble.started(seeds)
        self.generators: tuple[torch.Generator, ...] = (generator,)
        self.images = ensemble.tables[0].ndim == 4
        if self.images:
            self.module = self.module.to(memory_format=ensemble.layout)
        self.parameters = dict(self.module.named_parameters())
        self.optimizer = ensemble.optimizer(self.parameters)

    def step(self, rows: Tensor, step: int) -> Tensor:
        ensemble = self.ensemble
        x = self._laid_out(ensemble.gathered(rows[0]))
        self.module.train()
        with TrainingFunctions(torch.as_tensor(step_keys(self.seeds, step)[0], device=x.device)):
            output = self.module(x)
        loss = ensemble.loss(output, ensemble.y[rows[0]])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for most, order in ensemble.clippings:
            torch.nn.utils.clip_grad_norm_(self.parameters.values(), most, order)
        ensemble.changed_gradients(self.parameters)
        self.optimizer.step()
        return loss.detach().reshape(1)

    @torch.no_grad()
    def answer(self, target: np.ndarray) -> None:
        for rows, x in _tables_by_rows(self.ensemble, _ROWS_OF_ONE):
            target[0][rows] = self.ensemble.target.answers(self.outputs(x)[0])

    def outputs(self, x: Tensor) -> Tensor:
        output = self.module.eval()(self._laid_out(x))
        return (output[0] if isinstance(output, tuple) else output)[None]

    def module_of(self, place: int) -> nn.Module:
        return self.module

    @torch.no_grad()
    def write(self, module: nn.Module, place: int) -> None:
        learned = dict((*self.module.named_parameters(), *self.module.named_buffers()))
        for name, own in (*module.named_parameters(), *module.named_buffers()):
            own.copy_(learned[name])

    def twin(self) -> Alone:
        twin = copy.copy(self)
        twin.module = copy.deepcopy(self.module)
        twin.parameters = dict(twin.module.named_parameters())
        twin.optimizer = _taken_over(self.ensemble, twin.parameters, self.optimizer)
        twin.generators = tuple(generator_at(g.get_state()) for g in self.generators)
        return twin

    def _laid_out(self, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=self.ensemble.layout) if self.images else x


def generator_at(state: Tensor) -> torch.Generator:
    """Return a generator that goes on from a state."""
    generator = torch.Generator()
    generator.set_state(state)
    return generator


def _taken_over(
    ensemble: Training, parameters: dict[str, Tensor], optimizer: torch.optim.Optimizer
) -> torch.optim.Optimizer:
    """Return an optimizer of copied parameters that goes on from another's state."""
    own = ensemble.optimizer(parameters)
    own.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    return own


def _clip(parameters: Iterable[Tensor], most: float, order: float) -> None:
    """Scale each model's gradients down to a norm, as `clip_grad_norm_` does one model's."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norms = [torch.linalg.vector_norm(g.reshape(len(g), -1), ord=order, dim=1) for g in gradients]
    norm = torch.linalg.vector_norm(torch.stack(norms), ord=order, dim=0)
    scale = (most / (norm + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(scale.reshape(-1, *[1] * (gradient.ndim - 1)))


def begin(estimator: Any, seed: int) -> tuple[Any, torch.Generator]:
    """Return a net with its first weights, and the random numbers that follow them.

    A generator of its own goes on where skorch's would, so that a model meets the batches that
    `torch.manual_seed(seed); net.fit(...)` would show it.
    """
    with ONE_AT_A_TIME:
        net = configured(estimator, seed)
        with seeded(seed):
            net.initialize()
            state = torch.get_rng_state()
    return net, generator_at(state)


def shuffled(n: int, generator: torch.Generator) -> Tensor:
    """Return an order of n records, by the draws of a DataLoader."""
    draw(generator)
    own = torch.Generator()
    own.manual_seed(draw(generator))
    return torch.randperm(n, generator=own)


def draw(generator: torch.Generator) -> int:
    return int(torch.empty((), dtype=torch.int64).random_(generator=generator).item())


def _tables_by_rows(ensemble: Any, size: int) -> Iterator[tuple[slice, Tensor]]:
    n = ensemble.n_asked
    for place, table in enumerate(ensemble.tables):
        for start in range(0, n, size):
            stop = min(start + size, n)
            yield slice(place * n + start, place * n + stop), table[start:stop]
