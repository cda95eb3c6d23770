"""Reference models that are GANs, trained as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ..._models._kinds import is_pipeline, last_step
from ..._models._trainable import configured
from ..._records._rows import take_rows
from ...references._sampling import training_rows
from ._gan import GAN
from ._gan_ensemble import plan_for, train_gans

if TYPE_CHECKING:
    from ...references._job import Job

__all__ = ["is_gan", "train_references"]


def is_gan(estimator: Any) -> bool:
    """Tell whether an estimator is, or a pipeline ends in, a GAN."""
    return isinstance(last_step(estimator), GAN)


def train_references(
    job: Job,
    membership: np.ndarray,
    seeds: np.ndarray,
    models: Sequence[int],
    keep: Callable[[int, Any], None],
    *,
    n_jobs: int | None,
    progress: bool,
) -> str:
    """Train GANs and let them answer the job's question; or tell why they cannot be one.

    Parameters
    ----------
    job : Job
    membership : ndarray of shape (n_models, n_trainable)
    seeds : ndarray of shape (n_models,)
    models : sequence of int
        Which ones to train.
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
    assert job.question is not None
    if job.fit_params:
        return "fit_params are given"
    estimators, tables = [], []
    for model in models:
        rows = training_rows(membership[model], job.n_core, int(seeds[model]))
        X = take_rows(job.table, job.first + rows)
        estimator = configured(job.estimator, int(seeds[model]))
        if is_pipeline(estimator) and len(estimator.steps) > 1:
            with threadpool_limits(1):
                X = estimator[:-1].fit_transform(X)
        estimators.append(estimator)
        tables.append(X)
    nets = [last_step(estimator) for estimator in estimators]
    plan = plan_for(nets[0], tables[0])
    if isinstance(plan, str):
        return plan
    seeds_of_nets = [net.random_state for net in nets]
    fitted = train_gans(nets[0], tables, seeds_of_nets, n_jobs=n_jobs, progress=progress)
    records = np.arange(job.n_records)
    for model, estimator, gan in zip(models, estimators, fitted, strict=True):
        if is_pipeline(estimator):
            estimator.steps[-1] = (estimator.steps[-1][0], gan)
        else:
            estimator = gan  # noqa: PLW2901
        keep(model, job.question.ask(estimator, records, int(seeds[model])).astype(np.float32))
    return ""
