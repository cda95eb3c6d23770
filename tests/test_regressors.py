"""Regressors of every kind under audit: scikit-learn's and boosting libraries'."""

import numpy as np
import pytest
from sklearn.cross_decomposition import CCA, PLSCanonical
from sklearn.datasets import load_diabetes
from sklearn.ensemble import (
    BaggingRegressor,
    HistGradientBoostingRegressor,
    StackingRegressor,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import (
    QuantileRegressor,
    RANSACRegressor,
    Ridge,
    TheilSenRegressor,
)
from sklearn.multioutput import MultiOutputRegressor, RegressorChain
from sklearn.neighbors import RadiusNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.svm import SVR, NuSVR
from sklearn.tree import DecisionTreeRegressor

from mia_sklearn import FunctionRegressor, audit, observe
from mia_sklearn.attacks import EnhancingRecords
from mia_sklearn.disclosure import ModelInversion

pytestmark = pytest.mark.usefixtures("few_rounds")

X, Y = load_diabetes(return_X_y=True)
X, Y = X[:60], Y[:60] + np.linspace(0, 0.1, 60)
BOTH = np.column_stack([Y, 100 * X[:, 2]])
QUICK = {"n_references": 2, "random_state": 0, "progress": False}
TWO = [("ridge", Ridge()), ("tree", DecisionTreeRegressor(max_depth=3))]
# The kinds that answer or train in a way of their own; `make test-slow` audits every regressor.
ONE_NUMBER = [
    BaggingRegressor(n_estimators=3),
    CCA(1),
    GaussianProcessRegressor(alpha=0.1),
    HistGradientBoostingRegressor(max_iter=5, early_stopping=True),
    MLPRegressor(hidden_layer_sizes=(4,), max_iter=20, early_stopping=True),
    NuSVR(),
    QuantileRegressor(),
    RadiusNeighborsRegressor(10.0),
    RANSACRegressor(),
    StackingRegressor(TWO, cv=2),
    TheilSenRegressor(max_subpopulation=50),
]
TWO_NUMBERS = [
    GaussianProcessRegressor(alpha=0.1),
    MultiOutputRegressor(SVR()),
    PLSCanonical(1),
    RegressorChain(Ridge()),
]
BOOSTERS = {
    "xgboost": {"n_estimators": 5},
    "lightgbm": {"n_estimators": 5, "verbose": -1},
    "catboost": {"iterations": 5, "verbose": 0},
}
# The class, parameters beside those, how many numbers it predicts, and arguments of `fit`.
BOOSTED = [
    ("xgboost", "XGBRegressor", {}, 1, {}),
    ("xgboost", "XGBRegressor", {"multi_strategy": "multi_output_tree"}, 2, {}),
    ("xgboost", "XGBRegressor", {"booster": "gblinear"}, 1, {}),
    ("xgboost", "XGBRegressor", {"early_stopping_rounds": 2}, 1, {"eval_set": [(X[:9], Y[:9])]}),
    ("xgboost", "XGBRFRegressor", {}, 1, {}),
    ("lightgbm", "LGBMRegressor", {"objective": "quantile", "alpha": 0.9}, 1, {}),
    ("catboost", "CatBoostRegressor", {}, 1, {}),
    ("catboost", "CatBoostRegressor", {"loss_function": "MultiRMSE"}, 2, {}),
    ("catboost", "CatBoostRegressor", {}, 1, {"eval_set": (X[:9], Y[:9])}),
]


def _audited(model, y, X=X, fit=None, **options):
    model.fit(X[:30], y[:30], **(fit or {}))
    given = X[:30], y[:30], X[30:], y[30:]
    report = audit(model, *given, fit_params=fit, **{**QUICK, **options})
    estimates = report.metrics.query("metric == 'auc' and slice == 'all'")["estimate"]
    # Of support vector machines the edge besides.
    assert len(estimates) == 4 + ("margin-edge" in report.attacks)
    assert estimates.between(0, 1).all()
    return report


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore::UserWarning")
@pytest.mark.parametrize("model", ONE_NUMBER, ids=lambda model: type(model).__name__)
def test_every_kind_is_audited(model):
    assert _audited(model, Y).info["target_test_mae"] > 0


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", TWO_NUMBERS, ids=lambda model: type(model).__name__)
def test_every_kind_of_several_numbers_is_audited(model):
    assert {"label_0", "label_1"} <= set(_audited(model, BOTH).records)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("library", "kind", "options", "n_outputs", "fit"),
    BOOSTED,
    ids=[f"{kind}-{place}" for place, (_, kind, *_) in enumerate(BOOSTED)],
)
def test_boosters_are_audited(library, kind, options, n_outputs, fit):
    estimator = getattr(pytest.importorskip(library), kind)
    model = estimator(**{**BOOSTERS[library], **options})
    _audited(model, BOTH if n_outputs == 2 else Y, fit=fit)


