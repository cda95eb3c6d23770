"""The privacy gate in suites of its own, as pytest runs and reports them."""

import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from sklearn.linear_model import LogisticRegression

from mia_sklearn import AuditReport
from mia_sklearn.pytest_plugin import assert_private
from mia_sklearn.pytest_plugin._session import folder_name
from small_targets import fitted, run

SUITE = """
import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from mia_sklearn.pytest_plugin import assert_private

X, Y = make_classification(120, 6, n_informative=4, flip_y=0.2, random_state=0)
SPLIT = X[:60], Y[:60], X[60:], Y[60:]
FAST = dict(n_references=2, attacks="threshold", controls=False, n_jobs=1)
TIGHT = LogisticRegression(C=0.01).fit(*SPLIT[:2])
LEAKY = RandomForestClassifier(10, random_state=0).fit(*SPLIT[:2])
"""
PLUGIN = ("-p", "mia_sklearn.pytest_plugin", "-p", "no:cacheprovider")


@pytest.fixture(scope="module", autouse=True)
def loaded(tmp_path_factory):
    """Load all modules that an audit does: pytester forgets those that its runs load first."""
    report = run(fitted(LogisticRegression()))
    report.save(tmp_path_factory.mktemp("report"))
    str(report.compare(report)), report.check("auc <= 0.9")


@pytest.fixture(autouse=True)
def plain_pages(monkeypatch):
    """Draw no pictures: they take longer than the audits."""
    monkeypatch.setattr("mia_sklearn.report._html.render_html", lambda *_, **__: "a page")


@pytest.fixture
def suite(pytester):
    """Write a suite and run it in this process; the result has the text of its terminal."""
    pytester.makeini("[pytest]")

    def run_(tests, *arguments, name="test_gate"):
        pytester.makepyfile(**{name: SUITE + tests})
        result = pytester.runpytest_inprocess(*PLUGIN, *arguments)
        result.text = result.stdout.str()
        return result

    return run_


def properties(path):
    """Return the properties of each test in a JUnit file."""
    return {
        case.get("name"): {p.get("name"): p.get("value") for p in case.iter("property")}
        for case in ElementTree.parse(path).iter("testcase")
    }


GATES = """
@pytest.fixture(scope="module")
def tight(privacy_audit):
    return privacy_audit(TIGHT, *SPLIT, **FAST)

def test_passes(tight):
    assert_private(tight, "auc <= 0.95")

def test_fails(privacy_audit):
    report = privacy_audit(LEAKY, *SPLIT, **FAST)
    assert_private(report, "auc <= 0.99", "auc <= 0.5", "tpr@0.01 <= 0.5")

def test_is_undecided(tight):
    assert_private(tight, "tpr@0.01 <= 0.5")

def test_is_allowed_to_be(tight):
    assert_private(tight, "tpr@0.01 <= 0.5", allow_undecided=True)
"""


def test_a_gate_passes_fails_or_is_undecided(suite, pytester, tmp_path):
    result = suite(GATES, f"--privacy-report={tmp_path}", "--junitxml=junit.xml")
    result.assert_outcomes(passed=2, failed=2)
    folder = tmp_path / "test_gate.test_fails"
    # The failure is told by the test's own line, and by no code of ours.
    failure = result.text.partition("_ test_fails _")[2].partition("_ test_is_undecided _")[0]
    assert '>       assert_private(report, "auc <= 0.99"' in failure
    assert "raise AssertionError" not in failure
    lines = [line[1:].strip() for line in failure.splitlines() if line.startswith("E ")]
    assert lines[0].endswith("privacy FAILED: auc <= 0.5")
    assert re.match(
        r"PASSED auc <= 0.99: auc of threshold is 0\.\d+, 98\.33 % interval 0\.\d+ to 0\.\d+; "
        "60 members, 60 others",
        lines[1],
    )
    assert lines[2].startswith("FAILED auc <= 0.5: auc of threshold is 0.8")
    assert lines[3].startswith("UNDECIDED tpr@0.01 <= 0.5: ")
    assert re.search("named [0-9]+ of 60 members, 0 of 60 others", lines[3])
    assert lines[4] == f"the whole report: {folder / 'index.html'}"
    assert "What is undecided fails, unless allow_undecided=True." in result.text
    # Kept beside the report, in JUnit XML, and at the end of the run.
    gate = AuditReport.load(folder).info["gate"]
    assert gate["outcome"] == "failed"
    assert [
        (each["condition"], each["fails_if"], each["outcome"]) for each in gate["conditions"]
    ] == [
        ("auc <= 0.99", False, "passed"),
        ("auc <= 0.5", False, "failed"),
        ("tpr@0.01 <= 0.5", False, "undecided"),
    ]
    found = properties(pytester.path / "junit.xml")
    assert found["test_passes"]["privacy: auc <= 0.95"].startswith("PASSED: auc of threshold is 0.")
    assert found["test_fails"]["privacy: auc <= 0.5"].startswith("FAILED: auc of threshold is 0.8")
    assert found["test_is_allowed_to_be"]["privacy: tpr@0.01 <= 0.5"].startswith(
        "UNDECIDED (allowed): "
    )
    page = str(tmp_path / "test_gate.test_passes" / "index.html")
    # One audit of a fixture that three tests share.
    assert {found[name]["privacy report"] for name in found if name != "test_fails"} == {page}
    summary = result.text.partition("= privacy audits =")[2]
    assert "FAILED test_gate.py::test_fails\n  PASSED auc <= 0.99: auc of thr" in summary
    assert "UNDECIDED (allowed) test_gate.py::test_is_allowed_to_be\n" in summary
    assert f"  report: {page}\n" in summary
    assert "privacy: 1 passed, 1 failed, 1 undecided, 1 undecided (allowed)" in summary


