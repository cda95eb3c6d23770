"""Commands beside `audit`: saved reports, conditions in files, comparisons, explanations."""

import json
import logging
import os
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.datasets import make_classification
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import mia_sklearn
from mia_sklearn import AuditReport, ReferenceModels, audit, structural_risk
from mia_sklearn._audit._findings import FINDERS
from mia_sklearn._process import _progress
from mia_sklearn.cli import main
from mia_sklearn.defenses import LabelOnly
from mia_sklearn.report._structure import MEASURES

pytestmark = pytest.mark.usefixtures("few_rounds", "no_pictures")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A tree that memorises, its records, and a saved report of it."""
    folder = tmp_path_factory.mktemp("case")
    X, y = make_classification(800, 6, flip_y=0.4, random_state=0)
    frame = pd.DataFrame(X, columns=[f"x{k}" for k in range(6)]).assign(y=y)
    frame[:400].to_csv(folder / "train.csv", index=False)
    frame[400:].to_csv(folder / "test.csv", index=False)
    model = DecisionTreeClassifier(random_state=0).fit(frame.drop(columns="y")[:400], y[:400])
    skops.io.dump(model, folder / "model.skops")
    report = audit(
        model,
        frame.drop(columns="y")[:400],
        y[:400],
        frame.drop(columns="y")[400:],
        y[400:],
        n_references=4,
        attacks=["lira", "threshold"],
        random_state=0,
        progress=False,
    )
    report.save(folder / "saved")
    return folder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No pyproject.toml lies here or above."""
    monkeypatch.chdir(tmp_path)
    assert not any((folder / "pyproject.toml").exists() for folder in tmp_path.parents)


@pytest.fixture
def run(capsys):
    def run_(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse
            code = stop.code
        printed = capsys.readouterr()
        return SimpleNamespace(code=code, out=printed.out, err=printed.err)

    return run_


def audited(case, *more):
    files = ("--model", case / "model.skops", "--train", case / "train.csv")
    return ("audit", *files, "--test", case / "test.csv", "--target", "y", *more)


SMALL = ("--references", 4, "--attacks", "LIRA", "Threshold")


# --- the gate on a saved report -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "word", "code"),
    [
        (["AUC > 0.55"], "FAILED", 1),
        (["LiRA:auc > .999"], "PASSED", 0),
        (["Threshold:Tpr@0.01 > 0.001"], "UNDECIDED", 0),
        (["threshold:tpr@0.01 > 0.001", "--strict"], "UNDECIDED", 3),
    ],
)
def test_a_saved_report_is_checked(case, run, asked, word, code):
    result = run("check", case / "saved", "--fail-if", *asked)
    assert result.code == code
    lines = result.out.splitlines()
    assert lines[0] == AuditReport.load(case / "saved").verdict
    assert lines[1].startswith(f"{word} --fail-if {asked[0].lower()[:4]}")
    assert lines[-1].startswith(f"gate: {word} (exit {code}")


def test_nothing_to_check_is_said(case, run):
    result = run("check", case / "saved")
    assert result.code == 2 and "--fail-if" in result.err and "pyproject.toml" in result.err


@pytest.mark.parametrize(
    ("where", "why"), [("nowhere", "audit.json"), ("file", "audit.json"), ("", "names no folder")]
)
def test_what_is_no_report_is_named(case, run, tmp_path, where, why):
    (tmp_path / "file").write_text("")
    result = run("check", where and tmp_path / where, "--fail-if", "auc > .6")
    assert result.code == 2 and why in result.err and "Traceback" not in result.err


def test_an_attack_that_was_not_run_is_named(case, run):
    result = run("check", case / "saved", "--fail-if", "rmia:auc > .6")
    assert result.code == 2 and "'rmia' is not part of this audit; it has lira" in result.err


# --- conditions in files ------------------------------------------------------------------------