def test_one_feature_is_enough():
    model = IsotonicRegression(out_of_bounds="clip")
    _audited(model, Y, X=X[:, [2]])
    with pytest.raises(ValueError, match=r"X_train\.reshape\(-1, 1\)"):
        _audited(model, Y, X=X[:, 2])
    with pytest.raises(ValueError, match=r"answers \[nan\] for record .*out_of_bounds='clip'"):
        _audited(IsotonicRegression(), Y, X=X[:, [2]])


class Quantiles(Ridge):
    """Answers two numbers where it has learned one."""

    def predict(self, X):
        return np.add.outer(super().predict(X), [-30.0, 30.0])


def test_of_several_answers_to_one_number_one_is_audited():
    model = Quantiles()
    with pytest.raises(ValueError, match=r"FunctionRegressor\(lambda X: model.predict\(X\)\[:, 0"):
        _audited(model, Y)

    def upper(model):
        return FunctionRegressor(lambda X: model.predict(X)[:, 1])

    def train(X, y, seed):
        return upper(Quantiles().fit(X, y))

    report = audit(upper(model), X[:30], Y[:30], X[30:], Y[30:], estimator=train, **QUICK)
    missed = np.abs(Y[30:] - model.predict(X[30:])[:, 1]).mean()
    assert report.info["target_test_mae"] == pytest.approx(missed)


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_bare_boosters_of_numbers_name_the_way_out(library):
    module = pytest.importorskip(library)
    short = {"xgboost": "XGB", "lightgbm": "LGBM"}[library]
    model = getattr(module, f"{short}Regressor")(n_estimators=2).fit(X[:30], Y[:30])
    booster = model.get_booster() if library == "xgboost" else model.booster_
    with pytest.raises(ValueError, match=rf"{short}Regressor; or mia_sklearn\.FunctionRegressor"):
        observe(booster, X, Y)


@pytest.mark.parametrize("library", BOOSTERS)
def test_boosters_that_stop_early_need_their_records(library):
    kind = {"xgboost": "XGBRegressor", "lightgbm": "LGBMRegressor", "catboost": "CatBoostRegressor"}
    estimator = getattr(pytest.importorskip(library), kind[library])
    model = estimator(**BOOSTERS[library], early_stopping_rounds=2)
    with pytest.raises(ValueError, match="needs records to stop by"):
        audit(FunctionRegressor(len), X, Y, X, Y, estimator=model, **QUICK)


def test_what_asks_for_classes_is_refused_by_name():
    model = Ridge().fit(X, Y)
    with pytest.raises(
        ValueError, match=r"EnhancingRecords asks .* Ridge is a regressor: fit GMIAAttack"
    ):
        EnhancingRecords(Ridge()).fit(X, Y)
    with pytest.raises(ValueError, match="must be a classifier; Ridge is a regressor"):
        ModelInversion(model).invert()
