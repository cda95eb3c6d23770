"""What an audit takes beside its references, as far as that can be told before."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import cpu_count
from sklearn.ensemble import HistGradientBoostingClassifier

from .._models._targets import class_indices
from .._observations._record_columns import record_columns
from .._process._parallel import map_on_cores
from .._records._rows import take_rows
from ._cascade import stages_of
from ._people import of_single_records

if TYPE_CHECKING:
    from ._run import Planned

__all__ = ["Costs"]

# The small work by which this machine is compared with the one on which the rest was measured:
# processor seconds of audits in November 2026, of 2,000 to 300,000 records and 4 to 64 references.
_USUAL, _ROWS, _COLUMNS = 0.08, 4_000, 10
# Of attacks that learn, this share runs on all cores.
_ON_ALL_CORES = 0.6
# They learn from so many shadow rows at most.
_SHADOW_ROWS = 100_000
# Columns of the record are computed of so many, to see what all will take: as many times more, but
# that of many not all are compared with all others.
_FEW, _MANY, _BEYOND = 1_000, 10_000, 0.75


class Costs:
    """Tells the time of attacks, controls and p-values, once references are trained.

    A little of it is tried when it is asked for, here and beside whatever else runs.

    Parameters
    ----------
    run : Planned
    """

    def __init__(self, run: Planned) -> None:
        self._run = run

    def seconds(self, attacks: dict[str, Any], n_references: int) -> float:
        """Return the time of an audit by these attacks, with so many references.

        Parameters
        ----------
        attacks : dict of str to attack
        n_references : int
        """
        run, n, k = self._run, len(self._run.plan.audited), n_references
        # Each reference is compared with the others, where p-values name records.
        busy = 0.6 + 3e-6 * n * k + 1e-7 * n * k**2
        slow = [attack for attack in attacks.values() if not of_single_records(attack).is_quick]
        if slow:
            rows = min(_SHADOW_ROWS, n * k)
            learned = 0.5 + rows * (1.4e-5 + 7e-7 * max(2, len(run.classes)))
            # "auto" has two of them, which both learn from these rows.
            busy += learned * max(1.0, len(slow) / 2) * (1 + len(stages_of(attacks)))
        seconds = busy * self._slowness * (1 + run.n_queries / 10)
        if any("difficulty" in attack._prefers() for attack in attacks.values()):
            seconds += self._of_records
        return seconds

    @cached_property
    def _slowness(self) -> float:
        """How many seconds a processor second of the above takes."""
        rng = np.random.default_rng(0)
        X = rng.normal(size=(_ROWS, _COLUMNS))
        y = X[:, 0] + rng.normal(size=_ROWS) > 0

        def learn(_: int) -> float:
            start = time.perf_counter()
            HistGradientBoostingClassifier(max_iter=20, early_stopping=False).fit(X, y)
            return time.perf_counter() - start

        # The first time something is loaded perhaps.
        tries = [np.median(map_on_cores(learn, range(max(2, cpu_count())))) for _ in range(2)]
        return float(min(tries)) / _USUAL * (1 - _ON_ALL_CORES + _ON_ALL_CORES / cpu_count())

    @cached_property
    def _of_records(self) -> float:
        """The seconds that columns of the record take."""
        run = self._run
        if not len(run.classes):
            return 0.0
        n = len(run.plan.audited)
        rows = np.unique(np.linspace(0, n - 1, min(n, _FEW)).astype(int))
        tried = run.plan.audited[rows]
        X, labels = take_rows(run.pool.X, tried), class_indices(run.target, run.pool.y[tried])
        people = run.units.of_row[rows] if run.of_people else None
        start = time.perf_counter()
        record_columns(X, labels, people, first=0, seed=0, estimator=run.trainable)
        taken = time.perf_counter() - start
        many = max(n, _MANY) / _MANY
        return taken * min(n, _MANY) / len(rows) * many**_BEYOND
