"""Networks of one kind in training together: the steps, and what they need of memory."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import skorch
import torch
from skorch import callbacks as known
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ..._models._random import seeded
from ._acting import TrainingCallback
from ._chunks import Alone, Stacked, draw, shuffled
from ._functions import TrainingFunctions
from ._machine import free_bytes, fuses, is_out_of_memory

__all__ = ["SEED_OF_PROBES", "Draws", "Trainer"]

# More are hardly faster, and a run that is killed repeats a chunk.
_MOST_MODELS = 128
_PROBE_ROWS = 4
SEED_OF_PROBES = 0
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d)


class Trainer:
    """Trains networks of one kind together.

    A subclass says by `started` where they begin.

    Parameters
    ----------
    net : initialised skorch net
        One of them, or one like them: its criterion, its optimizer, its batches.
    tables : list of Tensor of shape (n_records, ...)
        The first holds the records to train on.
    y : Tensor of shape (n_records,) or (n_records, n_outputs)
        What they learn of each.
    callbacks : sequence of TrainingCallback, default=()
        What acts on them; must be begun and released by whoever trains.
    """

    def __init__(
        self,
        net: Any,
        tables: list[Tensor],
        y: Tensor,
        callbacks: Sequence[TrainingCallback] = (),
    ) -> None:
        self.net, self.tables, self.y, self.acting = net, tables, y, callbacks
        self.device = torch.device(net.device)
        self.template = net.module_
        loading = net.get_params_for("iterator_train")
        self.batch_size = loading.get("batch_size", net.batch_size)
        self.shuffle = bool(loading.get("shuffle", False))
        self.drop_last = bool(loading.get("drop_last", False))
        own = [callback for _, callback in net.callbacks_]
        self.schedules = [callback for callback in own if isinstance(callback, known.LRScheduler)]
        self.clippings = [
            (callback.gradient_clip_value, float(callback.gradient_clip_norm_type))
            for callback in own
            if isinstance(callback, known.GradientNormClipping)
            and callback.gradient_clip_value is not None
        ]
        #: Whether models are stacked, or trained one by one in the same loop, and how their
        #: images lie in memory then.
        self.stacked, self.layout = True, torch.contiguous_format

    def started(self, seeds: np.ndarray) -> list[tuple[nn.Module, torch.Generator]]:
        """Return modules with their first weights, and the random numbers that follow these."""
        raise NotImplementedError

    def why_not(self) -> str:
        """Return why models cannot be trained together, found by trying; note how they can."""
        reason = self._why_not_at_random()
        self.stacked = not reason and self._can_stack()
        if not reason and not self.stacked and self.tables[0].ndim == 4:
            self.layout = self._quickest_layout()
        return reason

    def as_planned(self, other: Trainer) -> None:
        """Train in the way that was found best for networks of the same kind."""
        self.stacked, self.layout = other.stacked, other.layout

    def _why_not_at_random(self) -> str:
        """Draws from generators that all models share would mix their random numbers."""
        module, watch = self._one(), Draws()
        with seeded(SEED_OF_PROBES), watch:
            before = _other_generators()
            self._loss_alone(module, _PROBE_ROWS)
            if _other_generators() != before:
                watch.drawn.append("NumPy's or Python's generator")
        return f"the module draws random numbers by {watch.drawn[0]}" if watch.drawn else ""

    def _can_stack(self) -> bool:
        """Tell whether one stacked pass is possible, and no slower than one model at a time."""
        parts = list(self.template.modules())
        if self.device.type == "cpu" and any(isinstance(part, _CONVOLUTIONS) for part in parts):
            # Stacked convolutions are grouped ones, which the CPU computes slower than plain ones.
            return False
        try:
            rows = np.arange(min(_PROBE_ROWS, len(self.y)))[None].repeat(2, axis=0)
            chunk = Stacked(self, np.array([0, 1]))
            chunk.step(torch.as_tensor(rows, device=self.device), 0)
            with torch.no_grad():
                chunk.outputs(self.tables[0][:_PROBE_ROWS])
        except (RuntimeError, ValueError, NotImplementedError):
            return False
        return True

    def _quickest_layout(self) -> torch.memory_format:
        """Return channels last, unless the module takes views that need them first."""
        self.layout = torch.channels_last
        rows = torch.arange(min(_PROBE_ROWS, len(self.y)), device=self.device)[None]
        try:
            Alone(self, np.array([SEED_OF_PROBES])).step(rows, 0)
        except RuntimeError:
            return torch.contiguous_format
        return torch.channels_last

    def chunk_size(self, n_rows: int) -> int:
        """Return how many models fit into the memory that training may take."""
        if not self.stacked:
            return 1
        batch = n_rows if self.batch_size == -1 else min(self.batch_size, n_rows)
        try:
            per_model = self.bytes_per_model(batch)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            # Training says what to do where it meets the same.
            return 1
        return max(1, min(_MOST_MODELS, free_bytes(self.device) // per_model))

    def bytes_per_model(self, batch: int) -> int:
        """Return what a model needs of memory while it trains."""
        saved: list[int] = []

        def count(tensor: Tensor) -> Tensor:
            saved.append(tensor.numel() * tensor.element_size())
            return tensor

        module = self._one()
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            self._loss_alone(module, batch)
        weights = sum(p.numel() * p.element_size() for p in self.template.parameters())
        # Weights, gradients and two moments; activations, and as much again for their gradients.
        return 4 * weights + 2 * sum(saved) + 1

    def _one(self) -> nn.Module:
        ((module, _),) = self.started(np.array([SEED_OF_PROBES]))
        return module

    def _loss_alone(self, module: nn.Module, n_rows: int) -> Tensor:
        """Return the loss of a model by itself on the first records, in training."""
        rows = torch.arange(min(n_rows, len(self.y)), device=self.device)
        module.train()
        with TrainingFunctions(torch.zeros((), dtype=torch.int32)):
            return self.loss(module(self.gathered(rows)), self.y[rows])

    def fit_chunk(
        self,
        rows: np.ndarray,
        seeds: np.ndarray,
        advance: Callable[[int], object] = lambda epochs: None,
    ) -> tuple[Stacked | Alone, np.ndarray]:
        """Train models together.

        Parameters
        ----------
        rows : ndarray of shape (n_models, n_rows)
        seeds : ndarray of shape (n_models,)
        advance : callable
            Gets the number of models after each epoch.

        Returns
        -------
        chunk : Stacked or Alone
        lost : ndarray of shape (n_models,), int
            The epoch, from 1, in which the loss became NaN; 0 where it did not.
        """
        chunk: Any = Stacked(self, seeds) if self.stacked else Alone(self, seeds)
        lost = np.zeros(len(seeds), dtype=int)
        records = torch.as_tensor(rows, device=self.device)
        n = rows.shape[1]
        batch = n if self.batch_size == -1 else self.batch_size
        stop = n - n % batch if self.drop_last else n
        schedulers = [
            (s.step_every, s.policy_(chunk.optimizer, **s.kwargs)) for s in self.schedules
        ]
        step = 0
        for epoch in range(self.net.max_epochs):
            self._announce(epoch)
            order = records
            if self.shuffle:
                places = torch.stack([shuffled(n, g) for g in chunk.generators])
                order = torch.gather(records, 1, places.to(self.device))
            bad = torch.zeros(len(seeds), dtype=torch.bool, device=self.device)
            for start in range(0, stop, batch):
                bad |= chunk.step(order[:, start : start + batch], step).isnan()
                _advance(schedulers, "batch")
                step += 1
            if self.net.train_split is not None:
                for generator in chunk.generators:
                    draw(generator)
            _advance(schedulers, "epoch")
            lost = np.where((lost == 0) & bad.cpu().numpy(), epoch + 1, lost)
            advance(len(seeds))
        return chunk, lost

    def _announce(self, epoch: int) -> None:
        """Tell callbacks of an epoch, which count them by the net's history."""
        if not self.acting:
            return
        while len(self.net.history) <= epoch:
            self.net.history.new_epoch()
        for callback in self.acting:
            callback.on_epoch_begin(self.net)

    def changed_gradients(self, parameters: dict[str, Tensor]) -> None:
        """Let callbacks change the gradients of a step."""
        for callback in self.acting:
            callback.on_grad_computed(self.net, named_parameters=list(parameters.items()))

    def gathered(self, rows: Tensor) -> Tensor:
        """Return records by their numbers; a plain gather is far quicker than fancy indexing."""
        X = self.tables[0]
        return X.index_select(0, rows.reshape(-1)).reshape(*rows.shape, *X.shape[1:])

    def loss(self, output: Any, y: Tensor) -> Tensor:
        """Return the loss of an output."""
        output = output[0] if isinstance(output, tuple) else output
        if isinstance(self.net, skorch.NeuralNetBinaryClassifier):
            output = output.reshape(-1)
        return self.net.get_loss(output, y)

    def optimizer(self, parameters: dict[str, Tensor]) -> torch.optim.Optimizer:
        """Return a new optimizer of parameters."""
        args, options = self.net.get_params_for_optimizer("optimizer", list(parameters.items()))
        given = any("fused" in group or "foreach" in group for group in (options, *args[0]))
        if not given and fuses(self.net.optimizer, self.device.type):
            # One pass over the weights in place of one for each operation.
            options["fused"] = True
        return self.net.optimizer(*args, **options)


def _other_generators() -> tuple[Any, ...]:
    """Return where the generators of Python and NumPy stand."""
    _, key, *place = np.random.get_state()  # noqa: NPY002
    return random.getstate(), np.asarray(key).tobytes(), *place


def _advance(schedulers: list[tuple[str, Any]], every: str) -> None:
    for when, scheduler in schedulers:
        if when == every:
            scheduler.step()


class Draws(TorchDispatchMode):
    """Notes every operation that takes numbers from a random generator."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.Tag.nondeterministic_seeded in func.tags:
            self.drawn.append(str(func))
        return func(*args, **(kwargs or {}))
