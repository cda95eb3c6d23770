"""Who was in the training set: attacks on membership that ask the synthetic table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..report import Finding
from ._tables import Tables

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Membership", "measure_membership"]


@dataclass(frozen=True)
class Membership:
    """What attacks on membership achieved.

    Attributes
    ----------
    measures : DataFrame or None
        One row per attack.
    records : DataFrame or None
        ``member``, ``row``, and the scores of each attack.
    findings : list of Finding
    """

    measures: pd.DataFrame | None
    records: pd.DataFrame | None
    findings: list[Finding]


def measure_membership(
    tables: Tables, *, given: tuple[Any, Any, Any], generator: Any, confidence: float, seed: int
) -> Membership:
    """Attack the membership of the training records and of the control's.

    Parameters
    ----------
    tables : Tables
    given : tuple of tables
        The synthetic table, the training records and the control as they were given.
    generator : object or None
        An unfitted generator that can be fitted again.
    confidence : float
    seed : int
    """
    return Membership(None, None, [])
