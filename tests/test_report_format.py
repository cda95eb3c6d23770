"""What `audit.json` holds: rows, in the published schema; earlier formats, and many records."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import audit
from mia_sklearn.report import AuditReport, Finding, _html, _record_files, _store, gate_of, schema
from mia_sklearn.report._gate import gate_of_report

pytestmark = pytest.mark.usefixtures("no_pictures")

EARLIER = Path(__file__).parent / "reports"
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "number": (int, float),
    "integer": int,
}


def departures(value, rule, whole, where="$"):
    """What of a JSON value is not as a schema says, for the words that ours uses."""
    if "$ref" in rule:
        rule = whole["$defs"][rule["$ref"].rpartition("/")[2]]
    unknown = rule.keys() - {
        *("$schema", "$defs", "title", "description", "type", "required", "properties", "const"),
        *("additionalProperties", "items", "enum", "anyOf", "pattern", "minimum"),
    }
    assert not unknown
    found = []
    kinds = rule.get("type", list(TYPES))
    kinds = [kinds] if isinstance(kinds, str) else kinds
    fits = any(
        isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
        for kind in kinds
    )
    if not fits:
        return [f"{where} is no {kinds}"]
    if "anyOf" in rule and all(departures(value, each, whole) for each in rule["anyOf"]):
        found.append(f"{where} is none of those that it may be")
    for word, holds in (
        ("const", lambda to: value == to and type(value) is type(to)),
        ("enum", lambda to: value in to),
        ("pattern", lambda to: re.search(to, value)),
        ("minimum", lambda to: value >= to),
        ("required", lambda to: set(to) <= value.keys()),
    ):
        if word in rule and not holds(rule[word]):
            found.append(f"{where} is not as {word} says")
    if isinstance(value, dict):
        rest = rule.get("additionalProperties", {})
        for name, item in value.items():
            inner = rule.get("properties", {}).get(name, rest)
            if inner is False:
                found.append(f"{where}.{name} is not known")
            else:
                found += departures(item, inner, whole, f"{where}.{name}")
    if isinstance(value, list) and "items" in rule:
        for i, item in enumerate(value):
            found += departures(item, rule["items"], whole, f"{where}[{i}]")
    return found


def content_of(folder):
    return json.loads((folder / "audit.json").read_text())


@pytest.fixture(autouse=True)
def no_page(monkeypatch):
    """Pages are looked at elsewhere, and cost most of the time."""
    monkeypatch.setattr(_html, "render_html", lambda *given, **options: "")


@pytest.fixture(scope="module")
def real():
    """A report of a small audit, with slices and references."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(120, 2)), columns=["a", "b"], index=np.arange(120) * 7)
    y = np.arange(120) % 2
    model = DecisionTreeClassifier(random_state=0).fit(X[:60], y[:60])
    given = (X[:60], y[:60], X[60:], y[60:])
    options = {"n_references": 2, "attacks": ["threshold", "lira"], "controls": False}
    slices = {"half": np.arange(120) % 2 == 1}
    return audit(model, *given, slices=slices, random_state=0, progress=False, **options)


def test_what_the_exposed_look_like_is_kept_with_them_alone(real, tmp_path):
    assert list(real.features) == ["a", "b"]
    real.save(tmp_path)
    assert_frame_equal(AuditReport.load(tmp_path).features, real.features, check_exact=True)
    real.save(tmp_path, records=False)
    assert content_of(tmp_path)["features"] is None
    assert AuditReport.load(tmp_path).features is None
    # Names of features may occur twice.
    twice = replace(real, features=real.features.set_axis(["a", "a"], axis=1))
    twice.save(tmp_path)
    assert_frame_equal(AuditReport.load(tmp_path).features, twice.features, check_exact=True)


@pytest.mark.parametrize("kind", ["rows", "evidence", "parquet", "real", "gate", "hostile"])
def test_saved_reports_follow_the_schema(make_report, real, tmp_path, monkeypatch, kind):
    report = real if kind == "real" else make_report(n=60)
    options = {"records": kind != "evidence"}
    if kind == "parquet":
        pytest.importorskip("pyarrow")
        monkeypatch.setattr(_record_files, "MANY", 10)
    if kind == "gate":
        options["gate"] = report.check("auc <= 0.6", "epsilon <= 5")
    if kind == "hostile":
        report.metrics[["low", "high"]] = np.inf
        report.metrics["note"] = None
        report.info["gate"] = {"conditions": "none"}
        report.findings.append(Finding("X_Y", "info", "", "", "", qualifies=True))
    report.save(tmp_path, **options)
    content = content_of(tmp_path)
    assert departures(content, schema(), schema()) == []


