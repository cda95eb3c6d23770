"""Conditions, read against the intervals of an audit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from .. import metrics
from ._condition import OPERATORS, RISKS, Condition, parse
from ._of_risks import evaluate_risk
from ._outcome import CheckOutcome, ConditionResult

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check", "evaluate"]


# It comes first: no more records, and no other split, would make the condition hold.
_NEVER_HOLDS = (
    "This condition can never hold, since a lower bound bounds nothing from above; have a gate "
    "fail on epsilon > x in its place. "
)


_WITHOUT_REFERENCES = "No reference models were trained; they usually find more."
_WITHIN_A_TIME = "A time budget made this audit weaker than it is by default."
# Measures of who is on which side of an attack's threshold.
_AT_A_THRESHOLD = ("accuracy", "advantage")


class Results(Protocol):
    """What conditions read of an `AuditReport`."""

    metrics: pd.DataFrame
    records: pd.DataFrame
    info: dict[str, Any]

    @property
    def attacks(self) -> list[str]:
        """The attacks that were run."""

    @property
    def naming(self) -> list[str]:
        """Attacks that name single members, whatever the headline attack shows."""

    @property
    def doubts(self) -> list[str]:
        """What leaves the numbers in doubt."""


def evaluate(condition: str | Condition, report: Any, *, n_conditions: int = 1) -> ConditionResult:
    """Read one condition against a report.

    Parameters
    ----------
    condition : str or Condition
    report : AuditReport or SyntheticReport
    n_conditions : int, default=1
        How many conditions are read together; each is read at (1 - confidence) divided by it, so
        that all decisions together hold at the report's confidence.

    Returns
    -------
    ConditionResult

    Raises
    ------
    ValueError
        If the condition is malformed or names an attack that was not run.

    Notes
    -----
    Intervals are computed anew from the scores in `report.records`, so that sharing the confidence
    among several conditions is exact. A lower bound on epsilon never shows that epsilon is small:
    ``epsilon <= 1`` can be violated or open, and does not hold.

    A condition without an attack reads the headline's numbers; where single members are named by
    another attack besides (the edge of a margin), that one's too, and the worse of both counts.
    """
    asked = condition if isinstance(condition, str) else None
    condition = condition if isinstance(condition, Condition) else parse(condition)
    if condition.metric in RISKS:
        if not hasattr(report, "read_risks"):
            raise ValueError(
                f"{condition.metric} is a risk of a synthetic table, which "
                "`mia_sklearn.audit_synthetic` measures; this is a report of another audit."
            )
        return evaluate_risk(condition, report, n_conditions)
    attacks = report.attacks
    if report.records.empty:
        raise ValueError(
            "This report was saved without its records, from whose scores conditions are read. "
            "Check them before it is saved, or on a report with records."
        )
    if asked is not None:
        condition = parse(asked, attacks)
    elif condition.attack is not None and condition.attack not in attacks:
        raise ValueError(
            f"The attack {condition.attack!r} is not part of this audit; it has "
            f"{', '.join(attacks)}."
        )
    attacks = [condition.attack] if condition.attack else [report.info["headline"]]
    if condition.attack is None:
        attacks += [attack for attack in report.naming if attack not in attacks]
    n_readings = n_conditions * len(attacks)
    readings = [_read(condition, attack, report, n_readings) for attack in attacks]
    upwards = condition.operator.startswith(">")
    alarming = ("holds", "open", "violated") if upwards else ("violated", "open", "holds")
    return min(readings, key=lambda reading: alarming.index(reading.outcome))


def _read(condition: Condition, attack: str, report: Results, n_readings: int) -> ConditionResult:
    """Read one condition against one attack's numbers."""
    confidence = 1 - (1 - report.info["confidence"]) / n_readings
    withheld = _epsilon_withheld(report, attack) if condition.metric == "epsilon" else ""
    if report.doubts:
        withheld = f"The audit's numbers decide nothing: {'; '.join(report.doubts)}."
    bounds_above = condition.metric == "epsilon" and condition.operator.startswith("<")
    never = _NEVER_HOLDS if bounds_above else ""
    if withheld:
        withheld = f"{never}{withheld}"
        nan = math.nan
        sizes = report.info["n_members"], report.info["n_nonmembers"]
        return ConditionResult(condition, "open", withheld, nan, nan, nan, confidence, *sizes)
    options = {"confidence": confidence}
    if condition.metric in _AT_A_THRESHOLD and not _is_chosen_here(report, attack):
        options["threshold"] = 0.0
    estimate = metrics.compute(
        condition.measure,
        report.records["member"].to_numpy(),
        report.records[attack].to_numpy(),
        **options,
    )
    result = _decide(condition, attack, estimate, confidence)
    if never and result.outcome == "open":
        result = replace(result, reason=f"{never}{result.reason}")
    bounded = result.outcome == "holds" and condition.operator.startswith("<")
    if bounded and report.info.get("references_would"):
        result = replace(result, reason=f"{result.reason} {_WITHOUT_REFERENCES}")
    if bounded and report.info.get("time_budget", {}).get("lowered"):
        result = replace(result, reason=f"{result.reason} {_WITHIN_A_TIME}")
    return result


