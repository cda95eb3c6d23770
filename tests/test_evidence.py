"""Evidence that can be handed on: no record, and nothing that could name or hold one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import audit
from mia_sklearn._audit._findings import FINDERS
from mia_sklearn.report import AuditReport, Finding, _folder
from mia_sklearn.report import _evidence as evidence
from mia_sklearn.report._without_data import without_data

pytestmark = pytest.mark.usefixtures("few_rounds", "no_pictures")

SECRET = "Ada Lovelace"


@pytest.fixture
def telling(make_report):
    """A report in which every place that may hold data holds a person's name."""
    report = make_report(
        n=60,
        labels=(SECRET, f"not {SECRET}"),
        estimator=f"Pipeline(steps=[('{SECRET}', DummyClassifier(constant='{SECRET}'))])",
        asked_for=f"LabelAccess({SECRET!r})",
        note=SECRET,
        records_per_person={"least": 1.0, "median": 2.0, "most": 4711.0},
        digests={"train": "4711" * 16, "references": "4711" * 16, "model_file": "ab" * 32},
        gate={"auc > 0.6": "holds"},
    )
    report.features = pd.DataFrame({SECRET: [SECRET]}, index=[0], dtype=object)
    records = report.records
    records.insert(2, "index", [f"{SECRET} {i}" for i in range(len(records))])
    records["slice_who"] = np.where(np.arange(len(records)) == 3, SECRET, "others")
    row = report.metrics[report.metrics["slice"] == "sex=male"].assign(n_members=1)
    alone = [row.assign(slice=f"who={SECRET}"), row.assign(slice="who=others", n_members=59)]
    report.metrics = pd.concat([report.metrics, *alone], ignore_index=True)
    for code in (*evidence.RETOLD, "OF_ANOTHER_PACKAGE", f"{SECRET}!"):
        report.findings.append(Finding(code, "info", f"3 of {SECRET}", SECRET, SECRET))
    # Of our own these titles hold counts.
    kept = {code for code, title in evidence.RETOLD.items() if title is None}
    report.findings = [
        Finding(f.code, f.severity, "3 of 16", SECRET, SECRET) if f.code in kept else f
        for f in report.findings
    ]
    return report


def test_nobody_is_named_in_any_file(telling, tmp_path):
    telling.save(tmp_path, records=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.json", "index.html"]
    texts = [path.read_text() for path in tmp_path.iterdir()]
    loaded = AuditReport.load(tmp_path)
    texts += [str(loaded), repr(loaded), telling.to_markdown(), telling.model_card()]
    for text in texts:
        assert SECRET not in text and "Ada" not in text
        assert "4711" not in text


@pytest.mark.parametrize("of_people", [False, True])
def test_an_audit_of_named_people_hands_on_no_name(tmp_path, of_people):
    rng = np.random.default_rng(0)
    names = np.array([f"Person {i // (2 if of_people else 1):03}" for i in range(160)])
    y = np.where(rng.random(160) < 0.5, "Ada Lovelace", "Alan Turing")
    X = pd.DataFrame(rng.normal(size=(160, 2)), columns=["a", "b"], index=names)
    weights = {"Ada Lovelace": 4.0, "Alan Turing": 1.0}
    model = make_pipeline(SimpleImputer(), DecisionTreeClassifier(class_weight=weights))
    model.fit(X[:80], y[:80])
    given = (X[:80], y[:80], X[80:], y[80:])
    slices = {"who": np.where(names == names[4], "Person 004, by himself", "others")}
    options = {"n_references": 2, "attacks": ["threshold"], "controls": False, "random_state": 0}
    report = audit(
        model, *given, slices=slices, groups=names if of_people else None, progress=False, **options
    )
    report.save(tmp_path / "whole")
    page = report.save(tmp_path / "evidence", records=False)
    whole = (tmp_path / "whole" / "audit.json").read_text()
    assert "Person 004" in whole and "Ada Lovelace" in whole
    found = {finding.code for finding in report.findings}
    assert ("PEOPLE" in found) == of_people
    texts = [page.read_text(), (tmp_path / "evidence" / "audit.json").read_text()]
    texts += [report.to_markdown(), report.model_card(), str(AuditReport.load(page.parent))]
    for text in texts:
        assert not re.search("Person 0|Ada|Lovelace|Turing", text)
    assert "DecisionTreeClassifier(class_weight=...)" in texts[1]


def test_what_is_left_out_is_said_and_what_it_is_of_can_be_proved(telling, tmp_path):
    telling.save(tmp_path / "whole")
    telling.save(tmp_path / "evidence", records=False)
    whole, kept = (
        json.loads((tmp_path / name / "audit.json").read_text()) for name in ("whole", "evidence")
    )
    assert kept["info"]["whole_report"] == whole["fingerprint"]
    assert kept["info"]["left_out"].startswith("the records; groups of 'who' with fewer than 10;")
    assert kept["records"] is None
    assert kept["digests"] == {"model_file": "ab" * 32}
    assert kept["info"]["records_per_person"] == {"median": 2.0}
    assert kept["gate"] == whole["gate"]
    assert [row["slice"] for row in kept["metrics"]][-2:] == ["sex=female", "sex=male"]
    assert "note" not in kept["info"]
    # Evidence saved again is the same evidence, of the same report.
    AuditReport.load(tmp_path / "evidence").save(tmp_path / "again")
    for name in ("audit.json", "index.html"):
        if name == "audit.json":
            again = (tmp_path / "again" / name).read_bytes()
            assert again == (tmp_path / "evidence" / name).read_bytes()
    assert not (tmp_path / "again" / "records.csv").exists()


def test_counts_and_rates_stay(make_report, tmp_path):
    report = make_report(n=60, random_state=np.int64(7))
    report.save(tmp_path, records=False)
    loaded = AuditReport.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.metrics, report.metrics)
    pd.testing.assert_frame_equal(loaded.controls, report.controls)
    assert loaded.verdict == report.verdict
    assert loaded.info["random_state"] == 7
    assert set(report.info) - set(loaded.info) == set()


