"""Conditions on the risks of a synthetic table, read against their intervals."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, Protocol

from ._condition import OPERATORS, Condition
from ._outcome import ConditionResult

__all__ = ["RiskReading", "Risks", "evaluate_risk"]

_OUTCOMES = ("holds", "open", "violated")


class RiskReading(NamedTuple):
    """One risk at a confidence.

    Attributes
    ----------
    name : str
        With what tells it from others of its kind.
    value, low, high : float
        NaN where there is nothing to measure.
    counted : str
        What it rests on, in words.
    doubt : str
        Why a small number shows nothing; empty where it does.
    """

    name: str
    value: float
    low: float
    high: float
    counted: str
    doubt: str


class Risks(Protocol):
    """What conditions on risks read of a `SyntheticReport`."""

    info: dict[str, Any]

    @property
    def doubts(self) -> list[str]:
        """What leaves the numbers in doubt."""

    def read_risks(self, name: str, of: str | None, share: int) -> list[RiskReading]:
        """Return the risks of a name, each at the confidence that `share` conditions leave it."""


def evaluate_risk(condition: Condition, report: Risks, n_conditions: int) -> ConditionResult:
    """Read one condition on a risk; of several of its name the worst counts."""
    readings = report.read_risks(condition.metric, condition.attack, n_conditions)
    confidence = 1 - (1 - report.info["confidence"]) / (n_conditions * len(readings))
    if report.doubts:
        reason = f"The audit's numbers decide nothing: {'; '.join(report.doubts)}."
        return ConditionResult(condition, "open", reason, math.nan, math.nan, math.nan, confidence)
    results = [_decide(condition, reading, confidence) for reading in readings]
    upwards = condition.operator.startswith(">")
    alarming = _OUTCOMES if upwards else _OUTCOMES[::-1]
    return min(
        results,
        key=lambda result: (alarming.index(result.outcome), -_size(result.estimate)),
    )


def _size(value: float) -> float:
    return -math.inf if math.isnan(value) else value


def _decide(condition: Condition, reading: RiskReading, confidence: float) -> ConditionResult:
    name, value, low, high, counted, doubt = reading
    compare, bound = OPERATORS[condition.operator], condition.bound
    if math.isnan(value):
        reason = f"{name} cannot be measured: every attack on records of the control succeeds."
        return ConditionResult(
            condition, "open", reason, value, low, high, confidence, counted=counted
        )
    upwards = condition.operator.startswith(">")
    hardest, easiest = (low, high) if upwards else (high, low)
    outcome: Literal["holds", "violated", "open"] = "open"
    if compare(hardest, bound):
        outcome = "holds"
    elif not compare(easiest, bound):
        outcome = "violated"
    # An attack that is worse than guessing shows no safety.
    if doubt and outcome == ("violated" if upwards else "holds"):
        outcome = "open"
    else:
        doubt = ""
    reason = (
        f"{name} is {value:.4g} above control, {100 * confidence:.4g} % interval {low:.4g} to "
        f"{high:.4g}{f' ({doubt})' if doubt else ''}."
    )
    return ConditionResult(
        condition, outcome, reason, value, low, high, confidence, counted=counted
    )
