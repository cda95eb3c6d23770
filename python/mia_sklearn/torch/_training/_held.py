"""Networks behind steps and within defenses: each is given its own records, then all train as one.

A model is fitted with a net that notes what it is to learn from, and has not learned yet. What
stands around the net is then as it would be: steps, targets, samplers and defenses have seen what
they always see, and have drawn their numbers. Of many models the nets train together; their
weights are put in place, and each model answers through what it holds.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import skorch
import torch
from joblib import parallel_config
from scipy import sparse
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import DataConversionWarning
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor, nn

from ..._models._kinds import holds_net, is_pipeline, nested
from ..._models._trainable import configured, unfitted
from ..._process._parallel import settled_warnings
from ..._process._printable import told
from ..._process._progress import progress_bar
from ...base import BaseDefense
from ...references._job import Job
from ...references._lost import Lost, diverged
from ...references._sampling import training_rows
from ...references._training import answer_of, attempted, fit_one
from ._acting import TrainingCallback, acting
from ._batchable import why_not_after_start, why_not_by_parameters
from ._chunks import generator_at
from ._machine import free_bytes, in_halves, in_threads, n_cores, torch_threads
from ._trainer import Trainer

__all__ = ["train_held"]

_ROWS_AT_ONCE = 1024


def train_held(
    job: Job,
    membership: np.ndarray,
    seeds: np.ndarray,
    models: Sequence[int],
    keep: Callable[[int, np.ndarray | Lost], None],
    *,
    n_jobs: int | None,
    progress: bool,
) -> str | None:
    """Train the networks within reference models as one, or return why that cannot be.

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
    str or None
        The reason; None when they are trained.
    """
    net = _only_net(configured(job.estimator, 0))
    if net is None:
        return f"{type(job.estimator).__name__} is not known to train one network, and once"
    reason = why_not_by_parameters(net)
    if reason:
        return reason
    bar = progress_bar(
        total=len(seeds) * net.max_epochs,
        initial=(len(seeds) - len(models)) * net.max_epochs,
        desc=f"{len(seeds)} reference models",
        unit="epoch",
        disable=not progress,
    )
    cores = n_cores(n_jobs)
    with bar, _as_one_by_one():
        held = _Held(job, membership, seeds, keep, cores=cores, advance=bar.update)
        return held.train(models)


def _only_net(estimator: Any) -> Any:
    """Return the one net that a model trains, as the last act of its `fit`; None where unknown."""
    nets = [part for part in nested(estimator) if isinstance(part, skorch.NeuralNet)]
    while len(nets) == 1 and estimator is not nets[0]:
        if is_pipeline(estimator):
            estimator = estimator.steps[-1][1]
        elif type(estimator) is TransformedTargetRegressor:
            estimator = estimator.regressor
        elif isinstance(estimator, BaseDefense) and _trains_once(type(estimator)):
            held = (
                part
                for part in estimator.get_params(deep=False).values()
                if not isinstance(part, type) and holds_net(part)
            )
            estimator = next(held)
        else:
            return None
        if not holds_net(estimator):
            return None
    return nets[0] if len(nets) == 1 else None


def _trains_once(defense: type[BaseDefense]) -> bool:
    """Tell whether a defense says so, or a class that it fits as."""
    for kind in defense.__mro__:
        own = vars(kind)
        if "trains_once" in own:
            return bool(own["trains_once"])
        if own.keys() & {"fit", "_fit", "_fit_beside"}:
            break
    return False


@dataclass
class _Begun:
    """A net as it stands before its first step, and what it is to learn from."""

    net: Any
    X: Any
    y: Any
    state: Tensor
    marks: list[Any]
    callbacks: list[TrainingCallback]
    reason: str = ""

    @classmethod
    def of(cls, net: Any, X: Any, y: Any, fit_params: dict[str, Any]) -> _Begun:
        """Note a net that is about to begin, as skorch's own loop would begin."""
        net.check_data(X, y)
        net.check_training_readiness()
        callbacks = [call for _, call in net.callbacks_ if isinstance(call, TrainingCallback)]
        reason = why_not_after_start(net) or _why_not_these(net, X, y, fit_params)
        if not reason:
            X = X.toarray() if sparse.issparse(X) else X
            train, _ = net.get_split_datasets(X, y)
            if hasattr(train, "indices"):
                places = np.asarray(train.indices)
                X, y = X[places], y[places]
        return cls(net, X, y, torch.get_rng_state(), _marks(net.module_), callbacks, reason)

    def check_unchanged(self) -> None:
        """Note that the net is not as it began, where asking it has changed it."""
        if self.marks != _marks(self.net.module_):
            self.reason = "the module draws its weights when it is first called"

    @property
    def shape(self) -> tuple[Any, ...]:
        """What models that train together have in common."""
        weights = tuple(tuple(p.shape) for p in self.net.module_.parameters())
        return self.X.shape, self.X.dtype, self.y.shape, self.y.dtype, weights


