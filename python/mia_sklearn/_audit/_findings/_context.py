"""What findings are read from."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...report._counted import PERSON, RECORD, Unit
from ...report._leak import Leak, read_leak

if TYPE_CHECKING:
    import pandas as pd

    from ...structural._structure import Structure
    from .._controls import Control
    from .._run import Run


@dataclass(frozen=True)
class Context:
    """What an audit knows when all is measured.

    Attributes
    ----------
    run : Run
    metrics, records : DataFrame
        As in `AuditReport`.
    controls : list of Control
    info : dict
        As in `AuditReport`.
    """

    run: Run
    metrics: pd.DataFrame
    records: pd.DataFrame
    controls: list[Control]
    info: dict[str, Any]

    @property
    def unit(self) -> Unit:
        """What the audit counts, in words."""
        return PERSON if self.run.of_people else RECORD

    @property
    def structure(self) -> Structure:
        """What was measured of the target without any reference."""
        return self.run.structure

    @cached_property
    def headline(self) -> pd.DataFrame:
        """Rates of the attack that makes the verdict, all records together."""
        metrics = self.metrics
        return metrics[(metrics["attack"] == self.run.headline) & (metrics["slice"] == "all")]

    @cached_property
    def leak(self) -> Leak:
        """What that attack shows."""
        return read_leak(self.headline)

    def copy(self) -> Context:
        """Return the same with tables that may be written to."""
        return replace(
            self,
            metrics=self.metrics.copy(),
            records=self.records.copy(),
            controls=list(self.controls),
            info=deepcopy(self.info),
        )
