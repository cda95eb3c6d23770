"""The report: what it says, how it looks, and that it survives a folder."""

from __future__ import annotations

import json
import re
import stat
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal

from mia_sklearn._audit._findings import Context
from mia_sklearn._audit._findings._of_leak import SingledOut
from mia_sklearn.report import AuditReport, Finding, _record_files
from mia_sklearn.report import _wording as wording
from mia_sklearn.report._html import render_html
from mia_sklearn.report._summary import summarize
from mia_sklearn.stats._listing import list_members
from pages import Page

pytestmark = pytest.mark.usefixtures("no_pictures")

FILES = ("index.html", "audit.json", "records.csv")
NEVER = ("anonymous", "safe", "compliant")


@pytest.fixture(scope="module")
def report(make_report):
    return make_report(n=1000)


@pytest.fixture(scope="module")
def folder(report, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    report.save(folder)
    return folder


def table(text, title):
    """The lines below a heading of the text report."""
    return text.split(f"\n{title}\n{'-' * len(title)}\n")[1].split("\n\n")[0].splitlines()


# What it says.


def test_verdict_when_records_can_be_singled_out(report):
    summary = summarize(report)
    assert summary.tone == "shown"
    assert re.fullmatch(
        r"Training records can be singled out: the stacked attack identifies \d+ of 1,000 "
        r"training records \(.* %, 95 % interval .* % to .* %\) at \d+ false alarms in 1,000 "
        r"other records, and has an AUC of 0\.\d+ \(95 % interval 0\.\d+ to 0\.\d+, chance "
        r"0\.5\)\.",
        report.verdict,
    )
    row = report.metrics.query("attack == 'stacked' and at == 0.01").iloc[0]
    assert f"identifies {row.n_identified:.0f} of" in report.verdict
    assert f" at {row.n_false_alarms:.0f} false alarms in 1,000" in report.verdict


def test_a_rate_at_many_false_alarms_says_what_guessing_names(make_report):
    few, many = (make_report(n=n, gap=3.0).verdict for n in (60, 1000))
    assert "60 other records, where guessing would name 10 %, and has an AUC" in few
    assert "guessing" not in many


def test_verdict_when_only_ranks_differ(make_report):
    report = make_report(n=1000, gap=0.25, stand_out=0.0)
    assert summarize(report).tone == "shown"
    assert report.verdict.startswith("Training records can be told from others: the stacked")


def test_verdict_when_nothing_shows(make_report):
    report = make_report(n=1000, gap=0.0, stand_out=0.0, seed=3)
    assert summarize(report).tone == "not-shown"
    assert report.verdict.startswith("The stacked attack did not tell training records from others")


@pytest.mark.parametrize("n", [10, 20])
def test_verdict_of_few_records_is_inconclusive(make_report, n):
    report = make_report(n=n, gap=0.0, stand_out=0.0)
    assert summarize(report).tone == "open"
    assert report.verdict.startswith("Inconclusive, not enough records for a verdict")
    assert "39 needed" in report.verdict


def test_verdict_when_intervals_are_withheld(make_report):
    report = make_report()
    report.metrics[["low", "high"]] = np.nan
    report.metrics["note"] = "interval withheld: 12 more records needed"
    assert report.verdict.startswith("Inconclusive")
    assert report.verdict.endswith("(95 % interval withheld, chance 0.5). Interval withheld: 12 "
                                   "more records needed.")  # fmt: skip


def test_verdict_without_any_number(make_report):
    report = make_report()
    report.metrics = report.metrics[report.metrics["attack"] != "stacked"]
    assert report.verdict == (
        "Inconclusive, not enough records for a verdict: the stacked attack has no numbers."
    )


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_verdict_when_a_control_failed(make_report, missing):
    report = make_report()
    report.controls["passed"] = pd.Series([False, True, missing], dtype=object)
    assert report.failed_controls == ["shift"]
    assert summarize(report).tone == "open"
    assert report.verdict.startswith("Not to be relied on: a control failed (shift). Training")


def test_text_begins_with_the_verdict_and_has_every_part(report):
    text = str(report)
    assert text.splitlines()[0] == report.verdict
    assert text.isascii()
    titles = [
        "What was found",
        "Who is exposed",
        "Measures, with 95 % intervals",
        "Slices, headline attack",
        "Controls of the audit itself",
        "Attacks",
        "How it was computed",
    ]
    at = [text.index(f"\n{title}\n") for title in titles]
    assert at == sorted(at)
    assert "The attacker: black-box; access: posteriors" in text
    # What an attacker has and knows is said once.
    assert "run: stacked (black-box, the attacker described above)" in text


def test_text_measures_are_those_of_the_table(report):
    lines = table(str(report), "Measures, with 95 % intervals")
    row = report.metrics.query("attack == 'stacked' and metric == 'auc' and slice == 'all'").iloc[0]
    assert lines[1].split() == (
        f"stacked AUC {row.estimate:.3f} {row.low:.3f} to {row.high:.3f} 0.5".split()
    )
    assert len([line for line in lines if line.startswith(("stacked ", "threshold "))]) == 14
    # The headline comes first though it ran last, and a note that recurs is said once.
    assert lines[1].startswith("stacked")
    assert sum("nothing bounds epsilon" in line for line in lines) == 1


def test_finding_refuses_unknown_severity():
    with pytest.raises(ValueError, match="severity must be one of info, warning, serious"):
        Finding("X", "fatal", "", "", "")


def test_attacks_not_run_are_named_with_their_reason(report):
    lines = table(str(report), "Attacks")
    assert lines[0] == "Whoever gets the released model gets: posteriors."
    assert "not run: lira (black-box): not asked for" in lines
    assert "not run: gap (label-only): not asked for" in lines


def test_exposed_records_are_called_as_their_index_calls_them(make_report):
    report = make_report(n=60)
    lines = table(str(report), "Who is exposed")
    columns = ["label", "score", "p", "q", "p,", "all", "attacks"]
    assert lines[-6].split() == ["set", "row", *columns]
    report.records.insert(2, "index", [f"P{row:03}" for row in report.records["row"]])
    lines = table(str(report), "Who is exposed")
    assert lines[-6].split() == ["set", "row", "index", *columns]
    first = report.most_exposed(1).iloc[0]
    assert lines[-5].split()[:3] == ["train", str(first["row"]), first["index"]]
    assert f'<td data-label="Index">{first["index"]}</td>' in render_html(report)


def test_every_fact_of_info_is_told(make_report):
    report = make_report(max_records=1234, note={"search": "best_estimator_"}, shuffled=True)
    lines = table(str(report), "How it was computed")
    assert [line.split("  ")[0] for line in lines[-3:]] == ["max records", "note", "shuffled"]
    assert [line.split()[-1] for line in lines[-3:]] == ["1,234", "best_estimator_", "yes"]
    assert any(line.split() == ["Smoothing", "of", "posteriors", "0.03"] for line in lines)


def test_most_exposed_are_members_in_order_of_p(report):
    exposed = report.most_exposed(30)
    assert len(exposed) == 30
    assert (exposed["member"] == 1).all()
    assert exposed["p_value"].is_monotonic_increasing
    rest = report.records[report.records["member"] == 1].drop(exposed.index)
    assert exposed["p_value"].max() <= rest["p_value"].min()
    assert len(report.most_exposed(None)) == 1000


def test_without_p_values_scores_order_the_records(make_report):
    report = make_report()
    report.records[["p_value", "q_value"]] = np.nan
    assert report.most_exposed(10)["stacked"].is_monotonic_decreasing
    assert "No p-values for single records" in str(report)
    assert [tile["name"] for tile in summarize(report).tiles] == [
        "Identified at 1 % false alarms",
        "AUC",
    ]


def test_listed_records_and_the_rate_of_non_members_beside(report):
    records = report.records
    listed = records[records["q_value"] <= 0.1]
    others = records.loc[records["member"] == 0, "p_value"]
    rate = (others <= listed["p_value"].max()).mean()
    note = summarize(report).exposed_note
    assert note.startswith(f"{len(listed)} of 1,000 members stand out")
    assert f"On the same terms {100 * rate:.3g} % of the non-members would have been" in note


def test_numbers_in_words():
    nan = float("nan")
    assert wording.interval("auc", nan, 0.7) == "at most 0.700"
    assert wording.interval("tpr", 0.02, nan) == "at least 2 %"
    assert wording.by_chance("ppv", 0.01, 0.5) == "50 %"
    assert wording.by_chance("tpr", 0.01) == "1 %"
    assert [wording.false_alarms(n) for n in (0, 1)] == ["0 false alarms", "1 false alarm"]


def test_a_record_is_listed_by_its_q_value(make_report):
    report = make_report(n=1000, gap=0.0, stand_out=0.005)
    shown = report.most_exposed(100)
    expected = (shown["q_value"] <= 0.1).tolist()
    assert [row["listed"] for row in summarize(report).exposed] == expected
    assert (shown["p_value"][:20] <= 0.1).all() and 0 < sum(expected) < 20


def test_vulnerable_records_are_counted_by_side(make_report):
    used = {"delta": 0.2, "beta": 0.1, "train_size": 500}
    report = make_report(vulnerable_records=used)
    records = report.records.assign(vulnerable=0, expected_neighbors=1.0)
    found = [0, 1, 500, 501, 502]
    records.loc[found, "vulnerable"] = 1
    records.loc[found, "p_value"] = [0.001, 0.5, 0.001, 0.01, 0.9]
    report.records = records
    note = summarize(report).alone["note"]
    assert "2 members and 3 non-members are." in note
    assert "recognises 1 of these members and wrongly names 2 of these non-members" in note


def test_members_and_others_are_counted_apart(make_report):
    """700 others beside 1,000 members: the counts of one side are not the other's."""
    report = make_report(n=1000)
    report.records = report.records.iloc[:1700]
    report.metrics["n_nonmembers"] = 700
    rate = report.metrics.query("attack == 'stacked' and at == 0.01").iloc[0]
    named, alarms = int(rate["n_identified"]), wording.false_alarms(rate["n_false_alarms"])
    assert f"identifies {named} of 1,000 training records" in report.verdict
    assert f"at {alarms} in 700 other records" in report.verdict
    summary = summarize(report)
    assert summary.tiles[0]["value"] == f"{named} of 1,000"
    assert f"at {alarms} in 700 other records. Guessing" in summary.tiles[0]["meaning"]
    row = next(row for row in summary.metrics[0]["rows"] if "at 1 % false" in row["measure"])
    assert row["counts"] == f"{named} of 1,000 members, at {alarms} in 700 non-members"
    assert row["sizes"] == "1,000 + 700"
    listed = list_members(report.records["p_value"], report.records["member"] == 1, 0.1, 0)
    share = wording.percent(listed.n_others / 700)
    assert f"On the same terms {share} of the non-members would have been" in summary.exposed_note
    assert f"of 700 other records, while {listed.n_members} stand out" in summary.exposed_note
    run = SimpleNamespace(
        headline="stacked", release="posteriors", target=None, trainable=None, outputs=None
    )
    run.pool, run.of_people = SimpleNamespace(labelled=True), False
    found = SingledOut().find(Context(run, report.metrics, report.records, [], report.info))
    assert found.explanation.startswith(
        f"Someone with this access can name {named} of 1,000 training records while wrongly naming "
        f"{int(rate['n_false_alarms'])} of 700 others"
    )


def test_words_that_promise_too_much_are_never_used(make_report):
    for kind in ({}, {"gap": 0.0, "stand_out": 0.0}, {"n": 5}):
        report = make_report(**kind)
        for text in (str(report), render_html(report)):
            words = re.sub(r"data:[^\"]*", "", text).lower()
            assert not [word for word in NEVER if word in words]


def test_repr_is_one_short_line(report):
    assert repr(report) == (
        "<AuditReport of RandomForestClassifier(n_estimators=100): 2000 records, 2 attacks, "
        "3 findings>"
    )


def test_plot_draws_the_headline_first(report):
    from matplotlib.figure import Figure

    display = report.plot(Figure().subplots(), bands="none")
    assert list(display.curves) == ["stacked", "threshold"]
    assert display.confidence == 0.95


def test_a_control_without_verdict_is_for_comparison(report):
    results = {row["control"]: row["result"] for row in summarize(report).controls}
    assert results == {"shift": "passed", "pipeline": "passed", "memoriser": "for comparison"}
    assert "[for comparison] memoriser:" in str(report)
    page = render_html(report)
    assert page.count(">for comparison<") == 1
    assert "Which epsilon is bad?" in page


# That it survives a folder.


def test_cells_that_begin_like_a_formula_are_defused(make_report, tmp_path):
    starts = ["=1+1", "+1", "-1", "@sum", "\tx", "\rx", "\nx", "plain", "a=b"]
    report = make_report(n=200, labels=tuple(starts))
    report.records = report.records.rename(columns={"slice_sex": "=slice"})
    report.save(tmp_path)
    read = pd.read_csv(tmp_path / "records.csv", dtype=str, lineterminator="\n")
    # Control characters are written as escapes, with which no formula begins.
    written = {"\\tx", "\\rx", "\\nx"}
    assert set(read["label"]) == {"'" + start for start in starts[:4]} | written | set(starts[7:])
    assert "'=slice" in read.columns
    # Numbers are left alone, negative ones too.
    written = [float(cell) for cell in read["stacked"]]
    np.testing.assert_array_equal(written, report.records["stacked"])
    assert min(written) < 0
    assert set(AuditReport.load(tmp_path).records["label"]) == set(starts)


def assert_same_report(one, other):
    for name in ("metrics", "records", "coverage", "controls"):
        assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)
    assert one.findings == other.findings
    assert one.info == other.info
    assert list(one.info) == list(other.info)


