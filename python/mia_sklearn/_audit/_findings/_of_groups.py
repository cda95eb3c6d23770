"""Which group of records is at more risk than the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...report import BaseFinder, Finding
from ...report._counted import capital
from ...report._wording import interval
from ...stats import Difference, auc_interval, unpaired_difference

if TYPE_CHECKING:
    import pandas as pd

    from ._context import Context

__all__ = ["GroupAtRisk", "worst_group"]


class WorstGroup(NamedTuple):
    """The group that is surely told best, and by how much.

    Attributes
    ----------
    name : str
    own, rest, surplus : Difference
        AUC in the group, among all others, and the difference, with intervals that hold for all
        groups at once.
    n_groups : int
        How many it was chosen from.
    """

    name: str
    own: Difference
    rest: Difference
    surplus: Difference
    n_groups: int


class GroupAtRisk(BaseFinder):
    code = "GROUP_AT_RISK"
    severities = ("warning",)
    summary = (
        "with `slices=`: the group whose members are surely told better than those of all others "
        "together, the choice among the groups paid for"
    )

    def find(self, context: Context) -> Finding | None:
        unit, records = context.unit, context.records
        if not any(str(name).startswith("slice_") for name in records.columns):
            return None
        score = records[context.run.headline].to_numpy(dtype=np.float64)
        member = records["member"].to_numpy() == 1
        found = worst_group(score, member, dict(_groups(records)), context.run.confidence)
        if found is None:
            return None
        own, rest, surplus = found.own, found.rest, found.surplus
        return self.found(
            f"{capital(unit.members)} of the group {found.name} are surely at more risk",
            f"Within this group the headline attack's AUC is {own.value:.3f} "
            f"({interval('auc', own.low, own.high)}), among all other {unit.many} {rest.value:.3f} "
            f"({interval('auc', rest.low, rest.high)}): {surplus.value:.3f} more "
            f"({interval('auc', surplus.low, surplus.high)}). It is the worst of "
            f"{found.n_groups:,} groups, which the intervals pay for. An average over everyone "
            "says too little of this group.",
            "Hold this group's own numbers against what is acceptable. Groups that are rare or "
            "hard to predict leak most: more of their records, larger leaves or a stronger penalty "
            "help them first.",
        )


def _groups(records: pd.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
    for column in records.columns:
        if str(column).startswith("slice_"):
            values = records[column].to_numpy()
            for value in dict.fromkeys(values):
                yield f"{str(column)[6:]}={value}", values == value


def worst_group(
    score: np.ndarray, member: np.ndarray, groups: dict[str, np.ndarray], confidence: float
) -> WorstGroup | None:
    """Return the group in which members are surely told best; None where none is.

    Its AUC must surely be above one half, and above that of all others together. Every group
    is held to the level that the choice of the worst one leaves.

    Parameters
    ----------
    score : ndarray of shape (n_units,)
    member : ndarray of bool of shape (n_units,)
    groups : dict of str to ndarray of bool of shape (n_units,)
    confidence : float
    """
    level = 1 - (1 - confidence) / max(1, len(groups))
    worst: WorstGroup | None = None
    for name, inside in groups.items():
        sides = [(score[member & part], score[~member & part]) for part in (inside, ~inside)]
        if not all(len(scores) for side in sides for scores in side):
            continue
        own, rest = (Difference(*auc_interval(*side, confidence=level)) for side in sides)
        surplus = unpaired_difference(own, rest)
        if min(own.low - 0.5, surplus.low) <= 0:
            continue
        if worst is None or surplus.low > worst.surplus.low:
            worst = WorstGroup(name, own, rest, surplus, len(groups))
    return worst