def _marks(module: nn.Module) -> list[Any]:
    """Return what differs once a module's weights are drawn, or changed in place."""
    held = (*module.named_parameters(), *module.named_buffers())
    return [(name, id(tensor), type(tensor), tensor._version) for name, tensor in held]


def _why_not_these(net: Any, X: Any, y: Any, fit_params: dict[str, Any]) -> str:
    weights = next(net.module_.parameters(), torch.empty(0))
    precision = np.dtype(str(weights.dtype).removeprefix("torch."))
    reason = ""
    if fit_params:
        reason = "fit_params go to the net's own fit"
    elif not (isinstance(X, np.ndarray) or sparse.issparse(X)) or not isinstance(y, np.ndarray):
        reason = f"the net is given a {type(X).__name__} and a {type(y).__name__}, not arrays"
    elif X.dtype.kind not in "biuf" or (X.dtype.kind == "f" and X.dtype != precision):
        reason = f"the net is given {X.dtype}, and its module computes in {precision}"
    elif sparse.issparse(X) and np.prod(X.shape) * X.dtype.itemsize > free_bytes(
        torch.device("cpu")
    ):
        reason = "the records of one model do not fit into memory once they are dense"
    return reason


class _Noting:
    """A net that notes how it would begin to train, and answers in large batches."""

    notes: ClassVar[list[_Begun]]

    def fit_loop(self, X: Any, y: Any = None, epochs: Any = None, **fit_params: Any) -> Any:
        # Beside the user's, skorch says by it which method was called.
        fit_params.pop("_routing_method", None)
        self.notes.append(_Begun.of(self, X, y, fit_params))
        return self

    def forward_iter(self: Any, X: Any, training: bool = False, device: Any = "cpu") -> Any:
        if training or not isinstance(X, np.ndarray) or X.dtype.kind not in "biuf":
            yield from super().forward_iter(X, training=training, device=device)  # type: ignore[misc]
            return
        for start in range(0, len(X), _ROWS_AT_ONCE):
            # A copy, which the module may write to.
            batch = torch.tensor(X[start : start + _ROWS_AT_ONCE])
            yield skorch.utils.to_device(self.evaluation_step((batch, None)), device=device)


def _noting(estimator: Any, notes: list[_Begun]) -> Any:
    """Return a clone whose net notes what it is given."""
    estimator = unfitted(estimator)
    for part in nested(estimator):
        if isinstance(part, skorch.NeuralNet):
            kind = type(part)
            names = {"notes": notes, "__module__": kind.__module__, "__doc__": kind.__doc__}
            part.__class__ = type(kind.__name__, (_Noting, kind), names)
    return estimator


class _Together(Trainer):
    """Trains nets that have begun, each on records of its own."""

    def __init__(self, begun: Sequence[_Begun]) -> None:
        first = begun[0]
        self.begun = begun
        device = torch.device(first.net.device)
        X, y = (
            torch.as_tensor(np.concatenate(parts), device=device)
            for parts in ([one.X for one in begun], [one.y for one in begun])
        )
        super().__init__(first.net, [X], y, first.callbacks)

    def started(self, seeds: np.ndarray) -> list[tuple[nn.Module, torch.Generator]]:
        # Where it is tried whether they can be stacked, one net stands for several.
        begun = [self.begun[place % len(self.begun)] for place in range(len(seeds))]
        # Some were asked already, and stand in evaluation mode.
        copies = ((deepcopy(one.net.module_).train(), one.state) for one in begun)
        return [(module, generator_at(state)) for module, state in copies]

    def bytes_per_model(self, batch: int) -> int:
        # The records are held once as they were noted, and once behind each other.
        first = self.begun[0]
        return super().bytes_per_model(batch) + 2 * (first.X.nbytes + first.y.nbytes)

    def trained(self, seeds: np.ndarray, advance: Callable[[int], object]) -> list[Lost | None]:
        """Train the nets, and give them what they have learned; or what became of them."""
        n = len(self.begun[0].X)
        rows = np.arange(len(self.begun) * n).reshape(-1, n)
        with acting(self.net, self.acting):
            chunk, epochs = self.fit_chunk(rows, seeds, advance)
        for place, one in enumerate(self.begun):
            chunk.write(one.net.module_, place)
        return [diverged(epoch) if epoch else None for epoch in epochs.tolist()]


