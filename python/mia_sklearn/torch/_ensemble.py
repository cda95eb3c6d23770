"""Many networks of one kind trained as one: weights stacked, batches gathered by index."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import skorch
import torch
from joblib import effective_n_jobs
from skorch import callbacks as known
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.utils._python_dispatch import TorchDispatchMode
from tqdm import tqdm

from .._estimators import configured
from .._sampling import training_rows
from .._training import Job, Lost
from ._dropout import HashedDropout, step_keys
from ._nets import seeded, targets_of
from ._target import TorchTarget, as_input

__all__ = ["Ensemble", "train_as_one", "why_not_batched"]

_CPU_BYTES = 2**30
_GPU_SHARE = 0.5
_ROWS_PER_ANSWER = 1024
_PROBE_ROWS = 4
_SEED_OF_PROBES = 0
_ONE_AT_A_TIME = threading.Lock()

# Their updates treat every number apart, so that stacked parameters are updated as each alone.
_ELEMENTWISE = {
    getattr(torch.optim, name)
    for name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam")
}
_FUSED = {torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW}
# Callbacks that watch the training and change nothing.
_WATCHING = (
    known.BatchScoring,
    known.EpochScoring,
    known.EpochTimer,
    known.PassthroughScoring,
    known.PrintLog,
    known.ProgressBar,
)
_LOADING = {
    "batch_size",
    "drop_last",
    "num_workers",
    "persistent_workers",
    "pin_memory",
    "prefetch_factor",
    "shuffle",
    "timeout",
}
# Methods of a net that say how it trains; a subclass that changes one trains one by one.
_STEPS = (
    "evaluation_step",
    "fit",
    "fit_loop",
    "forward_iter",
    "get_dataset",
    "get_iterator",
    "get_loss",
    "get_params_for_optimizer",
    "get_split_datasets",
    "infer",
    "initialize_optimizer",
    "on_batch_begin",
    "on_batch_end",
    "on_epoch_begin",
    "on_epoch_end",
    "on_grad_computed",
    "partial_fit",
    "run_single_epoch",
    "train_step",
    "train_step_single",
)


def why_not_batched(estimator: Any, X: Any, fit_params: dict[str, Any]) -> str:
    """Return why a net's models cannot be trained as one; empty when they can.

    Parameters
    ----------
    estimator : unfitted net, or Pipeline that ends in one
    X : table of shape (n_records, ...)
    fit_params : dict

    Returns
    -------
    str
        The reason, to stand behind "because".
    """
    if hasattr(estimator, "steps"):
        return "the steps of a Pipeline are fitted on each training set"
    if fit_params:
        return "fit_params go to the net's own fit"
    if not isinstance(X, np.ndarray):
        return f"records are a {type(X).__name__}, not an array"
    net = configured(estimator, _SEED_OF_PROBES)
    return _why_not_by_parameters(net) or _why_not_after_start(net)


def _why_not_by_parameters(net: Any) -> str:
    changed = [name for name in _STEPS if not _is_of_skorch(net, name)]
    loading = sorted(net.get_params_for("iterator_train").keys() - _LOADING)
    unknown = [
        f"{name}={getattr(value, '__name__', value)}"
        for name, value, allowed in (
            ("iterator_train", net.iterator_train, {torch.utils.data.DataLoader}),
            ("dataset", net.dataset, {skorch.dataset.Dataset}),
            ("optimizer", net.optimizer, _ELEMENTWISE),
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
    elif net.compile:
        reason = "compile=True compiles single networks"
    return reason


def _is_of_skorch(net: Any, name: str) -> bool:
    return getattr(type(net), name).__module__.partition(".")[0] == "skorch"


def _why_not_after_start(net: Any) -> str:
    with seeded(_SEED_OF_PROBES):
        net.initialize()
    for _, callback in net.callbacks_:
        if type(callback) not in _WATCHING:
            return f"the callback {type(callback).__name__} may change the training"
    if isinstance(net.criterion_, nn.Module) and any(True for _ in net.criterion_.parameters()):
        return "the criterion has parameters of its own"
    return ""


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
    ensemble = Ensemble(job.estimator, [job.table, *job.copies], job.codes, job.n_records)
    if ensemble.reason:
        return ensemble.reason
    chosen = np.asarray(models)

    def rows(place: int) -> np.ndarray:
        model = chosen[place]
        return job.first + training_rows(membership[model], job.n_core, int(seeds[model]))

    epochs = ensemble.net.max_epochs
    bar = tqdm(
        total=len(seeds) * epochs,
        initial=(len(seeds) - len(chosen)) * epochs,
        desc=f"{len(seeds)} reference models",
        unit="epoch",
        disable=not progress,
    )
    with bar:
        ensemble.train(
            rows,
            membership[chosen].sum(axis=1, dtype=np.int64),
            seeds[chosen],
            lambda place, answer: keep(int(chosen[place]), answer),
            cores=torch.get_num_threads() if n_jobs is None else effective_n_jobs(n_jobs),
            advance=bar.update,
        )
    return ""


class Ensemble:
    """Trains models of one kind together and lets them answer together.

    Parameters
    ----------
    estimator : unfitted skorch classifier for which `why_not_batched` has no reason
    tables : list of ndarray of shape (n_records, ...)
        The records to train on and to ask about, and tables of copies of them to ask about.
    codes : ndarray of shape (n_records,)
        Positions of the labels among the classes.
    n_asked : int
        The records to ask about, the first ones.

    Attributes
    ----------
    reason : str
        Why its models cannot be trained as one, found by trying; empty when they can.
    """

    def __init__(
        self, estimator: Any, tables: Sequence[np.ndarray], codes: np.ndarray, n_asked: int
    ) -> None:
        self.estimator = estimator
        self.net = self._start(_SEED_OF_PROBES)
        self.target = TorchTarget.from_estimator(self.net, tables[0])
        self.device = self.target.device
        self.tables = [
            torch.as_tensor(as_input(table, self.target.dtype), device=self.device)
            for table in tables
        ]
        self.y = torch.as_tensor(targets_of(self.net, codes), device=self.device)
        self.n_asked = n_asked
        self.n_answers = n_asked * len(tables)
        self.template = self.net.module_
        loading = self.net.get_params_for("iterator_train")
        self.batch_size = loading.get("batch_size", self.net.batch_size)
        self.shuffle = bool(loading.get("shuffle", False))
        self.drop_last = bool(loading.get("drop_last", False))
        self.reason = self._why_not_at_random()
        self.stacked = not self.reason and self._can_stack()

    def _start(self, seed: int) -> Any:
        """Return a net as skorch would begin to train it with this seed."""
        net = configured(self.estimator, seed)
        with seeded(seed):
            net.initialize()
        return net

    def _why_not_at_random(self) -> str:
        """Draws from torch's own generator would mix the models' random numbers."""
        net = self._start(_SEED_OF_PROBES)
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
            chunk = _Stacked(self, np.array([0, 1]))
            chunk.step(torch.as_tensor(rows, device=self.device), 0)
            list(chunk.answers(_PROBE_ROWS))
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
        return max(1, available // per_model)

    def _bytes_per_model(self, batch: int) -> int:
        saved: list[int] = []

        def count(tensor: Tensor) -> Tensor:
            saved.append(tensor.numel() * tensor.element_size())
            return tensor

        net = self._start(_SEED_OF_PROBES)
        rows = torch.arange(min(batch, len(self.y)), device=self.device)
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            self._loss_alone(net.module_, rows, torch.zeros((), dtype=torch.int32))
        weights = sum(p.numel() * p.element_size() for p in self.template.parameters())
        answers = 4 * self.n_answers * max(2, len(self.target.classes_))
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

        Parameters
        ----------
        rows : callable
            Returns a model's training records, repeated ones included.
        sizes : ndarray of shape (n_models,)
            Their number.
        seeds : ndarray of shape (n_models,)
        keep : callable
            Gets a model's number and its log-posteriors of shape (n_answers, n_classes), or
            `Lost`.
        cores : int, default=1
        chunk_size : int, default=None
            Most models at a time; by default as many as the memory allows.
        advance : callable
            Gets the number of epochs since it was last called, those of all models in all.

        Warns
        -----
        UserWarning
            If a chunk does not fit into memory. It is halved.
        """
        side_by_side = 1 if self.stacked else cores
        with _torch_threads(cores // side_by_side), ThreadPoolExecutor(side_by_side) as pool:
            # Models that train on equally many records go through the same steps.
            for size in np.unique(sizes):
                models = np.flatnonzero(sizes == size)
                most = chunk_size or self.chunk_size(int(size))
                chunks = [models[k : k + most] for k in range(0, len(models), most)]
                waiting = [
                    pool.submit(self._train_halving, chunk, rows, seeds, advance)
                    for chunk in chunks
                ]
                try:
                    for done in waiting:
                        for model, answer in done.result():
                            keep(model, answer)
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise

    def _train_halving(
        self,
        models: np.ndarray,
        rows: Callable[[int], np.ndarray],
        seeds: np.ndarray,
        advance: Callable[[int], object],
    ) -> list[tuple[int, np.ndarray | Lost]]:
        """Train a chunk; the halves of one that does not fit into memory."""
        used = [self._used(rows(int(model)), int(seeds[model])) for model in models]
        n = len(used[0])
        try:
            if all(len(own) == n for own in used):
                found = self._train_chunk(np.stack(used), seeds[models], advance)
                return list(zip(models.tolist(), found, strict=True))
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error) or len(models) == 1:
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

    def _train_chunk(
        self, rows: np.ndarray, seeds: np.ndarray, advance: Callable[[int], object]
    ) -> list[np.ndarray | Lost]:
        chunk = _Stacked(self, seeds) if self.stacked else _Alone(self, seeds)
        lost = np.zeros(len(seeds), dtype=int)
        records = torch.as_tensor(rows, device=self.device)
        n = rows.shape[1]
        batch = n if self.batch_size == -1 else self.batch_size
        stop = n - n % batch if self.drop_last else n
        step = 0
        for epoch in range(self.net.max_epochs):
            order = records
            if self.shuffle:
                places = torch.stack([_shuffled(n, g) for g in chunk.generators])
                order = torch.gather(records, 1, places.to(self.device))
            bad = torch.zeros(len(seeds), dtype=torch.bool, device=self.device)
            for start in range(0, stop, batch):
                bad |= chunk.step(order[:, start : start + batch], step).isnan()
                step += 1
            if self.net.train_split is not None:
                for generator in chunk.generators:
                    _draw(generator)
            lost = np.where((lost == 0) & bad.cpu().numpy(), epoch + 1, lost)
            advance(len(seeds))
        answers = np.empty(
            (len(seeds), self.n_answers, len(self.target.classes_)), dtype=np.float32
        )
        chunk.answer(answers)
        return [
            Lost(int(epoch)) if epoch else answer
            for epoch, answer in zip(lost, answers, strict=True)
        ]

    def _used(self, rows: np.ndarray, seed: int) -> np.ndarray:
        """Return the rows that remain for training behind the net's own validation split."""
        if self.net.train_split is None:
            return rows
        with _ONE_AT_A_TIME, seeded(seed):
            train, _ = self.net.get_split_datasets(rows[:, None], self.y[rows].cpu().numpy())
        places = np.asarray(train.indices) if hasattr(train, "indices") else slice(None)
        return rows[places]

    def _loss_alone(self, module: nn.Module, rows: Tensor, key: Tensor) -> Tensor:
        module.train()
        with HashedDropout(key):
            return self._loss(module(self._gathered(rows)), self.y[rows])

    def _gathered(self, rows: Tensor) -> Tensor:
        """Return records by their numbers; a plain gather is far quicker than fancy indexing."""
        X = self.tables[0]
        return X.index_select(0, rows.reshape(-1)).reshape(*rows.shape, *X.shape[1:])

    def _loss(self, output: Any, y: Tensor) -> Tensor:
        output = output[0] if isinstance(output, tuple) else output
        if isinstance(self.net, skorch.NeuralNetBinaryClassifier):
            output = output.reshape(-1)
        return self.net.get_loss(output, y)

    def optimizer(self, parameters: dict[str, Tensor]) -> torch.optim.Optimizer:
        args, options = self.net.get_params_for_optimizer("optimizer", list(parameters.items()))
        given = any("fused" in group or "foreach" in group for group in (options, *args[0]))
        if self.net.optimizer in _FUSED and not given:
            try:
                # One pass over the weights in place of one for each operation.
                return self.net.optimizer(*args, **options, fused=True)
            except (RuntimeError, TypeError):
                pass
        return self.net.optimizer(*args, **options)


