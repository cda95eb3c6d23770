"""One risk of a synthetic table: attacks on training records, beside baseline and control."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..report._synthetic_report import MEASURES, below_guessing, risk_interval
from ..stats import Difference

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Risk", "frame_of"]


@dataclass(frozen=True)
class Risk:
    """What one kind of attack achieved.

    Attributes
    ----------
    name : {"copies", "singling_out", "linkability", "inference"}
    of : str
        What sets it apart from others of that name: the kind of predicate, the secret column.
    attacked, control_attacked : int
        Attacks on training records, and on records of the control.
    success, control : float
        The shares of them that succeeded.
    baseline : float
        The share that would succeed on training records by guessing.
    meaning : str
        In words.
    error : float, default=NaN
        Standard error of the risk above control where attacks depend on one another; NaN where
        each is on a record of its own, so that the counts tell.
    """

    name: str
    of: str
    attacked: int
    success: float
    baseline: float
    control_attacked: int
    control: float
    meaning: str
    error: float = math.nan

    def interval(self, confidence: float) -> Difference:
        """Return the risk above control, with its interval."""
        return risk_interval(asdict(self), confidence)

    def below_guessing(self, confidence: float) -> bool:
        """Tell whether guessing would surely do better."""
        return below_guessing(asdict(self), confidence)


def frame_of(risks: Iterable[Risk], confidence: float) -> pd.DataFrame:
    """Return the measures of a report, see `SyntheticReport`."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for risk in risks:
        value, low, high = risk.interval(confidence)
        rows.append(asdict(risk) | {"risk": value, "lower": low, "upper": high})
    return pd.DataFrame(rows, columns=list(MEASURES))