@dataclass
class _Model:
    """One reference model, fitted but for its net, which has begun."""

    number: int
    fitted: Any
    begun: _Begun


class _Held:
    """Trains the reference models of a job whose nets are within other models."""

    def __init__(
        self,
        job: Job,
        membership: np.ndarray,
        seeds: np.ndarray,
        keep: Callable[[int, np.ndarray | Lost], None],
        *,
        cores: int,
        advance: Callable[[int], object],
    ) -> None:
        self.job, self.membership, self.seeds, self.keep = job, membership, seeds, keep
        self.cores, self.advance = cores, advance
        self.notes: list[_Begun] = []
        self.noting = replace(job, estimator=_noting(job.estimator, self.notes))
        self.plan: _Together

    def train(self, models: Sequence[int]) -> str | None:
        """Train models; returns why none of them is trained, or None."""
        begun: Iterator[_Model] = (one for one in map(self._begin, models) if one is not None)
        first = next(begun, None)
        if first is None:
            return None
        with torch_threads(self.cores):
            reason = first.begun.reason or self._plan(first.begun)
        if reason:
            return reason
        at_once = self.plan.chunk_size(len(first.begun.X)) if self.plan.stacked else self.cores
        begun = itertools.chain([first], begun)
        while block := list(itertools.islice(begun, at_once)):
            self._train_block(block)
        return None

    def _begin(self, number: int) -> _Model | None:
        """Return a model whose net is still to train; None of one that is done without."""
        self.notes.clear()
        seed = int(self.seeds[number])
        rows = training_rows(self.membership[number], self.job.n_core, seed)
        fitted = attempted(number, lambda: fit_one(self.noting, rows, seed))
        if isinstance(fitted, Lost):
            self.keep(number, fitted)
        elif not self.notes:
            # One class alone, for which no net is asked.
            self._answer(number, fitted)
        else:
            self.notes[-1].check_unchanged()
            return _Model(number, fitted, self.notes[-1])
        return None

    def _plan(self, begun: _Begun) -> str:
        """Note how nets like one train together, or return why they cannot."""
        self.plan = _Together([begun])
        try:
            with acting(self.plan.net, self.plan.acting):
                return self.plan.why_not()
        except (RuntimeError, ValueError, TypeError) as error:
            return f"a first step fails: {told(error)}"

    def _train_block(self, block: list[_Model]) -> None:
        groups: dict[Any, list[_Model]] = {}
        for model in block:
            if model.begun.reason:
                # Its records are of another kind than the first model's.
                self._train_alone(model.number)
            else:
                alike = model.begun.shape if self.plan.stacked else model.number
                groups.setdefault(alike, []).append(model)
        side_by_side = 1 if self.plan.stacked else self.cores
        with torch_threads(self.cores // side_by_side):
            trained = list(in_threads(self._train_group, list(groups.values()), side_by_side))
        for model, lost in (pair for group in trained for pair in group):
            if lost is None:
                self._answer(model.number, model.fitted)
            else:
                self.keep(model.number, lost)

    def _train_group(self, group: list[_Model]) -> list[tuple[_Model, Lost | None]]:
        def train(places: Sequence[int]) -> list[tuple[_Model, Lost | None]]:
            models = [group[place] for place in places]
            trainer = _Together([model.begun for model in models])
            trainer.as_planned(self.plan)
            seeds = self.seeds[[model.number for model in models]]
            return list(zip(models, trainer.trained(seeds, self.advance), strict=True))

        device = torch.device(group[0].begun.net.device)
        return in_halves(train, range(len(group)), device)

    def _train_alone(self, number: int) -> None:
        seed = int(self.seeds[number])
        rows = training_rows(self.membership[number], self.job.n_core, seed)
        fitted = attempted(number, lambda: fit_one(self.job, rows, seed))
        if isinstance(fitted, Lost):
            self.keep(number, fitted)
        else:
            self._answer(number, fitted)

    def _answer(self, number: int, fitted: Any) -> None:
        seed = int(self.seeds[number])
        self.keep(number, attempted(number, lambda: answer_of(fitted, self.job, seed)))


@contextmanager
def _as_one_by_one() -> Iterator[None]:
    """Fit and ask what stands around the nets as where models train one by one."""
    with (
        settled_warnings(),
        threadpool_limits(1),
        parallel_config(backend="sequential", n_jobs=1),
    ):
        # Of labels in a frame, as the target was given them too.
        warnings.simplefilter("ignore", DataConversionWarning)
        yield