def test_the_schema_can_be_departed_from(make_report, tmp_path):
    make_report(n=30).save(tmp_path)
    content = content_of(tmp_path)
    for change in (
        {"format": True},
        {"format": 3},
        {"fingerprint": "abc"},
        {"leak": {"degree": "none", "severity": "fatal"}},
        {"gate": {}},
        {"records": {"file": "other.parquet", "rows": 1, "sha256": "0" * 64}},
        {"metrics": content["columns"]["metrics"]},
        {"more": 1},
    ):
        assert departures({**content, **change}, schema(), schema()), change
    for name in content:
        assert departures({k: v for k, v in content.items() if k != name}, schema(), schema())


def test_tables_are_rows_and_what_programs_ask_first_stands_in_front(real, tmp_path):
    real.save(tmp_path)
    content = content_of(tmp_path)
    assert list(content)[:6] == ["format", "fingerprint", "verdict", "leak", "doubts", "gate"]
    assert list(content)[-1] == "records"
    auc = content["metrics"][0]
    assert (auc["attack"], auc["slice"], auc["metric"], auc["at"]) == (
        "threshold",
        "all",
        "auc",
        None,
    )
    assert auc["estimate"] == real.metrics["estimate"][0]
    assert content["records"][61]["index"] == real.records["index"][61]
    attacker = content["attacker"]
    row = real.coverage.set_index("attack").loc[real.info["headline"]]
    assert attacker == {
        "attack": real.info["headline"],
        "release": "posteriors",
        **row[["threat_model", "access", "knowledge"]].to_dict(),
    }
    assert content["gate"] is None
    assert content["versions"]["scikit-learn"]


def test_digests_are_of_the_records_whatever_holds_them(real):
    digests = real.info["digests"]
    assert set(digests) == {"train", "test", "references"}
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(120, 2)), np.arange(120) % 2
    model = DecisionTreeClassifier(random_state=0).fit(X[:60], y[:60])
    options = {"attacks": "threshold", "controls": False, "random_state": 0, "progress": False}

    def digests_of(X, y, n_references=0):
        given = (X[:60][::-1], y[:60][::-1], X[60:], y[60:])
        return audit(model, *given, n_references=n_references, **options).info["digests"]

    assert digests_of(X, y) == {name: digests[name] for name in ("train", "test")}
    other = X.copy()
    other[3, 1] += 1e-9
    changed = digests_of(other, y)
    assert changed["train"] != digests["train"] and changed["test"] == digests["test"]
    assert digests_of(X, np.where(np.arange(120) == 70, 1 - y, y))["test"] != digests["test"]
    # References train on these records in this order.
    assert digests_of(X, y, 2)["references"] != digests["references"]


def test_a_gate_is_kept_as_it_was_decided(make_report, tmp_path):
    report = make_report(n=200)
    outcome = report.check("auc <= 0.6", "tpr@0.1 <= 0.9", "tpr@0.001 <= 0.5")
    report.save(tmp_path, gate=outcome)
    assert "gate" not in report.info
    gate = content_of(tmp_path)["gate"]
    assert gate["outcome"] == "failed"
    assert [each["outcome"] for each in gate["conditions"]] == ["failed", "passed", "undecided"]
    first = gate["conditions"][0]
    assert (first["condition"], first["fails_if"]) == ("auc <= 0.6", False)
    assert (first["estimate"], first["low"]) == (
        outcome.results[0].estimate,
        outcome.results[0].low,
    )
    assert gate["conditions"][2]["high"] is None  # Withheld.
    loaded = AuditReport.load(tmp_path)
    assert "The gate that it was held to" in str(loaded)
    said = "failed (must hold: auc <= 0.6, FAILED: it does not hold; must hold: tpr@0.1 <= 0.9, "
    assert said in str(loaded)
    assert np.isnan(gate_of_report(loaded)["conditions"][2]["high"])