@pytest.mark.parametrize("act", ["check", "plot"])
def test_what_needs_records_says_that_they_were_left_out(make_report, tmp_path, act):
    make_report(n=30).save(tmp_path, records=False)
    loaded = AuditReport.load(tmp_path)
    with pytest.raises(ValueError, match="saved without its records"):
        loaded.check("auc <= 0.6") if act == "check" else loaded.plot()
    assert "no list of records" in repr(loaded)


def test_every_finding_is_known_to_hold_counts_or_is_retold():
    codes = {finder.code for finder in FINDERS}
    assert evidence.COUNTS_ONLY | set(evidence.RETOLD) == codes
    assert not evidence.COUNTS_ONLY & set(evidence.RETOLD)


SIZES = {
    "all are large": ([30, 40], [30, 40], (70, 70), [0, 1]),
    "one is small, and so is what is left": ([5, 30, 40], [30, 30, 40], (75, 100), [2]),
    "two are small, and many together": ([6, 9, 40], [5, 6, 40], (55, 51), [2]),
    "members alone are in no group": ([30, 40], [30, 40], (75, 70), [1]),
    "nobody is left": ([5], [50], (5, 50), []),
}


@pytest.mark.parametrize("case", SIZES)
def test_small_groups_cannot_be_had_by_subtraction(make_report, case):
    members, others, everyone, kept = SIZES[case]
    report = make_report(n=30)
    report.metrics.loc[:, ["n_members", "n_nonmembers"]] = everyone
    row = report.metrics[report.metrics["slice"] == "sex=male"]
    groups = [
        row.assign(slice=f"sex={i}", n_members=n, n_nonmembers=m)
        for i, (n, m) in enumerate(zip(members, others, strict=True))
    ]
    overall = report.metrics[report.metrics["slice"] == "all"]
    report.metrics = pd.concat([overall, *groups])
    slices = evidence.evidence_of(report).metrics["slice"].unique().tolist()
    assert slices == ["all", *(f"sex={i}" for i in kept)]


WRITTEN = {
    "RandomForestClassifier(n_estimators=100)": "RandomForestClassifier(n_estimators=100)",
    "SVC(C=-1.5, gamma=nan, kernel='poly')": "SVC(C=-1.5, gamma=nan, kernel='poly')",
    "DummyClassifier(constant='ada')": "DummyClassifier(constant=...)",
    "KMeans(init=array([[1., 2.], [3., 4.]]))": "KMeans(init=...)",
    "SVC(class_weight={'ada': 3})": "SVC(class_weight=...)",
    "Mine(born=datetime.date(1815, 12, 10), who=ada)": "Mine(born=..., who=...)",
    "Mine(x=(36, 51000, 90210), y=[1], z=f(1), t=1 + 1)": "Mine(x=..., y=..., z=..., t=...)",
    "MLPClassifier(hidden_layer_sizes=(64, 32))": "MLPClassifier(hidden_layer_sizes=[64, 32])",
    "Pipeline(steps=[('ada', SVC()), ('b', M(c='ada'))])": "Pipeline(steps=[SVC(), M(c=...)])",
    "Pipeline of SVC": "Pipeline of SVC",
    "none": "none",
    "Mine(f=<function ada at 0x1>)": "Mine(...)",
    "Mine(text='cut in the mid...": "Mine(...)",
    "Ada is here": "...",
    "'ada'": "...",
    "": "...",
    "-" * 5000 + "1": "...",
}


@pytest.mark.parametrize("text", WRITTEN)
def test_parameters_that_may_hold_data_are_not_written(text):
    assert without_data(text) == WRITTEN[text]


@pytest.mark.parametrize("wrong", ["no", None, 0, "False"])
def test_records_must_be_a_truth(make_report, tmp_path, wrong):
    with pytest.raises(TypeError, match="records must be True or False"):
        make_report(n=30).save(tmp_path, records=wrong)
    assert not list(tmp_path.iterdir())


def test_lists_of_earlier_audits_are_removed_first(make_report, tmp_path, monkeypatch):
    for name in ("records.csv", "records.parquet", "records.npz"):
        (tmp_path / name).write_text(SECRET)

    def fail(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_folder, "write", fail)
    with pytest.raises(OSError, match="No space left"):
        make_report(n=30).save(tmp_path, records=False)
    assert not list(Path(tmp_path).iterdir())
