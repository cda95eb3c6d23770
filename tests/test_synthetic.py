"""What a synthetic table gives away: known answers, other libraries' tables, and the null."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import hypergeom

from mia_sklearn import audit_synthetic
from mia_sklearn.conditions import evaluate
from mia_sklearn.pytest_plugin import _assertion, assert_private
from mia_sklearn.report import SyntheticReport
from mia_sklearn.report._synthetic_report import MEASURES, below_guessing
from mia_sklearn.synthetic import _asked
from mia_sklearn.synthetic._asked import asked_of
from mia_sklearn.synthetic._copies import copies
from mia_sklearn.synthetic._inference import inference
from mia_sklearn.synthetic._linkability import halves_of, linkability
from mia_sklearn.synthetic._nearest import nearest
from mia_sklearn.synthetic._predicates import Predicates, matches, of_combinations, of_extremes
from mia_sklearn.synthetic._shift import largest_shift
from mia_sklearn.synthetic._singling_out import _singled_out, singling_out
from mia_sklearn.synthetic._tables import check_tables
from synthetic_tables import copying, people

RISKS = ["copies", "singling_out", "singling_out", "linkability", "inference"]


@pytest.fixture(scope="module")
def report():
    return audit_synthetic(*copying(200, 0.4, 0), secrets="sick", membership=False)


def by_name(report):
    return report.measures.set_index(report.measures["name"] + " " + report.measures["of"])


def test_a_table_that_copies_is_found_by_every_attack(report):
    assert list(report.measures.columns) == list(MEASURES)
    assert report.measures["name"].tolist() == RISKS
    rows = by_name(report)
    assert rows.loc["copies ", "success"] == pytest.approx(0.4)
    assert rows.loc["copies ", "control"] == 0
    assert (rows.loc[["copies ", "singling_out univariate", "linkability "], "lower"] > 0.05).all()
    codes = {finding.code: finding.severity for finding in report.findings}
    assert codes["SYNTHETIC_COPIES"] == "serious"
    assert {"SYNTHETIC_SINGLES_OUT", "SYNTHETIC_LINKS"} <= set(codes)
    assert report.summary.startswith("80 training records stand in the synthetic table")


def test_independent_rows_show_nothing():
    report = audit_synthetic(*copying(150, 0.0, 3), secrets="job", membership=False)
    assert (report.measures["lower"] <= 0).all()
    assert (report.measures["upper"] >= 0).all()
    assert report.findings == []
    assert report.summary.startswith("No attack did surely better")


def test_the_training_table_itself_is_found_as_copies():
    train, control = people(150, 0), people(120, 1)
    report = audit_synthetic(train, train, control, secrets="sick", membership=False)
    rows = by_name(report)
    assert rows.loc["copies ", "success"] == 1
    assert rows.loc["inference sick", "success"] == 1
    assert rows.loc["linkability ", "success"] > 0.9
    assert report.findings[0].code == "SYNTHETIC_COPIES"


def test_the_seed_decides(report):
    again = audit_synthetic(*copying(200, 0.4, 0), secrets="sick", membership=False)
    pd.testing.assert_frame_equal(again.measures, report.measures)
    other = audit_synthetic(*copying(200, 0.4, 0), secrets="sick", random_state=1, membership=False)
    assert not other.measures["success"].equals(report.measures["success"])


def test_arrays_and_frames_of_other_libraries_give_the_same(report):
    polars = pytest.importorskip("polars")
    pyarrow = pytest.importorskip("pyarrow")
    tables = copying(200, 0.4, 0)
    kinds = (polars.from_pandas, pyarrow.Table.from_pandas, lambda table: table)
    mixed = [kind(table) for kind, table in zip(kinds, tables, strict=True)]
    other = audit_synthetic(*mixed, secrets="sick", membership=False)
    pd.testing.assert_frame_equal(other.measures, report.measures)


def test_columns_are_read_alike_in_whatever_dtype():
    table = pd.DataFrame(
        {
            "whole": np.arange(100),
            "truth": np.arange(100) % 3 == 0,
            "text": list("abcde") * 20,
            "day": pd.date_range("2020-01-01", periods=100),
            "none": [None] * 50 + list("xy") * 25,
        }
    )
    others = table.astype({"whole": "Float64", "text": "category", "truth": "boolean"})
    others["day"] = others["day"].dt.date
    numbered = table.assign(truth=table["truth"].astype(int), none=table["none"].astype(object))
    tables = check_tables(table, others, numbered)
    kinds = ["numbers", "numbers", "categories", "dates", "categories"]
    assert [column.kind.value for column in tables.columns] == kinds
    for side in (tables.train, tables.control):
        np.testing.assert_array_equal(side.ranks, tables.synthetic.ranks)
        np.testing.assert_array_equal(side.scaled, tables.synthetic.scaled)
    assert (tables.synthetic.ranks[:50, 4] == -1).all()
    # A missing value is as far from any other as two values can be, and at 0 from another one.
    far = nearest(tables.synthetic.scaled[:1, [4]], tables.synthetic.scaled[[0, 99]][:, [4]], 2)[0]
    assert far.tolist() == [[0, 1]]


def test_numbers_are_scaled_by_the_synthetic_table_and_cut_there():
    synthetic, real = people(100, 0), people(100, 1)
    real.loc[0, "income"], real.loc[1, "income"] = 1e6, np.inf
    scaled = check_tables(synthetic, real, real[::-1]).train.scaled[:, 0]
    assert scaled[:2].tolist() == [1, 1]
    assert ((scaled >= 0) & (scaled <= 1)).all()


def test_the_nearest_rows():
    rng = np.random.default_rng(0)
    table = rng.integers(0, 3, size=(40, 4)).astype(float)
    queries = rng.integers(0, 3, size=(7, 4)) + rng.random((7, 4))
    far = np.minimum(np.abs(queries[:, None] - table), 1).sum(axis=2)
    distances, indices = nearest(queries, table, 5)
    np.testing.assert_array_equal(indices, np.argsort(far, axis=1, kind="stable")[:, :5])
    np.testing.assert_allclose(distances, np.sort(far, axis=1)[:, :5])


def test_predicates_single_out_one_row_of_their_table():
    tables = check_tables(*copying(150, 0.0, 0))
    ranks, rng = tables.synthetic.ranks, np.random.default_rng(0)
    ordered = np.array([True, True, False, False, False, True])
    for found in (
        of_extremes(ranks, ordered, 90, rng),
        of_combinations(ranks, ordered, 3, 90, rng),
    ):
        assert len(found) == 90
        assert len(np.unique(found.digests(), axis=0)) == 90
        which, rows = matches(found, ranks)
        np.testing.assert_array_equal(which, np.arange(90))
        inside = (ranks[rows[:, None], found.places] >= found.low) & (
            ranks[rows[:, None], found.places] <= found.high
        )
        assert inside.all()


def test_a_negated_condition_excludes_missing_values():
    ranks = np.array([[0], [1], [-1], [2]], dtype=np.int32)
    places, one = np.array([[0]]), np.array([[1]], dtype=np.int32)
    found = Predicates(places, one, one, np.array([[True]]))
    assert matches(found, ranks)[1].tolist() == [0, 3]


@pytest.mark.parametrize(("n", "n_control"), [(6, 6), (6, 4), (4, 6)])
def test_a_control_of_any_size_counts_as_one_as_large_as_the_training_set(n, n_control):
    """Over all ways to part the records that satisfy a predicate, both means are equal."""
    for k in range(1, 4):
        own = np.arange(k + 1)
        share = hypergeom.pmf(own, n + n_control, n, k)
        success, control = _singled_out(own, k - own, n, n_control)
        assert (success * share).sum() == pytest.approx((control * share).sum())


def test_halves_tell_records_apart_about_equally():
    tables = check_tables(*copying(150, 0.0, 0))
    first, second = halves_of(tables, tables.names)
    assert sorted(first + second) == sorted(tables.names)
    assert ("income" in first) != ("since" in first)


def test_rows_that_tie_link_nobody():
    # One column has one value for all: its half says nothing.
    table = people(200, 0)[["income", "job"]].assign(job="a")
    other = people(200, 1)[["income", "job"]].assign(job="a")
    report = audit_synthetic(table, table, other, secrets=[], membership=False)
    assert by_name(report).loc["linkability ", "success"] < 0.1


def test_numbers_are_right_within_a_tolerance_and_below_0_too():
    rng = np.random.default_rng(0)
    known = rng.normal(size=300).round(3)
    table = pd.DataFrame({"known": known, "secret": -100 * np.exp(known)})
    tables = check_tables(table[:100], table[100:200], table[200:])
    rows = np.arange(100), np.arange(100)
    strict, loose = (
        inference(tables, "secret", ["known"], rows, tolerance=tolerance, rng=rng)
        for tolerance in (0.001, 0.2)
    )
    assert strict.success < 0.5
    assert loose.success > 0.9
    assert loose.baseline < 0.3


def test_guessing_is_computed_and_not_drawn():
    table = pd.DataFrame({"a": np.arange(200.0), "b": list("xxxy") * 50})
    tables = check_tables(table, table, table.assign(a=table["a"] + 0.5))
    rows = np.arange(200), np.arange(200)
    rng = np.random.default_rng(0)
    found = inference(tables, "b", ["a"], rows, tolerance=0.05, rng=rng)
    assert found.baseline == pytest.approx(0.75**2 + 0.25**2)
    assert linkability(tables, (["a"], ["b"]), rows, rng).baseline == 1 / 200


def test_worse_than_guessing_is_said_and_decides_nothing():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=400), "b": rng.permutation([True, False] * 200)})
    table["b"] = table["a"].rank() % 2 == 0
    synthetic = table[:200].assign(b=~table["b"][:200])
    report = audit_synthetic(synthetic, table[:200], table[200:], secrets="b", membership=False)
    assert "BASELINE_NOT_BEATEN" in [finding.code for finding in report.findings]
    outcome = report.check("inference <= 0.5")
    assert outcome.outcome == "inconclusive"
    assert "guessing does better" in str(outcome)


@pytest.mark.parametrize("membership", [False, True])
@pytest.mark.parametrize("noise", [0, 1e-3])
def test_a_table_that_takes_after_the_control_decides_nothing(membership, noise):
    synthetic, control, train = copying(200, 0.4, 0)
    synthetic["income"] += noise
    report = audit_synthetic(synthetic, train, control, secrets="sick", membership=membership)
    assert report.findings[0].code == "CONTROL_NEARER"
    assert report.doubts == [report.findings[0].title]
    assert report.summary.startswith(report.doubts[0])
    for condition in ("copies <= 0.1", "linkability < 1", *(["auc <= 0.6"] if membership else [])):
        outcome = report.check(condition)
        assert outcome.outcome == "inconclusive"
        assert "decide nothing" in str(outcome)


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("income", lambda cells: cells * 2),
        ("job", lambda cells: cells.where(np.arange(len(cells)) % 3 > 0, "j")),
        ("age", lambda cells: cells.where(np.arange(len(cells)) % 5 > 0)),
    ],
)
def test_a_control_of_another_population_is_told(column, change):
    synthetic, train, control = (people(300, [0, part]) for part in range(3))
    assert largest_shift(check_tables(synthetic, train, control)).p_value > 0.05
    control[column] = change(control[column])
    report = audit_synthetic(synthetic, train, control, secrets=[], membership=False)
    assert [finding.code for finding in report.findings] == ["CONTROL_DIFFERS"]
    assert repr(column) in report.findings[0].title
    assert report.doubts == []


def test_a_table_that_is_the_control_is_found_by_its_copies_alone():
    control, train = people(150, 0)[["income"]], people(150, 1)[["income"]]
    report = audit_synthetic(control, train, control, membership=False)
    assert [finding.code for finding in report.findings] == ["CONTROL_NEARER"]
    assert report.check("copies <= 0.1").outcome == "inconclusive"


def test_of_many_secrets_some_are_guessed_worse_by_chance():
    tables = np.random.default_rng(0).integers(2, size=(3, 100, 40))
    report = audit_synthetic(*tables, membership=False)
    worse = [below_guessing(row, 0.95) for row in report.measures.to_dict("records")]
    assert sum(worse) > 0
    assert "BASELINE_NOT_BEATEN" not in [finding.code for finding in report.findings]
    assert report.check("inference <= 1")


@pytest.mark.parametrize(
    ("cells", "n_attacks", "secrets", "n_each"),
    [
        (200 * 400 * 6 * 6, None, 6, None),
        (200 * 300 * 6 * 6, None, 6, 150),
        (200 * 200 * 6 * 3, None, 3, 100),
        (200 * 200 * 6 * 2, 100, 2, 100),
        (1, None, 1, 100),
    ],
)
def test_secrets_of_a_wide_table_are_bounded_by_sizes(
    monkeypatch, cells, n_attacks, secrets, n_each
):
    monkeypatch.setattr(_asked, "_CELLS", cells)
    monkeypatch.setattr(_asked, "_LEAST_EACH", 100)
    tables = check_tables(*(people(200, seed) for seed in range(3)))
    asked = asked_of(tables, None, None, n_attacks)
    assert (len(asked.secrets), asked.n_left_out, asked.n_each) == (secrets, 6 - secrets, n_each)
    # Those of most different values; truth values last.
    assert "since" in asked.secrets
    assert ("sick" in asked.secrets) == (secrets == 6)
    named = asked_of(tables, ["sick", "job"], None, n_attacks)
    assert (named.secrets, named.n_left_out, named.n_each) == (["sick", "job"], 0, None)


def test_secrets_that_are_left_out_are_said_and_work_is_shown(monkeypatch, capsys):
    monkeypatch.setattr(_asked, "_CELLS", 1)
    tables = [people(120, seed) for seed in range(3)]
    report = audit_synthetic(*tables, n_attacks=100, membership=False)
    titles = [finding.title for finding in report.findings]
    assert "1 of 6 columns were attacked as secrets, with 100 records of a side at most" in titles
    assert report.info["secrets"] == ["since"]
    assert report.info["n_secrets_left_out"] == 5
    assert "100%" in capsys.readouterr().err
    audit_synthetic(*tables, secrets=[], membership=False, progress=False)
    assert capsys.readouterr().err == ""


def test_conditions(report):
    assert report.check("linkability > 0.01", "copies >= 0.2")
    assert not report.check("copies <= 0.1")
    assert report.check("copies <= 0.1").outcome == "fail"
    worst = evaluate("singling_out <= 0.9", report)
    assert worst.estimate == report.measures["risk"][1:3].max()
    alone, shared = (evaluate("copies > .1", report, n_conditions=k) for k in (1, 4))
    assert shared.low < alone.low
    assert "80 of 200 training records, 0 of 200 others" in alone.explanation
    assert report.check("SICK:inference <= 1").results[0].outcome == "holds"
    with pytest.raises(ValueError, match=r"job:inference was not measured .*sick:inference"):
        report.check("job:inference < .1")
    with pytest.raises(ValueError, match="Membership was not attacked"):
        report.check("auc <= .6")
    with pytest.raises(ValueError, match="decides nothing"):
        report.check("copies <= 1.5")


def test_conditions_on_membership_are_read_from_its_scores():
    report = audit_synthetic(*copying(200, 0.4, 0), secrets=[])
    assert report.check("auc <= 0.55").outcome == "fail"
    told = report.check("epsilon > 1")
    assert told.outcome == "inconclusive"
    assert "gives no bound on epsilon" in str(told)


def test_the_gate_of_a_test_suite(report, monkeypatch):
    # What is asserted here is no test of this suite.
    monkeypatch.setattr(_assertion, "RUNNING", [])
    assert_private(report, "copies <= 0.9")
    with pytest.raises(AssertionError, match=r"FAILED copies <= 0.1: Copies of records is 0.4"):
        assert_private(report, "copies <= 0.1")
    with pytest.raises(ValueError, match="A baseline is for audits of models"):
        assert_private(report, "copies <= 0.9", baseline="x")


def test_the_ways_to_read_it(report):
    text, markdown, page = str(report), report.to_markdown(), report._repr_html_()
    for shown in (text, markdown, page):
        assert "80 training records stand in the synthetic table" in shown
        assert "Others may find more" in shown
    # Whoever holds the training records may look them up; what is handed on names nobody.
    assert report.info["copied_rows"] == list(range(80))
    assert "Copied rows of X_train: 0, 1, 2, 3, 4, ..." in text
    assert "Copied rows" not in markdown + page
    assert "| Copies of records | 200 | 40 % | 0 % | 0 % |" in markdown
    assert repr(report).startswith("<SyntheticReport of 200 rows: 5 risks, ")
    assert isinstance(report, SyntheticReport)


def test_names_of_columns_act_on_nobody():
    bad = "a\x1b[31m\n|b"
    tables = [people(120, seed).rename(columns={"sick": bad}) for seed in range(3)]
    report = audit_synthetic(*tables, secrets=[bad], membership=False)
    assert "\x1b" not in str(report) + report.to_markdown() + report._repr_html_()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "n_train", "n_control"), [(200, 200, 200), (200, 400, 150), (400, 150, 400)]
)
def test_intervals_hold_0_where_the_rows_are_independent(n, n_train, n_control):
    beyond: dict[str, list[bool]] = {}
    for seed in range(200):
        tables = check_tables(
            *(people(m, [seed, m, k]) for k, m in enumerate((n, n_train, n_control)))
        )
        rng = np.random.default_rng(seed)
        rows = np.arange(n_train), np.arange(n_control)
        halves = halves_of(tables, tables.names)
        risks = [
            copies(tables),
            *singling_out(tables, 200, rng),
            linkability(tables, halves, rows, rng),
        ]
        for secret in ("sick", "income", "job"):
            known = [name for name in tables.names if name != secret]
            risks.append(inference(tables, secret, known, rows, tolerance=0.05, rng=rng))
        for risk in risks:
            found = risk.interval(0.95)
            outside = found.low > 0 or found.high < 0
            beyond.setdefault(f"{risk.name} {risk.of}", []).append(outside)
    # Three standard errors above the nominal rate.
    assert {name: np.mean(each) for name, each in beyond.items() if np.mean(each) > 0.097} == {}
    assert not math.isnan(np.mean(beyond["copies "]))
