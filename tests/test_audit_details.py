"""Details of an audit by hand: its controls, its findings, what reaches the references."""

from __future__ import annotations

from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import mannwhitneyu
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

import mia_sklearn
from mia_sklearn import ReferenceModels, audit
from mia_sklearn._audit._controls import (
    _first_block,
    _ranks,
    distribution_shift,
    memorising_threshold,
    pipeline_control,
    reference_control,
)
from mia_sklearn._audit._coverage import Means
from mia_sklearn._audit._findings import Context
from mia_sklearn._audit._findings._of_leak import _listed
from mia_sklearn._audit._findings._of_model import Overfitted, VulnerableRecords
from mia_sklearn._audit._findings._of_records import Duplicates, Overlap, TooFewRecords
from mia_sklearn._audit._findings._of_references import FewReferences
from mia_sklearn._audit._repeats import Repeats
from mia_sklearn._audit._tables import no_epsilon
from mia_sklearn._observations._reference_table import ReferenceTable
from mia_sklearn._records._groups import Grouping
from mia_sklearn.access import LabelAccess
from mia_sklearn.attacks import ThresholdAttack
from mia_sklearn.cli import main
from mia_sklearn.cli._gate import Gate
from mia_sklearn.conditions import parse
from mia_sklearn.metrics import Estimate, compute, roc_auc
from mia_sklearn.stats import nonmembers_needed
from mia_sklearn.vulnerability import VulnerableRecords as VulnerableNeighbors

pytestmark = pytest.mark.usefixtures("few_rounds")

TREE = DecisionTreeClassifier(max_depth=4, random_state=0)


def records(n, **options):
    return make_classification(n, 6, n_informative=4, flip_y=0.3, random_state=0, **options)


def find(finder, run, metrics=None, records=None):
    return finder().find(Context(run, metrics, records, [], {}))


def run(model, X, y, n_train, **options):
    options = {"n_references": 4, "attacks": ["lira"], "controls": False, "n_jobs": 1} | options
    parts = (X[:n_train], y[:n_train], X[n_train:], y[n_train:])
    return audit(model.fit(*parts[:2]), *parts, random_state=0, progress=False, **options)


def found(report, code):
    return next((finding for finding in report.findings if finding.code == code), None)


# -- Tables ------------------------------------------------------------------------------------


def test_precision_is_read_at_the_confidence_asked_for(monkeypatch):
    # 150 others say nothing of 1 % false alarms.
    monkeypatch.setattr(mia_sklearn._audit._tables, "_PRECISIONS", ("ppv@0.1,0.3",))
    report = run(TREE, *records(300), 150, confidence=0.8)
    row = report.metrics.query("metric == 'ppv'").iloc[0]
    member, score = report.records["member"], report.records["lira"]
    expected = compute("ppv@0.1,0.3", member, score, confidence=0.8)
    assert (row["low"], row["high"]) == (expected.low, expected.high)
    assert expected.low > compute("ppv@0.1,0.3", member, score).low


def test_epsilon_is_withheld_where_the_whole_interval_of_the_shift_is_above_chance():
    above, about = Estimate(0.6, 0.51, 0.7, 9, 9), Estimate(0.6, 0.49, 0.7, 9, 9)
    assert "does not look random" in no_epsilon("random", above)
    assert no_epsilon("random", about) == no_epsilon("random", None) == ""


def test_references_train_on_as_many_records_as_the_model():
    sizes = []

    def train(X, y, seed):
        sizes.append(len(y))
        return DecisionTreeClassifier(random_state=seed).fit(X, y)

    report = run(TREE, *records(150), 110, estimator=train)
    assert all(abs(size - 110) <= 5 for size in sizes)  # And not half of them all, 75.
    assert report.records["p_value"].notna().all()


class FirstFeature(DecisionTreeClassifier):
    """Takes weights that repeat the first feature: any other order shows."""

    def fit(self, X, y, sample_weight=None):
        assert np.array_equal(sample_weight, X[:, 0])
        return super().fit(X, y, sample_weight)