_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d)


class _Stacked:
    """A chunk of models whose parameters are stacked along a first dimension."""

    def __init__(self, ensemble: Ensemble, seeds: np.ndarray) -> None:
        self.ensemble, self.seeds = ensemble, seeds
        nets, self.generators = zip(*(_begin(ensemble, int(seed)) for seed in seeds), strict=True)
        modules = [net.module_ for net in nets]
        stacked, self.buffers = stack_module_state(modules)
        trained = {name for name, p in modules[0].named_parameters() if p.requires_grad}
        self.parameters = {
            name: value.detach().requires_grad_(name in trained) for name, value in stacked.items()
        }
        self.optimizer = ensemble.optimizer(self.parameters)
        self.losses = vmap(self._loss, in_dims=(0, 0, 0, 0, 0), randomness="error")

    def _loss(self, parameters: Any, buffers: Any, x: Tensor, y: Tensor, key: Tensor) -> Tensor:
        with HashedDropout(key):
            output = functional_call(self.ensemble.template, (parameters, buffers), (x,))
        return self.ensemble._loss(output, y)

    def step(self, rows: Tensor, step: int) -> Tensor:
        """Make one step on each model's own batch and return the losses."""
        ensemble = self.ensemble
        ensemble.template.train()
        keys = torch.as_tensor(step_keys(self.seeds, step), device=ensemble.device)
        y = ensemble.y[rows]
        losses = self.losses(self.parameters, self.buffers, ensemble._gathered(rows), y, keys)
        self.optimizer.zero_grad(set_to_none=True)
        # The sum's gradient by one model's parameters is that of its own loss.
        losses.sum().backward()
        self.optimizer.step()
        return losses.detach()

    @torch.no_grad()
    def answers(self, size: int) -> Iterator[tuple[slice, Tensor]]:
        """Yield the outputs of all models on consecutive records, copies behind them."""
        ensemble = self.ensemble
        ensemble.template.eval()

        def output(parameters: Any, buffers: Any, x: Tensor) -> Tensor:
            found = functional_call(ensemble.template, (parameters, buffers), (x,))
            return found[0] if isinstance(found, tuple) else found

        outputs = vmap(output, in_dims=(0, 0, None), randomness="error")
        for rows, x in _tables_by_rows(ensemble, size):
            yield rows, outputs(self.parameters, self.buffers, x)

    def answer(self, target: np.ndarray) -> None:
        """Write the log-posteriors of all models."""
        size = max(1, _ROWS_PER_ANSWER // (1 + len(self.seeds) // 16))
        for rows, outputs in self.answers(size):
            for own, output in zip(target, outputs, strict=True):
                own[rows] = _log_posteriors(self.ensemble, output)


class _Alone:
    """One model, trained by itself in the fastest layout of memory."""

    def __init__(self, ensemble: Ensemble, seeds: np.ndarray) -> None:
        self.ensemble, self.seeds = ensemble, seeds
        net, generator = _begin(ensemble, int(seeds[0]))
        self.generators = (generator,)
        self.images = ensemble.tables[0].ndim == 4
        self.module = net.module_
        if self.images:
            self.module = self.module.to(memory_format=torch.channels_last)
        self.optimizer = ensemble.optimizer(dict(self.module.named_parameters()))

    def step(self, rows: Tensor, step: int) -> Tensor:
        ensemble = self.ensemble
        x = self._laid_out(ensemble._gathered(rows[0]))
        self.module.train()
        with HashedDropout(torch.as_tensor(step_keys(self.seeds, step)[0], device=x.device)):
            output = self.module(x)
        loss = ensemble._loss(output, ensemble.y[rows[0]])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.detach().reshape(1)

    @torch.no_grad()
    def answer(self, target: np.ndarray) -> None:
        self.module.eval()
        for rows, x in _tables_by_rows(self.ensemble, _ROWS_PER_ANSWER):
            output = self.module(self._laid_out(x))
            output = output[0] if isinstance(output, tuple) else output
            target[0][rows] = _log_posteriors(self.ensemble, output)

    def _laid_out(self, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=torch.channels_last) if self.images else x


def _begin(ensemble: Ensemble, seed: int) -> tuple[Any, torch.Generator]:
    """Return a net with its first weights, and the random numbers that follow them.

    A generator of its own goes on where skorch's would, so that a model meets the batches that
    `torch.manual_seed(seed); net.fit(...)` would show it.
    """
    # Modules draw their weights from the generator of the process, whatever the thread.
    with _ONE_AT_A_TIME:
        net = configured(ensemble.estimator, seed)
        with seeded(seed):
            net.initialize()
            state = torch.get_rng_state()
    generator = torch.Generator()
    generator.set_state(state)
    return net, generator


def _shuffled(n: int, generator: torch.Generator) -> Tensor:
    """Return an order of n records, by the draws of a DataLoader."""
    _draw(generator)
    own = torch.Generator()
    own.manual_seed(_draw(generator))
    return torch.randperm(n, generator=own)


def _draw(generator: torch.Generator) -> int:
    return int(torch.empty((), dtype=torch.int64).random_(generator=generator).item())


def _tables_by_rows(ensemble: Ensemble, size: int) -> Iterator[tuple[slice, Tensor]]:
    n = ensemble.n_asked
    for place, table in enumerate(ensemble.tables):
        for start in range(0, n, size):
            stop = min(start + size, n)
            yield slice(place * n + start, place * n + stop), table[start:stop]


def _log_posteriors(ensemble: Ensemble, output: Tensor) -> np.ndarray:
    return ensemble.target.log_posteriors(output.double()).float().cpu().numpy()


class _Draws(TorchDispatchMode):
    """Notes every operation that takes numbers from a random generator."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.Tag.nondeterministic_seeded in func.tags:
            self.drawn.append(str(func))
        return func(*args, **(kwargs or {}))


@contextmanager
def _torch_threads(cores: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(cores, os.cpu_count() or 1)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _is_out_of_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "enough memory" in text