def test_round_trip(report, folder):
    loaded = AuditReport.load(folder)
    assert_same_report(loaded, report)
    assert str(loaded) == str(report)


def test_saving_twice_gives_the_same_bytes(report, folder, tmp_path):
    AuditReport.load(folder).save(tmp_path)
    for name in FILES:
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.thorough
@pytest.mark.parametrize("many", [False, True], ids=["rows", "parquet"])
@pytest.mark.parametrize(
    "column",
    [
        np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2]),
        np.array([1 / 3, np.nan, np.inf, 1e-45, 0, 1, 2, 3], dtype=np.float32),
        np.array([2**63 - 1, -(2**63), 0, 1, 2, 3, 4, 5]),
        np.array([0, 2**64 - 1, 1, 2, 3, 4, 5, 6], dtype=np.uint64),
        np.arange(8, dtype=np.int8),
        np.arange(8) % 2 == 0,
        pd.array([1, None, 3, 4, 5, 6, 7, 8], dtype="Int64"),
        pd.array([True, None, False, True, True, True, True, True], dtype="boolean"),
        pd.array([0.1, None, 0.3, 4, 5, 6, 7, 8], dtype="Float64"),
        ["", "001", "None", "nan", "NA", "é\u2028\x00", "'", "1e5"],
        pd.Series(["a", 1, 2.5, None, True, np.nan, pd.NA, -np.inf], dtype=object),
        pd.Series(["a", None, "1", None, "", "a", "b", None], dtype=object),
        pd.Series(["a", np.nan, "1", np.nan, "", "a", "b", np.nan], dtype=object),
        pd.Series([True, pd.NA, False] + [pd.NA] * 5, dtype=object),
        pd.array(["a", None, "1", None, "", "a", "b", None], dtype="string"),
        pd.Series([None] * 8, dtype=object),
        pd.Series([{"a": 1}, [1], (1, (2, "b")), "[1]", '{"": "nan"}', 1, 2, 3], dtype=object),
    ],
    ids=["float64", "float32", "int64", "uint64", "int8", "bool", "Int64", "boolean", "Float64",
         "text", "object", "text or None", "text or NaN", "truths or NA", "string", "nothing",
         "nested"],
)  # fmt: skip
def test_every_kind_of_column_survives(make_report, tmp_path, monkeypatch, column, many):
    if many:
        pytest.importorskip("pyarrow")
        monkeypatch.setattr(_record_files, "MANY", 5)
    report = make_report(n=4)
    report.records["slice_x"] = column
    report.save(tmp_path)
    assert (tmp_path / "records.parquet").exists() == many
    loaded = AuditReport.load(tmp_path).records["slice_x"]
    original = report.records["slice_x"]
    assert loaded.dtype == original.dtype
    if original.dtype.kind == "f":
        size = original.dtype.itemsize
        finite = original.notna().to_numpy()
        bits, expected = (
            column.to_numpy(f"f{size}", na_value=np.nan).view(f"u{size}")
            for column in (loaded, original)
        )
        np.testing.assert_array_equal(bits[finite], expected[finite])
    if original.dtype == object:
        assert [type(value) for value in loaded] == [type(value) for value in original]
    assert_frame_equal(loaded.to_frame(), original.to_frame(), check_exact=True)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pd.Categorical(["b", "a"] * 4), ["b", "a"] * 4),
        (pd.Categorical([2, None] * 4), [2.0, np.nan] * 4),
        (pd.to_datetime(["2026-01-02"] * 8), ["2026-01-02"] * 8),
        (pd.cut(np.arange(8), [-1, 3, 8]), ["(-1, 3]"] * 4 + ["(3, 8]"] * 4),
    ],
    ids=["category", "numbers with a gap", "dates", "intervals"],
)
def test_other_columns_are_kept_as_text_or_numbers(make_report, tmp_path, column, expected):
    report = make_report(n=4)
    report.records["slice_x"] = column
    report.save(tmp_path)
    loaded = AuditReport.load(tmp_path).records["slice_x"].astype(object)
    assert_series_equal(loaded, pd.Series(expected, dtype=object), check_names=False)


