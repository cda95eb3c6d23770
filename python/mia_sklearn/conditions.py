"""Conditions on an audit, such as ``auc <= 0.6``: a small grammar, read against intervals."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from . import metrics

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CheckOutcome", "Condition", "ConditionResult", "check", "evaluate", "parse"]

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_RANGES = {
    "auc": (0.0, 1.0),
    "tpr": (0.0, 1.0),
    "advantage": (-1.0, 1.0),
    "accuracy": (0.0, 1.0),
    "epsilon": (0.0, math.inf),
    "ppv": (0.0, 1.0),
}
_OUTCOMES = {"pass": "PASSED", "fail": "FAILED", "inconclusive": "UNDECIDED"}
_RESULTS = {"holds": "PASSED", "violated": "FAILED", "open": "UNDECIDED"}
# What a metric is read at, an example of it.
_READ_AT = {
    "tpr": "the false-positive rate it is read at, such as 'tpr@0.01'",
    "ppv": "the false-positive rate it is read at and a prior, such as 'ppv@0.01,0.5'",
}
_TOKEN = re.compile(
    r"""\s*(?:(?P<operator><=|>=|<|>)
          |(?P<mark>[:@,])
          |(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
          |(?P<name>[A-Za-z_][\w.-]*))""",
    re.VERBOSE,
)
_HINT = "Write '[attack:]metric[@level[,prior]] operator number', for example 'auc <= 0.6'."


class Results(Protocol):
    """What conditions read of an `AuditReport`."""

    metrics: pd.DataFrame
    records: pd.DataFrame
    info: dict[str, Any]

    @property
    def attacks(self) -> list[str]:
        """The attacks that were run."""

    @property
    def doubts(self) -> list[str]:
        """What leaves the numbers in doubt."""


@dataclass(frozen=True)
class Condition:
    """A bound on one number of an audit.

    Parameters
    ----------
    metric : {"auc", "tpr", "advantage", "accuracy", "epsilon", "ppv"}
    operator : {"<", "<=", ">", ">="}
    bound : float
    level : float, default=None
        The false-positive rate of "tpr" and "ppv".
    attack : str, default=None
        The attack meant; the audit's headline attack by default.
    prior : float, default=None
        The share of members among the candidates that "ppv" is read at.

    Examples
    --------
    >>> from mia_sklearn.conditions import Condition
    >>> print(Condition("tpr", "<=", 0.05, level=0.01, attack="lira"))
    lira:tpr@0.01 <= 0.05
    """

    metric: str
    operator: str
    bound: float
    level: float | None = None
    attack: str | None = None
    prior: float | None = None

    @property
    def measure(self) -> str:
        """The metric with its levels, as `mia_sklearn.metrics` names it."""
        levels = [f"{level:.12g}" for level in (self.level, self.prior) if level is not None]
        return f"{self.metric}@{','.join(levels)}" if levels else self.metric

    def __str__(self) -> str:
        attack = "" if self.attack is None else f"{self.attack}:"
        return f"{attack}{self.measure} {self.operator} {self.bound:.12g}"


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
    """

    condition: Condition
    outcome: Literal["holds", "violated", "open"]
    reason: str
    estimate: float
    low: float
    high: float
    confidence: float


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
        return "\n  ".join([_OUTCOMES[self.outcome], *map(_told, self.results)])

    def __repr__(self) -> str:
        # A failed assertion shows its beginning on one line: what made it fail comes first.
        results = sorted(self.results, key=lambda result: result.outcome == "holds")
        return " ".join([f"{_OUTCOMES[self.outcome]}.", *map(_told, results)])


def _told(result: ConditionResult) -> str:
    return f"{_RESULTS[result.outcome]} {result.condition}: {result.reason}"


def parse(text: str, attacks: Iterable[str] | None = None) -> Condition:
    """Read ``[attack:]metric[@level[,prior]] operator number``.

    Parameters
    ----------
    text : str
        Metrics, and the attack where `attacks` is given, in upper or lower case.
    attacks : iterable of str, default=None
        Names that the attack may have; not checked by default.

    Returns
    -------
    Condition

    Raises
    ------
    ValueError
        If the text does not follow the grammar, names an unknown metric or attack, or sets a
        bound that the metric cannot reach. The message gives the position.

    Examples
    --------
    >>> from mia_sklearn.conditions import parse
    >>> parse("lira:auc < .7")
    Condition(metric='auc', operator='<', bound=0.7, level=None, attack='lira', prior=None)
    """
    if not isinstance(text, str):
        raise TypeError(f"A condition must be a string, got {type(text).__name__}. {_HINT}")
    reader = _Reader(text)
    attack = None
    metric = reader.take("name", "the name of a metric or attack")
    if reader.next_is(":"):
        attack = metric
        metric = reader.take("name", "the name of a metric")
    metric = metric.lower()
    if metric not in _RANGES:
        raise reader.error(f"unknown metric {metric!r}; choose one of {', '.join(_RANGES)}")
    level = prior = None
    if reader.next_is("@"):
        if metric not in _READ_AT:
            reader.take("number", "a number")
            raise reader.error(f"only {' and '.join(_READ_AT)} take a level, {metric!r} does not")
        level = reader.share("a false-positive rate", f"the level of {metric}")
        if metric == "ppv":
            if not reader.next_is(","):
                raise reader.error(f"ppv needs {_READ_AT['ppv']}")
            prior = reader.share("a prior", "the prior of ppv")
    elif metric in _READ_AT:
        raise reader.error(f"{metric} needs {_READ_AT[metric]}")
    comparison = reader.take("operator", f"one of {', '.join(_OPERATORS)}")
    bound = float(reader.take("number", "a number"))
    smallest, largest = _RANGES[metric]
    if not smallest <= bound <= largest:
        span = f"between {smallest:g} and {largest:g}" if largest < math.inf else "at or above 0"
        raise reader.error(f"{metric} lies {span}, a bound of {bound:g} decides nothing")
    reader.end()
    if attack is not None and attacks is not None:
        known = list(attacks)
        meant = [name for name in known if name == attack] or [
            name for name in known if name.lower() == attack.lower()
        ]
        if len(meant) != 1:
            raise ValueError(
                f"Condition {text!r}: the attack {attack!r} is not part of this audit; it has "
                f"{', '.join(known)}."
            )
        attack = meant[0]
    return Condition(metric, comparison, bound, level, attack, prior)


class _Reader:
    """The tokens of a condition, taken one by one."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.last = 0

    def _peek(self) -> re.Match[str] | None:
        return _TOKEN.match(self.text, self.position)

    def next_is(self, mark: str) -> bool:
        token = self._peek()
        if token is None or token.group("mark") != mark:
            return False
        self.position = token.end()
        return True

    def take(self, kind: str, expected: str) -> str:
        token = self._peek()
        if token is None or token.lastgroup != kind:
            self.last = self._start()
            raise self.error(f"expected {expected}, found {self._found()}")
        self.last, self.position = token.start(kind), token.end()
        return token.group(kind)

    def share(self, expected: str, name: str) -> float:
        number = float(self.take("number", expected))
        if not 0 < number < 1:
            raise self.error(f"{name} must lie strictly between 0 and 1")
        return number

    def end(self) -> None:
        self.last = self._start()
        if self.last < len(self.text):
            raise self.error(f"nothing may follow the number, found {self._found()}")

    def _start(self) -> int:
        rest = self.text[self.position :]
        return self.position + len(rest) - len(rest.lstrip())

    def _found(self) -> str:
        return repr(self.text[self.last :]) if self.last < len(self.text) else "the end"

    def error(self, problem: str) -> ValueError:
        return ValueError(f"Condition {self.text!r}, position {self.last + 1}: {problem}. {_HINT}")


def evaluate(
    condition: str | Condition, report: Results, *, n_conditions: int = 1
) -> ConditionResult:
    """Read one condition against a report.

    Parameters
    ----------
    condition : str or Condition
    report : AuditReport
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
    """
    if report.records.empty:
        raise ValueError(
            "This report was saved without its records, from whose scores conditions are read. "
            "Check them before it is saved, or on a report with records."
        )
    attacks = report.attacks
    if isinstance(condition, str):
        condition = parse(condition, attacks)
    elif condition.attack is not None and condition.attack not in attacks:
        raise ValueError(
            f"The attack {condition.attack!r} is not part of this audit; it has "
            f"{', '.join(attacks)}."
        )
    attack = condition.attack or report.info["headline"]
    confidence = 1 - (1 - report.info["confidence"]) / n_conditions
    withheld = _epsilon_withheld(report, attack) if condition.metric == "epsilon" else ""
    if report.doubts:
        withheld = f"The audit's numbers decide nothing: {'; '.join(report.doubts)}."
    if withheld:
        nan = math.nan
        return ConditionResult(condition, "open", withheld, nan, nan, nan, confidence)
    estimate = metrics.compute(
        condition.measure,
        report.records["member"].to_numpy(),
        report.records[attack].to_numpy(),
        confidence=confidence,
    )
    return _decide(condition, attack, estimate, confidence)


def check(conditions: Iterable[str | Condition], report: Results) -> CheckOutcome:
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
    compare, bound = _OPERATORS[condition.operator], condition.bound
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
    return ConditionResult(condition, outcome, reason, float(estimate.value), low, high, confidence)
