"""What a model's structure tells: known answers, what cannot be measured, and bad input."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, RadiusNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mia_sklearn import AuditReport, FunctionTarget, audit, structural_risk
from mia_sklearn._models._kinds import last_step
from mia_sklearn.report import StructuralReport, _html
from mia_sklearn.report._evidence import evidence_of
from mia_sklearn.stats import expected_auc_of_ks, ks_distance, ks_noise_floor
from mia_sklearn.structural._findings import SelfInfluence
from mia_sklearn.structural._measures import Answers, of_answers, of_self_influence
from mia_sklearn.structural._remedies import what_spreads
from mia_sklearn.structural._rules import flagged_by_rules
from mia_sklearn.structural._structure import Structure

X, Y = make_classification(240, 6, n_informative=4, flip_y=0.2, random_state=0)
XR, YR = make_regression(120, 5, noise=20.0, random_state=0)
TRAIN, TEST = slice(0, 120), slice(120, 240)


def measured(model, X, y, *test, **options):
    report = structural_risk(model, X, y, *test, **options)
    return report, report.measures.set_index("measure")


def value(model, X, y, name):
    return measured(model, X, y)[1].loc[name, "value"]


def codes(report):
    return [finding.code for finding in report.findings]


@pytest.mark.parametrize("shift", [0, 25, 100])
def test_the_distance_of_losses_is_that_of_their_shift(shift):
    one = np.arange(100)
    assert ks_distance(one, one + shift) == pytest.approx(min(1, shift / 100))
    assert ks_distance(np.append(one, np.inf), np.append(one, np.inf)) == 0


def test_the_noise_floor_and_the_expected_auc():
    assert ks_noise_floor(1000, 1000) == pytest.approx(1.36 * np.sqrt(0.002))
    assert expected_auc_of_ks(0) == 0.5 and expected_auc_of_ks(1) == 1
    assert expected_auc_of_ks(0.16) == pytest.approx(0.692)
    with pytest.raises(ValueError, match="between 0 and 1"):
        expected_auc_of_ks(1.5)
    with pytest.raises(ValueError, match="`other` must hold numbers"):
        ks_distance([1.0], [np.nan])
    with pytest.raises(ValueError, match="Both samples"):
        ks_noise_floor(0, 3)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "m"), [(200, 200), (1000, 150)])
def test_noise_exceeds_its_floor_in_one_of_twenty_cases(n, m):
    rng = np.random.default_rng(0)
    floor = ks_noise_floor(n, m)
    over = np.mean(
        [ks_distance(rng.normal(size=n), rng.normal(size=m)) > floor for _ in range(4000)]
    )
    assert 0.03 < over < 0.06


@pytest.mark.slow
def test_a_model_that_saw_neither_side_stays_within_the_noise():
    rng, over = np.random.default_rng(0), 0
    for seed in range(300):
        rows = rng.normal(size=(300, 3))
        labels = (rows[:, 0] + rng.normal(size=300) > 0).astype(int)
        model = LogisticRegression().fit(rows[:100], labels[:100])
        sides = rows[100:200], labels[100:200], rows[200:], labels[200:]
        report, table = measured(model, *sides, random_state=seed)
        over += table.loc["ks", "band"] != "within the noise"
        assert ("LOSS_GAP" in codes(report)) <= (
            table.loc["ks", "value"] > table.loc["ks", "error"]
        )
    assert over <= 27  # Of 300 at 5 %, by more than three standard errors.


def test_leverage_of_least_squares_is_parameters_per_record():
    model = LinearRegression().fit(XR, YR)
    assert value(model, XR, YR, "self_influence") == pytest.approx(6 / 120)
    assert value(model, XR, YR, "parameters_per_record") == pytest.approx(6 / 120)
    # As many coefficients as records: each answer is the record's own value.
    wide = np.random.default_rng(0).normal(size=(30, 40))
    assert value(LinearRegression().fit(wide, YR[:30]), wide, YR[:30], "self_influence") == (
        pytest.approx(1)
    )


def test_leverages_are_what_a_changed_label_does_to_its_answer():
    rows, labels = XR[:30], YR[:30]
    for model in (
        Ridge(alpha=30.0),
        Ridge(alpha=30.0, fit_intercept=False),
        ElasticNet(alpha=2.0, l1_ratio=0.01, tol=1e-10, max_iter=10_000),
        KernelRidge(alpha=0.5, kernel="rbf", gamma=0.1),
        GaussianProcessRegressor(alpha=0.5, optimizer=None),
    ):
        before = model.fit(rows, labels).predict(rows)
        own = [
            model.fit(rows, labels + np.eye(30)[i]).predict(rows)[i] - before[i] for i in range(30)
        ]
        model.fit(rows, labels)
        assert value(model, rows, labels, "self_influence") == pytest.approx(np.mean(own))
    sparse = Lasso(alpha=20.0).fit(XR, YR)
    left = np.count_nonzero(sparse.coef_)
    assert 0 < left < 5
    assert value(sparse, XR, YR, "self_influence") == pytest.approx((left + 1) / 120)


def test_leverage_of_a_logistic_regression_is_that_of_its_last_step():
    model = LogisticRegression(C=0.5).fit(X, Y)
    design = np.column_stack([X, np.ones(len(X))])
    p = model.predict_proba(X)[:, 1]
    hessian = design.T @ (design * (p * (1 - p))[:, None]) + np.diag([2.0] * 6 + [0.0])
    own = p * (1 - p) * np.einsum("ij,ij->i", design @ np.linalg.inv(hessian), design)
    assert value(model, X, Y, "self_influence") == pytest.approx(own.mean())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of defaults that will change.
        searched = LogisticRegressionCV(Cs=[0.5], cv=2).fit(X, Y)
    assert value(searched, X, Y, "self_influence") == pytest.approx(own.mean(), rel=1e-3)
    free = LogisticRegression(C=np.inf).fit(X, Y)
    assert value(free, X, Y, "self_influence") > own.mean()


def test_a_leaf_for_each_record_is_all_its_own():
    table = measured(DecisionTreeRegressor().fit(XR, YR), XR, YR)[1]
    assert table.loc["self_influence", "value"] == 1
    assert table.loc["smallest_leaf", "value"] == 1
    assert table.loc["small_leaves", "value"] == 1
    stump = measured(DecisionTreeRegressor(max_depth=1, min_samples_leaf=40).fit(XR, YR), XR, YR)[1]
    assert stump.loc["self_influence", "value"] == pytest.approx(2 / 120)
    assert stump.loc["small_leaves", "value"] == 0
    assert stump.loc["smallest_leaf", "value"] >= 40
    assert stump.loc["parameters_per_record", "value"] == pytest.approx(3 / 120)


def test_self_influence_of_a_forest_is_what_records_weigh_in_their_leaves():
    forest = RandomForestRegressor(5, random_state=0).fit(XR, YR)
    own = np.zeros(len(XR))
    for tree, drawn in zip(forest.estimators_, forest.estimators_samples_, strict=True):
        times = np.bincount(drawn, minlength=len(XR))
        leaf = tree.apply(XR.astype(np.float32))
        weight = np.bincount(leaf, weights=times)
        own += times / np.maximum(weight[leaf], 1) / 5
    assert value(forest, XR, YR, "self_influence") == pytest.approx(own.mean())


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (KNeighborsClassifier(4), 1 / 4),
        (KNeighborsClassifier(4, weights="distance"), 1),
        (
            make_pipeline(
                StandardScaler().set_output(transform="pandas"),
                KNeighborsClassifier(4, weights="distance"),
            ),
            1,
        ),
        (make_pipeline(StandardScaler(), KNeighborsClassifier(5)), 1 / 5),
        (GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [8]}, cv=2), 1 / 8),
        (VotingClassifier([("a", KNeighborsClassifier(2)), ("b", KNeighborsClassifier(4))]), 3 / 8),
        (BaggingClassifier(KNeighborsClassifier(2), 3, random_state=0), 1 / 2),
        (BaggingClassifier(KNeighborsClassifier(2), 3, max_samples=0.5, random_state=0), 1 / 4),
    ],
)
def test_own_votes_of_neighbours(model, expected):
    assert value(model.fit(X, Y), X, Y, "self_influence") == pytest.approx(expected)


def test_own_weight_within_a_radius_in_boosting_and_in_margins():
    far = np.arange(20.0)[:, None] * 10
    lonely = RadiusNeighborsRegressor(1.0).fit(far, far[:, 0])
    assert value(lonely, far, far[:, 0], "self_influence") == 1
    rough = {"n_estimators": 3, "learning_rate": 0.5, "max_depth": None}
    boosted = GradientBoostingRegressor(**rough, min_samples_split=2).fit(XR, YR)
    assert value(boosted, XR, YR, "self_influence") == pytest.approx(1 - 0.5**3)
    histogram = HistGradientBoostingRegressor(max_iter=4).fit(XR, YR)
    leaves = [stage[0].nodes["is_leaf"].sum() for stage in histogram._predictors]
    assert value(histogram, XR, YR, "self_influence") == pytest.approx(
        1 - np.prod([1 - 0.1 * n / 120 for n in leaves])
    )
    machine = SVC(C=0.3).fit(X, Y)
    own = np.minimum(1, np.abs(machine.dual_coef_)).sum() / len(X)
    assert value(machine, X, Y, "self_influence") == pytest.approx(own)


@pytest.mark.parametrize(
    ("library", "kind", "options"),
    [
        ("xgboost", "XGBClassifier", {"max_leaves": 4, "max_depth": 0, "learning_rate": 0.5}),
        ("lightgbm", "LGBMClassifier", {"num_leaves": 4, "learning_rate": 0.5, "verbose": -1}),
        (
            "catboost",
            "CatBoostClassifier",
            {"depth": 2, "learning_rate": 0.5, "verbose": 0, "allow_writing_files": False},
        ),
    ],
)
def test_boosters_of_other_libraries_say_how_many_leaves_they_have(library, kind, options):
    made = getattr(pytest.importorskip(library), kind)(n_estimators=3, **options)
    table = measured(made.fit(X, Y), X, Y)[1]
    most = 1 - (1 - 0.5 * 4 / 240) ** 3
    assert most / 2 <= table.loc["self_influence", "value"] <= most + 1e-12
    assert 3 * 3 / 240 <= table.loc["parameters_per_record", "value"] <= 3 * 7 / 240


def test_a_memoriser_is_told_from_a_model_of_two_numbers():
    sides = X[TRAIN], Y[TRAIN], X[TEST], Y[TEST]
    report, table = measured(DecisionTreeClassifier(random_state=0).fit(X[TRAIN], Y[TRAIN]), *sides)
    error = 1 - (table.loc["ks", "value"])
    model = DecisionTreeClassifier(random_state=0).fit(X[TRAIN], Y[TRAIN])
    assert error == pytest.approx(model.score(X[TEST], Y[TEST]))
    assert table.loc["confidence_gap", "value"] == pytest.approx(table.loc["ks", "value"])
    assert table.loc["ks", "band"] == "very high" and "LOSS_GAP" in codes(report)
    quiet = GaussianNB().fit(X[TRAIN], Y[TRAIN])
    report, table = measured(quiet, *sides)
    assert table.loc["ks", "band"] == "within the noise" and codes(report) == []
    assert np.isnan(table.loc["self_influence", "value"])
    assert "not defined for GaussianNB" in table.loc["self_influence", "meaning"]
    assert "Nothing was found" in report.summary


def test_no_auc_is_estimated_where_losses_point_the_other_way():
    model = DecisionTreeClassifier(random_state=0).fit(X[TRAIN], Y[TRAIN])
    sides = X[TRAIN], Y[TRAIN], X[TEST], Y[TEST]
    meaning = measured(model, *sides)[1].loc["ks", "meaning"]
    assert "expected at an AUC near" in meaning and "higher" not in meaning
    swapped = measured(model, *sides[2:], *sides[:2])[1].loc["ks", "meaning"]
    assert "Losses on training records are the higher ones" in swapped
    assert "AUC near" not in swapped


@pytest.mark.parametrize(
    ("model", "spreads"),
    [
        (DecisionTreeClassifier(random_state=0), "larger leaves"),
        (make_pipeline(StandardScaler(), KNeighborsClassifier(2)), "more neighbours"),
        (BaggingClassifier(LogisticRegression(C=1e3), 2, random_state=0), "a stronger penalty"),
        (SVC(C=100), "a stronger penalty"),
        (GaussianNB(), ""),
    ],
)
def test_remedies_are_those_of_the_kind_of_model(model, spreads):
    model.fit(X[TRAIN], Y[TRAIN])
    assert what_spreads(model) == spreads
    structure = Structure([of_self_influence(model, X[TRAIN], Y[TRAIN], 120, 0)], [], True)
    own = SelfInfluence().find(SimpleNamespace(structure=replace(structure, spreads=spreads)))
    if own is not None:
        assert re.match(r"Of 100 parts of an answer about a training record, \d+ come", own.title)
        assert own.remedy == f"Let each answer rest on more records: {spreads}."


def test_of_numbers_errors_are_spoken_of():
    sides = XR[:60], YR[:60], XR[60:], YR[60:]
    report, table = measured(DecisionTreeRegressor(random_state=0).fit(*sides[:2]), *sides)
    gap = next(f for f in report.findings if f.code == "LOSS_GAP")
    assert gap.title.startswith("Errors on training") and gap.title in report.summary
    assert gap.remedy == "Use larger leaves, or more data; then measure again."
    told = " ".join([gap.explanation, *table["meaning"]])
    assert "Errors (absolute residuals) of 60" in told and "The advantage of" in told
    assert "in standard deviations of y." in told
    assert not re.search("[Ll]oss", told)


def test_labels_alone_show_what_labels_show():
    model = DecisionTreeClassifier(random_state=0).fit(X[TRAIN], Y[TRAIN])
    sides = X[TRAIN], Y[TRAIN], X[TEST], Y[TEST]
    table = measured(model, *sides, release="labels")[1]
    accuracies = model.score(X[TRAIN], Y[TRAIN]) - model.score(X[TEST], Y[TEST])
    assert table.loc["ks", "value"] == pytest.approx(accuracies)
    assert table.loc["smallest_answer_class", "value"] >= 10
    exact = measured(make_pipeline(StandardScaler(), LogisticRegression()).fit(*sides[:2]), *sides)[
        1
    ]
    assert exact.loc["smallest_answer_class", "value"] == 1
    assert exact.loc["small_answer_classes", "value"] == 1
    assert not exact.loc["small_answer_classes", "predicts"]


def test_shares_are_of_records_and_not_of_answers():
    label = np.repeat([0, 1, 1, 0], [4, 26, 10, 10])
    answers = Answers(
        np.zeros(50), np.zeros(50), np.repeat([[0.0], [1.0], [2.0]], [4, 26, 20], 0), label
    )
    table = {each.measure: each.value for each in of_answers(answers)}
    assert table == {
        "smallest_answer_class": 4,
        "small_answer_classes": 4 / 50,
        "class_disclosure": 30 / 50,
    }


def test_without_test_records_what_needs_none_is_measured():
    report, table = measured(RandomForestClassifier(5, random_state=0).fit(X, Y), X, Y)
    for name in ("ks", "confidence_gap"):
        assert (
            np.isnan(table.loc[name, "value"]) and "X_test and y_test" in table.loc[name, "meaning"]
        )
    assert table.loc["self_influence", "value"] > 0.1
    assert "SELF_INFLUENCE" in codes(report) and report.info["n_test"] == 0


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        (DecisionTreeRegressor(random_state=0), "hold no record of X_train"),
        (RandomForestRegressor(5, random_state=0), "hold no record of X_train"),
        (make_pipeline(StandardScaler(), KNeighborsRegressor()), "are none of X_train"),
        (SVR(), "are none of X_train"),
    ],
)
def test_records_that_it_never_saw_have_no_influence(model, shown):
    model.fit(XR[:80], YR[:80])
    for rows, seen in ((slice(0, 80), True), (slice(80, 160), False)):
        report, table = measured(model, XR[rows], YR[rows])
        own = table.loc["self_influence"]
        assert np.isfinite(own["value"]) == seen
        assert (shown in own["meaning"]) != seen
        assert seen or "SELF_INFLUENCE" not in codes(report)


def test_regressors_and_several_outputs():
    both = np.column_stack([YR, YR[::-1]])
    sides = XR[:80], both[:80], XR[80:], both[80:]
    model = RandomForestRegressor(5, random_state=0).fit(*sides[:2])
    table = measured(model, *sides)[1]
    residuals = [
        (np.abs(y - model.predict(rows)) / both[:80].std(axis=0)).mean(axis=1)
        for rows, y in (sides[:2], sides[2:])
    ]
    assert table.loc["ks", "value"] == pytest.approx(ks_distance(*residuals))
    ratio = residuals[1].mean() / residuals[0].mean()
    assert table.loc["residual_ratio", "value"] == pytest.approx(ratio)
    exact = measured(DecisionTreeRegressor().fit(*sides[:2]), *sides)[1]
    assert exact.loc["residual_ratio", "value"] == np.inf
    assert exact.loc["ks", "value"] == 1
    labels = np.column_stack([Y, 1 - Y, Y * 2])
    several = MultiOutputClassifier(DecisionTreeClassifier(random_state=0)).fit(
        X[TRAIN], labels[TRAIN]
    )
    table = measured(several, X[TRAIN], labels[TRAIN], X[TEST], labels[TEST])[1]
    assert table.loc["ks", "value"] > 0.2 and table.loc["confidence_gap", "value"] > 0.2


def test_of_functions_the_answers_alone_are_measured():
    model = DecisionTreeClassifier(random_state=0).fit(X[TRAIN], Y[TRAIN])
    asked = FunctionTarget(model.predict_proba, classes=[0, 1])
    table = measured(asked, X[TRAIN], Y[TRAIN], X[TEST], Y[TEST])[1]
    assert table.loc["ks", "value"] > 0.1
    assert np.isnan(table.loc["parameters_per_record", "value"])
    assert "is a function" in table.loc["stored_records", "meaning"]


def test_published_rules_on_parameters():
    assert flagged_by_rules(DecisionTreeClassifier(), 100)
    assert flagged_by_rules(make_pipeline(StandardScaler(), RandomForestClassifier()), 100)
    assert not flagged_by_rules(RandomForestClassifier(max_depth=3), 100)
    assert not flagged_by_rules(DecisionTreeClassifier(min_samples_leaf=0.2), 100)
    assert not flagged_by_rules(DecisionTreeClassifier(max_depth=3), 100)
    assert flagged_by_rules(RandomForestClassifier(20, bootstrap=False), 100)
    assert flagged_by_rules(GaussianNB(), 100) is None


def test_a_report_is_read_in_words_as_markdown_and_in_notebooks():
    report = structural_risk(KNeighborsClassifier().fit(X, Y), X, Y, release="weights")
    assert isinstance(report, StructuralReport)
    assert report.summary.startswith("The fitted model keeps training records: 100 % of them.")
    assert str(report).startswith(report.summary) and "KNeighborsClassifier._fit_X" in str(report)
    assert "STORES\\_RECORDS" in report.to_markdown() and "| Self-influence | 0.200" in (
        report.to_markdown()
    )
    assert "mia-sklearn" in report._repr_html_() and "<StructuralReport of KN" in repr(report)
    assert list(report.measures.columns) == [
        *("measure", "value", "error", "band", "predicts", "meaning")
    ]


class Stepwise(GaussianNB):
    """A model whose `steps` are a number of them, or numbers; no pipeline."""

    def __init__(self, steps=3):
        super().__init__()
        self.steps = steps


@pytest.mark.parametrize("steps", [3, [10, 20], (), None])
def test_a_parameter_named_steps_makes_no_pipeline(steps):
    model = Stepwise(steps).fit(X[TRAIN], Y[TRAIN])
    assert last_step(model) is last_step(make_pipeline(StandardScaler(), model)) is model
    assert structural_risk(model, X[TRAIN], Y[TRAIN]).info["model"] == "Stepwise"


def test_parts_that_are_sequences_are_parts_and_what_cannot_be_looked_into_is_said():
    forests = [(name, RandomForestClassifier(3, random_state=k)) for k, name in enumerate("ab")]
    mixed = VotingClassifier([*forests, ("c", KNeighborsClassifier(2))]).fit(X, Y)
    own = [value(forest, X, Y, "self_influence") for forest in mixed.estimators_]
    assert value(mixed, X, Y, "self_influence") == pytest.approx(np.mean(own))

    class Hostile(GaussianNB):
        @property
        def estimators_(self):
            raise RuntimeError

    table = measured(Hostile().fit(X[TRAIN], Y[TRAIN]), X[TRAIN], Y[TRAIN], X[TEST], Y[TEST])[1]
    assert "could not be looked into: RuntimeError" in table.loc["smallest_leaf", "meaning"]
    assert np.isfinite(table.loc["ks", "value"])


def test_of_many_records_some_are_looked_at(monkeypatch):
    from mia_sklearn.structural import _structure

    monkeypatch.setattr(_structure, "MOST_RECORDS", 60)
    sides = X[TRAIN], Y[TRAIN], X[TEST], Y[TEST]
    table = measured(KNeighborsClassifier(3).fit(*sides[:2]), *sides)[1]
    assert table.loc["ks", "error"] == pytest.approx(ks_noise_floor(60, 60))
    assert table.loc["stored_records", "value"] == 1
    leverage = measured(LinearRegression().fit(XR, YR), XR, YR)[1]
    assert leverage.loc["self_influence", "value"] == pytest.approx(6 / 120)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"y_train": [np.nan, *Y[1:120]]}, "y_train has no label in row 0"),
        ({"y_train": np.zeros(120, int)}, "y_train holds one class only, 0"),
        ({"y_train": Y[:100]}, "120 and 100 rows"),
        ({"y_test": None}, "y_test is None, but X_test is given"),
        ({"X_test": X[TEST, :3]}, "X_test has 3 features"),
        ({"X_train": X[TRAIN, :3], "X_test": None, "y_test": None}, "X_train has 3 features"),
        ({"release": "predictions"}, "release must be one of 'posteriors', 'labels', 'weights'"),
        ({"y_train": None, "X_test": None, "y_test": None}, "y_train is None, but the model"),
        ({"model": DecisionTreeClassifier}, "got the class"),
    ],
)
def test_bad_input_is_named(given, message):
    sides = {"X_train": X[TRAIN], "y_train": Y[TRAIN], "X_test": X[TEST], "y_test": Y[TEST]}
    model = DecisionTreeClassifier().fit(X[TRAIN], Y[TRAIN])
    with pytest.raises(ValueError, match=message):
        structural_risk(**{"model": model, **sides, **given})


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full(120, 3.0), "y_train is constant, 3.0"),
        (np.append(YR[:-1], np.nan), "y_train holds nan in row 119"),
        (np.append(YR[:-1], np.inf), "y_train holds inf"),
        (None, "y_train is None"),
    ],
)
def test_bad_values_of_a_regression_are_named(y, message):
    with pytest.raises(ValueError, match=message):
        structural_risk(Ridge().fit(XR, YR), XR, y)


def test_other_columns_unfitted_models_and_few_records():
    frame = pd.DataFrame(X, columns=list("abcdef"))
    model = DecisionTreeClassifier().fit(frame, Y)
    with pytest.raises(ValueError, match="X_train has other columns"):
        structural_risk(model, frame.rename(columns={"a": "z"}), Y)
    for unfitted in (
        MLPClassifier(),
        KNeighborsClassifier(),
        make_pipeline(StandardScaler(), SVC()),
    ):
        with pytest.raises((NotFittedError, ValueError), match="fitted"):
            structural_risk(unfitted, X, Y)
    few = DecisionTreeClassifier().fit(X[:10], Y[:10])
    table = measured(few, X[:10], Y[:10], X[10:20], Y[10:20])[1]
    assert table.loc["ks", "error"] > 0.6 and table.loc["ks", "band"] == "within the noise"


@pytest.fixture(scope="module")
def audited():
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(3)).fit(X[TRAIN], Y[TRAIN])
    sides = X[TRAIN], Y[TRAIN], X[TEST], Y[TEST]
    options = {"attacks": "threshold", "n_references": 0, "controls": False, "progress": False}
    return model, sides, audit(model, *sides, release="weights", **options)


def test_an_audit_measures_what_structural_risk_does(audited):
    model, sides, report = audited
    alone = structural_risk(model, *sides, release="weights").measures
    pd.testing.assert_frame_equal(report.structural, alone)
    found = {finding.code: finding for finding in report.findings}
    assert found["STORES_RECORDS"].severity == "serious"
    assert "structure" in report.info["timings"]


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (DecisionTreeRegressor(min_samples_leaf=3), np.column_stack([YR, YR[::-1]])),
        (Ridge(), YR),
        (
            MultiOutputClassifier(DecisionTreeClassifier(max_depth=4)),
            np.column_stack([YR > 0, XR[:, 0] > 0]).astype(int),
        ),
    ],
)
def test_audits_of_numbers_and_of_several_outputs_do_too(model, y):
    sides = XR[:60], y[:60], XR[60:], y[60:]
    model.fit(*sides[:2])
    options = {"attacks": "threshold", "n_references": 0, "controls": False, "progress": False}
    table = audit(model, *sides, **options).structural.set_index("measure")
    alone = measured(model, *sides)[1]
    assert list(table.index) == list(alone.index)
    for name in ("ks", "residual_ratio", "confidence_gap", "self_influence"):
        if name in table.index:
            given = table.loc[name, ["value", "error"]].astype(float)
            np.testing.assert_allclose(given, alone.loc[name, ["value", "error"]].astype(float))


def test_the_structure_is_kept_shown_and_left_without_single_records(
    audited, tmp_path, monkeypatch
):
    # Curves are looked at elsewhere, and cost most of the time.
    for picture in ("_roc", "_scores"):
        monkeypatch.setattr(_html, picture, lambda report: "")
    report = audited[2]
    report.save(tmp_path / "whole")
    pd.testing.assert_frame_equal(
        AuditReport.load(tmp_path / "whole").structural, report.structural
    )
    page = (tmp_path / "whole" / "index.html").read_text()
    for shown in (page, report.to_markdown(), str(report), report._repr_html_()):
        assert "Structure of the model" in shown and "Self-influence" in shown
    kept = evidence_of(report)
    assert set(report.structural["measure"]) - set(kept.structural["measure"]) == {
        *("smallest_leaf", "smallest_answer_class")
    }
    assert any(f.code == "STORES_RECORDS" and "100 %" in f.title for f in kept.findings)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda X: X, r"FunctionTarget\(function.*FunctionRegressor"),
        (None, "must be a fitted model, got None"),
        ("model.skops", "must be a fitted model, got 'model.skops'"),
        (KNeighborsClassifier, "got the class KNeighborsClassifier"),
    ],
)
def test_what_is_no_model_is_told_what_to_pass(model, message):
    with pytest.raises(ValueError, match=message):
        structural_risk(model, np.zeros((4, 1)), [0, 1, 0, 1])
