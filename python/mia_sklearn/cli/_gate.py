"""The gate: conditions to fail on, what a report says of them, and the exit code."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree as xml

from .._process._printable import printable
from ._configured import configured_gate

if TYPE_CHECKING:
    from ..conditions import Condition, ConditionResult
    from ..report import AuditReport, BaselineComparison, SyntheticReport

__all__ = ["BAD_INPUT", "FAILS", "FINE", "OPEN", "Gate", "Judged", "gate_of"]

# Exit codes. Whatever prevents an audit is BAD_INPUT: Python's own 1 would read as "fails".
FINE, FAILS, BAD_INPUT, OPEN = 0, 1, 2, 3

# A gate fails where its condition surely holds.
_WORDS = {"holds": "FAILED", "violated": "PASSED", "open": "UNDECIDED"}
_SIZES = ("n_synthetic", "n_train", "n_control")
_WORST_FIRST = ("FAILED", "UNDECIDED", "PASSED")


@dataclass(frozen=True)
class Gate:
    """What is asked of a report.

    Attributes
    ----------
    conditions : list of Condition
        Each fails the gate where it surely holds.
    strict : bool
        Whether one that cannot be excluded fails it too.
    where : str
        The file that names them; empty where the command line does.
    baseline : AuditReport or None
        An earlier audit: the gate fails where surely more is given away than then.
    """

    conditions: list[Condition]
    strict: bool
    where: str
    baseline: AuditReport | None = None

    def judge(self, report: AuditReport | SyntheticReport) -> Judged:
        """Read all conditions against a report."""
        from ..conditions import evaluate

        n = len(self.conditions)
        results = [evaluate(each, report, n_conditions=n) for each in self.conditions]
        compared = None
        if self.baseline is not None:
            compared = report.compare(self.baseline)  # type: ignore[union-attr]
        return Judged(results, self.strict, self.where, compared)


class Found(NamedTuple):
    """What was found of one thing that was asked: on the command line, and as a test's name."""

    asked: str
    name: str
    word: str
    reason: str


@dataclass(frozen=True)
class Judged:
    """What a report says of each condition.

    Attributes
    ----------
    results : list of ConditionResult
    strict : bool
    where : str
    compared : BaselineComparison or None
    """

    results: list[ConditionResult]
    strict: bool
    where: str
    compared: BaselineComparison | None = None

    @property
    def found(self) -> list[Found]:
        """What was found of each condition, then of the baseline."""
        found = [
            Found(
                f"--fail-if {result.condition}",
                f"not ({result.condition})",
                _WORDS[result.outcome],
                result.explanation,
            )
            for result in self.results
        ]
        if self.compared is not None:
            word = "PASSED" if self.compared else "FAILED"
            word = "UNDECIDED" if self.compared.doubts else word
            found.append(Found("--baseline", "baseline", word, str(self.compared)))
        return found

    @property
    def worst(self) -> str:
        said = {each.word for each in self.found}
        return next((word for word in _WORST_FIRST if word in said), "PASSED")

    @property
    def code(self) -> int:
        """The exit code."""
        open_code = OPEN if self.strict else FINE
        return {"FAILED": FAILS, "UNDECIDED": open_code, "PASSED": FINE}[self.worst]

    @property
    def line(self) -> str:
        """The whole outcome on one line; empty where nothing is asked."""
        if not self.found:
            return ""
        hint = "; --strict makes it 3" if self.worst == "UNDECIDED" and not self.strict else ""
        return f"gate: {self.worst} (exit {self.code}{hint})"

    def lines(self) -> list[str]:
        """Each condition's outcome, then the whole."""
        if not self.found:
            return []
        by = f"the conditions of {self.where}" if self.where else ""
        told = [f"{each.word} {each.asked}: {each.reason}" for each in self.found]
        return [*([by] if by else []), *told, self.line]

    def write_junit(self, path: Path, info: dict[str, Any], verdict: str) -> None:
        """Write the outcomes as JUnit XML, which build servers show: one test per condition.

        A condition that cannot be excluded counts as skipped, where `strict` as failed.
        """
        suite = xml.Element("testsuite", name="mia-sklearn", time="0", errors="0")
        counts = {"failures": 0, "skipped": 0}
        properties = xml.SubElement(suite, "properties")
        for name in ("model", "headline", "confidence", "n_members", "n_nonmembers", *_SIZES):
            if name in info:
                xml.SubElement(properties, "property", name=name, value=_plain(str(info[name])))
        xml.SubElement(properties, "property", name="verdict", value=_plain(verdict))
        for each in self.found:
            case = xml.SubElement(suite, "testcase", classname="mia_sklearn.gate", name=each.name)
            case.set("time", "0")
            if each.word == "PASSED":
                continue
            fails = each.word == "FAILED" or self.strict
            counts["failures" if fails else "skipped"] += 1
            child = xml.SubElement(case, "failure" if fails else "skipped")
            child.set("message", _plain(f"{each.word}: {each.reason}"))
        suite.set("tests", str(len(self.found)))
        for name, count in counts.items():
            suite.set(name, str(count))
        suites = xml.Element("testsuites")
        suites.append(suite)
        xml.indent(suites)
        path.write_bytes(xml.tostring(suites, encoding="utf-8", xml_declaration=True))


def _plain(text: str) -> str:
    # What XML cannot hold, control characters, is never part of a name that is safe to print.
    return " ".join(printable(text).split())


def gate_of(args: argparse.Namespace, known: Iterable[str]) -> Gate:
    """Return what the command line, or else a file, asks of a report.

    Parameters
    ----------
    args : Namespace
    known : iterable of str
        Names that attacks may have.

    Raises
    ------
    ValueError
        If a condition is malformed, or nothing is asked where something must be.
    """
    from ..conditions import parse
    from ..report import AuditReport

    baseline = None if args.baseline is None else AuditReport.load(args.baseline)
    texts, strict, where = list(args.fail_if), args.strict, ""
    configured = configured_gate(args.conditions)
    # What a project is strict about stays so, whichever conditions the command line names.
    strict = strict or (configured.strict and bool(texts or configured.conditions))
    if args.conditions is not None or not texts:
        texts += configured.conditions
        where = configured.where
        if args.conditions is not None and not configured.conditions:
            raise ValueError(f"{where} names no condition: give it fail-if = ['auc > 0.6'].")
    if not texts and baseline is None:
        asking = {"--strict": strict, "--junit": args.junit is not None}
        for option in (name for name, given in asking.items() if given):
            raise ValueError(
                f"{option} needs a condition: add --fail-if, such as --fail-if 'auc > 0.6'."
            )
    names = list(known)
    conditions = [parse(text, names) for text in texts]
    return Gate(conditions, strict, where if texts else "", baseline)
