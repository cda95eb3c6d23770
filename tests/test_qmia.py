"""QMIA: what it finds, and where it must find nothing; audits without references."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import audit, observe
from mia_sklearn._records._own_columns import own_columns
from mia_sklearn.attacks import QMIAAttack, ThresholdAttack
from mia_sklearn.metrics import roc_auc
from mia_sklearn.selection import Audited, membership_risk
from mia_sklearn.stats import expected_auc_of_ks

BENCHMARK = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "qmia.py"))
# Learns in no time.
NEAREST = KNeighborsRegressor(1)


def known_difficulty(n=600, seed=0):
    """Records whose signal is a known function of x, and one higher for members."""
    rng = np.random.default_rng(seed)
    member = np.arange(n) % 2
    x = rng.uniform(-10, 10, size=n)
    return np.column_stack([x + member + 0.3 * rng.normal(size=n), x]), member


def auc_of(attack, table, member):
    return roc_auc(member, attack.fit(table, member).decision_function(table))


# -- What it finds ---------------------------------------------------------------------------


def test_difficulty_is_taken_out_of_the_signal():
    table, member = known_difficulty()
    assert auc_of(ThresholdAttack("logit"), table, member).value < 0.6
    assert auc_of(QMIAAttack(random_state=0), table, member).low > 0.85


@pytest.mark.parametrize(
    "learner", [KNeighborsRegressor(5), LinearRegression(), SVR()], ids=lambda r: type(r).__name__
)
def test_any_regressor_learns_the_difficulty(learner):
    table, member = known_difficulty()
    table[::50, 1] = np.nan  # a regressor that takes no missing values
    kept = ~np.isnan(table[:, 1])
    attack = QMIAAttack(learner).fit(table, member)
    assert roc_auc(member[kept], attack.decision_function(table)[kept]).low > 0.6


def test_membership_has_no_part_in_the_order():
    table, member = known_difficulty(200)
    told = np.random.default_rng(1).permutation(member)
    scores = [QMIAAttack(NEAREST).fit(table, m).score_observations(table) for m in (member, told)]
    assert_array_equal(*scores)


def test_scores_follow_the_order_of_the_signal_alone():
    table, member = known_difficulty(200)
    other = table.copy()
    other[:, 0] = np.sinh(other[:, 0] / 2) * 1e15  # what squares could not hold in float32
    scores = [QMIAAttack(NEAREST).fit(t, member).score_observations(t) for t in (table, other)]
    assert_array_equal(*scores)


def test_the_order_of_the_rows_changes_nothing():
    table, member = known_difficulty(200)
    order = np.random.default_rng(1).permutation(200)
    plain = QMIAAttack(NEAREST).fit(table, member).score_observations(table)
    turned = QMIAAttack(NEAREST).fit(table[order], member[order])
    assert_array_equal(turned.score_observations(table[order]), plain[order])


def test_a_record_is_never_scored_by_what_was_fitted_on_it():
    # One record in five hundred has its own x and a signal unlike all others. A learner that had
    # seen it would expect that signal of it.
    table, member = known_difficulty(500)
    table[0] = 50.0, 99.0
    expected = QMIAAttack(NEAREST).fit(table, member)
    read = expected._read(table)
    assert expected._expected(read).score[0] > 1
    # Neither has a copy of it, whatever its own row says.
    table = np.vstack([table, table[:1]])
    twice = QMIAAttack(NEAREST).fit(table, np.append(member, 0))
    assert (twice._expected(twice._read(table)).score[[0, -1]] > 1).all()


def test_records_of_one_person_are_together():
    table, member = known_difficulty(200)
    frame = pd.DataFrame(table, columns=["logit", "feature_0"]).assign(group=np.arange(200) // 4)
    attack = QMIAAttack(NEAREST)
    parts = attack.fit(frame, member)._parts_of(attack._read(frame))[2]
    assert set(parts) == set(range(5))
    assert (parts.reshape(-1, 4) == parts[::4, None]).all()
    # Each by itself, they are not.
    alone = attack.fit(frame.drop(columns="group"), member)
    assert (alone._parts_of(alone._read(frame))[2] != parts).any()


def test_true_values_are_part_of_the_record():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(400, 2))
    member = np.arange(400) % 2
    frame = pd.DataFrame(
        {
            "target_0": y[:, 0],
            "target_1": y[:, 1],
            "logit": 5 * y[:, 1] + member,
            "feature_0": rng.normal(size=400),
        }
    )
    alone = auc_of(QMIAAttack(random_state=0), frame.drop(columns=["target_0", "target_1"]), member)
    assert auc_of(QMIAAttack(random_state=0), frame, member).value > alone.value + 0.1


def test_few_and_equal_answers_say_nothing():
    member = np.arange(20) % 2
    table = np.column_stack([np.ones(20), np.arange(20)])
    assert auc_of(QMIAAttack(NEAREST), table, member).value == 0.5
    table[:, 1] = 0.0  # one part holds all records, and no other can teach
    assert auc_of(QMIAAttack(NEAREST), table, member).value == 0.5
    table[:, 0] = member
    assert auc_of(QMIAAttack(NEAREST), table, member).value == 1
    with pytest.raises(ValueError, match="hold no signal"):
        QMIAAttack().fit(np.column_stack([np.full(20, np.nan), np.arange(20)]), member)
    with pytest.raises(ValueError, match="one class only"):
        QMIAAttack().fit(table, np.ones(20))


def test_records_without_an_answer_teach_nothing():
    table, member = known_difficulty(200)
    holes = table.copy()
    holes[::20, 0] = np.nan
    attack = QMIAAttack(NEAREST).fit(holes, member)
    fewer = QMIAAttack(NEAREST).fit(
        np.delete(table, np.s_[::20], 0), np.delete(member, np.s_[::20])
    )
    assert_array_equal(attack.score_observations(table), fewer.score_observations(table))


# -- Records as columns ----------------------------------------------------------------------


def mixed(n=40):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.integers(20, 60, size=n),
            "job": pd.Categorical(rng.choice(["cook", "clerk", "smith"], size=n)),
            "town": pd.Series(rng.choice(["Ulm", "Bonn", None], size=n), dtype=object),
            "income": np.where(rng.uniform(size=n) < 0.2, np.nan, rng.normal(size=n)),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), "D"),
            "note": [f"visit {k} to the doctor" for k in rng.integers(0, 5, size=n)],
            "large": np.where(np.arange(n) % 2, np.inf, 1e300),
        }
    )


@pytest.mark.parametrize(
    "table",
    [
        mixed(),
        mixed().to_numpy(dtype=object),
        np.random.default_rng(0).normal(size=(40, 3, 100)),
        sparse.random(40, 3000, 0.01, format="csr", random_state=0),
        [f"a text of {k} words or of {k % 7}" for k in range(40)],
    ],
    ids=["frame", "objects", "pictures", "sparse", "texts"],
)
def test_a_row_of_features_depends_on_the_record_alone(table):
    whole = own_columns(table)
    assert whole.dtype == np.float32
    assert not np.isinf(whole).any()
    assert whole.shape[1] <= 2 * 256
    some = table.iloc[5:20] if hasattr(table, "iloc") else table[5:20]
    assert_array_equal(own_columns(some), whole[5:20])
    # Different records stay different.
    assert len(np.unique(whole, axis=0)) == len(whole)


def test_equal_values_of_other_types_are_equal_features():
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    as_category = frame.astype({"a": "float32", "b": "category"})
    assert_array_equal(own_columns(frame), own_columns(as_category))
    dense = np.eye(4, 500)
    assert_array_equal(own_columns(dense), own_columns(sparse.csr_matrix(dense)))


def test_observe_adds_features(target, pool, target_observations):
    seen = observe(target, *pool, features=True)
    added = [name for name in seen if name.startswith("feature_")]
    assert_array_equal(seen[added].to_numpy(), own_columns(pool[0]))
    assert_array_equal(seen.drop(columns=added), observe(target, *pool))
    assert (seen.dtypes == np.float32).all()


# -- Audits ----------------------------------------------------------------------------------


def halves(n=120, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(2 * n, 4))
    y = (X[:, 0] + rng.normal(size=2 * n) > 0).astype(int)
    return X[:n], y[:n], X[n:], y[n:]


def run(model, parts, **options):
    options = {"n_references": 0, "random_state": 0, "progress": False, "controls": False} | options
    return audit(model, *parts, **options)


def test_it_is_the_headline_where_there_are_no_references():
    parts = halves()
    model = DecisionTreeClassifier(random_state=0).fit(*parts[:2])
    report = run(model, parts)
    assert report.info["attacks"] == ["threshold", "qmia"]
    assert report.info["headline"] == "qmia"
    seen = observe(model, np.concatenate(parts[::2]), np.concatenate(parts[1::2]), features=True)
    member = report.records["member"]
    own = QMIAAttack(random_state=0).fit(seen, member).decision_function(seen)
    assert_allclose(report.records["qmia"], own)
    row = report.metrics.query("attack == 'qmia' and metric == 'accuracy'").iloc[0]
    assert "threshold" in row["note"]  # no reference fixed one beforehand


def test_with_references_it_runs_by_name_on_the_same_observations():
    parts = halves(60)
    model = LogisticRegression().fit(*parts[:2])
    quick = [("qmia", QMIAAttack(NEAREST))]
    alone = run(model, parts, attacks=quick)
    beside = run(model, parts, attacks=quick, n_references=2, controls=True)
    assert_array_equal(beside.records["qmia"], alone.records["qmia"])
    named = run(model, parts, n_references=2, attacks=["threshold", *quick])
    assert named.info["headline"] == "qmia"
    assert "qmia" not in run(model, parts, n_references=2).info["attacks"]


def test_the_verdict_says_what_references_would_take():
    parts = halves()
    forest = RandomForestClassifier(5, random_state=0).fit(*parts[:2])
    report = run(forest, parts)
    assert "usually find more, and take 16 trainings of this model" in report.verdict
    would = report.info["references_would"]
    assert set(would) == {"trainings", "auc"}
    assert f"an AUC of about {would['auc']:.2f}" in report.verdict
    found = next(finding for finding in report.findings if finding.code == "NO_REFERENCES")
    assert "16 trainings" in found.explanation
    assert "references_would" in report.without_records().info
    # Members whose losses are the larger ones are a mistake, from which nothing is to be expected.
    swapped = run(forest, (*parts[2:], *parts[:2]), attacks="threshold")
    assert swapped.info["references_would"] == {"trainings": 16}
    search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2).fit(*parts[:2])
    would = run(search, parts, attacks="threshold").info["references_would"]
    # Nothing is expected of losses that do not differ.
    assert would == {"trainings": 16, "seconds": 16 * search.refit_time_}
    assert "references_would" not in run(forest, parts, n_references=2, attacks="threshold").info


def test_people_are_scored_together():
    parts = halves()
    model = RandomForestClassifier(5, random_state=0).fit(*parts[:2])
    report = run(model, parts, groups=np.arange(240) // 4)
    assert report.info["headline"] == "qmia"
    assert len(report.records) == 60
    assert "auc" not in report.info["references_would"]


def test_tables_of_all_kinds_are_audited():
    frame = mixed(80).drop(columns="large")
    y = (frame["age"] > 40).to_numpy().astype(int)

    columns = ColumnTransformer([("kept", "passthrough", ["age", "income"])])
    model = make_pipeline(columns, DecisionTreeClassifier(random_state=0)).fit(frame[:40], y[:40])
    assert run(model, (frame[:40], y[:40], frame[40:], y[40:])).info["headline"] == "qmia"
    X = sparse.random(80, 1000, 0.02, format="csr", random_state=0)
    linear = LogisticRegression().fit(X[:40], y[:40])
    assert run(linear, (X[:40], y[:40], X[40:], y[40:])).info["headline"] == "qmia"


def test_a_search_can_use_it():
    X_train, y_train, X_test, y_test = halves(80)
    model = Audited(DecisionTreeClassifier(random_state=0)).fit(X_train, y_train)
    risk = membership_risk("auc", attack=QMIAAttack(NEAREST))
    report = run(model.estimator_, (X_train, y_train, X_test, y_test), attacks=QMIAAttack(NEAREST))
    found = report.metrics.query("metric == 'auc'")["estimate"].iloc[0]
    assert -risk(model, X_test, y_test) == pytest.approx(found)


def test_generators_are_refused():
    from sklearn.neighbors import KernelDensity

    X = np.random.default_rng(0).normal(size=(60, 2))
    model = KernelDensity().fit(X[:30])
    with pytest.raises(ValueError, match=r"'qmia' .* generator"):
        audit(model, X[:30], X[30:], n_references=0, attacks="qmia", progress=False)
    assert "qmia" not in audit(model, X[:30], X[30:], n_references=0, progress=False).attacks
    with pytest.raises(ValueError, match="features=True goes with models"):
        observe(model, X, features=True)


def test_the_estimate_of_a_distance():
    assert [expected_auc_of_ks(ks) for ks in (0.0, 0.25, 1.0)] == [0.5, 0.75, 1.0]
    for wrong in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="ks must lie between 0 and 1"):
            expected_auc_of_ks(wrong)


# -- Nothing where there is nothing ----------------------------------------------------------


def test_what_was_fitted_on_the_others_names_members_where_nothing_leaks():
    wrong = BENCHMARK["fitted_on_nonmembers"](n=400, n_tables=5)
    assert wrong > 2 * BENCHMARK["nominal"](0.015, 200)
    # Ours, on the same tables.
    rates = BENCHMARK["null_rates"](
        "logistic regression", (200, 200), n_tables=2, n_draws=100, learner=NEAREST
    )
    assert rates["tpr at 1 %"] == pytest.approx(rates["nominal at 1 %"], abs=0.006)


@pytest.mark.slow
@pytest.mark.parametrize("law", BENCHMARK["LAWS"])
@pytest.mark.parametrize("sizes", BENCHMARK["SIZES"])
def test_rates_are_nominal_where_nothing_leaks(law, sizes):
    rates = BENCHMARK["null_rates"](law, sizes, n_tables=5, n_draws=400)
    assert rates["auc missed"] < 0.07
    for level in ("10 %", "1 %"):
        assert rates[f"tpr at {level}"] <= 1.1 * rates[f"nominal at {level}"]