def test_the_project_names_conditions(case, run, tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text(
        '[tool.other]\nx = 1\n[tool.mia-sklearn]\nfail-if = ["auc > 0.55"]\nstrict = true\n'
    )
    below = tmp_path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    result = run("check", case / "saved")
    assert result.code == 1 and str(tmp_path / "pyproject.toml") in result.out
    # The conditions of the command line stand alone; strict stays.
    result = run("check", case / "saved", "--fail-if", "auc > 0.999")
    assert result.code == 0 and "pyproject.toml" not in result.out
    result = run("check", case / "saved", "--fail-if", "threshold:tpr@0.01 > 0.001")
    assert result.code == 3
    result = run(*audited(case, *SMALL, "--quiet"))
    assert result.code == 1 and result.out.splitlines()[-1] == "gate: FAILED (exit 1)"


@pytest.mark.parametrize("text", ["[tool.other]\nx = 1\n", "not toml ="])
def test_a_project_that_says_nothing_is_no_gate(case, run, tmp_path, text):
    (tmp_path / "pyproject.toml").write_text(text)
    assert "Nothing to check" in run("check", case / "saved").err


@pytest.mark.parametrize("name", ["gate.yaml", "gate.yml", "gate.toml", "of_a_project.toml"])
def test_a_file_names_conditions(case, run, tmp_path, name):
    if name.startswith("gate.y"):
        pytest.importorskip("yaml")
    texts = {
        "gate.toml": 'fail-if = ["auc > 0.55", "auc > 0.999"]',
        "of_a_project.toml": '[tool.mia-sklearn]\nfail-if = "auc > 0.55"',
    }
    path = tmp_path / name
    path.write_text(texts.get(name, "fail-if:\n- auc > 0.55\n- auc > 0.999\nstrict: false\n"))
    result = run("check", case / "saved", "--conditions", path)
    assert result.code == 1 and f"the conditions of {path}" in result.out
    more = run("check", case / "saved", "--conditions", path, "--fail-if", "auc > .9")
    assert more.code == 1 and more.out.count("--fail-if") == result.out.count("--fail-if") + 1


BAD_FILES = {
    "unknown key": ('[tool.mia-sklearn]\nfail_if = ["auc > 1"]', "unknown key 'fail_if'"),
    "no list": ("[tool.mia-sklearn]\nfail-if = 0.6", "must be a list of conditions"),
    "no texts": ("[tool.mia-sklearn]\nfail-if = [0.6]", "must be a list of conditions"),
    "no condition": ("[tool.mia-sklearn]\nstrict = true", "names no condition"),
    "strict": ('[tool.mia-sklearn]\nfail-if = ["auc > .6"]\nstrict = 1', "true or false"),
    "malformed": ('[tool.mia-sklearn]\nfail-if = ["auk > .6"]', "unknown metric 'auk'"),
    "broken": ("[tool.mia-sklearn\n", "cannot be read"),
    "no table": ("[tool]\nmia-sklearn = 3", "must hold the keys"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_conditions_are_named_before_anything_is_read(case, run, tmp_path, name):
    text, why = BAD_FILES[name]
    path = tmp_path / "own.toml"
    path.write_text(text)
    for command in (("check", case / "saved"), audited(case, "--model", "nowhere.skops")):
        result = run(*command, "--conditions", path)
        assert result.code == 2 and why in result.err and str(path) in result.err + str(path)
    if name in ("unknown key", "malformed", "broken"):
        path.rename(tmp_path / "pyproject.toml")
        assert why in run("check", case / "saved").err


def test_files_of_other_kinds_are_refused(case, run, tmp_path):
    assert ".toml, .yaml" in run("check", case / "saved", "--conditions", "gate.json").err
    missing = run("check", case / "saved", "--conditions", tmp_path / "gate.toml")
    assert missing.code == 2 and "cannot be read (No such file" in missing.err


def test_strict_and_junit_need_a_condition(case, run, tmp_path):
    for option in (["--strict"], ["--junit", tmp_path / "out.xml"]):
        result = run(*audited(case, *option))
        assert result.code == 2 and f"{option[0]} needs a condition" in result.err


def test_junit_holds_a_test_for_each_condition(case, run, tmp_path):
    conditions = ["auc > 0.55", "auc > 0.999", "threshold:tpr@0.01 > 0.001"]
    asked = [part for text in conditions for part in ("--fail-if", text)]
    for strict in (False, True):
        path = tmp_path / "reports" / "gate.xml"
        run("check", case / "saved", *asked, "--junit", path, *["--strict"] * strict)
        suite = ElementTree.parse(path).getroot()[0]
        counts = {"tests": "3", "failures": str(1 + strict), "skipped": str(1 - strict)}
        assert counts.items() <= suite.attrib.items()
        cases = suite.findall("testcase")
        assert [one.get("name") for one in cases] == [f"not ({text})" for text in conditions]
        undecided = "failure" if strict else "skipped"
        found = [[child.tag for child in one] for one in cases]
        assert found == [["failure"], [], [undecided]]
        assert cases[0][0].get("message").startswith("FAILED: auc of lira is ")
        properties = {one.get("name"): one.get("value") for one in suite.iter("property")}
        assert properties["headline"] == "lira" and properties["n_members"] == "400"


# --- what is printed ----------------------------------------------------------------------------


def test_verdict_and_gate_come_first_and_last(case, run, tmp_path):
    result = run(*audited(case, *SMALL, "--output", "out", "--title", "Of trees"))
    report = AuditReport.load("out")
    assert result.out.startswith(report.verdict)
    lines = result.out.splitlines()
    assert lines[-1] == f"verdict: {report.verdict}" and len(lines) <= 32
    assert report.info["title"] == "Of trees"
    gated = run(*audited(case, *SMALL, "--fail-if", "auc > .55", "--output", "out"))
    lines = gated.out.splitlines()
    assert lines[0] == lines[-1] == "gate: FAILED (exit 1)" and lines[1] == report.verdict
    report = AuditReport.load("out")
    kept = report.info["gate"]["conditions"]
    asked = [(each["condition"], each["fails_if"], each["outcome"]) for each in kept]
    assert (report.info["gate"]["outcome"], asked) == ("failed", [("auc > 0.55", True, "failed")])
    digest = sha256((case / "model.skops").read_bytes()).hexdigest()
    assert report.info["digests"]["model_file"] == digest
    whole = run(*audited(case, *SMALL, "--verbose"))
    assert "How it was computed" in whole.out and "How it was computed" not in result.out


def test_verbose_says_what_was_decided_and_why(case, run):
    result = run(*audited(case, *SMALL, "--verbose"))
    said = [line for line in result.err.splitlines() if line.startswith("mia-sklearn: ")]
    assert "mia-sklearn: the verdict is that of lira; attacks: lira, threshold; the model is" in (
        "\n".join(said)
    )
    assert any("400 members and 400 non-members, 4 reference models of 400" in s for s in said)
    assert any("training 4 reference models one by one" in s for s in said)
    assert any(s.startswith("mia-sklearn: control shift: ") for s in said)
    assert not logging.getLogger("mia_sklearn").isEnabledFor(logging.INFO)
    quiet = run(*audited(case, *SMALL))
    assert "mia-sklearn: the verdict" not in quiet.err


def test_one_bar_goes_through_all_phases(case, run):
    err = run(*audited(case, *SMALL)).err
    shown = [part for part in re.split("[\r\n]", err) if "%|" in part]
    phases = [part.partition(":")[0] for part in shown]
    assert [*dict.fromkeys(phases)][1:] == [
        "target",
        "references",
        "attacks",
        "structure",
        "p-values",
        "controls",
        "metrics",
    ]
    percents = [int(re.search(r"(\d+)%", part)[1]) for part in shown]
    assert percents == sorted(percents) and percents[-1] == 100
    assert any("4 of 4 models" in part for part in shown)
    assert "%|" not in run(*audited(case, *SMALL, "--quiet")).err


def test_a_long_audit_says_how_long_after_the_first_model(case, run, monkeypatch):
    monkeypatch.setattr(_progress, "_LONG", 0.0)
    err = run(*audited(case, *SMALL)).err
    assert re.search(r"About 10 s: 4 models, then 2 attacks\.", err)


def test_durations_in_words():
    said = [_progress.duration(seconds) for seconds in (3, 42, 100, 3000, 9000)]
    assert said == ["10 s", "40 s", "2 min", "50 min", "2.5 h"]


def test_references_alone_keep_their_own_bar(capsys):
    X, y = np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 2
    ReferenceModels(DecisionTreeClassifier(), 4, progress=True).fit(X, y)
    assert "reference models: 100%" in capsys.readouterr().err


# --- saved reports ------------------------------------------------------------------------------


def test_a_saved_report_is_printed(case, run):
    report = AuditReport.load(case / "saved")
    assert run("report", case / "saved").out == f"{report}\n"
    assert "Other" in run("report", case / "saved", "--title", "Other", "--format", "html").out


def test_a_saved_report_is_printed_in_each_format(case, run):
    report = AuditReport.load(case / "saved")
    assert run("report", case / "saved", "--format", "md").out == f"{report.to_markdown()}\n"
    read = json.loads(run("report", case / "saved", "--format", "json").out)
    kept = json.loads((case / "saved" / "audit.json").read_text())
    assert read == kept
    beside = run("report", case / "saved", "--baseline", case / "saved").out
    assert "NOT SURELY WORSE" in beside.splitlines()[-3]


@pytest.mark.parametrize("form", ["text", "html", "md", "json"])
def test_a_report_without_records_is_printed_without_any(case, run, form):
    listed = {
        "text": "set    row",
        "html": 'id="records"',
        "md": "nowhere",
        "json": '"row":',
    }[form]
    asked = ("report", case / "saved", "--format", form)
    assert (listed in run(*asked).out) == (form != "md")
    assert listed not in run(*asked, "--no-records").out


def test_an_audit_whose_records_are_not_written_prints_none(case, run, tmp_path):
    options = (*SMALL, "--verbose", "--no-records", "--output", tmp_path / "evidence")
    out = run(*audited(case, *options)).out
    assert "Who is exposed" in run(*audited(case, *SMALL, "--verbose")).out
    assert not re.search(r"^train +\d+ ", out, re.MULTILINE)


def test_one_form_is_printed_and_all_are_written(case, run, tmp_path):
    result = run("report", case / "saved", "--format", "md", "--output", tmp_path / "x")
    assert result.code == 2 and "--format prints" in result.err and not (tmp_path / "x").exists()


@pytest.mark.parametrize("option", ["--output", "--cache", "--junit"])
def test_files_and_folders_are_not_mistaken(case, run, tmp_path, option):
    (tmp_path / "file").write_text("")
    place = tmp_path if option == "--junit" else tmp_path / "file"
    result = run(*audited(case, *SMALL, "--fail-if", "auc > .9", option, place))
    kind = "is a folder. Name a file" if option == "--junit" else "is a file. Name a folder"
    assert result.code == 2 and kind in result.err


def test_help_loads_no_library():
    code = "import sys, mia_sklearn.cli; print('sklearn' in sys.modules, 'numpy' in sys.modules)"
    # Wherever the package lies, from wherever this is run.
    env = {**os.environ, "PYTHONPATH": str(Path(mia_sklearn.__file__).parents[1])}
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    assert told.stdout == "False False\n"


def test_a_saved_report_is_written_anew_without_records(case, run, tmp_path):
    result = run("report", case / "saved", "--output", tmp_path / "again", "--no-records")
    assert result.code == 0 and str(tmp_path / "again" / "index.html") in result.out
    assert not (tmp_path / "again" / "records.csv").exists()
    assert AuditReport.load(tmp_path / "again").verdict == AuditReport.load(case / "saved").verdict


# --- defenses -----------------------------------------------------------------------------------


def compared(case, *more):
    return ("compare", *audited(case)[1:], "--references", 4, "--attacks", "threshold", *more)


def test_the_structure_of_a_model_is_told_in_seconds(case, run, tmp_path):
    what = ("--model", case / "model.skops", "--train", case / "train.csv", "--target", "y")
    alone = run("structural", *what)
    assert alone.code == 0
    assert "400 training and 0 other records" in alone.out and "Self-influence" in alone.out
    both = run("structural", *what, "--test", case / "test.csv", "--format", "md")
    assert both.code == 0 and both.out.startswith("# Structural risk of DecisionTreeClassifier")
    assert "LOSS\\_GAP" in both.out
    for name, start in (("risk.md", "# Structural risk"), ("risk.json", "{")):
        written = run("structural", *what, "--output", tmp_path / name)
        assert written.code == 0 and "Self-influence" in written.out
        assert (tmp_path / name).read_text().startswith(start)
    content = json.loads((tmp_path / "risk.json").read_text())
    assert content["info"]["n_train"] == 400
    by_name = {row["measure"]: row for row in content["measures"]}
    assert by_name["self_influence"]["value"] > 0 and by_name["ks"]["value"] is None
    assert content["findings"][0].keys() >= {"code", "severity", "title"}
    assert json.loads(run("structural", *what, "--format", "json").out) == content
    nowhere = run("structural", *what, "--output", tmp_path / "risk.txt")
    assert nowhere.code == 2 and "must end with .md or .json" in nowhere.err
    wrong = run("structural", *what, "--release", "predictions")
    assert wrong.code == 2 and "release must be one of 'posteriors'" in wrong.err


def test_named_defenses_are_compared(case, run, tmp_path):
    result = run(
        *compared(case, "--defenses", "Label Only", "ROUNDED", "--output", tmp_path / "d.csv")
    )
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert [line.split("  ")[0] for line in lines[1:4]] == ["undefended", "label only", "rounded"]
    frame = pd.read_csv(tmp_path / "d.csv").set_index("defense")
    assert frame["parameters"]["label only"].startswith("LabelOnly(")
    assert f"{frame['threshold_auc']['undefended']:.3f} (" in lines[1]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--defenses", "armour"], "Unknown defense 'armour'.*label only"),
        (["--attacks", "lira", "x"], "Unknown attack 'x'"),
        (["--release", "samples"], "release must be one of"),
        (["--defenses", "DP-SGD"], "'DP-SGD' defends networks, which DecisionTreeClassifier is"),
        (["--defenses", "top-k"], "'top-k' changes nothing here .*TopKPosterior"),
        (["--output", "."], "--output . is a folder"),
    ],
)
def test_bad_comparisons(case, run, more, why):
    result = run(*compared(case, *more))
    assert result.code == 2 and re.search(why, result.err)


@pytest.mark.filterwarnings("always")
def test_a_comparison_of_nothing_is_no_success(case, run, monkeypatch):
    monkeypatch.setattr(LabelOnly, "fit", lambda self, X, y: 1 / 0)
    result = run(*compared(case, "--defenses", "label only"))
    assert result.code == 2 and "'label only' is not compared" in result.err
    row = next(line for line in result.out.splitlines() if line.startswith("label only"))
    assert row.split()[2:6] == ["-"] * 4 and "ZeroDivisionError" in row


def test_defenses_are_listed(run):
    result = run("defenses")
    assert result.code == 0 and re.search(r"^label only +answers", result.out, re.MULTILINE)


# --- explanations -------------------------------------------------------------------------------


def test_every_finding_is_explained_in_any_case(run):
    codes = [finder.code for finder in FINDERS]
    result = run("explain", *(code.lower() for code in codes))
    assert result.code == 0 and all(f"{code} (finding" in result.out for code in codes)
    listed = run("explain").out
    assert all(code in listed for code in codes) and "lira" in listed


def test_measures_of_structure_are_explained(run):
    X, y = make_classification(40, random_state=0)
    measured = [
        structural_risk(model.fit(X[:20], target[:20]), X[:20], target[:20], X[20:], target[20:])
        for model, target in ((SVC(), y), (DecisionTreeRegressor(), X[:, 0]))
    ]
    names = {name for report in measured for name in report.measures["measure"]}
    assert names == set(MEASURES)
    result = run("explain", *sorted(names - {"ks"}), "KS")
    assert result.code == 0
    assert result.out.count("(measure of a model's structure)") == len(names)
    assert "Kolmogorov-Smirnov" in result.out and "structural.html" in result.out


def test_the_module_runs_the_command_line():
    asked = [sys.executable, "-m", "mia_sklearn", "--version"]
    told = subprocess.run(asked, check=True, capture_output=True, text=True)
    assert told.stdout.startswith("mia-sklearn ")


def test_words_of_the_report_attacks_and_defenses_are_explained(run):
    result = run("explain", "AUC", "p", "Which-Epsilon", "LiRA", "label ONLY", "TopKPosterior")
    assert "top-k (defense)" in result.out and "In Python TopKPosterior." in result.out
    assert result.code == 0 and "0.5 is" in result.out and "tenfold at 2.3" in result.out
    assert "lira (attack)" in result.out and "label only (defense)" in result.out
    assert "?." not in result.out


def test_what_is_not_known_gets_near_names(run):
    result = run("explain", "REFERENCE_DIFFER")
    assert result.code == 2 and "Did you mean REFERENCES_DIFFER" in result.err


def test_model_files_and_tables_are_checked_before_defenses_train(case, run, tmp_path):
    joblib.dump(3, tmp_path / "m.joblib")
    result = run(*compared(case, "--model", tmp_path / "m.joblib"))
    assert result.code == 2 and "--trust" in result.err