def test_reports_lie_under_the_names_of_tests(suite, tmp_path):
    result = suite(
        """
@pytest.mark.privacy
@pytest.mark.parametrize("model", [TIGHT, LEAKY], ids=["../a b", "a:b"])
def test_several(privacy_audit, model):
    privacy_audit(model, *SPLIT, **FAST)

class TestOthers:
    def test_twice(self, privacy_audit):
        for _ in range(2):
            privacy_audit(TIGHT, *SPLIT, **FAST)
""",
        f"--privacy-report={tmp_path}",
        "--privacy-no-records",
        "--strict-markers",
    )
    result.assert_outcomes(passed=3)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 4
    assert len([name for name in names if name.startswith("test_gate.test_several-")]) == 2
    assert all(re.fullmatch(r"[\w.-]+", name) for name in names)
    twice = "test_gate.TestOthers.test_twice"
    assert {twice, f"{twice}-2"} < {*names}
    assert not list(tmp_path.glob("*/records.csv"))
    assert AuditReport.load(tmp_path / twice).records.empty
    assert "AUDITED test_gate.py::TestOthers::test_twice" in result.text


def test_names_of_folders_are_safe_and_differ():
    ids = [
        "tests/test_a.py::test_b",
        "tests/test_a.py::test_b[x/y]",
        "tests/test_a.py::test_b[x:y]",
        "tests/test_a.py::test_b[" + 300 * "ä" + "]",
        "tests/test_a.py::test_b[" + 300 * "x" + "1]",
        "tests/test_a.py::test_b[" + 300 * "x" + "2]",
        "..",
        "CON",
    ]
    names = [folder_name(each) for each in ids]
    assert names[0] == "tests.test_a.test_b"
    assert len({*names}) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9][\w.-]{0,110}", name) for name in names)


COUNTED = """
import os
LOG = os.environ["TRAINED"]

def trains(X, y, seed):
    with open(LOG, "a") as file:
        file.write(f"{seed}\\n")
    return DecisionTreeClassifier(max_depth=3, random_state=seed).fit(X, y)
"""


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """The seeds of all models that `trains` of a suite has trained, in whatever process."""
    path = tmp_path / "trained"
    monkeypatch.setenv("TRAINED", str(path))
    return lambda: path.read_text().split()


SEEDS = (
    COUNTED
    + """
def test_first(privacy_audit):
    report = privacy_audit(TIGHT, *SPLIT, **FAST, estimator=trains)
    assert report.info["random_state"] == 3

def test_same(privacy_audit):
    privacy_audit(TIGHT, *SPLIT, **FAST, estimator=trains)

def test_own_seed(privacy_audit):
    report = privacy_audit(TIGHT, *SPLIT, **FAST, random_state=5, estimator=trains)
    assert report.info["random_state"] == 5

def test_what_no_cache_can_name(privacy_audit):
    lock = __import__("threading").Lock()
    def unnamed(X, y, seed):
        with lock:
            return trains(X, y, seed)
    privacy_audit(TIGHT, *SPLIT, **FAST, estimator=unnamed)
"""
)


