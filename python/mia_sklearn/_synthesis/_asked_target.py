"""A target that is asked about invented records."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..signals import log_posteriors
from ._sources import RecordSource

__all__ = ["Oracle"]


class Oracle:
    """The target, asked within a budget.

    Parameters
    ----------
    target : classifier
        As `as_target` returns it.
    query_budget : int or None
        Most records that it may be asked about; a function's own budget counts too.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
    n_queries : int
        Records asked about so far.
    """

    def __init__(self, target: Any, query_budget: int | None) -> None:
        self.target, self.classes = target, np.asarray(target.classes_)
        self.n_queries = 0
        # A function counts its own queries.
        given = (query_budget, getattr(target, "queries_left", None))
        self._budget = min((budget for budget in given if budget is not None), default=np.inf)

    @property
    def left(self) -> float:
        """Records that may still be asked about."""
        return self._budget - self.n_queries

    def ask(self, source: RecordSource, rows: np.ndarray) -> np.ndarray:
        """Return log-posteriors of records, or of the first ones that the budget allows."""
        rows = rows[: int(min(len(rows), self.left))]
        if len(rows) == 0:
            return np.empty((0, len(self.classes)))
        self.n_queries += len(rows)
        return log_posteriors(self.target, source.table(rows))

    def label(
        self, source: RecordSource, rows: np.ndarray, rng: np.random.RandomState | None
    ) -> np.ndarray:
        """Return classes drawn from the posteriors of records; without `rng` the most probable."""
        log_proba = self.ask(source, rows)
        if rng is not None:
            # The greatest of log-posteriors with Gumbel noise is a draw from the posterior.
            log_proba = log_proba + rng.gumbel(size=log_proba.shape)
        return log_proba.argmax(axis=1)