def test_what_goes_with_records_follows_them_past_those_that_are_repeated():
    X, y = records(120)
    X = np.abs(X) + 0.1
    X[[5, 70]], y[[5, 70]] = X[0], y[0]  # Of the pool 70 is gone, 0 and 5 are in all sets.
    weights, names = {"sample_weight": X[:, 0]}, np.array([f"r{i % 7}" for i in range(120)])
    model = FirstFeature(random_state=0).fit(X[:60], y[:60], X[:60, 0])
    parts = (X[:60], y[:60], X[60:], y[60:])
    report = audit(
        model, *parts, fit_params=weights, slices={"name": names}, n_references=2,
        attacks="lira", controls=False, random_state=0, progress=False,
    )  # fmt: skip
    rows = report.records
    assert rows["slice_name"].tolist() == names[rows["row"] + 60 * (1 - rows["member"])].tolist()
    assert len(rows) == 117
    assert found(report, "LOST_REFERENCES") is None


# -- Controls ----------------------------------------------------------------------------------


def extreme(X, *values):
    """Return records, every seventh of which has one of these values in its second column."""
    altered = X.copy()
    for start, value in enumerate(values):
        altered[start::7, 1] = value
    return altered


EXTREMES = {
    "large": [1e300, -1e300],
    "the largest": [np.finfo(float).max, -np.finfo(float).max],
    "infinite": [np.inf, -np.inf],
    "infinite and missing": [np.inf, np.nan],
}


@pytest.mark.parametrize("name", EXTREMES)
def test_controls_hold_for_extreme_values_as_for_their_ranks(name):
    X = np.random.default_rng(0).normal(size=(120, 4)) * [0.1, 1, 0.1, 0.1]
    y = (X[:, 1] > 0).astype(int)
    member = np.arange(120) % 2 == 0
    table = extreme(X, *EXTREMES[name])
    ranked = table.copy()
    column = np.nan_to_num(table[:, 1], posinf=np.inf, neginf=-np.inf)
    known = np.unique(table[:, 1][~np.isnan(table[:, 1])])
    ranked[:, 1] = np.searchsorted(known, column)
    for records in (table, pd.DataFrame(table, columns=list("abcd"))):
        assert distribution_shift(records, y, member, seed=0)[0].value > 0
        if "missing" in name:
            assert 0.5 <= memorising_threshold(records, y, member, seed=0).value <= 1
            continue
        expected = memorising_threshold(ranked, y, member, seed=0)
        assert memorising_threshold(records, y, member, seed=0) == expected


def test_controls_hold_for_extreme_values_of_sparse_records():
    X, y = make_classification(120, 4, n_informative=3, n_redundant=1, random_state=0)
    member = np.arange(120) % 2 == 0
    table = sparse.csr_matrix(extreme(np.maximum(X, 0), 1e300, -np.inf, np.nan))
    assert 0 < distribution_shift(table, y, member, seed=0)[0].value < 1
    assert 0.5 <= memorising_threshold(table, y, member, seed=0).value <= 1


def test_records_with_extreme_values_are_audited():
    X, y = make_classification(120, 4, n_informative=3, n_redundant=1, random_state=0)
    table = extreme(X, 1e300, np.inf, -np.inf, np.nan)
    model = HistGradientBoostingClassifier(max_iter=2, random_state=0).fit(table[:60], y[:60])
    options = {"n_references": 2, "n_jobs": 1, "random_state": 0, "progress": False}
    for more in ({"n_queries": 2}, {"release": "labels"}):
        attacks = ["gap" if "release" in more else "threshold"]
        report = audit(
            model, table[:60], y[:60], table[60:], y[60:], attacks=attacks, **options, **more
        )
        assert report.controls["value"].notna().all()
    found = VulnerableNeighbors(train_size=60).fit(extreme(X, 1e300, -1e300))
    assert np.isfinite(found.expected_neighbors()).all()


def test_ranks_of_equal_values_are_their_mean():
    np.testing.assert_allclose(_ranks(np.array([3.0, 1.0, 1.0, 2.0])), [7 / 8, 2 / 8, 2 / 8, 5 / 8])


@pytest.fixture(scope="module")
def table():
    references = ReferenceModels(LogisticRegression(), 4, random_state=0).fit(*records(60))
    return ReferenceTable(references)