def test_numpy_values_and_nan_in_info_survive(make_report, tmp_path):
    report = make_report(x=np.float64(0.1), n_y=np.int64(3), nan=np.nan, deep={"a": [np.inf, None]})
    report.save(tmp_path)
    info = AuditReport.load(tmp_path).info
    assert (info["x"], info["n_y"], info["deep"]) == (0.1, 3, {"a": [np.inf, None]})
    assert np.isnan(info["nan"])


def test_json_is_strict_and_files_are_private(folder):
    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    json.loads((folder / "audit.json").read_text(), parse_constant=refuse)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    for name in FILES:
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


def test_csv_holds_every_record(report, folder):
    read = pd.read_csv(folder / "records.csv", dtype=str, keep_default_na=False)
    assert list(read.columns) == list(report.records.columns)
    for name, column in report.records.items():
        if column.dtype.kind == "f":
            cells = [float(cell or "nan") for cell in read[name]]
            np.testing.assert_array_equal(cells, column)
        else:
            assert list(read[name]) == column.astype(str).tolist()


def test_save_makes_folders_and_replaces_reports(report, make_report, tmp_path):
    deep = tmp_path / "a" / "b"
    make_report(n=5).save(deep)
    assert report.save(str(deep)) == deep / "index.html"
    assert len(AuditReport.load(deep).records) == 2000


