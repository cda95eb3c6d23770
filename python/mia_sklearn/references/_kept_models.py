"""Reference models that are kept, to be trained again with one record more."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.parallel import delayed
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .._models._random import seeded_alone
from .._models._trainable import prefers_threads
from .._process._engine import away, parallel, preference, results_of, sent_once
from .._process._parallel import at_most, settled_warnings
from .._process._progress import progress_bar
from .._records._rows import concat_rows, n_rows
from ..signals import log_posteriors
from ._job import Job
from ._lost import Lost, lost_to, second_seed
from ._training import fit_one, of_job

__all__ = ["KeptModels", "keep_trained"]


class KeptModels:
    """Models of any kind, trained one by one; taking in a record means training them anew.

    Parameters
    ----------
    job : Job
        What they share; its records are those that may be trained on.
    rows : list of ndarray of int
        Each model's training set.
    seeds : ndarray of shape (n_models,)
    n_jobs : int or None
    progress : bool
    """

    #: Whether queries can be improved by following gradients.
    gradients = False

    def __init__(
        self,
        job: Job,
        rows: list[np.ndarray],
        seeds: np.ndarray,
        *,
        n_jobs: int | None,
        progress: bool,
    ) -> None:
        self.job, self.rows, self.seeds, self.n_jobs = job, rows, seeds, n_jobs
        prefer = preference(threads=prefers_threads(job.estimator))
        with away():
            self.models = self._train(at_most(n_jobs, len(rows)), prefer, progress)

    def _train(self, n_jobs: int | None, prefer: str | None, progress: bool) -> list[Any]:
        sent = sent_once(self.job, n_jobs, prefer)
        tasks = (
            delayed(_trained)(sent, model, own, int(seed))
            for model, (own, seed) in enumerate(zip(self.rows, self.seeds, strict=True))
        )
        engine = parallel(n_jobs, prefer=prefer, return_as="generator")
        with settled_warnings(), threadpool_limits(1), results_of(engine, tasks) as trained:
            bar = progress_bar(
                trained, total=len(self.rows), desc="reference models", disable=not progress
            )
            return list(bar)

    def log_posteriors(self, X: Any) -> np.ndarray:
        """Return the log-posteriors of all models, (n_models, n_records, n_classes), float32."""
        answers = [log_posteriors(model, X, self.job.classes) for model in self.models]
        return np.stack(answers).astype(np.float32)

    def with_record(self, x: Any, code: int, *, epochs: int) -> tuple[KeptModels, KeptModels]:
        """Return the models trained with a record `x` of class number `code`, and those without.

        `epochs` is not used: models that cannot be updated are trained anew.
        """
        last = n_rows(self.job.table)
        job = replace(
            self.job,
            table=concat_rows(self.job.table, x),
            labels=np.concatenate([self.job.labels, self.job.classes[[code]]]),
        )
        rows = [np.append(own, last) for own in self.rows]
        return KeptModels(job, rows, self.seeds, n_jobs=self.n_jobs, progress=False), self


def keep_trained(
    job: Job, rows: list[np.ndarray], seeds: np.ndarray, **options: Any
) -> tuple[Any, str]:
    """Train models on their `rows` and keep them; networks that can be, as one.

    Beside them, why networks are trained one by one; empty otherwise.
    """
    # What networks of regressors learned is asked of each by itself.
    backend = None if job.of_outputs else job.backend
    kept = "" if backend is None else backend.keep_many(job, rows, seeds, **options)
    if not isinstance(kept, str):
        return kept, ""
    return KeptModels(job, rows, seeds, **options), kept


def _trained(sent: Any, model: int, rows: np.ndarray, seed: int) -> Any:
    with of_job(sent) as (job, _):
        fitted = _try(job, rows, seed)
        if isinstance(fitted, Lost):
            fitted, first = _try(job, rows, second_seed(seed)), fitted
    if isinstance(fitted, Lost):
        # Each stands for a place in a table: none can be left out.
        raise first.error(model)
    return fitted


def _try(job: Job, rows: np.ndarray, seed: int) -> Any:
    try:
        with seeded_alone(seed) if job.draws_globally else nullcontext():
            return fit_one(job, rows, seed)
    except (Exception, SystemExit) as error:
        return lost_to(error)
