"""What an audit promises beside its numbers: coverage, reproducibility, what it says of itself."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from scipy import sparse
from scipy.stats import false_discovery_control
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import AuditReport, audit
from mia_sklearn._audit._controls import distribution_shift
from mia_sklearn._audit._tables import describe
from mia_sklearn.attacks import GMIAAttack, LiRAAttack, ThresholdAttack, all_attacks
from mia_sklearn.metrics import compute

pytestmark = pytest.mark.usefixtures("few_rounds")

TREE = DecisionTreeClassifier(min_samples_leaf=2, random_state=0)


@pytest.fixture(scope="module")
def halves(pool):
    X, y = pool
    return X[:450], y[:450], X[450:], y[450:]


@pytest.fixture(scope="module")
def model(halves):
    return TREE.fit(*halves[:2])


def run(model, halves, **options):
    options = {"n_references": 4, "random_state": 0, "progress": False, **options}
    return audit(model, *halves, **{"controls": False, **options})


@pytest.fixture(scope="module")
def report(model, halves, few_rounds):
    return run(model, halves, split="random", slices="label", controls=True)


def coverage_of(report):
    return report.coverage.set_index("attack")


@pytest.mark.parametrize(
    ("release", "threat_models"),
    [("posteriors", {"label-only", "black-box"}),
     ("weights", {"label-only", "black-box", "white-box"})],
)  # fmt: skip
def test_coverage_names_what_the_release_allows(release, threat_models, model, halves):
    coverage = coverage_of(run(model, halves, release=release, attacks="lira"))
    assert coverage.loc["lira", "reason"] == "the headline, fixed in advance"
    assert coverage.loc["attribute-inference", "reason"].endswith("disclosure.AttributeInference")
    missed = coverage[coverage["status"] == "not run"]
    assert set(missed["threat_model"]) == threat_models
    assert {"threshold", "shadow", "rmia", "stacked", "stacked-pool", "gap"} <= set(missed.index)


def test_a_threshold_knows_the_record_alone_unless_each_class_has_its_own(model, halves):
    attacks = ["threshold", ("classes", ThresholdAttack(per_class=True)), "gap", "lira"]
    knows = coverage_of(run(model, halves, attacks=attacks))["knowledge"]
    alone = "the record and its true label"
    assert knows["threshold"] == knows["gap"] == alone
    for name in ("classes", "lira"):
        assert "on which reference models were trained" in knows[name]
    missed = coverage_of(run(model, halves, attacks="lira"))
    assert missed.loc["threshold", "knowledge"] == alone


def test_an_attack_beyond_the_release_is_an_upper_bound(model, halves):
    report = run(model, halves, release="labels", attacks="threshold")
    assert not report.coverage["reason"].str.contains("upper bound").any()
    linear = LogisticRegression().fit(*halves[:2])
    asked = {"attacks": ["threshold", "gradient-norm"], "n_references": 0}
    beyond = coverage_of(run(linear, halves, **asked))
    assert beyond.loc["gradient-norm", "reason"] == (
        "needs more than this release gives (posteriors): an upper bound"
    )
    assert beyond.loc["threshold", "reason"] == "the headline, fixed in advance"


def test_coverage_of_labels_names_no_attack_that_reads_more(model, halves):
    coverage = coverage_of(run(model, halves, release="labels", attacks="threshold"))
    for info in all_attacks():
        if set(info.requires) & {
            "query",
            "enhancing",
            "activation",
            "gradient",
            "grad_norm",
            "edge",
        }:
            assert info.name not in coverage.index


def test_epsilon_is_read_at_the_confidence_asked_for(model, halves):
    report = run(model, halves, split="random", attacks="lira", confidence=0.8)
    row = report.metrics.query("metric == 'epsilon'").iloc[0]
    member, score = (report.records[name].to_numpy() for name in ("member", "lira"))
    expected = compute("epsilon", member, score, confidence=0.8)
    assert (row["estimate"], row["low"]) == (expected.value, expected.low)
    assert expected.low > compute("epsilon", member, score, confidence=0.95).low


def test_the_threshold_of_an_attack_that_looks_inside_is_paid_for(halves):
    linear = LogisticRegression().fit(*halves[:2])
    report = run(linear, halves, release="weights", attacks=["threshold", "gradient-norm"])
    rows = report.metrics.query("metric == 'advantage'").set_index("attack")
    records = report.records
    best = compute("advantage", records["member"], records["gradient-norm"], threshold=None)
    assert rows.loc["gradient-norm", "note"] == best.note != ""
    assert rows.loc["gradient-norm", ["low", "high"]].tolist() == [best.low, best.high]
    # The threshold attack's was learned from references.
    assert rows.loc["threshold", "note"] == ""


def test_headline_is_fixed_by_what_runs(model, halves):
    weak_first = run(model, halves, attacks=["threshold", "rmia", "lira"])
    assert weak_first.info["headline"] == "lira"
    own = run(model, halves, attacks=[("mine", LiRAAttack(variance="global"))])
    assert own.info["headline"] == "mine"
    alone = run(model, halves, n_references=0)
    assert (alone.info["headline"], alone.info["attacks"]) == ("qmia", ["threshold", "qmia"])
    assert alone.records["p_value"].isna().all()


def test_attacks_given_are_not_fitted_themselves(model, halves):
    attack = ThresholdAttack("margin")
    run(model, halves, attacks=[attack])
    assert not hasattr(attack, "classes_")


def test_same_seed_same_report_whatever_the_cores_and_the_cache(report, model, halves, tmp_path):
    options = {"split": "random", "slices": "label", "controls": True, "cache": tmp_path}
    first = run(model, halves, n_jobs=2, **options)
    again = run(model, halves, n_jobs=1, **options)
    for other in (first, again):
        for name in ("metrics", "records", "controls", "coverage"):
            assert_frame_equal(getattr(other, name), getattr(report, name))
        assert other.findings == report.findings


def test_metrics_are_those_of_the_records(report):
    member = report.records["member"].to_numpy()
    own = report.metrics.query("attack == 'stacked' and slice == 'all'")
    for row in own.itertuples():
        levels = [f"{level:g}" for level in (row.at, row.prior) if not np.isnan(level)]
        name = f"{row.metric}@{','.join(levels)}" if levels else row.metric
        options = {"threshold": 0.0} if row.metric in ("advantage", "accuracy") else {}
        estimate = compute(name, member, report.records["stacked"].to_numpy(), **options)
        np.testing.assert_equal(
            [estimate.value, estimate.low, estimate.high], [row.estimate, row.low, row.high]
        )


def test_slices_share_the_confidence(report):
    records, metrics = report.records, report.metrics
    assert set(records["slice_label"]) == {"0", "1", "2"}
    inside = records[records["slice_label"] == "1"]
    expected = compute("auc", inside["member"], inside["stacked"], confidence=1 - 0.05 / 3)
    row = metrics.query("slice == 'label=1' and metric == 'auc'").iloc[0]
    assert (row["low"], row["high"]) == (expected.low, expected.high)
    assert set(metrics.loc[metrics["slice"] != "all", "attack"]) == {"stacked"}


def test_numeric_slices_are_cut_at_quartiles(model, halves):
    values = np.arange(900.0) ** 3
    report = run(model, halves, slices={"rank": values})
    sizes = report.records["slice_rank"].value_counts()
    assert sizes.tolist() == [225] * 4


@pytest.mark.parametrize("split", [None, "other"])
def test_epsilon_needs_a_random_split(split, model, halves):
    report = run(model, halves, split=split, attacks="lira")
    row = report.metrics.query("metric == 'epsilon'").iloc[0]
    assert np.isnan(row["low"])
    assert "random split" in row["note"]


def test_epsilon_is_given_for_a_random_split(report):
    row = report.metrics.query("metric == 'epsilon' and attack == 'stacked'").iloc[0]
    assert row["low"] > 0.5


def test_intervals_have_the_audits_confidence(model, halves):
    report = run(model, halves, confidence=0.8, split="random", attacks="threshold")
    rows = report.metrics.query("slice == 'all'").set_index("metric")
    member, score = report.records["member"], report.records["threshold"]
    for metric in ("auc", "epsilon"):
        expected = compute(metric, member, score, confidence=0.8)
        assert rows.loc[metric, "low"] == expected.low
        assert rows.loc[metric, "note"] == expected.note
        assert expected.low != compute(metric, member, score).low
    assert rows.loc["ppv", "prior"].tolist() == [0.5, 0.01]
    assert rows.loc["ppv", "at"].tolist() == [0.01, 0.01]


def test_precision_is_that_of_the_headline_attack(report):
    named = report.metrics.query("metric == 'ppv'")
    assert set(named["attack"]) == {report.info["headline"]}
    assert len(named) == 2


def test_q_values_are_those_of_the_members(report):
    records = report.records
    member = records["member"] == 1
    expected = false_discovery_control(records.loc[member, "p_value"])
    np.testing.assert_array_equal(records.loc[member, "q_value"], expected)


def test_max_records_keeps_the_training_size(model, halves):
    report = run(model, halves, max_records=300, attacks="lira")
    info = report.info
    assert info["n_members"] + info["n_nonmembers"] == len(report.records) == 300
    assert info["n_unaudited"] == 450 - info["n_members"]
    assert report.records["p_value"].notna().all()
    codes = {finding.code for finding in report.findings}
    assert {"UNAUDITED_MEMBERS", "UNUSED_NONMEMBERS"} <= codes


def test_records_point_into_the_users_tables(report, halves):
    _, y_train, _, y_test = halves
    records = report.records
    for name, labels in (("train", y_train), ("test", y_test)):
        rows = records[records["set"] == name]
        np.testing.assert_array_equal(labels[rows["row"]], rows["label"])
    assert (records["member"] == (records["set"] == "train")).all()
    assert records.loc[records["member"] == 0, "q_value"].isna().all()
    assert records["p_value"].between(0, 1).all()


def test_a_real_report_survives_its_folder(report, tmp_path):
    report.save(tmp_path)
    loaded = AuditReport.load(tmp_path)
    for name in ("metrics", "records", "coverage", "controls"):
        assert_frame_equal(getattr(loaded, name), getattr(report, name), check_exact=True)
    assert (loaded.findings, loaded.info) == (report.findings, report.info)
    assert str(loaded) == str(report)
    assert loaded.check("auc <= 1").outcome == "pass"


def test_controls_pass_and_are_told(report):
    assert report.controls["control"].tolist() == ["shift", "references", "pipeline", "memoriser"]
    assert report.controls["passed"].tolist()[:3] == [True, True, True]
    assert pd.isna(report.controls["passed"].iloc[3])
    assert report.failed_controls == []


def test_shift_is_noticed_in_a_wide_sparse_table():
    rng = np.random.default_rng(0)
    words = (rng.random((600, 3000)) < 0.01).astype(float)
    words[:, 7] = rng.random(600) < np.where(np.arange(600) < 300, 0.8, 0.2)
    X, y = sparse.csr_matrix(words), rng.integers(0, 2, 600)
    member = np.arange(600) < 300
    control, _ = distribution_shift(X, y, member, seed=0)
    assert not control.passed
    quiet, _ = distribution_shift(X, y, rng.permutation(member), seed=0)
    assert quiet.passed


def test_shift_is_noticed_in_numbers_that_single_precision_takes_for_equal():
    X = 1e12 + np.arange(100.0)[:, None]
    member = np.arange(100) < 50
    control, _ = distribution_shift(X, np.zeros(100), member, seed=0)
    assert control.value > 0.9 and not control.passed


@pytest.mark.slow
@pytest.mark.parametrize("n", [120, 600])
def test_the_shift_control_seldom_fires_at_random_splits(n):
    """At most 1 alarm in 200: more than 6 in 400 has a probability below .005 then."""
    X, y = load_digits(return_X_y=True)
    alarms = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        rows = rng.permutation(len(X))[:n]
        control, _ = distribution_shift(X[rows], y[rows], rng.permutation(n) % 2 == 0, seed=seed)
        alarms += not control.passed
    assert alarms <= 6


def test_words_that_promise_too_much_never_appear(report):
    text = str(report).lower()
    assert not any(word in text for word in ("anonymous", "compliant", " safe "))


def test_a_stronger_attacker_is_named(model, halves):
    report = run(model, halves, attacks=["stacked-pool"], n_queries=2)
    row = coverage_of(report).loc["stacked-pool"]
    assert row["track"] == "pool"
    assert "whole training set" in row["knowledge"]
    assert report.info["queries_per_record"] == 3


# GMIA and the vulnerable records.


@pytest.fixture(scope="module")
def with_gmia(halves):
    from sklearn.linear_model import LogisticRegression

    soft = LogisticRegression(C=100, max_iter=2000).fit(*halves[:2])
    return run(soft, halves, attacks=["stacked", "gmia"], n_references=8)


def test_gmia_as_the_headline_has_references_enough_for_the_control(halves):
    model = DecisionTreeClassifier(max_depth=4, random_state=0).fit(*halves[:2])
    report = run(model, halves, attacks=["gmia"], n_references=8, controls=True)
    assert "pipeline" in set(report.controls["control"])


@pytest.mark.parametrize("references", [0, 2])
def test_the_gate_reads_the_threshold_that_the_report_shows(halves, references):
    model = DecisionTreeClassifier(max_depth=6, random_state=0).fit(*halves[:2])
    report = run(model, halves, attacks=["threshold"], n_references=references)
    chosen_here = ["threshold"] * (references == 0)
    assert report.info.get("thresholds_chosen_here", []) == chosen_here
    for measure in ("accuracy", "advantage"):
        row = report.metrics.query("metric == @measure and slice == 'all'").iloc[0]
        read = report.check(f"{measure} <= 1").results[0]
        assert (read.estimate, read.low, read.high) == (row["estimate"], row["low"], row["high"])


def test_gmia_marks_the_vulnerable_records(with_gmia):
    records = with_gmia.records
    assert with_gmia.info["headline"] == "stacked"
    used = with_gmia.info["vulnerable_records"]
    assert used == {"delta": 0.2, "beta": 0.1, "train_size": 450}
    assert records["vulnerable"].isin([0, 1]).all()
    np.testing.assert_array_equal(records["vulnerable"], records["expected_neighbors"] < 0.1)
    assert 0 < records["vulnerable"].sum() < len(records) / 2
    found = [finding for finding in with_gmia.findings if finding.code == "VULNERABLE_RECORDS"]
    n_members = (records["vulnerable"] * records["member"]).sum()
    assert found[0].title.startswith(f"{n_members} training records")


def test_gmia_is_told_in_text_and_page(with_gmia, tmp_path):
    text = str(with_gmia)
    gap = with_gmia.info["target_train_accuracy"] - with_gmia.info["target_test_accuracy"]
    why = "although the model generalises" if gap <= 0.05 else "because they stand alone"
    title = f"Records at risk {why}"
    assert title in text
    page = with_gmia.save(tmp_path).read_text()
    assert title in page
    assert "Expected neighbours" in page
    loaded = AuditReport.load(tmp_path)
    assert_frame_equal(loaded.records, with_gmia.records)
    assert str(loaded) == text


def test_a_model_that_generalises_is_no_excuse(with_gmia):
    info = with_gmia.info | {"target_train_accuracy": 0.86, "target_test_accuracy": 0.85}
    parts = {name: getattr(with_gmia, name) for name in ("metrics", "records", "findings")}
    report = AuditReport(
        **parts, coverage=with_gmia.coverage, controls=with_gmia.controls, info=info
    )
    assert "Records at risk although the model generalises" in str(report)
    assert "that alone does not protect them" in " ".join(str(report).split())


def test_no_vulnerable_record_is_an_answer(with_gmia):
    records = with_gmia.records.assign(vulnerable=0, expected_neighbors=3.5)
    report = AuditReport(
        with_gmia.metrics, records, [], with_gmia.coverage, with_gmia.controls, with_gmia.info
    )
    assert "the least expected number of neighbours is 3.5" in " ".join(str(report).split())


def test_without_gmia_nobody_looks_for_vulnerable_records(report):
    assert "vulnerable" not in report.records
    assert "vulnerable_records" not in report.info
    assert "Records at risk" not in str(report)


def test_gmia_of_votes_and_of_models_that_do_not_know(model, halves):
    """Posteriors of exactly 0, 1 and one half: some records have no direction."""
    report = run(model, halves, attacks=["threshold", "gmia"], n_references=8)
    expected = report.records["expected_neighbors"]
    assert (expected.isna() | (expected >= 0)).all()
    assert expected.notna().any()


def test_too_few_references_for_gmia_are_named_before_training(model, halves):
    with pytest.raises(ValueError, match=r"'gmia' compares .* n_references of at least 8"):
        run(model, halves, attacks=["gmia"], n_references=6)
    report = run(model, halves, attacks=[("by rank", GMIAAttack(p_value="rank"))])
    assert report.info["headline"] == "by rank"


def test_indirect_gmia_is_refused_with_the_way(model, halves):
    with pytest.raises(ValueError, match="EnhancingRecords"):
        run(model, halves, attacks=["gmia-indirect"])
    row = coverage_of(run(model, halves, attacks=["threshold"])).loc["gmia-indirect"]
    assert row["status"] == "not run"
    assert "EnhancingRecords" in row["reason"]


def test_an_estimator_is_described_without_where_it_lies_in_memory():
    described = describe(make_pipeline(FunctionTransformer(lambda X: X), StandardScaler()))
    assert "<lambda>" in described
    assert "0x" not in described