def test_the_references_are_scored_person_by_person(table):
    """Of 20 people with 1 to 5 records each: all records of one have one score."""
    units = Grouping(np.repeat(np.arange(20), np.tile([1, 2, 3, 4, 5], 4)))
    attack = SimpleNamespace(decision_function=lambda observed: units.of_row.astype(float))
    member = np.arange(20) % 3 == 0
    control = reference_control(attack, table, member[units.of_row], units, seed=0)
    assert control.value == roc_auc(member, np.arange(20)).value
    others = np.flatnonzero(~member), np.flatnonzero(member)
    assert control.p_value == mannwhitneyu(*others, method="asymptotic").pvalue


def test_an_auc_on_references_varies_with_the_reference_too(table, monkeypatch):
    found = Estimate(0.7, 0.65, 0.75, 30, 30)
    monkeypatch.setattr(mia_sklearn._audit._controls, "roc_auc", lambda *args, **options: found)
    control = pipeline_control(
        ThresholdAttack(), table, Grouping(np.arange(60)), seed=0, confidence=0.95
    )
    # Two intervals of .05 to each side, and a standard deviation of .01 over targets.
    half = np.sqrt(2 * 0.05**2 + (1.959964 * 0.01) ** 2)
    assert (control.low, control.high) == pytest.approx((0.7 - half, 0.7 + half))
    assert control.passed and control.p_value == 1


def test_the_first_block_is_that_of_the_first_reference_that_is_left():
    def first(block, lost=()):
        block = np.array(block)
        n_blocks = block.max() + 1
        return _first_block(
            SimpleNamespace(n_models_=len(block), lost_=lost, block_=block, n_blocks_=n_blocks)
        ).tolist()

    assert first([0, 0, 1, 1]) == [0, 1]
    assert first([0, 0, 1, 1], lost=[0]) == [1]
    assert first([0, 0, 1, 1], lost=[0, 1]) == [2, 3]
    assert first([-1, -1, -1], lost=[0]) == [1]


# -- Findings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "code"), [(40, None), (400, "OVERFITTED")])
def test_a_gap_that_chance_may_make_is_no_overfitting(n, code):
    accuracy = {True: 0.9, False: 0.7}
    run = SimpleNamespace(
        outputs=None,
        unit_member=np.arange(n) % 2 == 0,
        accuracy=lambda member: accuracy[member],
    )
    assert getattr(find(Overfitted, run), "code", None) == code


def test_vulnerable_records_are_a_warning_where_they_are_recognised():
    table = pd.DataFrame({"member": [1, 1, 1, 0], "vulnerable": [1, 1, 0, 1]})
    run = SimpleNamespace(vulnerable=SimpleNamespace(beta=0.1))
    found = find(VulnerableRecords, run, records=table.assign(p_value=[0.5, 0.02, 0.001, 0.001]))
    assert (found.severity, "0 of them are recognised" in found.explanation) == ("info", True)
    found = find(VulnerableRecords, run, records=table.assign(p_value=[0.5, 0.01, 0.5, 0.5]))
    assert (found.severity, "1 of them are recognised" in found.explanation) == ("warning", True)
    assert found.title.startswith("2 training records have")


def test_references_are_counted_that_did_not_train_on_a_record():
    trained = np.array([[1, 1, 1, 0], [1, 1, 0, 1], [1, 0, 1, 1], [0, 1, 1, 1]] * 2)
    refs = SimpleNamespace(membership_=trained, n_pool_=4, n_models_=8, lost_={})
    run = SimpleNamespace(references=refs, of_people=False)
    found = find(FewReferences, run, records=pd.DataFrame({"member": [1, 1, 0, 0]}))
    assert found.title.startswith("Each record has 2 references that did not train on it")
    assert found.severity == "warning" and "cannot fall below 1/3" in found.explanation


def test_repeats_of_a_side_are_those_that_the_other_side_lacks():
    """One test record is three training records too; two others repeat each other."""
    repeats = Repeats(n_train=5, n_test=3, in_test=3, in_train=1)
    run = SimpleNamespace(pool=SimpleNamespace(repeats=repeats), of_people=False)
    run.parts_of_records = "features and label"
    duplicates, overlap = find(Duplicates, run), find(Overlap, run)
    assert duplicates.title == "2 training and 2 test records repeat others of their side"
    assert overlap.title == "1 test record is a training record too"
    assert overlap.explanation.startswith("3 training records and 1 test records are equal")


