"""Advice by the parameters that a model has, with their present values."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KernelDensity, KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import audit
from mia_sklearn._audit._advice import advice_for
from mia_sklearn.defenses import LabelOnly

TREE = DecisionTreeClassifier()
MODELS = {
    "tree": (TREE, ["min_samples_leaf=1 (raise it)", "max_depth=None (limit it)"]),
    "LightGBM's no limit": (DecisionTreeClassifier(max_depth=-1), ["max_depth=-1 (limit it)"]),
    "NumPy's numbers": (RandomForestClassifier(max_depth=np.int64(9)), ["max_depth=9 (lower it)"]),
    "linear": (LogisticRegression(), ["C=1.0 (lower it)"]),
    "SGD": (SGDClassifier(), ["alpha=0.0001 (raise it)", "early_stopping=False (turn it on)"]),
    "SVC": (make_pipeline(StandardScaler(), SVC(C=3)), ["svc__C=3 (lower it)"]),
    "neighbours": (
        KNeighborsClassifier(1, weights="distance"),
        ["n_neighbors=1 (raise it)", "weights='distance' (weigh all neighbours alike)"],
    ),
    "boosting": (
        GradientBoostingClassifier(),
        ["max_depth=3 (lower it)", "learning_rate=0.1 (lower it)", "n_estimators=100 (lower it)"],
    ),
    "histograms": (HistGradientBoostingClassifier(), ["max_iter=100 (lower it)"]),
    "AdaBoost": (AdaBoostClassifier(TREE), ["estimator__max_depth=None (limit it)"]),
    "network": (MLPClassifier(), ["alpha=0.0001 (raise it)"]),
    "bags": (BaggingClassifier(TREE), ["estimator__min_samples_leaf=1 (raise it)"]),
    "defense": (LabelOnly(TREE), ["estimator__min_samples_leaf=1 (raise it)"]),
    "support vectors": (SVR(C=3), ["C=3 (lower it)", "epsilon=0.1 (raise it)"]),
    "processes": (GaussianProcessRegressor(), ["alpha=1e-10 (raise it)"]),
    "transformed targets": (
        TransformedTargetRegressor(Ridge()),
        ["regressor__alpha=1.0 (raise it)"],
    ),
    "projections": (PLSRegression(2), ["n_components=2 (lower it)"]),
    "votes": (
        VotingClassifier([("a", LogisticRegression()), ("b", TREE)]),
        ["b__min_samples_leaf=1 (raise it)", "a__C=1.0 (lower it)"],
    ),
    "Bayes": (GaussianNB(), ["var_smoothing=1e-09 (raise it)"]),
    "density": (KernelDensity(), ["bandwidth=1.0 (raise it)"]),
    "mixture": (GaussianMixture(3), ["n_components=3 (lower it)"]),
}


@pytest.mark.parametrize("name", MODELS)
def test_parameters_are_the_models_own_with_their_values(name):
    model, expected = MODELS[name]
    advice = advice_for(model)
    assert all(text in advice for text in expected)
    for parameter, value in re.findall(r"([\w]+)=(\S+) \(", advice):
        assert repr(np.asarray(model.get_params()[parameter]).item()) == value
        clone(model).set_params(**{parameter: 1})


@pytest.mark.parametrize(
    ("model", "absent"),
    [
        (RandomForestClassifier(), "n_estimators"),  # More trees do not remember more.
        (MLPClassifier(), "learning_rate"),
        (LogisticRegression(), "max_iter"),
        (make_pipeline(PCA(2), SVC()), "n_components"),
        (KNeighborsClassifier(), "weights"),
        (GradientBoostingRegressor(), "alpha"),  # The quantile of a loss.
        (SGDRegressor(), "epsilon"),
        # Directions to look along, not parts of a density.
        (LinearDiscriminantAnalysis(n_components=1), "n_components"),
    ],
)
def test_what_matters_elsewhere_is_not_named(model, absent):
    assert absent not in advice_for(model)


@pytest.mark.parametrize("model", [DummyClassifier(), lambda X: X, DecisionTreeClassifier, None])
def test_nothing_is_named_where_nothing_is_known(model):
    assert advice_for(model) == ""


@pytest.mark.parametrize("package", ["xgboost", "lightgbm", "catboost"])
def test_boosters(package):
    booster = {
        "xgboost": ("XGBClassifier", {"max_depth": 4}, "max_depth=4 (lower it)"),
        "lightgbm": ("LGBMClassifier", {}, "num_leaves=31 (lower it)"),
        "catboost": ("CatBoostClassifier", {"depth": 5}, "depth=5 (lower it)"),
    }[package]
    name, params, expected = booster
    model = getattr(pytest.importorskip(package), name)(**params)
    assert expected in advice_for(model)


def test_a_network_is_told_its_epochs_and_weight_decay():
    torch = pytest.importorskip("torch")
    skorch = pytest.importorskip("skorch")
    net = skorch.NeuralNetClassifier(torch.nn.Linear, max_epochs=30, optimizer__weight_decay=0.1)
    assert advice_for(make_pipeline(StandardScaler(), net)) == (
        "neuralnetclassifier__max_epochs=30 (lower it), "
        "neuralnetclassifier__optimizer__weight_decay=0.1 (raise it)"
    )


def test_the_report_of_a_search_names_its_best_parameters(pool):
    X, y = pool
    model = GridSearchCV(make_pipeline(StandardScaler(), TREE), {
        "decisiontreeclassifier__min_samples_leaf": [2]
    }, cv=2).fit(X[:450], y[:450])  # fmt: skip
    report = audit(
        model, X[:450], y[:450], X[450:], y[450:], n_references=0, controls=False, progress=False
    )
    remedies = " ".join(finding.remedy for finding in report.findings)
    assert "decisiontreeclassifier__min_samples_leaf=2 (raise it)" in remedies


def test_of_a_function_the_estimator_is_advised_about(pool):
    X, y = pool
    model = DecisionTreeClassifier(random_state=0).fit(X[:450], y[:450])
    report = audit(
        model.predict_proba, X[:450], y[:450], X[450:], y[450:], classes=[0, 1, 2],
        estimator=DecisionTreeClassifier(max_depth=30), n_references=4, attacks="lira",
        random_state=0, controls=False, progress=False,
    )  # fmt: skip
    remedies = " ".join(finding.remedy for finding in report.findings)
    assert "Of estimator=, these decide how much is remembered: min_samples_leaf=1" in remedies
    assert "max_depth=30 (lower it)" in remedies