def test_audits_of_a_run_share_references_and_a_seed(suite, trained, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    suite(SEEDS, "--privacy-seed=3").assert_outcomes(passed=4)
    own = trained()
    # Two blocks each: those of the first two audits, of the third, and of what has no name.
    n = len(own) // 3
    assert n >= 2 and len(own) == 3 * n
    assert own[:n] == own[2 * n :]
    assert not {*own[:n]} & {*own[n : 2 * n]}
    assert not list(tmp_path.glob("mia-sklearn-*"))


def test_a_cache_that_is_named_stays(suite, trained, pytester):
    pytester.makeini("[pytest]\nprivacy_cache = kept\nprivacy_seed = 3\nprivacy_no_records = true")
    tests = SEEDS.partition("def test_what")[0]
    suite(tests).assert_outcomes(passed=3)
    n = len(trained())
    assert list((pytester.path / "kept").glob("*.npy"))
    suite(tests).assert_outcomes(passed=3)
    assert len(trained()) == n


XDIST = (
    COUNTED
    + """
@pytest.fixture(scope="module")
def report(privacy_audit):
    return privacy_audit(TIGHT, *SPLIT, **FAST, estimator=trains)

@pytest.mark.parametrize("i", range(2))
def test_gate(report, i):
    assert_private(report, "auc <= 0.5" if i == 1 else "auc <= 0.95", allow_undecided=True)
"""
)


def test_workers_train_no_reference_twice_and_report_to_the_run(suite, trained, tmp_path):
    pytest.importorskip("xdist")
    result = suite(XDIST, "-n2")
    found = trained()
    assert len(found) == len({*found}) >= 2
    summary = result.text.partition("= privacy audits =")[2]
    assert summary.count("test_gate.py::test_gate[") == 2
    assert "PASSED auc <= 0.95: auc of threshold is 0." in summary


GROWN = """
import os
MODEL = LEAKY if "GROWN" in os.environ else TIGHT

def test_gate(privacy_audit):
    assert_private(privacy_audit(MODEL, *SPLIT, **FAST), "auc <= 0.99")

def test_baseline_alone(privacy_audit):
    report = privacy_audit(MODEL, *SPLIT, **FAST)
    assert_private(report, baseline=report)
"""


def test_more_given_away_than_in_the_baseline_fails(suite, pytester, monkeypatch):
    suite(GROWN, "--privacy-report=first").assert_outcomes(passed=2)
    monkeypatch.setenv("GROWN", "1")
    result = suite(GROWN, "--privacy-baseline", "first")
    result.assert_outcomes(passed=1, failed=1)
    assert "privacy FAILED: baseline" in result.text
    assert "FAILED baseline: SURELY WORSE than the baseline: record by record" in result.text
    one = suite(GROWN, "--privacy-baseline=first/test_gate.test_gate/audit.json", "-k", "gate")
    assert "privacy FAILED: baseline" in one.text
    arguments = ("--privacy-baseline=first", "test_new.py", "-k", "gate")
    new = suite(GROWN.replace('"auc <= 0.99"', ""), *arguments, name="test_new")
    new.assert_outcomes(passed=1)
    assert f"  NEW baseline: there is none of this test in {pytester.path}" in new.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--privacy-report=file"], "--privacy-report: .*file is a file; name a folder"),
        (["--privacy-cache=file"], "--privacy-cache: .*file is a file; name a folder"),
        (["--privacy-report= "], "--privacy-report: ' ' names no path"),
        (["--privacy-seed=-1"], "--privacy-seed: give a whole number from 0 .* not '-1'"),
        (["--privacy-seed=²"], "--privacy-seed: give a whole number"),
        (["--privacy-baseline=none"], "--privacy-baseline: there is no .*none. Name what"),
        (["--privacy-baseline=.", "--privacy-report=."], "would be overwritten"),
        (["-o", "privacy_seed=x"], "--privacy-seed: give a whole number .* not 'x'"),
    ],
)
def test_bad_options_are_refused_before_any_test_runs(suite, pytester, arguments, message):
    (pytester.path / "file").write_text("")
    result = suite("def test_it(): pass", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert re.search(message, result.stderr.str())


def test_what_is_no_gate_is_an_error():
    report = run(fitted(LogisticRegression()))
    with pytest.raises(ValueError, match="at least one condition"):
        assert_private(report)
    with pytest.raises(TypeError, match=r"report must be an AuditReport, .* got dict"):
        assert_private({}, "auc <= 0.6")
    with pytest.raises(ValueError, match="unknown metric 'auk'") as raised:
        assert_private(report, "auk <= 0.6")
    # Of the way to it, the test's own line and ours, which is hidden.
    assert [entry.name for entry in raised.traceback][1:] == ["assert_private"]
    with pytest.raises(FileNotFoundError, match=r"No audit\.json"):
        assert_private(report, baseline="nowhere")


def test_the_assertion_works_without_the_plugin(monkeypatch):
    monkeypatch.setattr("mia_sklearn.pytest_plugin._assertion.RUNNING", [])
    report = run(fitted(LogisticRegression()))
    assert_private(report, "auc <= 0.99")
    with pytest.raises(AssertionError, match=r"(?s)privacy FAILED: auc >= 0.99\n.*not saved; "):
        assert_private(report, "auc >= 0.99", "auc <= 0.99")


LIGHT = """
import sys
import pytest
before = set(sys.modules)
plugins = ["-p", "mia_sklearn.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:benchmark"]
code = pytest.main([*plugins, *sys.argv[1:]])
own = {n.split(".")[0] for n in set(sys.modules) - before}
print(int(code), sorted(own & {"numpy", "scipy", "sklearn", "pandas", "joblib", "matplotlib"}))
"""


def test_the_plugin_loads_nothing_heavy_until_it_is_used(tmp_path):
    (tmp_path / "test_it.py").write_text("def test_it(): pass")
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "0 []"