def test_members_are_counted_one_by_one_where_there_are_p_values():
    table = pd.DataFrame({"member": [1, 1, 1, 0], "q_value": [0.1, 0.11, 0.01, np.nan]})
    assert _listed(table) == 2
    assert _listed(table.assign(q_value=np.nan)) is None


def test_records_that_a_rate_needs_are_those_of_the_confidence_asked_for():
    table = pd.DataFrame(
        {"attack": "lira", "slice": "all", "metric": "tpr", "at": [0.01], "high": np.nan}
    ).assign(n_nonmembers=50)
    for confidence in (0.95, 0.8):
        run = SimpleNamespace(headline="lira", confidence=confidence, of_people=False)
        run.plan = SimpleNamespace(n_dropped=0)
        needed = nonmembers_needed(0.01, confidence=confidence)
        explanation = find(TooFewRecords, run, metrics=table).explanation
        assert f" 0.01 needs {needed:,} non-members" in explanation
    assert needed < nonmembers_needed(0.01) == 403


def test_what_the_share_of_members_needs_is_listed():
    table = pd.DataFrame(
        {"metric": ["tpr", "ppv", "ppv"], "at": 0.01, "high": [0.2, np.nan, np.nan]}
    ).assign(attack="lira", slice="all", n_nonmembers=450)
    run = SimpleNamespace(confidence=0.95, plan=SimpleNamespace(n_dropped=0), of_people=False)
    run.headline = "lira"
    explanation = find(TooFewRecords, run, metrics=table).explanation
    assert explanation.endswith("those named at 0.01 needs 472 non-members.")
    assert explanation.count("needs") == 1


def test_what_a_release_of_labels_hides():
    means = Means("labels", LabelAccess())
    assert means.sees(["label", "proba", "logit", "out"])
    for hidden in (
        "query",
        "enhancing",
        "activation",
        "gradient",
        "grad_norm",
        "round_logit",
        "edge",
    ):
        assert not means.sees(["label", hidden])


# -- The command line --------------------------------------------------------------------------


def test_every_option_reaches_the_audit(monkeypatch, tmp_path, capsys):
    given = {}

    def noted(*args, **options):
        given.update(options)
        raise ValueError("seen")

    monkeypatch.setattr(mia_sklearn._audit, "audit", noted)
    X, y = records(40)
    for name in ("train", "test"):
        np.savez(tmp_path / f"{name}.npz", X=X, y=y)
    joblib.dump(TREE.fit(X, y), tmp_path / "model.joblib")
    files = [f"--{name}={tmp_path / name}.npz" for name in ("train", "test")]
    options = (
        "--confidence .8 --max-records 30 --queries 3 --references 6 --split random "
        "--release labels --attacks lira gap --seed 5 --jobs 2 --quiet"
    )
    cache = ["--cache", str(tmp_path / "cache")]
    model = ["--model", str(tmp_path / "model.joblib"), "--trust"]
    assert main(["audit", *model, *files, *options.split(), *cache]) == 2
    assert capsys.readouterr().err == "mia-sklearn: error: seen\n"
    expected = {
        "confidence": 0.8, "max_records": 30, "n_queries": 3, "n_references": 6,
        "split": "random", "release": "labels", "attacks": ["lira", "gap"], "random_state": 5,
        "n_jobs": 2, "progress": False, "cache": tmp_path / "cache",
    }  # fmt: skip
    assert {name: given[name] for name in expected} == expected


def test_a_gate_that_fails_is_not_undecided(make_report):
    conditions = [parse("tpr@0.001 > 0.5"), parse("auc > 0.6"), parse("auc < 0.6")]
    judged = Gate(conditions, strict=True, where="").judge(make_report())
    assert judged.code == 1
    lines = judged.lines()
    assert [line.partition(" ")[0] for line in lines] == ["UNDECIDED", "FAILED", "PASSED", "gate:"]
    assert lines[-1] == "gate: FAILED (exit 1)"
    assert "98.33 % interval" in lines[1]  # Three conditions share the error of one.
