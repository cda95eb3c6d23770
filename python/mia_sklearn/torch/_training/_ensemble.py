"""Networks of one kind on common records, trained and asked together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

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
from ._chunks import ONE_AT_A_TIME, Alone, Stacked, begin
from ._machine import in_halves, in_threads, n_cores, torch_threads
from ._nets import check_shapes, targets_of
from ._trainer import SEED_OF_PROBES, Trainer

__all__ = ["Ensemble", "train_as_one"]


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


class Ensemble(Trainer):
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
        net, _ = begin(estimator, SEED_OF_PROBES)
        self.target = as_target(net, tables[0])
        if predicts_numbers(net):
            check_shapes(self.target, tables[0], y)
        dtype, device = self.target.dtype, self.target.device
        super().__init__(
            net,
            [torch.as_tensor(as_input(table, dtype), device=device) for table in tables],
            torch.as_tensor(targets_of(net, y, dtype), device=device),
        )
        self.n_asked = n_asked
        self.n_answers = n_asked * len(tables)
        # The log-posteriors and their normalizer.
        self.n_columns = len(self.target.classes_) + 1 if question is None else question.n_columns
        if classes is not None and len(classes) and question is not None:
            self.target.classes_ = classes
        self.reason = self.why_not()

    def started(self, seeds: np.ndarray) -> list[tuple[nn.Module, torch.Generator]]:
        begun = (begin(self.estimator, int(seed)) for seed in seeds)
        return [(net.module_, generator) for net, generator in begun]

    def bytes_per_model(self, batch: int) -> int:
        return super().bytes_per_model(batch) + 4 * self.n_answers * self.n_columns

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
                train = partial(self._train_chunk, rows=rows, seeds=seeds, advance=advance)
                for answers in in_threads(train, chunks, side_by_side):
                    for model, answer in answers:
                        keep(model, answer)

    def _train_chunk(
        self,
        models: np.ndarray,
        rows: Callable[[int], np.ndarray],
        seeds: np.ndarray,
        advance: Callable[[int], object],
    ) -> list[tuple[int, np.ndarray | Lost]]:
        """Train a chunk; the halves of one that does not fit into memory."""
        used = {model: self.used(rows(model), int(seeds[model])) for model in models.tolist()}
        # What remains behind their own validation splits.
        sizes = {len(own) for own in used.values()}

        def train(some: Sequence[int]) -> list[tuple[int, np.ndarray | Lost]]:
            own = np.stack([used[model] for model in some])
            chunk, lost = self.fit_chunk(own, seeds[list(some)], advance)
            shape = (len(some), self.n_answers, self.n_columns)
            answers = np.empty(shape, dtype=np.float32)
            found: list[np.ndarray | Lost] = [
                diverged(epoch) if epoch else answer
                for epoch, answer in zip(lost.tolist(), answers, strict=True)
            ]
            if self.question is None:
                chunk.answer(answers)
            else:
                self._ask(chunk, found)
            return list(zip(some, found, strict=True))

        parts = ([model for model, own in used.items() if len(own) == size] for size in sizes)
        return [pair for part in parts for pair in in_halves(train, part, self.device)]

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

    def used(self, rows: np.ndarray, seed: int) -> np.ndarray:
        """Return the rows that remain for training behind the net's own validation split."""
        if self.net.train_split is None:
            return rows
        with ONE_AT_A_TIME, seeded(seed):
            train, _ = self.net.get_split_datasets(rows[:, None], self.y[rows].cpu().numpy())
        places = np.asarray(train.indices) if hasattr(train, "indices") else slice(None)
        return rows[places]
