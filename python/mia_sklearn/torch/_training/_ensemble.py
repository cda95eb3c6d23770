"""Many networks of one kind trained as one: weights stacked, batches gathered by index."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import skorch
import torch
from skorch import callbacks as known
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ..._models._predictors import predicts_numbers
from ..._models._random import seeded
from ..._process._progress import progress_bar
from ...access._base import Question
from ...references._job import Job
from ...references._lost import Lost, diverged, lost_to
from ...references._sampling import training_rows
from .._targets._inputs import as_input
from .._targets._of_net import as_target
from ._batchable import why_not_batched
from ._chunks import ONE_AT_A_TIME, Alone, Stacked, begin, draw, shuffled
from ._functions import TrainingFunctions
from ._machine import fuses, in_threads, is_out_of_memory, n_cores, torch_threads
from ._nets import check_shapes, targets_of

__all__ = ["Ensemble", "train_as_one"]

_CPU_BYTES = 2**30
_GPU_SHARE = 0.5
# More are hardly faster, and a run that is killed repeats a chunk.
_MOST_MODELS = 128
_PROBE_ROWS = 4
_SEED_OF_PROBES = 0
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d)


def train_as_one(
    job: Job,
    membership: np.ndarray,
    seeds: np.ndarray,
    models: Sequence[int],
    keep: Callable[[int, np.ndarray | Lost], None],
    *,
    n_jobs: int | None,
    progress: bool,
) -> str:
    """Train reference networks as one, or return why that cannot be.

    Parameters
    ----------
    job : Job
    membership : ndarray of shape (n_models, n_trainable)
    seeds : ndarray of shape (n_models,)
    models : sequence of int
        Those to train.
    keep : callable
        Gets a model's number and its answer.
    n_jobs : int or None
        Cores; None for as many as torch uses.
    progress : bool

    Returns
    -------
    str
        The reason; empty when they are trained.
    """
    reason = why_not_batched(job.estimator, job.table, job.fit_params)
    if reason:
        return reason
    ensemble = Ensemble(
        job.estimator,
        [job.table, *job.copies],
        job.learned,
        job.n_records,
        question=job.question,
        classes=job.classes,
    )
    if ensemble.reason:
        return ensemble.reason
    chosen = np.asarray(models)

    def rows(place: int) -> np.ndarray:
        model = chosen[place]
        return job.first + training_rows(membership[model], job.n_core, int(seeds[model]))

    epochs = ensemble.net.max_epochs
    bar = progress_bar(
        total=len(seeds) * epochs,
        initial=(len(seeds) - len(chosen)) * epochs,
        desc=f"{len(seeds)} reference models",
        unit="epoch",
        disable=not progress,
    )
    with bar:
        ensemble.train(
            rows,
            membership[chosen].sum(axis=1, dtype=np.int64) + job.n_core,
            seeds[chosen],
            lambda place, answer: keep(int(chosen[place]), answer),
            cores=n_cores(n_jobs),
            advance=bar.update,
        )
    return ""


class Ensemble:
    """Trains models of one kind together and lets them answer together.

    Parameters
    ----------
    estimator : unfitted skorch classifier or regressor for which `why_not_batched` has no reason
    tables : list of ndarray of shape (n_records, ...)
        The records to train on and to ask about, and tables of copies of them to ask about.
    y : ndarray of shape (n_records,) or (n_records, n_outputs)
        Positions of the labels among the classes; of regressors the true values.
    n_asked : int
        The records to ask about, the first ones.
    question : Question, default=None
        What each model is asked by itself once it is trained, in place of log-posteriors.
    classes : ndarray of shape (n_classes,), default=None
        The labels that models answer to the question; positions of columns by default.

    Attributes
    ----------
    reason : str
        Why its models cannot be trained as one, found by trying; empty when they can.
    """

    def __init__(
        self,
        estimator: Any,
        tables: Sequence[np.ndarray],
        y: np.ndarray,
        n_asked: int,
        *,
        question: Question | None = None,
        classes: np.ndarray | None = None,
    ) -> None:
        self.estimator, self.question = estimator, question
        self.net, _ = begin(estimator, _SEED_OF_PROBES)
        self.target = as_target(self.net, tables[0])
        if predicts_numbers(self.net):
            check_shapes(self.target, tables[0], y)
        self.device = self.target.device
        self.tables = [
            torch.as_tensor(as_input(table, self.target.dtype), device=self.device)
            for table in tables
        ]
        self.y = torch.as_tensor(targets_of(self.net, y, self.target.dtype), device=self.device)
        self.n_asked = n_asked
        self.n_answers = n_asked * len(tables)
        # The log-posteriors and their normalizer.
        self.n_columns = len(self.target.classes_) + 1 if question is None else question.n_columns
        if classes is not None and len(classes) and question is not None:
            self.target.classes_ = classes
        self.template = self.net.module_
        loading = self.net.get_params_for("iterator_train")
        self.batch_size = loading.get("batch_size", self.net.batch_size)
        self.shuffle = bool(loading.get("shuffle", False))
        self.drop_last = bool(loading.get("drop_last", False))
        callbacks = [callback for _, callback in self.net.callbacks_]
        self.schedules = [
            callback for callback in callbacks if isinstance(callback, known.LRScheduler)
        ]
        self.clippings = [
            (callback.gradient_clip_value, float(callback.gradient_clip_norm_type))
            for callback in callbacks
            if isinstance(callback, known.GradientNormClipping)
            and callback.gradient_clip_value is not None
        ]
        self.reason = self._why_not_at_random()
        self.stacked = not self.reason and self._can_stack()

    def _why_not_at_random(self) -> str:
        """Draws from torch's own generator would mix the models' random numbers."""
        net, _ = begin(self.estimator, _SEED_OF_PROBES)
        rows = torch.arange(min(_PROBE_ROWS, len(self.y)), device=self.device)
        watch = _Draws()
        with seeded(_SEED_OF_PROBES), watch:
            self._loss_alone(net.module_, rows, torch.zeros((), dtype=torch.int32))
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
            next(chunk.answers(_PROBE_ROWS))
        except (RuntimeError, ValueError, NotImplementedError):
            return False
        return True

    def chunk_size(self, n_rows: int) -> int:
        """Return how many models fit into the memory that training may take."""
        if not self.stacked:
            return 1
        batch = n_rows if self.batch_size == -1 else min(self.batch_size, n_rows)
        per_model = self._bytes_per_model(batch)
        if self.device.type == "cuda":
            available = int(_GPU_SHARE * torch.cuda.mem_get_info(self.device)[0])
        else:
            available = _CPU_BYTES
        return max(1, min(_MOST_MODELS, available // per_model))

    def _bytes_per_model(self, batch: int) -> int:
        saved: list[int] = []

        def count(tensor: Tensor) -> Tensor:
            saved.append(tensor.numel() * tensor.element_size())
            return tensor

        net, _ = begin(self.estimator, _SEED_OF_PROBES)
        rows = torch.arange(min(batch, len(self.y)), device=self.device)
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            self._loss_alone(net.module_, rows, torch.zeros((), dtype=torch.int32))
        weights = sum(p.numel() * p.element_size() for p in self.template.parameters())
        answers = 4 * self.n_answers * self.n_columns
        # Weights, gradients and two moments; activations, and as much again for their gradients.
        return 4 * weights + 2 * sum(saved) + answers + 1

    def train(
        self,
        rows: Callable[[int], np.ndarray],
        sizes: np.ndarray,
        seeds: np.ndarray,
        keep: Callable[[int, np.ndarray | Lost], None],
        *,
        cores: int = 1,
        chunk_size: int | None = None,
        advance: Callable[[int], object] = lambda epochs: None,
    ) -> None:
        """Train models and hand over each one's log-posteriors as soon as its chunk is done.

        `rows` returns a model's training records, repeated ones included, `sizes` has their
        numbers. `keep` gets a model's number and its answers of shape (n_answers, n_columns), or
        `Lost`; `advance` the epochs of all models since it was last called. Chunks are as large as
        the memory allows, or `chunk_size`; one that does not fit after all is halved, with a
        warning.
        """
        side_by_side = 1 if self.stacked else cores
        with torch_threads(cores // side_by_side):
            # Models that train on equally many records go through the same steps.
            for size in np.unique(sizes):
                models = np.flatnonzero(sizes == size)
                most = chunk_size or self.chunk_size(int(size))
                chunks = [models[k : k + most] for k in range(0, len(models), most)]
                train = partial(self._train_halving, rows=rows, seeds=seeds, advance=advance)
                for answers in in_threads(train, chunks, side_by_side):
                    for model, answer in answers:
                        keep(model, answer)

    def _train_halving(
        self,
        models: np.ndarray,
        rows: Callable[[int], np.ndarray],
        seeds: np.ndarray,
        advance: Callable[[int], object],
    ) -> list[tuple[int, np.ndarray | Lost]]:
        """Train a chunk; the halves of one that does not fit into memory."""
        used = [self.used(rows(int(model)), int(seeds[model])) for model in models]
        n = len(used[0])
        try:
            if all(len(own) == n for own in used):
                chunk, lost = self.fit_chunk(np.stack(used), seeds[models], advance)
                shape = (len(models), self.n_answers, self.n_columns)
                answers = np.empty(shape, dtype=np.float32)
                found: list[np.ndarray | Lost] = [
                    diverged(epoch) if epoch else answer
                    for epoch, answer in zip(lost.tolist(), answers, strict=True)
                ]
                if self.question is None:
                    chunk.answer(answers)
                else:
                    self._ask(chunk, found)
                return list(zip(models.tolist(), found, strict=True))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or len(models) == 1:
                raise
            warnings.warn(
                f"{len(models)} networks at a time do not fit into the memory of {self.device}; "
                f"going on with {(len(models) + 1) // 2}.",
                stacklevel=2,
            )
        # Behind the handler, whose traceback holds what is to be released.
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        parts = np.array_split(models, 2)
        return [pair for part in parts for pair in self._train_halving(part, rows, seeds, advance)]

    def _ask(self, chunk: Stacked | Alone, found: list[np.ndarray | Lost]) -> None:
        """Write the answers to the question of all models that are not lost, or why they are."""
        assert self.question is not None
        for place, answer in enumerate(found):
            if isinstance(answer, Lost):
                continue
            model, seed = self.target.of(chunk.module_of(place)), int(chunk.seeds[place])
            # While it answers, a target holds the random numbers of the process.
            with ONE_AT_A_TIME:
                try:
                    answer[:] = self.question.ask(model, np.arange(self.n_asked), seed)
                except ValueError as error:
                    # Weights that the last step has made infinite, for example.
                    found[place] = lost_to(error)

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

    def used(self, rows: np.ndarray, seed: int) -> np.ndarray:
        """Return the rows that remain for training behind the net's own validation split."""
        if self.net.train_split is None:
            return rows
        with ONE_AT_A_TIME, seeded(seed):
            train, _ = self.net.get_split_datasets(rows[:, None], self.y[rows].cpu().numpy())
        places = np.asarray(train.indices) if hasattr(train, "indices") else slice(None)
        return rows[places]

    def _loss_alone(self, module: nn.Module, rows: Tensor, key: Tensor) -> Tensor:
        module.train()
        with TrainingFunctions(key):
            return self.loss(module(self.gathered(rows)), self.y[rows])

    def gathered(self, rows: Tensor) -> Tensor:
        """Return records by their numbers; a plain gather is far quicker than fancy indexing."""
        X = self.tables[0]
        return X.index_select(0, rows.reshape(-1)).reshape(*rows.shape, *X.shape[1:])

    def loss(self, output: Any, y: Tensor) -> Tensor:
        output = output[0] if isinstance(output, tuple) else output
        if isinstance(self.net, skorch.NeuralNetBinaryClassifier):
            output = output.reshape(-1)
        return self.net.get_loss(output, y)

    def optimizer(self, parameters: dict[str, Tensor]) -> torch.optim.Optimizer:
        args, options = self.net.get_params_for_optimizer("optimizer", list(parameters.items()))
        given = any("fused" in group or "foreach" in group for group in (options, *args[0]))
        if not given and fuses(self.net.optimizer, self.device.type):
            # One pass over the weights in place of one for each operation.
            options["fused"] = True
        return self.net.optimizer(*args, **options)


def _advance(schedulers: list[tuple[str, Any]], every: str) -> None:
    for when, scheduler in schedulers:
        if when == every:
            scheduler.step()


class _Draws(TorchDispatchMode):
    """Notes every operation that takes numbers from a random generator."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.Tag.nondeterministic_seeded in func.tags:
            self.drawn.append(str(func))
        return func(*args, **(kwargs or {}))
