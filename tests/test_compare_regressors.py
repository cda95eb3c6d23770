"""Regressors, and several outputs, side by side: what each gives away, and R2 in its price."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, make_multilabel_classification
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mia_sklearn import audit
from mia_sklearn._comparisons._comparison import read_comparison
from mia_sklearn._models._trainable import configured
from mia_sklearn.access import PredictionAccess
from mia_sklearn.cli._compare import _around, _chosen, _table
from mia_sklearn.defenses import InputNoise, LabelOnly, RoundedPrediction
from mia_sklearn.plots import RiskUtilityDisplay
from mia_sklearn.selection import (
    Audited,
    compare_defenses,
    membership_risk,
    pareto_front,
    pareto_refit,
)
from mia_sklearn.selection._quality import quality
from mia_sklearn.stats._r2 import r2_interval

X, Y = load_diabetes(return_X_y=True)
X, Y = X[:200], Y[:200] + np.linspace(0, 0.1, 200)
QUIET = {"n_references": 2, "random_state": 0, "progress": False}
OPTIONS = {**QUIET, "attacks": ["threshold", "lira"]}


def _tree(**params):
    return DecisionTreeRegressor(random_state=0, **params)


@pytest.fixture(scope="module")
def frame():
    models = {
        "undefended": _tree(),
        "larger leaves": _tree(min_samples_leaf=20),
        "rounded": RoundedPrediction(_tree(), 100),
    }
    return compare_defenses(models, X, Y, **QUIET)


def test_numbers_are_those_of_regression(frame):
    rows = train_test_split(np.arange(200), test_size=0.5, random_state=0)
    train, test = map(np.sort, rows)
    for _, row in frame.iterrows():
        models = {
            "undefended": _tree(),
            "larger leaves": _tree(min_samples_leaf=20),
            "rounded": RoundedPrediction(_tree(), 100),
        }
        model = configured(models[row["defense"]], 0).fit(X[train], Y[train])
        predicted = model.predict(X[test])
        assert row["train_score"] == pytest.approx(model.score(X[train], Y[train]))
        assert row["test_score"] == pytest.approx(r2_score(Y[test], predicted))
        assert row["mae"] == pytest.approx(mean_absolute_error(Y[test], predicted))
        assert row["test_score_low"] < row["test_score"] < row["test_score_high"]
    assert not {"log_loss", "calibration_error"} & set(frame.columns)
    assert frame.attrs["score"] == "R2"
    assert frame.attrs["attacks"] == ["threshold", "lira", "rmia", "stacked"]


def test_defenses_lower_the_risk(frame):
    auc = frame.set_index("defense")["stacked_auc"]
    assert auc["undefended"] > 0.95
    assert auc["larger leaves"] < 0.7
    assert auc["rounded"] < auc["undefended"] - 0.1


def test_what_is_shown_speaks_of_r2(frame, tmp_path):
    html = frame._repr_html_()
    assert "R2 on others" in html
    assert "larger leaves surely lowers it" in html and "at no cost" in html
    assert "ccuracy" not in html.partition("<details")[0]
    assert RiskUtilityDisplay.from_comparison(frame).utility_name == "Test R2"
    assert "test R2" in _table(frame).splitlines()[0]
    # A file keeps columns alone.
    frame.to_csv(tmp_path / "compared.csv")
    stored = pd.read_csv(tmp_path / "compared.csv", keep_default_na=False, na_values=[""])
    assert read_comparison(stored).score == "R2"


@pytest.mark.parametrize("cost", [0.015, 0.5])
def test_a_remedy_costs_little_r2(frame, cost):
    altered = frame.copy()
    altered["test_score"] = altered["test_score"].iloc[0] - np.array([0, cost, cost])
    model = _tree().fit(X[:100], Y[:100])
    given = X[:100], Y[:100], X[100:], Y[100:]
    options = {"n_references": 2, "random_state": 0, "progress": False, "controls": False}
    report = audit(model, *given, comparison=altered, **options)
    found = next(finding for finding in report.findings if finding.code == "MEASURED_REMEDY")
    told = " ".join(map(str, (found.title, found.explanation)))
    assert ("lowers the risk most" in told) == (cost < 0.02)
    assert "test score (R2)" in told and "0.02" in told and "points" not in told


def test_those_compared_by_default():
    frame = compare_defenses(LinearRegression(), X, Y, **{**OPTIONS, "attacks": ["threshold"]})
    names = ["undefended", "rounded numbers", "input noise", "distillation", "SELENA"]
    assert frame["defense"].tolist() == names
    assert (frame["error"] == "").all()


def test_several_numbers_and_given_test_records():
    both = np.column_stack([Y, X[:, 2]])
    models = {"undefended": _tree(), "noise": InputNoise(_tree())}
    given = {"X_test": X[100:], "y_test": pd.DataFrame(both[100:])}
    frame = compare_defenses(models, X[:100], both[:100], **given, **OPTIONS)
    assert (frame["error"] == "").all()
    with pytest.raises(ValueError, match="y_test must have as many outputs as y"):
        compare_defenses(models, X[:100], both[:100], X_test=X[100:], y_test=Y[100:], **OPTIONS)


def test_several_labels():
    X, labels = make_multilabel_classification(120, n_classes=2, random_state=0)
    tree = DecisionTreeClassifier(random_state=0)
    frame = compare_defenses(tree, X, labels, **OPTIONS)
    assert frame["defense"].tolist() == ["undefended", "larger leaves", "input noise"]
    assert (frame["error"] == "").all()
    train, test = map(np.sort, train_test_split(np.arange(120), test_size=0.5, random_state=0))
    predicted = configured(tree, 0).fit(X[train], labels[train]).predict(X[test])
    assert frame["test_score"][0] == pytest.approx((predicted == labels[test]).mean())
    assert frame.attrs["score"] == "accuracy"


BAD = {
    "kinds": ({"a": Ridge(), "b": DecisionTreeClassifier()}, {}, r"models\['b'\] must be a regr"),
    "generator": ({"a": Ridge(), "b": GaussianMixture()}, {}, r"models\['b'\] must be a regressor"),
    "labels": (Ridge(), {"release": "labels"}, "predictions, weights for a regressor"),
    "defense": ({"a": LabelOnly(Ridge())}, {}, "LabelOnly does not defend regressors.*InputNoise"),
    "attack": (Ridge(), {"attacks": ["gap"]}, "'gap' reads posteriors of one class each"),
    "words": (Ridge(), {"y": Y.astype(str)}, "y must hold numbers"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_comparisons_are_refused(case):
    models, options, message = BAD[case]
    options = dict(options)
    with pytest.raises(ValueError, match=message):
        compare_defenses(models, X, options.pop("y", Y), **QUIET, **options)


def test_defenses_named_on_the_command_line():
    models = _around(Ridge(), _chosen(["SELENA", "removal"]), Y)
    assert [type(model).__name__ for model in models.values()] == [
        *("Ridge", "SELENA", "VulnerableRecordRemoval"),
    ]
    with pytest.raises(ValueError, match=r"'label only' does not defend regressors.*'SELENA'"):
        _around(Ridge(), _chosen(["label only"]), Y)


# --- scorers -------------------------------------------------------------------------------------


def test_a_search_keeps_the_risk_under_a_limit():
    risk = membership_risk(n_references=2)
    search = GridSearchCV(
        Audited(_tree()),
        {"estimator__min_samples_leaf": [1, 40]},
        scoring={"r2": "r2", risk.name: risk},
        refit=pareto_refit(utility="r2", risk=risk, max_risk=0.85),
        cv=2,
    ).fit(X, Y)
    assert search.best_params_ == {"estimator__min_samples_leaf": 40}
    found = -search.cv_results_["mean_test_neg_lira_auc"]
    assert found[0] > 0.9
    assert found[1] < 0.75
    assert pareto_front(search.cv_results_, utility="r2", risk=risk)["risk"].iloc[0] < 0.75
    assert RiskUtilityDisplay.from_cv_results(
        search.cv_results_, utility="r2", risk=risk.name
    ).utility_name.startswith("r2")


def test_the_scorer_keeps_no_record():
    risk = membership_risk(n_references=2)
    model = Audited(_tree()).fit(X[:100], Y[:100])
    first = risk(model, X[100:], Y[100:])
    assert risk._kept[1].X_ is None
    assert risk(model, X[100:], Y[100:]) == first


@pytest.mark.parametrize(
    ("attack", "references"), [("threshold", 0), ("threshold", 2), ("rmia", 2)]
)
def test_risk_by_other_attacks(attack, references):
    risk = membership_risk(attack=attack, n_references=references)
    memorises, constant = (
        -risk(Audited(model).fit(X[:100], Y[:100]), X[100:], Y[100:])
        for model in (_tree(), DummyRegressor())
    )
    assert memorises > 0.9
    assert constant < 0.65


def test_attacks_on_posteriors_are_refused():
    model = Audited(Ridge()).fit(X[:100], Y[:100])
    with pytest.raises(ValueError, match="label"):
        membership_risk(attack="gap")(model, X[100:], Y[100:])


def test_several_labels_are_scored():
    X, labels = make_multilabel_classification(100, n_classes=2, random_state=0)
    model = Audited(DecisionTreeClassifier(random_state=0)).fit(X[:50], labels[:50])
    assert -membership_risk(n_references=2)(model, X[50:], labels[50:]) > 0.5


# --- R2 ------------------------------------------------------------------------------------------


def test_r2_is_scikit_learns():
    rng = np.random.default_rng(0)
    true = rng.normal(size=(300, 2))
    predicted = true + rng.normal(size=(300, 2)) * [0.3, 0.8]
    value, low, high = r2_interval(true, predicted)
    assert value == pytest.approx(r2_score(true, predicted))
    assert low < value < high < 1
    # Of one output the delta method by hand.
    true, predicted = true[:, :1], predicted[:, :1]
    errors, spread = (true - predicted) ** 2, (true - true.mean()) ** 2
    left = errors.mean() / spread.mean()
    error = np.std((errors - left * spread) / spread.mean(), ddof=1) / np.sqrt(300)
    value, low, high = r2_interval(true, predicted)
    assert low == pytest.approx(1 - left * np.exp(1.959964 * error / left), rel=1e-6)
    assert high == pytest.approx(1 - left * np.exp(-1.959964 * error / left), rel=1e-6)


def test_r2_of_few_exact_and_equal_records():
    true = np.arange(20.0)[:, None]
    assert r2_interval(true, true) == (1, 1, 1)
    assert np.isnan(r2_interval(np.ones((20, 1)), true)).all()
    value, *ends = r2_interval(true[:5], true[:5] + 1)
    assert value == pytest.approx(0.5) and np.isnan(ends).all()


def test_quality_of_numbers():
    model = SimpleNamespace(predict=lambda X: X[:, 0])
    asked, true = np.array([[0.0], [2.0], [4.0]]), np.array([0.0, 3.0, 4.0])
    found = quality(model, asked, true, PredictionAccess(), confidence=0.95)
    assert found["mae"] == pytest.approx(1 / 3)
    assert found["test_score"] == r2_score(true, asked[:, 0])


@pytest.mark.slow
@pytest.mark.parametrize("slope", [0.3, 1.0, 3.0])
def test_the_interval_of_r2_holds(slope):
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        explained = slope * rng.normal(size=200)
        true = explained + rng.standard_t(5, size=200) / np.sqrt(5 / 3)
        _, low, high = r2_interval(true[:, None], explained[:, None])
        held += low <= slope**2 / (slope**2 + 1) <= high
    assert held / 2000 > 0.915
