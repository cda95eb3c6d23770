"""Reference models that are kept, to answer for records with other values put in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .._records._rows import n_rows, take_rows
from ..references import ReferenceModels
from ..references._job import Job
from ..references._kept_models import keep_trained
from ..references._sampling import assign, training_rows
from ..references._training import classes_in
from ..signals import choose_smoothing, rescaled_logit

__all__ = ["KeptReferences"]

_LARGEST_SEED = 2**31 - 1
_SMOOTHING_SAMPLE = 1000


class KeptReferences:
    """Models trained on the attacker's records as `ReferenceModels` would train them.

    Parameters
    ----------
    settings : ReferenceModels
        How many, of which kind, on which share of the records.
    table : table of shape (n_records, n_features)
    labels : ndarray of shape (n_records,)
    entropy : int
        Draws their training sets and seeds.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
    membership : ndarray of shape (n_references, n_records)
        How often each trained on each record.
    smoothing : float
        Of the rescaled logit, chosen from their answers.
    """

    def __init__(
        self, settings: ReferenceModels, table: Any, labels: np.ndarray, entropy: int
    ) -> None:
        self.membership = assign(
            settings.sampling,
            n_rows(table),
            settings.train_size,
            0,
            n_models=settings.n_models,
            entropy=entropy,
        ).membership
        self.classes = classes_in(settings.estimator, table, labels)
        draws = np.random.default_rng(entropy)
        seeds = draws.integers(_LARGEST_SEED, size=len(self.membership))
        rows = [
            training_rows(counts, 0, int(seed))
            for counts, seed in zip(self.membership, seeds, strict=True)
        ]
        job = Job(settings.estimator, table, labels, self.classes, {}, 0, 0)
        self._models, _ = keep_trained(
            job, rows, seeds, n_jobs=settings.n_jobs, progress=settings.progress
        )
        answers = self._models.log_posteriors(take_rows(table, slice(_SMOOTHING_SAMPLE)))
        self.smoothing = choose_smoothing(answers)

    def phi(self, tables: Iterable[Any], labels: np.ndarray) -> np.ndarray:
        """Return log-odds of labels, (n_references, n_records, n_tables), a table per candidate."""
        each = (self._models.log_posteriors(table) for table in tables)
        return np.stack([rescaled_logit(one, labels, self.smoothing) for one in each], axis=2)
