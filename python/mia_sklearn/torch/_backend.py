"""What the library asks of torch: a `Backend`, see `mia_sklearn._models._backend`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._models._kinds import is_pipeline
from ._defenses._canary_gradients import fit_every_epoch, fit_with_canaries
from ._gans._gan_references import is_gan, train_references
from ._targets._gradients import record_features
from ._targets._inversion import torch_input_gradients as input_gradients
from ._targets._of_net import as_target
from ._training._batchable import why_not_batched
from ._training._checkpoint import in_memory
from ._training._ensemble import train_as_one
from ._training._held import train_held
from ._training._kept_networks import KeptNetworks
from ._training._nets import check_net, fit_net, make_fresh, net_classes, train_net

__all__ = [
    "as_target",
    "check_net",
    "fit_every_epoch",
    "fit_many",
    "fit_net",
    "fit_with_canaries",
    "in_memory",
    "input_gradients",
    "keep_many",
    "make_fresh",
    "net_classes",
    "record_features",
    "train_net",
]


def fit_many(
    job: Any,
    membership: np.ndarray,
    seeds: np.ndarray,
    models: Sequence[int],
    keep: Callable[[int, Any], None],
    *,
    n_jobs: int | None,
    progress: bool,
) -> str | None:
    what = (job, membership, seeds, models, keep)
    if is_gan(job.estimator):
        return train_references(*what, n_jobs=n_jobs, progress=progress) or None
    if job.unlabelled:
        return ""
    if job.backend is None or is_pipeline(job.estimator):
        return train_held(*what, n_jobs=n_jobs, progress=progress)
    return train_as_one(*what, n_jobs=n_jobs, progress=progress) or None


def keep_many(
    job: Any,
    rows: list[np.ndarray],
    seeds: np.ndarray,
    *,
    n_jobs: int | None,
    progress: bool,
) -> KeptNetworks | str:
    reason = why_not_batched(job.estimator, job.table, {})
    return reason or KeptNetworks.trained(job, rows, seeds, n_jobs=n_jobs, progress=progress)
