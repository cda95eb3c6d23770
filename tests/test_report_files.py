"""Reports in folders: what is lost, named or forged on the way."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import audit
from mia_sklearn.report import AuditReport, Finding, _store
from mia_sklearn.report._html import render_html

pytestmark = pytest.mark.usefixtures("no_pictures")

SURROGATE = "half \ud83d of it"


def save_as(content, folder):
    """Write what a tamperer would: changed content under a mark that is right."""
    content = {name: part for name, part in content.items() if name != "fingerprint"}
    version = content.pop("format", 2)
    try:
        mark = _store.fingerprint(content)
    except (ValueError, TypeError, RecursionError):
        mark = ""
    whole = {"format": version, "fingerprint": mark, **content}
    (folder / "audit.json").write_text(json.dumps(whole), encoding="utf-8")


@pytest.fixture(scope="module")
def content(make_report, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    make_report(n=40).save(folder)
    return json.loads((folder / "audit.json").read_text())


def places(value, path=()):
    """Every place in a JSON value, the first entries of lists standing for all."""
    yield path
    items = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        items = list(enumerate(value))[:2]
    for key, item in items:
        yield from places(item, (*path, key))


def changed(content, path, to):
    copy = json.loads(json.dumps(content))
    if not path:
        return to
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    if to is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return copy


WRONG = [..., None, [], {}, "text", -1, 1e308, 10**30, [[1]], {"": "NA"}, {"": "no"}, True]


@pytest.mark.thorough
def test_a_tampered_report_is_a_value_error_or_a_report(content, tmp_path):
    rng = np.random.default_rng(0)
    spots = [path for path in places(content) if path[:1] != ("fingerprint",)]
    tried = refused = 0
    for path in [spots[i] for i in rng.permutation(len(spots))[:40]]:
        wrong = changed(content, path, WRONG[rng.integers(len(WRONG))])
        if not isinstance(wrong, dict):
            continue
        save_as(wrong, tmp_path)
        tried += 1
        try:
            report = AuditReport.load(tmp_path)
        except ValueError as error:
            assert "audit.json" in str(error), path
            refused += 1
        else:
            assert str(report) and repr(report) and report.verdict
    assert tried > 30
    assert refused > 0


@pytest.mark.slow
def test_every_tampered_report_is_a_value_error_or_a_report(content, tmp_path):
    for path in places(content):
        for to in WRONG:
            wrong = changed(content, path, to)
            if not isinstance(wrong, dict) or path[:1] == ("fingerprint",):
                continue
            save_as(wrong, tmp_path)
            try:
                report = AuditReport.load(tmp_path)
            except ValueError as error:
                assert "audit.json" in str(error), (path, to)
            else:
                assert str(report) and repr(report), (path, to)


BROKEN = {
    "deep": "[" * 100_000,
    "deep and closed": '{"a":' * 5000 + "1" + "}" * 5000,
    "not a number": '{"format": 1, "fingerprint": "", "info": NaN}',
    "a long number": '{"format": 1, "fingerprint": ' + "9" * 5000 + "}",
    "binary": b"\x00\xff\xfe",
    "packed": b"\x1f\x8b\x08",
    "a true format": '{"format": true, "fingerprint": ""}',
    "a text": '"report"',
    "a list": "[1]",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_report_is_a_value_error_that_names_the_file(name, tmp_path):
    text = BROKEN[name]
    (tmp_path / "audit.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=r"audit\.json"):
        AuditReport.load(tmp_path)


def test_a_folder_in_place_of_the_file(tmp_path):
    (tmp_path / "audit.json").mkdir()
    with pytest.raises(FileNotFoundError, match=r"No audit\.json"):
        AuditReport.load(tmp_path)


def set_all(content, name, value, table="records", dtype=None):
    for row in content[table]:
        row[name] = value
    if dtype is not None:
        next(c for c in content["columns"][table] if c["name"] == name)["dtype"] = dtype


TAMPERED = {
    "a row without a cell": lambda c: c["records"][0].pop("row"),
    "a row with one more": lambda c: c["metrics"][0].update(more=1),
    "a column twice": lambda c: c["columns"]["records"].append(c["columns"]["records"][0]),
    "scores in words": lambda c: set_all(c, "stacked", "a", dtype="object"),
    "no headline": lambda c: c["info"].pop("headline"),
    "another headline": lambda c: c["info"].update(headline="oracle"),
    "sure beyond measure": lambda c: c["info"].update(confidence=7),
    "a finding of numbers": lambda c: c["findings"][0].update(title=1),
    "a severity of its own": lambda c: c["findings"][0].update(severity="fatal"),
    "members twice over": lambda c: set_all(c, "member", 2),
    "members by half": lambda c: set_all(c, "member", 0.5, dtype="float64"),
    "members alone": lambda c: set_all(c, "member", 1),
    "endless scores": lambda c: set_all(c, "stacked", {"": "inf"}),
    "no scores": lambda c: set_all(c, "stacked", None),
    "one score missing": lambda c: c["records"][3].update(threshold=None),
    "likelier than sure": lambda c: set_all(c, "p_value", 7.0),
    "rates in words": lambda c: set_all(c, "estimate", "a", table="metrics", dtype="object"),
    "records in another file": lambda c: c.update(records={"file": "../x", "rows": 1}),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_tables_that_make_no_report_are_refused(content, name, tmp_path):
    copy = json.loads(json.dumps(content))
    TAMPERED[name](copy)
    save_as(copy, tmp_path)
    with pytest.raises(ValueError, match=r"audit\.json' is not a saved audit report"):
        AuditReport.load(tmp_path)


def test_halves_of_characters_lose_no_report(make_report, tmp_path):
    report = make_report(n=30, title=SURROGATE)
    report.records["label"] = pd.Series([SURROGATE, "b"] * 30, dtype=object)
    report.info[SURROGATE] = [SURROGATE]
    report.findings.append(Finding("X", "info", SURROGATE, SURROGATE, SURROGATE))
    report.records["slice_x"] = pd.Series([SURROGATE] * 60, dtype=object)
    report.save(tmp_path)
    loaded = AuditReport.load(tmp_path)
    assert set(loaded.records["label"]) == {r"half \ud83d of it", "b"}
    assert loaded.info[r"half \ud83d of it"] == [r"half \ud83d of it"]
    assert r"half \ud83d of it" in (tmp_path / "records.csv").read_text(encoding="utf-8")
    assert r"half \ud83d of it" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_halves_of_characters_end_no_audit(tmp_path):
    X, n = np.random.default_rng(0).normal(size=(80, 2)), 40
    y = np.tile([0, 1], n)
    model = DecisionTreeClassifier(random_state=0).fit(X[:n], y[:n])
    slices = {SURROGATE: [SURROGATE, "c"] * n}
    report = audit(model, X[:n], y[:n], X[n:], y[n:], n_references=0, slices=slices, progress=False)
    report.save(tmp_path)
    loaded = AuditReport.load(tmp_path)
    assert r"half \ud83d of it" in set(loaded.records[r"slice_half \ud83d of it"])


def test_no_character_of_a_list_of_records_acts(make_report, tmp_path):
    make_report(n=30, labels=("a\x1b[2J\r", "\u202eb\0c")).save(tmp_path)
    text = (tmp_path / "records.csv").read_bytes().decode()
    assert r"a\x1b[2J\r" in text and r"\u202eb\x00c" in text
    assert not {"\x1b", "\r", "\u202e", "\0"} & set(text)


@pytest.mark.parametrize("lost", ["index.html", "audit.json", "records.csv"])
def test_a_file_that_cannot_be_written_leaves_the_others(make_report, tmp_path, lost):
    (tmp_path / lost).mkdir()
    with pytest.raises(OSError, match=f"{lost} cannot be written.*give a folder"):
        make_report(n=30).save(tmp_path)
    files = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert files == {"index.html", "audit.json", "records.csv"} - {lost}


def test_an_empty_path_is_not_the_working_folder(make_report, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for act in (make_report(n=30).save, AuditReport.load):
        with pytest.raises(ValueError, match="folder='' names no folder"):
            act("")
    assert not list(tmp_path.iterdir())
    assert make_report(n=30).save("~/here") == tmp_path / "home" / "here" / "index.html"


def test_a_saved_report_holds_its_verdict(make_report, tmp_path):
    report = make_report(n=30)
    report.info["gate"] = {"auc > 0.6": "holds"}
    report.save(tmp_path)
    saved = json.loads((tmp_path / "audit.json").read_text())
    assert saved["verdict"] == report.verdict
    assert saved["info"]["gate"] == {"auc > 0.6": "holds"}


def test_evidence_without_records(make_report, tmp_path):
    whole = make_report(n=30, labels=("of Jane Roe", "b"))
    whole.save(tmp_path)
    whole.save(tmp_path, records=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.json", "index.html"]
    page = (tmp_path / "index.html").read_text()
    for text in (page, (tmp_path / "audit.json").read_text()):
        assert "of Jane Roe" not in text
    assert page.count("<img") == 1  # Scores of single members are not drawn.
    assert "The list of records was not kept with this report." in page
    report = AuditReport.load(tmp_path)
    pd.testing.assert_frame_equal(report.metrics, whole.metrics)
    assert report.verdict == whole.verdict
    assert list(report.records.columns) == list(whole.records.columns)
    with pytest.raises(ValueError, match="saved without its records"):
        report.most_exposed()
    assert "The list of records was not kept" in str(report)
    assert "<img" not in render_html(report)
    with pytest.raises(ValueError, match="saved without its records"):
        report.check("auc <= 0.6")
    with pytest.raises(ValueError, match="saved without its records"):
        report.plot()