def test_conditions_to_fail_on_are_told_from_those_that_must_hold(make_report):
    report = make_report(n=200)
    results = report.check("auc > 0.6").results
    assert gate_of(results)["outcome"] == "passed"
    gate = gate_of(results, fails_if=True)
    assert (gate["outcome"], gate["conditions"][0]["outcome"]) == ("failed", "failed")
    report.info["gate"] = gate
    assert gate_of_report(report) == gate
    for none in (None, {}, [], "failed", {"conditions": [1]}, {"conditions": []}, {"auc": 3}):
        report.info["gate"] = none
        assert gate_of_report(report) is None


@pytest.mark.parametrize("wrong", ["failed", {}, True, {"conditions": []}, ["auc <= 0.6"]])
def test_what_is_no_gate_is_not_kept(make_report, tmp_path, wrong):
    with pytest.raises(TypeError, match=r"gate must be what check\(\) returned"):
        make_report(n=30).save(tmp_path, gate=wrong)
    assert not list(tmp_path.iterdir())


# Reports of earlier versions.


def test_a_report_of_format_1_is_read_as_it_was():
    report = AuditReport.load(EARLIER / "format-1")
    old = json.loads((EARLIER / "format-1" / "audit.json").read_text())
    assert report.verdict == old["verdict"]
    assert report.info["gate"] == {"auc > 0.6": "open"}
    assert np.isnan(report.info["note"]["nan"])
    assert [type(value).__name__ for value in report.records["index"]] == (
        ["str", "int", "tuple", "NoneType", "float", "Timestamp", "bool", "float", "NAType", "str"]
    )
    for name in ("metrics", "coverage"):
        column = next(c for c in old[name] if c["name"] == "attack")
        assert getattr(report, name)["attack"].tolist() == column["values"]
    stacked = next(c for c in old["records"] if c["name"] == "stacked")
    assert report.records["stacked"].tolist() == stacked["values"]
    assert report.records["q_value"].isna().sum() == 5
    assert report.check("auc <= 0.99").results


def test_a_report_of_format_1_is_saved_in_the_present_one(tmp_path):
    report = AuditReport.load(EARLIER / "format-1")
    report.save(tmp_path)
    content = content_of(tmp_path)
    assert departures(content, schema(), schema()) == []
    assert content["gate"]["conditions"] == [
        {"condition": "auc > 0.6", "fails_if": True, "outcome": "undecided"}
    ]
    again = AuditReport.load(tmp_path)
    for name in ("metrics", "records", "coverage", "controls"):
        assert_frame_equal(getattr(again, name), getattr(report, name), check_exact=True)


@pytest.mark.parametrize("version", [0, -1, 3, 10**30, True, 2.0, "2", None, [2]])
def test_an_unknown_format_is_refused(make_report, tmp_path, version):
    content = json.loads((EARLIER / "format-1" / "audit.json").read_text())
    (tmp_path / "audit.json").write_text(json.dumps({**content, "format": version}))
    with pytest.raises(ValueError, match=r"audit\.json' has format .* reads 1 and 2\.") as found:
        AuditReport.load(tmp_path)
    assert ("upgrade" in str(found.value)) == (version in (3, 10**30))


def test_the_file_itself_may_be_named(make_report, tmp_path):
    make_report(n=30).save(tmp_path)
    assert len(AuditReport.load(tmp_path / "audit.json").records) == 60
    for wrong in ("index.html", "records.csv"):
        with pytest.raises(ValueError, match="give its folder"):
            AuditReport.load(tmp_path / wrong)
    with pytest.raises(FileNotFoundError, match=r"No audit\.json in"):
        AuditReport.load(tmp_path / "nothing")


# Many records.


@pytest.fixture
def many(make_report, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(_record_files, "MANY", 10)
    report = make_report(n=30, labels=("=1+1", "b"))
    report.save(tmp_path)
    return report


def test_many_records_are_kept_as_parquet(make_report, many, tmp_path, monkeypatch):
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("audit.json", "index.html", "records.parquet")
    ]
    assert content_of(tmp_path)["records"].keys() == {"file", "rows", "sha256"}
    loaded = AuditReport.load(tmp_path)
    assert_frame_equal(loaded.records, many.records, check_exact=True)
    assert str(loaded) == str(many)
    # Other programs read it too.
    read = pd.read_parquet(tmp_path / "records.parquet")
    assert read["label"].tolist() == many.records["label"].tolist()
    # Fewer of them take its place, and the other way round.
    monkeypatch.setattr(_record_files, "MANY", 1000)
    many.save(tmp_path)
    assert not (tmp_path / "records.parquet").exists() and (tmp_path / "records.csv").exists()