@pytest.mark.parametrize("inside", [False, True])
def test_a_folder_that_cannot_be_written(report, tmp_path, inside):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"report cannot be written.*give a folder"):
        report.save(tmp_path / "file" / "inside" if inside else tmp_path / "file")
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_failed_write_leaves_the_old_file(report, folder, tmp_path, monkeypatch):
    from pathlib import Path

    report.save(tmp_path)

    def fail(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space left on device; give a folder"):
        report.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    assert (tmp_path / "audit.json").read_bytes() == (folder / "audit.json").read_bytes()


def test_load_of_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No audit\.json in .*not a folder made by save"):
        AuditReport.load(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["", "not json", "[]", "3", "null", "{}", '{"format": 1}'])
def test_load_of_something_else(tmp_path, text):
    (tmp_path / "audit.json").write_text(text)
    with pytest.raises(ValueError, match="is not a saved audit report"):
        AuditReport.load(tmp_path)


def test_load_notices_changes(folder, tmp_path):
    text = (folder / "audit.json").read_text()
    (tmp_path / "audit.json").write_text(text.replace('"serious"', '"info"'))
    with pytest.raises(ValueError, match="damaged or changed after it was saved"):
        AuditReport.load(tmp_path)


def test_load_of_a_later_format(folder, tmp_path):
    text = (folder / "audit.json").read_text()
    (tmp_path / "audit.json").write_text(text.replace('"format":2', '"format":3', 1))
    said = r"has format 3, this version of mia-sklearn reads 1 and 2\. .*upgrade to read it\."
    with pytest.raises(ValueError, match=said):
        AuditReport.load(tmp_path)


def test_a_report_without_controls_coverage_or_findings(make_report, tmp_path):
    report = make_report(n=50)
    report.findings = []
    report.controls = report.controls.iloc[:0]
    report.coverage = report.coverage.iloc[:0]
    report.save(tmp_path)
    text = Page((tmp_path / "index.html").read_text()).text
    assert "No findings." in text
    assert "No controls were run." in text
    assert_same_report(AuditReport.load(tmp_path), report)


def test_findings_stand_doubts_first_then_the_gravest_everywhere(report, tmp_path):
    kinds = {"NOTE": "info", "GRAVE": "serious", "WARNED": "warning", "LATER": "serious"}
    found = [Finding(code, severity, code, "", "") for code, severity in kinds.items()]
    found.insert(1, Finding("NO_SIGNAL", "warning", "NO_SIGNAL", "", ""))
    order = ["NO_SIGNAL", "GRAVE", "LATER", "WARNED", "NOTE"]
    sorted_once = replace(report, findings=found)
    assert [finding.code for finding in sorted_once.findings] == order
    sorted_once.findings.append(sorted_once.findings.pop(0))
    assert [finding.code for finding in summarize(sorted_once).findings] == order
    sorted_once.save(tmp_path)
    saved = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    assert [finding["code"] for finding in saved["findings"]] == order
