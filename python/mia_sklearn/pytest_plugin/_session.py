"""What the audits of one run of pytest share, and what is said of them at its end."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest

__all__ = ["RUNNING", "Kept", "Options", "PrivacySession"]

# What a test may come to, the worst first, and how it is shown.
_COLOURS = {
    "FAILED": "red",
    "UNDECIDED": "yellow",
    "UNDECIDED (allowed)": "yellow",
    "PASSED": "green",
}
# Names of what a test's results become in JUnit XML, by which they also come from the workers of
# pytest-xdist to the run that sums up.
_CONDITION, _REPORT = "privacy: ", "privacy report"
_LONGEST_NAME = 100

#: Runs that have begun, the one at work last: a test may run pytest itself.
RUNNING: list[PrivacySession] = []


@dataclass(frozen=True)
class Options:
    """What the command line and the configuration file say.

    Attributes
    ----------
    cache, report, baseline : Path or None
    seed : int
    records : bool
        Whether reports are saved with their records.
    """

    cache: Path | None
    report: Path | None
    baseline: Path | None
    seed: int
    records: bool


@dataclass(frozen=True)
class Kept:
    """What is known of a report that an audit of this run made.

    Attributes
    ----------
    folder : Path or None
        Where it was saved.
    baseline : AuditReport or None
        The earlier report that it is held against.
    awaited : Path or None
        Where that would be, were there one of this test.
    """

    folder: Path | None = None
    baseline: Any = None
    awaited: Path | None = None


class PrivacySession:
    """One run of pytest, or one worker of it."""

    def __init__(self, options: Options, shared_cache: str | None = None) -> None:
        self.options = options
        self.kept: WeakKeyDictionary[Any, Kept] = WeakKeyDictionary()
        #: Rows of the table of benchmarked attacks, see `AttackBenchmark`.
        self.benchmarks: dict[str, dict[str, Any]] = {}
        self.item: Any = None
        self._n_audits: Counter[str] = Counter()
        self._told: dict[str, list[tuple[str, str]]] = {}
        self._own_cache: Path | None = None
        shared = None if shared_cache is None else Path(shared_cache)
        # A worker on another machine has no such folder.
        self._shared_cache = shared if shared is not None and shared.is_dir() else None

    @property
    def cache(self) -> Path:
        """The folder of references; without one that was asked for, one that ends with the run."""
        if self.options.cache is not None:
            return self.options.cache
        if self._shared_cache is not None:
            return self._shared_cache
        if self._own_cache is None:
            self._own_cache = Path(tempfile.mkdtemp(prefix="mia-sklearn-"))
        return self._own_cache

    def close(self) -> None:
        if self._own_cache is not None:
            shutil.rmtree(self._own_cache, ignore_errors=True)
            self._own_cache = None

    def next_name(self) -> str:
        """Return the name under which the next audit of the test at work is saved."""
        nodeid = "session" if self.item is None else self.item.nodeid
        self._n_audits[nodeid] += 1
        n = self._n_audits[nodeid]
        return folder_name(nodeid) + (f"-{n}" if n > 1 else "")

    def tell(self, condition: str, answer: str) -> None:
        """Note what was found of one condition, in the test at work."""
        self._note(_CONDITION + condition, answer)

    def tell_folder(self, folder: Path) -> None:
        """Note where a report was saved, in the test at work."""
        self._note(_REPORT, str(folder / "index.html"))

    def _note(self, name: str, value: str) -> None:
        from .._process._printable import printable

        entry = (printable(name), printable(value))
        if self.item is not None and entry not in self.item.user_properties:
            self.item.user_properties.append(entry)

    # --- hooks ------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: Any) -> None:
        self.item = item
        self._n_audits.pop(item.nodeid, None)

    def pytest_runtest_logfinish(self) -> None:
        self.item = None

    def pytest_runtest_logreport(self, report: Any) -> None:
        # Of the three of a test, the last one holds everything.
        properties = getattr(report, "user_properties", ())
        ours = [(str(n), str(v)) for n, v in properties if n.startswith((_CONDITION, _REPORT))]
        if report.when == "teardown" and ours:
            self._told[report.nodeid] = ours

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["privacy_cache"] = str(self.cache)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self._told:
            return
        terminalreporter.section("privacy audits")
        counts: Counter[str] = Counter()
        for nodeid, entries in self._told.items():
            answers = [
                (name[len(_CONDITION) :], v) for name, v in entries if name.startswith(_CONDITION)
            ]
            words = {answer.partition(":")[0] for _, answer in answers}
            worst = next((word for word in _COLOURS if word in words), "AUDITED")
            counts[worst] += 1
            colour = _COLOURS.get(worst)
            terminalreporter.write_line(f"{worst} {nodeid}", **({colour: True} if colour else {}))
            for condition, answer in answers:
                word, _, reason = answer.partition(": ")
                terminalreporter.write_line(f"  {word} {condition}: {reason}")
            for _, path in (entry for entry in entries if entry[0] == _REPORT):
                terminalreporter.write_line(f"  report: {path}")
        total = ", ".join(f"{n} {word.lower()}" for word, n in counts.items())
        terminalreporter.write_line(f"privacy: {total}")


def folder_name(nodeid: str) -> str:
    """Return a name for a folder that every file system takes, another for another test."""
    plain = nodeid.replace(".py::", ".").replace("::", ".").replace("/", ".")
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", plain).strip(".-") or "test"
    if safe == plain and len(safe) <= _LONGEST_NAME:
        return safe
    return f"{safe[:_LONGEST_NAME].rstrip('.-')}-{hashlib.sha256(nodeid.encode()).hexdigest()[:8]}"