def _is_chosen_here(report: Results, attack: str) -> bool:
    """Tell whether an attack's threshold is chosen on these records, and not on references."""
    # Earlier versions did not say; without references there was no other choice.
    unsaid = [] if report.info.get("n_references") else report.attacks
    return attack in report.info.get("thresholds_chosen_here", unsaid)


def check(conditions: Iterable[str | Condition], report: Any) -> CheckOutcome:
    """Read several conditions together, as the method `AuditReport.check` does.

    Parameters
    ----------
    conditions : iterable of str or Condition
    report : AuditReport

    Returns
    -------
    CheckOutcome

    Raises
    ------
    ValueError
        If there are no conditions, or one cannot be read.
    """
    conditions = list(conditions)
    if not conditions:
        raise ValueError("Give at least one condition, for example 'auc <= 0.6'.")
    for given in conditions:
        if not isinstance(given, (str, Condition)):
            raise TypeError(
                f"A condition must be a text such as 'auc <= 0.6', got a {type(given).__name__}. "
                "Give several one after the other, of a list report.check(*conditions)."
            )
    results = tuple(evaluate(c, report, n_conditions=len(conditions)) for c in conditions)
    outcomes = {result.outcome for result in results}
    if "violated" in outcomes:
        return CheckOutcome("fail", results)
    return CheckOutcome("pass" if outcomes == {"holds"} else "inconclusive", results)


def _epsilon_withheld(report: Results, attack: str) -> str:
    """Return why the audit gives no epsilon; the reason concerns the split, not the attack."""
    if not hasattr(report, "metrics"):
        return "An audit of a synthetic table gives no bound on epsilon."
    rows = report.metrics[
        (report.metrics["metric"] == "epsilon") & (report.metrics["slice"] == "all")
    ]
    own = rows[rows["attack"] == attack]
    rows = own if len(own) else rows
    if rows["low"].notna().any():
        return ""
    notes = [str(note) for note in rows["note"] if note]
    return notes[0] if notes else "The audit gives no lower bound on epsilon."


def _decide(
    condition: Condition, attack: str, estimate: metrics.Estimate, confidence: float
) -> ConditionResult:
    compare, bound = OPERATORS[condition.operator], condition.bound
    low, high = float(estimate.low), float(estimate.high)
    upwards = condition.operator.startswith(">")
    # The end that must satisfy the condition for all of the interval to do so, and the other.
    hardest, easiest = (low, high) if upwards else (high, low)
    outcome: Literal["holds", "violated", "open"] = "open"
    if not math.isnan(hardest) and compare(hardest, bound):
        outcome = "holds"
    elif not math.isnan(easiest) and not compare(easiest, bound):
        outcome = "violated"
    value = "unknown" if math.isnan(estimate.value) else f"{estimate.value:.4g}"
    measured = f"{condition.measure} of {attack} is {value}"
    percent = f"{100 * confidence:.4g} %"
    if math.isnan(low):
        interval = "its interval is withheld"
    elif math.isnan(high):
        interval = f"at {percent} confidence at least {low:.4g}, its upper end is withheld"
    else:
        interval = f"{percent} interval {low:.4g} to {high:.4g}"
    # That it is withheld has been said.
    note = estimate.note.replace("interval withheld: ", "") if outcome == "open" else ""
    note = f" ({note})" if note else ""
    reason = f"{measured}, {interval}{note}."
    named, alarms = (
        None if count is None else int(count)
        for count in (estimate.n_identified, estimate.n_false_alarms)
    )
    return ConditionResult(
        condition,
        outcome,
        reason,
        float(estimate.value),
        low,
        high,
        confidence,
        estimate.n_members,
        estimate.n_nonmembers,
        named,
        alarms,
    )
