"""Regressors, and classifiers with several outputs: what is asked, how it is read, the audit."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, make_multilabel_classification
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mia_sklearn import FunctionRegressor, ReferenceModels, audit, observe
from mia_sklearn.access import OutputsAccess, PredictionAccess
from mia_sklearn.metrics import roc_auc

pytestmark = pytest.mark.usefixtures("few_rounds")

X, Y = load_diabetes(return_X_y=True)
X, Y = X[:120], Y[:120] + np.linspace(0, 0.1, 120)
TRAIN, TEST = np.arange(0, 120, 2), np.arange(1, 120, 2)
QUIET = {"random_state": 0, "progress": False}
QUICK = {"n_references": 2, **QUIET}


def _audited(model, y=Y, X=X, **options):
    def rows(table, which):
        return table.iloc[which] if hasattr(table, "iloc") else table[which]

    given = [rows(table, side) for side in (TRAIN, TEST) for table in (X, y)]
    model = model.fit(given[0], given[1]) if hasattr(model, "fit") else model
    return audit(model, *given, **{**QUICK, **options})


def _auc(report, attack):
    table = report.metrics.query("metric == 'auc' and slice == 'all'")
    return float(table.set_index("attack")["estimate"][attack])


def test_the_signal_is_the_residual_in_units_of_the_spread():
    model = LinearRegression().fit(X[TRAIN], Y[TRAIN])
    references = ReferenceModels(LinearRegression(), n_models=4, random_state=0).fit(X, Y)
    seen = observe(model, X, Y, references=references)
    residuals = references.outputs_[..., 0].astype(float)[references.membership_ == 0]
    clipped = np.clip(residuals, *np.quantile(residuals, [0.01, 0.99]))
    spread = np.sqrt(np.mean(clipped**2))
    np.testing.assert_allclose(seen["logit"], -np.abs(Y - model.predict(X)) / spread, rtol=1e-5)
    np.testing.assert_allclose(seen["target_0"], Y, rtol=1e-6)
    np.testing.assert_allclose(seen["prediction_0"], model.predict(X), rtol=1e-5)
    assert seen.columns.tolist()[:5] == ["target_0", "prediction_0", "logit", "out_0", "out_1"]
    # Twice the numbers are the same signal.
    twice = ReferenceModels(LinearRegression(), n_models=4, random_state=0).fit(X, 2 * Y)
    np.testing.assert_allclose(twice.phi(), references.phi(), rtol=1e-4)


def test_exact_answers_are_log_odds():
    references = ReferenceModels(DecisionTreeRegressor(), n_models=4, random_state=0).fit(X, Y)
    phi = references.phi()
    assert references.scale_.saturated
    np.testing.assert_allclose(phi[references.membership_ > 0], -np.log(np.expm1(1e-6)), rtol=1e-6)
    away = np.abs(references.outputs_[..., 0]) / references.scale_.spread
    expected = -np.log(np.expm1(np.maximum(away.astype(float), 1e-6)))
    np.testing.assert_allclose(phi, expected, rtol=1e-5)


def test_an_answer_that_is_nearly_right_is_not_exact():
    # Of some thousand records that nobody trained on, one comes as near.
    model = DecisionTreeRegressor(random_state=0).fit(X[TRAIN], Y[TRAIN])
    y = Y.copy()
    y[1] = model.predict(X[[1]])[0] + 1e-4 * Y.std()
    references = ReferenceModels(DecisionTreeRegressor(), n_models=2, random_state=0).fit(X, y)
    signal = observe(model, X, y, references=references)["logit"]
    assert signal[1] > signal[TEST].drop(1).max()
    assert signal[1] < signal[TRAIN].min() - 1


def test_small_residuals_of_large_numbers_are_kept():
    # Single precision holds no difference of a thousandth at a million.
    y = 1e6 + Y / 1e3
    model = KNeighborsRegressor(2).fit(X[TRAIN], y[TRAIN])
    seen = observe(model, X, y)
    away = np.abs(y - model.predict(X))
    assert np.corrcoef(seen["logit"], -away)[0, 1] > 0.9999


def test_several_numbers_are_averaged():
    both = np.column_stack([Y, X[:, 2]])
    model = RandomForestRegressor(5, random_state=0).fit(X[TRAIN], both[TRAIN])
    references = ReferenceModels(RandomForestRegressor(5), n_models=4, random_state=0)
    seen = observe(model, X, both, references=references.fit(X, both))
    away = np.abs(both - model.predict(X)) / references.scale_.spread
    np.testing.assert_allclose(seen["logit"], -away.mean(axis=1), rtol=1e-4)


@pytest.mark.parametrize(
    "model",
    [
        DecisionTreeClassifier(max_depth=3),
        KNeighborsClassifier(3),
        MultiOutputClassifier(LogisticRegression()),
        pytest.param(MLPClassifier((4,), max_iter=20), marks=pytest.mark.thorough),
        pytest.param(ClassifierChain(LogisticRegression()), marks=pytest.mark.thorough),
        OneVsRestClassifier(LogisticRegression()),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_several_labels_are_averaged(model):
    X, labels = make_multilabel_classification(80, n_classes=2, random_state=0)
    model.fit(X[:40], labels[:40])
    seen = observe(model, X, labels)
    proba = model.predict_proba(X)
    if isinstance(proba, list):
        proba = np.column_stack([own[:, 1] for own in proba])
    proba = np.clip(np.where(labels == 1, proba, 1 - proba), 0, 1)
    smoothed = np.log(proba + 1e-12) - np.log(1 - proba + 1e-12)
    order = np.argsort(smoothed.mean(axis=1), kind="stable")
    assert (np.diff(seen["logit"].to_numpy()[order]) >= -1e-3).all()
    assert (seen[["target_0", "target_1"]].to_numpy() == labels).all()
    assert (seen[["prediction_0", "prediction_1"]].to_numpy() == model.predict(X)).mean() > 0.95


def test_labels_alone_of_several_outputs():
    X, labels = make_multilabel_classification(80, n_classes=2, random_state=0)
    model = RidgeClassifier().fit(X[:40], labels[:40])
    seen = observe(model, X, labels)
    right = (model.predict(X) == labels).sum(axis=1)
    assert seen["logit"].groupby(right).nunique().tolist() == [1] * len(np.unique(right))


def test_labels_of_several_outputs_may_be_words():
    words = np.where(np.column_stack([Y > 150, X[:, 2] > 0]), "high", "low").astype(object)
    model = DecisionTreeClassifier(max_depth=4).fit(X[TRAIN], words[TRAIN])
    references = ReferenceModels(DecisionTreeClassifier(max_depth=4), n_models=4, random_state=0)
    references.fit(X, words)
    assert [labels.tolist() for labels in references.output_classes_] == [["high", "low"]] * 2
    seen = observe(model, X, words, references=references)
    assert (seen["target_0"] == (words[:, 0] == "low")).all()


@pytest.mark.parametrize(
    ("model", "attack", "least"),
    [
        (KNeighborsRegressor(1), "stacked", 1.0),
        (KNeighborsRegressor(1), "threshold", 1.0),
        (DecisionTreeRegressor(random_state=0), "threshold", 0.99),
        (GaussianProcessRegressor(kernel=None, alpha=1e-10), "threshold", 0.99),
    ],
    ids=["1-NN", "1-NN by loss", "tree", "GP"],
)
def test_what_answers_its_records_exactly_is_told_apart(model, attack, least):
    assert _auc(_audited(model, X=X * 1e3), attack) >= least


def test_a_constant_model_tells_nothing():
    report = _audited(DummyRegressor(), n_references=4)
    own = report.metrics.query("metric == 'auc' and attack == 'stacked' and slice == 'all'")
    assert float(own["low"].iloc[0]) <= 0.5


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), SVR()),
        GridSearchCV(Ridge(), {"alpha": [1.0, 10.0]}, cv=2),
        TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1),
        GradientBoostingRegressor(n_estimators=5),
        pytest.param(MultiOutputRegressor(Ridge()), marks=pytest.mark.thorough),
    ],
    ids=lambda model: type(model).__name__,
)
def test_any_regressor_is_audited(model):
    y = np.column_stack([Y, -Y]) if isinstance(model, MultiOutputRegressor) else Y
    report = _audited(model, y=y)
    assert report.info["release"] == "predictions"
    assert report.info["headline"] == "stacked"
    edges = ["margin-edge"] if "svr" in str(getattr(model, "steps", "")) else []
    attacks = ["threshold", "lira", "rmia", "stacked", *edges]
    assert list(report.metrics["attack"].unique()) == attacks
    assert np.isfinite(_auc(report, "stacked"))


def test_an_audit_speaks_of_regression(tmp_path):
    report = _audited(RandomForestRegressor(10, random_state=0), slices="label")
    info = report.info
    assert info["target_train_r2"] > info["target_test_r2"]
    assert 0 < info["target_train_mae"] < info["target_test_mae"]
    assert "target_train_accuracy" not in info
    groups = report.metrics["slice"].unique()[1:]
    assert len(groups) == 4
    # By size, not by letter.
    assert groups[0].startswith("label=up to") and groups[-1].startswith("label=over")
    lower = [float(re.search(r"\(([\d.]+),", group)[1]) for group in groups[1:-1]]
    assert lower == sorted(lower)
    assert report.records["label"].tolist() == [*Y[TRAIN], *Y[TEST]]
    report.save(tmp_path / "report")
    saved = json.loads((tmp_path / "report" / "audit.json").read_text())
    assert saved["info"]["target_test_r2"] == pytest.approx(info["target_test_r2"])


def test_frames_series_and_several_columns():
    frame = pd.DataFrame(X, index=[f"p{i}" for i in range(len(X))]).add_prefix("x")
    one = pd.Series(Y, index=frame.index, name="progress")
    two = pd.DataFrame({"progress": Y, "bmi": X[:, 2]}, index=frame.index)
    given = []

    class Noting(Ridge):
        def fit(self, X, y):
            given.append(y)
            return super().fit(X, y)

    _audited(Noting(), y=one, X=frame, n_jobs=1)
    assert all(isinstance(y, pd.Series) and y.name == "progress" for y in given)
    pool = np.concatenate([TRAIN, TEST])
    assert all((y == Y[pool[y.index]]).all() for y in given[1:])
    given.clear()
    report = _audited(Noting(), y=two, X=frame, n_jobs=1)
    assert all((y == two.to_numpy()[pool[y.index]]).all(axis=None) for y in given[1:])
    assert all(isinstance(y, pd.DataFrame) and y.columns.equals(two.columns) for y in given)
    assert {"label_0", "label_1"} <= set(report.records)


def test_functions_are_audited():
    model = RandomForestRegressor(5, random_state=0).fit(X[TRAIN], Y[TRAIN])
    options = {"estimator": RandomForestRegressor(5)}
    plain = _audited(model.predict, **options)
    wrapped = _audited(FunctionRegressor(model.predict), **options)
    direct = _audited(RandomForestRegressor(5, random_state=0), **options)
    for report in (plain, wrapped):
        assert _auc(report, "stacked") == _auc(direct, "stacked")
    asked = FunctionRegressor(model.predict, query_budget=50)
    with pytest.raises(ValueError, match="query_budget allows 50 queries"):
        _audited(asked, **options)


def test_functions_train_references_of_regressors():
    def train(X, y, seed):
        return DecisionTreeRegressor(max_depth=3, random_state=seed).fit(X, y)

    report = _audited(DecisionTreeRegressor(max_depth=3, random_state=0), estimator=train)
    assert _auc(report, "stacked") > 0.5


def test_weights_reach_the_references():
    weights = np.ones(len(X))
    weights[TRAIN[::2]] = 5.0
    order = np.concatenate([TRAIN, TEST])
    model = DecisionTreeRegressor(max_depth=4, random_state=0)
    model.fit(X[TRAIN], Y[TRAIN], sample_weight=weights[TRAIN])
    given = X[TRAIN], Y[TRAIN], X[TEST], Y[TEST]
    weighted = audit(model, *given, fit_params={"sample_weight": weights[order]}, **QUICK)
    assert weighted.info["digests"] != audit(model, *given, **QUICK).info["digests"]


def test_cached_answers_are_those_trained(tmp_path):
    references = ReferenceModels(Ridge(), n_models=2, random_state=0, cache=tmp_path)
    first = references.fit(X, Y).phi().copy()
    np.testing.assert_array_equal(references.fit(X, Y).phi(), first)
    assert not np.array_equal(references.fit(X, Y[::-1].copy()).phi(), first)


def test_the_features_of_records_are_directions_of_predictions():
    references = ReferenceModels(Ridge(), n_models=2, random_state=0).fit(X, Y)
    predicted = Y[:, None] - references.outputs_[..., 0].T
    z = (predicted - Y.mean()) / Y.std()
    away = z[:, None] - z[None]
    expected = (np.cos(away) + np.cos(np.e * away)).mean(axis=2) / 2
    features = references.features_ / np.linalg.norm(references.features_, axis=1)[:, None]
    np.testing.assert_allclose(features @ features.T, expected, rtol=1e-4, atol=1e-5)


def test_records_that_are_predicted_unlike_others_are_vulnerable():
    far = np.append(np.arange(4.0), [20.0, -20.0])
    y = np.repeat(far, [20, 20, 20, 20, 1, 1]) + np.linspace(0, 2, 82)
    given = y[:, None], y
    report = audit(
        KNeighborsRegressor(1).fit(*(part[::2] for part in given)),
        *(part[side::2] for side in (0, 1) for part in given),
        attacks=["gmia"],
        **{**QUICK, "n_references": 16},
    )
    assert report.records["vulnerable"].sum() == 2
    marked = report.records.query("vulnerable == 1")["label"]
    assert (marked.abs() > 15).all()


BAD = {
    "constant y": ({"y": np.ones(120)}, "y_train is 1.0 for all records: nothing was learned"),
    "missing y": ({"y": np.where(np.arange(120) == 4, np.nan, Y)}, "y_train holds nan in row 2"),
    "infinite y": ({"y": np.where(np.arange(120) == 3, np.inf, Y)}, "y_test holds inf in row 1"),
    "words": ({"y": Y.astype(str)}, "y_train must hold numbers, since the model is a regressor"),
    "other outputs": ({"y": np.column_stack([Y, Y])}, "answered with shape .*2 numbers per record"),
    "labels": ({"release": "labels"}, "predictions, weights for a regressor.*rounded"),
    "posteriors": ({"release": "posteriors"}, "predictions, weights for a regressor"),
    "shadow": ({"attacks": ["shadow"]}, "'shadow' reads posteriors of one class each"),
    "gap": ({"attacks": ["gap"]}, "'gap' reads posteriors of one class each"),
    "pool": ({"attacks": ["stacked-pool"]}, "'stacked-pool' compares records of one class"),
    "access": ({"access": "label"}, "access='label' needs a classifier"),
    "classes": ({"classes": [0, 1]}, "classes are of classifiers with one output"),
    "queries": ({"n_queries": 3}, "n_queries asks for posteriors"),
    "estimator": ({"estimator": LogisticRegression()}, "estimator must be a regressor, as the"),
    "reference slices": ({"slices": "label_0"}, "they have label"),
}


def test_true_values_of_one_column_may_be_a_table_on_one_side():
    model = Ridge().fit(X[TRAIN], Y[TRAIN])
    given = X[TRAIN], Y[TRAIN][:, None], X[TEST], Y[TEST]
    flat = audit(model, X[TRAIN], Y[TRAIN], X[TEST], Y[TEST], quick=True, **QUIET)
    assert audit(model, *given, quick=True, **QUIET).metrics.equals(flat.metrics)


def test_a_label_that_training_lacked_names_the_way_out():
    X, labels = make_multilabel_classification(80, n_classes=2, random_state=0)
    labels[:40, 1] = 0
    model = DecisionTreeClassifier().fit(X[:40], labels[:40])
    with pytest.raises(
        ValueError, match=r"of output 1: 1.*Drop these records.*OneVsRestClassifier"
    ):
        audit(model, X[:40], labels[:40], X[40:], labels[40:], **QUICK)


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused(case):
    options, message = BAD[case]
    options = dict(options)
    y = options.pop("y", Y)
    model = Ridge().fit(X[TRAIN], Y[TRAIN])
    given = X[TRAIN], y[TRAIN], X[TEST], y[TEST]
    with pytest.raises(ValueError, match=message):
        audit(model, *given, **QUICK, **options)


def test_several_outputs_are_refused_where_they_are_not_read():
    X, labels = make_multilabel_classification(80, n_classes=2, random_state=0)
    tree = DecisionTreeClassifier().fit(X[:40], labels[:40])
    with pytest.raises(ValueError, match="classifier with several outputs, got 'labels'"):
        audit(tree, X[:40], labels[:40], X[40:], labels[40:], release="labels", **QUICK)
    one = DecisionTreeClassifier().fit(X[:40], labels[:40, 0])
    with pytest.raises(ValueError, match="one label per record"):
        audit(one, X[:40], labels[:40], X[40:], labels[40:], **QUICK)


def test_accesses_say_what_they_need():
    with pytest.raises(ValueError, match="needs a regressor"):
        PredictionAccess().check(LogisticRegression())
    with pytest.raises(ValueError, match="needs a classifier with several outputs"):
        OutputsAccess().check(Ridge())
    assert OutputsAccess().scale(np.log([[[0.9, 0.1, 1.0]]]), np.zeros((1, 1))).phi(
        np.log([[0.9, 0.1, 1.0]]), np.ones((1, 1))
    ) == pytest.approx(logit(0.9))


@pytest.mark.slow
def test_rates_hold_where_nothing_was_learned():
    # The target trained on other records: what an audit says of these must be chance.
    rng = np.random.default_rng(0)
    aucs, covered = [], 0
    for run in range(40):
        X = rng.normal(size=(600, 5))
        y = X[:, 0] + rng.standard_t(3, size=600)
        model = RandomForestRegressor(20, random_state=run).fit(X[:200], y[:200])
        references = ReferenceModels(RandomForestRegressor(20), n_models=4, random_state=run)
        seen = observe(model, X[200:], y[200:], references=references.fit(X[200:], y[200:]))
        from mia_sklearn.attacks import StackedAttack

        attack = StackedAttack(random_state=0).fit(*references.shadow_observations(random_state=0))
        estimate = roc_auc(np.arange(400) < 200, attack.decision_function(seen))
        aucs.append(estimate.value)
        covered += estimate.low <= 0.5 <= estimate.high
    assert abs(np.mean(aucs) - 0.5) < 0.02
    assert covered >= 34
