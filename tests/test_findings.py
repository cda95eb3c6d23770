"""Findings are classes: each declares what the documentation says, other packages bring more."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.metadata import EntryPoint
from inspect import isclass
from pkgutil import iter_modules
from types import SimpleNamespace
from typing import get_args

import pandas as pd
import pytest

from mia_sklearn import AuditReport
from mia_sklearn._audit import _findings
from mia_sklearn._audit._findings import FINDERS, Context
from mia_sklearn._audit._findings._of_other_packages import ENTRY_POINTS, of_other_packages
from mia_sklearn.report import BaseFinder, Finding
from mia_sklearn.report._finding import QUALIFYING, Severity, in_order
from mia_sklearn.structural import _findings as of_structure


def test_every_finder_is_asked_and_declares_what_it_finds():
    modules = [
        import_module(f"{_findings.__name__}.{m.name}") for m in iter_modules(_findings.__path__)
    ] + [of_structure]
    written = {
        value
        for module in modules
        for value in vars(module).values()
        if isclass(value) and issubclass(value, BaseFinder) and value is not BaseFinder
    }
    assert set(FINDERS) == written
    assert len({finder.code for finder in FINDERS}) == len(FINDERS)
    for finder in FINDERS:
        assert re.fullmatch("[A-Z]+(_[A-Z]+)*", finder.code)
        assert set(finder.severities) <= set(get_args(Severity))
        assert finder.severities and finder.summary


def test_doubts_are_those_that_a_report_puts_in_order():
    assert {finder.code for finder in FINDERS if finder.qualifies} == set(QUALIFYING)


class Small(BaseFinder):
    code = "SMALL_STUDY"
    severities = ("warning", "serious")
    summary = "few training records"
    qualifies = True

    def find(self, context):
        n = context.info["n_train"]
        return self.found(f"{n} records", "...", "...", "serious") if n < 100 else None


class Same(Small):
    code = "SHIFT"


class Careless(Small):
    code = "CARELESS"

    def find(self, context):
        context.records["p_value"] = 0.0
        context.info.clear()
        context.controls.append(None)


class Failing(Small):
    def find(self, context):
        raise KeyError("nothing")


class Undecided(Small):
    def find(self, context):
        return self.found("title", "...", "...")


class Milder(Small):
    def find(self, context):
        return self.found("title", "...", "...", "info")


class Renamed(Small):
    def find(self, context):
        return Finding("OTHER", "serious", "title", "...", "...")


class Unqualified(Small):
    def find(self, context):
        return Finding(self.code, "serious", "title", "...", "...")


class Wordless(Small):
    def find(self, context):
        return self.found(None, "...", "...", "serious")


class Lazy(BaseFinder):
    code = "LAZY"


def no_class():
    """Makes no finding."""


@pytest.fixture
def asked(monkeypatch):
    """What finders of another package find."""

    def ask(*names, n_train=40):
        points = [EntryPoint(name, f"{__name__}:{name}", ENTRY_POINTS) for name in names]
        module = _findings.__name__ + "._of_other_packages"
        monkeypatch.setattr(f"{module}.entry_points", lambda group: points)
        monkeypatch.setattr(EntryPoint, "load", lambda point: globals()[point.attr])
        tables = pd.DataFrame(), pd.DataFrame({"p_value": [0.5]})
        context = Context(SimpleNamespace(), *tables, [], {"n_train": n_train})
        return of_other_packages(context, {"SHIFT"}), context

    return ask


def test_other_packages_bring_findings(asked):
    (found,), _ = asked("Small")
    assert found == Finding("SMALL_STUDY", "serious", "40 records", "...", "...", qualifies=True)
    assert asked("Small", n_train=200)[0] == [None]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "KeyError"),
        ("no_class", "TypeError: it is no subclass of BaseFinder"),
        ("Lazy", "TypeError: Can't instantiate"),
        ("Same", "another finding has the code 'SHIFT'"),
        ("Failing", "KeyError: 'nothing'"),
        ("Undecided", r"one that Undecided declares \(warning, serious\), got None"),
        ("Milder", "got 'info'"),
        ("Renamed", r"None or what found\(\) makes, got Finding\(code='OTHER'"),
        ("Unqualified", r"what found\(\) makes, got Finding\(code='SMALL_STUDY'"),
        ("Wordless", "TypeError: title must be a str, got None"),
    ],
)
def test_a_finding_that_does_not_work_is_left_out_and_named_once(asked, name, reason):
    message = rf"The finding \S*:{name} is left out: .*{reason}"
    with pytest.warns(UserWarning, match=message) as said:
        found, _ = asked(name, "Careless")
    assert found == [None]
    assert len(said) == 1


def test_other_packages_alter_nothing_of_an_audit(asked):
    _, context = asked("Careless")
    assert context.records["p_value"].tolist() == [0.5]
    assert (context.info, context.controls) == ({"n_train": 40}, [])


def test_doubts_of_other_packages_are_said_last_and_kept(make_report, asked, tmp_path):
    report = make_report()
    report.findings += asked("Small")[0]
    report.findings.append(Finding("NO_SIGNAL", "warning", "No signal", "...", "..."))
    assert report.doubts == ["no signal", "40 records"]
    assert report.check("auc > 0.6").outcome == "inconclusive"
    report.save(tmp_path)
    loaded = AuditReport.load(tmp_path)
    assert loaded.findings == in_order(report.findings)
    assert loaded.doubts == report.doubts


def test_what_a_code_says_is_not_stored(make_report, tmp_path):
    report = make_report(n=40)
    report.findings.append(Finding("NO_SIGNAL", "warning", "No signal", "...", "..."))
    report.save(tmp_path)
    assert '"qualifies"' not in (tmp_path / "audit.json").read_text(encoding="utf-8")