@pytest.fixture
def no_pyarrow(monkeypatch):
    monkeypatch.setattr(_record_files, "MANY", 10)
    monkeypatch.setattr(_record_files, "find_spec", lambda name: None)


@pytest.mark.usefixtures("no_pyarrow")
def test_without_pyarrow_many_records_are_kept_by_numpy(make_report, tmp_path):
    report = make_report(n=30, labels=("=1+1", "b"))
    report.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("audit.json", "index.html", "records.npz")
    }
    assert departures(content_of(tmp_path), schema(), schema()) == []
    assert_frame_equal(AuditReport.load(tmp_path).records, report.records, check_exact=True)
    whole = (tmp_path / "records.npz").read_bytes()
    (tmp_path / "records.npz").write_bytes(whole[:-1] + b"x")
    with pytest.raises(ValueError, match=r"records\.npz' was damaged or changed"):
        AuditReport.load(tmp_path)


@pytest.mark.usefixtures("no_pyarrow")
def test_numpy_keeps_every_kind_of_column(tmp_path):
    floats = np.array([np.nan, np.inf, -0.0, 5e-324, 0.1 + 0.2])
    table = pd.DataFrame(
        {
            **{kind: np.arange(5).astype(kind) for kind in ("i1", "u8", "f4", "?")},
            "float/..": floats,
            "large": np.array([2**63 - 1, -(2**63), 0, 1, 2]),
            **{kind: pd.array([1, None, 0, 1, 1], dtype=kind) for kind in ("Int64", "Float64")},
            "boolean": pd.array([True, None, False, True, True], dtype="boolean"),
            "text": ["", "001", "None", "é\u2028\x00", "1e5"],
            "texts": pd.array(["a", None, "1", "", "b"], dtype="string"),
            "object": pd.Series(["a", 1, None, -np.inf, (1, ("b",))], dtype=object),
        }
    )
    content, about, columns = _record_files.to_file(table)
    assert content == _record_files.to_file(table)[0]
    (tmp_path / "records.npz").write_bytes(content)
    read = _record_files.read_file(tmp_path, about, columns)
    assert_frame_equal(read, table, check_exact=True)
    assert read["float/.."].to_numpy().tobytes() == floats.tobytes()
    with pytest.raises(ValueError, match="other columns or rows"):
        _record_files.read_file(tmp_path, about, columns[1:])
    with pytest.raises(ValueError, match="other columns or rows"):
        _record_files.read_file(tmp_path, about | {"rows": 6}, columns)


def renewed(folder, **about):
    """Write what a tamperer would: another file under digests that are right."""
    content = content_of(folder)
    content["records"] |= about
    del content["fingerprint"], content["format"]
    mark = _store.fingerprint(content)
    (folder / "audit.json").write_text(json.dumps({"format": 2, "fingerprint": mark, **content}))


def test_a_list_of_records_that_is_not_the_one_saved_is_refused(many, tmp_path, monkeypatch):
    path = tmp_path / "records.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"x")
    with pytest.raises(ValueError, match=r"audit\.json.*records\.parquet' was damaged or changed"):
        AuditReport.load(tmp_path)
    path.write_bytes(b"PAR1")
    renewed(tmp_path, sha256=hashlib.sha256(b"PAR1").hexdigest())
    with pytest.raises(ValueError, match=r"audit\.json' is not a saved audit report"):
        AuditReport.load(tmp_path)
    path.write_bytes(whole)
    renewed(tmp_path, sha256=hashlib.sha256(whole).hexdigest(), rows=61)
    with pytest.raises(ValueError, match="other columns or rows than"):
        AuditReport.load(tmp_path)
    renewed(tmp_path, rows=60, file="../records.parquet")
    with pytest.raises(ValueError, match="a file named"):
        AuditReport.load(tmp_path)
    renewed(tmp_path, file="records.parquet")
    with monkeypatch.context() as patch:
        patch.setattr(_record_files, "find_spec", lambda name: None)
        with pytest.raises(ValueError, match="read by pyarrow: pip install pyarrow"):
            AuditReport.load(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"records\.parquet' is missing.*records=False"):
        AuditReport.load(tmp_path)
