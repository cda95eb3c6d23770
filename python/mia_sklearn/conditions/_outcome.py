"""What an audit says of conditions, and how it reads wherever it is shown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from .._process._notebook import Tone, badge, paragraph, shown, table
from ._condition import Condition

__all__ = ["CheckOutcome", "ConditionResult"]

_OUTCOMES = {"pass": "PASSED", "fail": "FAILED", "inconclusive": "UNDECIDED"}
_TONES: dict[str, Tone] = {"pass": "good", "fail": "serious", "inconclusive": "warning"}
# pytest cuts out the middle of what is longer than 240 characters.
_SHOWN_BY_PYTEST = 230
_RESULTS = {"holds": "PASSED", "violated": "FAILED", "open": "UNDECIDED"}


@dataclass(frozen=True)
class ConditionResult:
    """What an audit says of one condition.

    Attributes
    ----------
    condition : Condition
    outcome : {"holds", "violated", "open"}
        "holds" and "violated" mean that the whole interval lies on one side of the bound; "open"
        that it does not, that an end was withheld, or that the audit is in doubt
        (`AuditReport.doubts`).
    reason : str
        The estimate and its interval in words, or why nothing is decided.
    estimate, low, high : float
        NaN where withheld.
    confidence : float
        The confidence at which the interval was read.
    n_members, n_nonmembers : int
        Records, or people, behind the estimate.
    n_identified, n_false_alarms : int or None
        Members, and non-members, called members where the metric is read; None where it is read
        at no false-positive rate.
    counted : str
        What the estimate rests on in words, where that is not members and others.
    """

    condition: Condition
    outcome: Literal["holds", "violated", "open"]
    reason: str
    estimate: float
    low: float
    high: float
    confidence: float
    n_members: int = 0
    n_nonmembers: int = 0
    n_identified: int | None = None
    n_false_alarms: int | None = None
    counted: str = ""

    @property
    def explanation(self) -> str:
        """The reason, and how many records or people it rests on."""
        if self.counted:
            return f"{self.reason.removesuffix('.')}; {self.counted}."
        counts = f"{self.n_members:,} members", f"{self.n_nonmembers:,} others"
        if self.n_identified is not None and self.n_false_alarms is not None:
            named = f"named {self.n_identified:,}", f"{self.n_false_alarms:,}"
            counts = f"{named[0]} of {counts[0]}", f"{named[1]} of {counts[1]}"
        return f"{self.reason.removesuffix('.')}; {', '.join(counts)}."

    def __str__(self) -> str:
        return f"{_RESULTS[self.outcome]} {self.condition}: {self.explanation}"


@dataclass(frozen=True, repr=False)
class CheckOutcome:
    """The answer of `AuditReport.check`.

    It is true only when the outcome is "pass", so that ``assert report.check("auc <= 0.6")``
    fails when the records cannot decide. Its text says PASSED, FAILED or UNDECIDED of all
    conditions, then of each.

    Attributes
    ----------
    outcome : {"pass", "fail", "inconclusive"}
        "pass" when every condition surely holds, "fail" when one is surely violated,
        "inconclusive" otherwise.
    results : tuple of ConditionResult
        One for each condition, in order.
    """

    outcome: Literal["pass", "fail", "inconclusive"]
    results: tuple[ConditionResult, ...]

    def __bool__(self) -> bool:
        return self.outcome == "pass"

    def __str__(self) -> str:
        return "\n  ".join([_OUTCOMES[self.outcome], *map(str, self.results)])

    def __repr__(self) -> str:
        # A failed assertion shows it on one line, and of a long one both ends, as if they were one:
        # what made it fail comes first, and it is short.
        results = sorted(self.results, key=lambda result: result.outcome == "holds")
        head = f"{_OUTCOMES[self.outcome]}."
        for tell in (_told, _told_shortly, _told_briefly):
            parts = [tell(result) for result in results]
            if len(text := " ".join([head, *parts])) <= _SHOWN_BY_PYTEST:
                return text
        while len(parts) > 1 and len(text) > _SHOWN_BY_PYTEST:
            parts.pop()
            text = " ".join([head, *parts, f"And {len(results) - len(parts)} more."])
        return text

    def _repr_html_(self) -> str:
        tone = _TONES[self.outcome]
        rows = [
            (_RESULTS[result.outcome], str(result.condition), result.explanation)
            for result in self.results
        ]
        return shown(
            "",
            paragraph("", before=badge(_OUTCOMES[self.outcome], tone)),
            table("Conditions", ("Result", "Condition", "Measured"), rows),
        )


def _told_briefly(result: ConditionResult) -> str:
    return f"{_RESULTS[result.outcome]} {result.condition}: {_interval(result)}."


def _told_shortly(result: ConditionResult) -> str:
    what = "" if math.isnan(result.estimate) else f"{result.reason.partition(' is ')[0]} is "
    return f"{_RESULTS[result.outcome]} {result.condition}: {what}{_interval(result)}."


def _interval(result: ConditionResult) -> str:
    if math.isnan(result.low):
        nothing = math.isnan(result.estimate)
        return "in doubt" if nothing else f"{result.estimate:.4g} (withheld)"
    high = "withheld" if math.isnan(result.high) else f"{result.high:.4g}"
    return f"{result.estimate:.4g} ({result.low:.4g} to {high})"


def _told(result: ConditionResult) -> str:
    return f"{_RESULTS[result.outcome]} {result.condition}: {result.reason}"
