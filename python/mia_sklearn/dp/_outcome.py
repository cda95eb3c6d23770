"""What an audit is of, and what either method finds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..stats import auc_interval
from ._claim import Claim
from ._given import Options
from ._training import Mechanism

__all__ = ["ASSUMES", "SEEDS", "Audited", "Outcome", "told_apart"]

#: Seeds are drawn below it.
SEEDS = 2**31 - 1
#: What the bounds of a family take for granted.
ASSUMES = {
    "pure": "nothing but the claim",
    "gaussian": "privacy by Gaussian noise, as of DP-SGD",
    "curve": "for the verdict nothing but the claim, for the bound a curve of its shape",
}


@dataclass(frozen=True)
class Audited:
    """A mechanism, its records, and the claim about it."""

    mechanism: Mechanism
    table: Any
    labels: np.ndarray
    claim: Claim
    family: str
    options: Options
    progress: bool


@dataclass(frozen=True)
class Outcome:
    """What a method found.

    Attributes
    ----------
    claim : Claim
        With the numbers that a fitted model states.
    bounds : list of dict
        Rows of the table of a report.
    canaries : dict of array
        Columns of the table of a report.
    info : dict
        What a report says of the method.
    out_of_reach : dict
        As in `check_reach`.
    seen : bool
        Whether it was shown that canaries can be told apart.
    all_alike : bool
        Whether all of one label have one score.
    deterministic : bool
        Whether all seeds that were tried gave one model.
    coarse : bool
        Whether its answers have two values at most, which may hide noise.
    """

    claim: Claim
    bounds: list[dict[str, Any]]
    canaries: dict[str, Any]
    info: dict[str, Any]
    seen: bool
    all_alike: bool
    out_of_reach: dict[str, int | None] = field(default_factory=dict)
    deterministic: bool = False
    coarse: bool = False


def told_apart(included: np.ndarray, left_out: np.ndarray, confidence: float) -> dict[str, float]:
    """Return the AUC of scores with its interval; NaN where all coins fell on one side."""
    both = len(included) and len(left_out)
    auc = auc_interval(included, left_out, confidence=confidence) if both else (math.nan,) * 3
    return dict(zip(("auc", "auc_low", "auc_high"), auc, strict=True))
