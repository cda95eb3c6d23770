"""What conditions came to, kept beside the report that they were read on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..conditions import CheckOutcome, ConditionResult

if TYPE_CHECKING:
    from ._contents import AuditContents

__all__ = ["condition_in_words", "gate_in_words", "gate_of", "gate_of_report", "gate_with"]

# Of a condition that must hold. One that a gate fails on must not.
_MUST_HOLD = {"holds": "passed", "violated": "failed", "open": "undecided"}
_FAILS_IF = {"holds": "failed", "violated": "passed", "open": "undecided"}
_WORST_FIRST = ("failed", "undecided", "passed")
# A gate that fails on what must not be reads as a double negative, unless both halves are said:
# what was asked, and whether it holds.
_ASKED = {True: "gate fails if", False: "must hold:"}
_CAME_TO = {
    True: {"failed": "GATE FAILED: it holds", "passed": "passed: it does not hold"},
    False: {"failed": "FAILED: it does not hold", "passed": "passed: it holds"},
}


def gate_of(
    results: CheckOutcome | Sequence[ConditionResult], *, fails_if: bool = False
) -> dict[str, Any]:
    """Put what conditions came to into plain values, for ``report.info["gate"]``.

    Parameters
    ----------
    results : CheckOutcome or sequence of ConditionResult
        What `AuditReport.check` or `mia_sklearn.conditions.evaluate` returned.
    fails_if : bool, default=False
        True for conditions that a gate fails on, as the command line's ``--fail-if``: they must
        not hold.

    Returns
    -------
    dict
        ``outcome``, "passed", "failed" or "undecided", and ``conditions``, for each in order
        ``condition``, ``fails_if``, ``outcome``, ``estimate``, ``low``, ``high`` (NaN where
        withheld), ``confidence`` and ``reason``.
    """
    results = results.results if isinstance(results, CheckOutcome) else results
    words = _FAILS_IF if fails_if else _MUST_HOLD
    conditions = [
        {
            "condition": str(result.condition),
            "fails_if": fails_if,
            "outcome": words[result.outcome],
            "estimate": result.estimate,
            "low": result.low,
            "high": result.high,
            "confidence": result.confidence,
            "reason": result.explanation,
        }
        for result in results
    ]
    return {"outcome": _worst(conditions), "conditions": conditions}


def gate_of_report(report: AuditContents) -> dict[str, Any] | None:
    """Return the gate that a report was held to; None where it was held to none."""
    gate = report.info.get("gate")
    if not isinstance(gate, dict) or not gate:
        return None
    if isinstance(gate.get("conditions"), list):
        conditions = [dict(each) for each in gate["conditions"] if isinstance(each, dict)]
        known = all({"condition", "fails_if", "outcome"} <= each.keys() for each in conditions)
        return {**gate, "conditions": conditions} if conditions and known else None
    # As the command line of 0.1 wrote it: what each condition to fail on came to.
    conditions = [
        {"condition": str(condition), "fails_if": True, "outcome": _FAILS_IF[outcome]}
        for condition, outcome in gate.items()
        if outcome in _FAILS_IF
    ]
    return {"outcome": _worst(conditions), "conditions": conditions} if conditions else None


def gate_with(report: AuditContents, told: Iterable[tuple[str, str, str]]) -> dict[str, Any] | None:
    """Return a report's gate with further conditions that must hold; None without any.

    Parameters
    ----------
    report : AuditReport
    told : iterable of tuple
        Of each condition its text, "passed", "failed" or "undecided", and the reason.
    """
    gate = gate_of_report(report)
    kept = {each["condition"]: each for each in (gate["conditions"] if gate else [])}
    for condition, outcome, reason in told:
        kept[condition] = {"condition": condition, "fails_if": False}
        kept[condition] |= {"outcome": outcome, "reason": reason}
    conditions = list(kept.values())
    return {"outcome": _worst(conditions), "conditions": conditions} if conditions else None


def gate_in_words(report: AuditContents) -> str:
    """Return what the gate came to, and each condition; empty where there was none."""
    gate = gate_of_report(report)
    if gate is None:
        return ""
    said = [", ".join(condition_in_words(each)) for each in gate["conditions"]]
    return f"{gate['outcome']} ({'; '.join(said)})"


def condition_in_words(kept: dict[str, Any]) -> tuple[str, str]:
    """Return what was asked of one condition of a gate, and what it came to.

    Parameters
    ----------
    kept : dict
        One of the ``conditions`` of `gate_of_report`.
    """
    fails_if, outcome = bool(kept["fails_if"]), str(kept["outcome"])
    return f"{_ASKED[fails_if]} {kept['condition']}", _CAME_TO[fails_if].get(outcome, outcome)


def _worst(conditions: list[dict[str, Any]]) -> str:
    said = {each["outcome"] for each in conditions}
    return next(word for word in _WORST_FIRST if word in said)
