"""A regressor that was fitted on another y than y_train: every number is in doubt."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.dummy import DummyRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, QuantileRegressor, Ridge
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor

from mia_sklearn import FunctionRegressor, audit

X, Y = load_diabetes(return_X_y=True)
X, Y = X[:200], Y[:200] + np.linspace(0, 0.1, 200)
TRAIN, TEST = slice(0, 100), slice(100, 200)
SHUFFLED = np.random.default_rng(0).permutation(100)
TREE = DecisionTreeRegressor(random_state=0)


def told(model, y=Y, **options):
    options = {"n_references": 0, "controls": False, "attacks": ["threshold"], **options}
    report = audit(
        model, X[TRAIN], y[TRAIN], X[TEST], y[TEST], random_state=0, progress=False, **options
    )
    found = next((f for f in report.findings if f.code == "TARGETS_DIFFER"), None)
    assert found is None or (
        found.qualifies and report.doubts[0].endswith("something else than y_train")
    )
    return found


@pytest.mark.parametrize("model", [TREE, LinearRegression()])
@pytest.mark.parametrize(
    ("alter", "likely"),
    [
        (np.log, "fit log(y_train)"),
        (lambda y: y / 1000, "nearer to 1e+03 times these"),
        (lambda y: 1000 * y, "nearer to 0.001 times these"),
        (lambda y: (y - y.mean()) / y.std(), "fit y_train, standardised"),
        (lambda y: y[SHUFFLED], "in another order"),
    ],
)
def test_another_y_is_told(model, alter, likely):
    fitted = clone(model).fit(X[TRAIN], alter(Y[TRAIN]))
    found = told(fitted)
    assert likely in found.explanation and "a copy of it, fitted on y_train" in found.explanation


def test_swapped_tables_are_named():
    fitted = clone(TREE).fit(X[TEST], Y[TEST])
    assert "X_train and X_test seem to be swapped" in told(fitted).explanation


def test_references_tell_it_too():
    fitted = clone(TREE).fit(X[TRAIN], np.log(Y[TRAIN]))
    assert "its references have 1 on theirs" in told(fitted, n_references=2).explanation


def test_a_function_must_be_off_as_no_model_is():
    fitted = clone(TREE).fit(X[TRAIN], np.log(Y[TRAIN]))
    assert "no model that was fitted on it" in told(FunctionRegressor(fitted.predict)).explanation
    fitted = QuantileRegressor(quantile=0.9, alpha=0).fit(X[TRAIN], Y[TRAIN])
    assert told(FunctionRegressor(fitted.predict)) is None


def test_an_output_in_the_place_of_another():
    both = np.column_stack([Y, 1000 - Y[::-1]])
    fitted = clone(TREE).fit(X[TRAIN], both[TRAIN])
    assert told(fitted, both) is None
    swapped = clone(TREE).fit(X[TRAIN], both[TRAIN, ::-1])
    assert "Its output 1 follows output 0" in told(swapped, both).explanation


@pytest.mark.parametrize(
    "model",
    [
        DummyRegressor(),
        DummyRegressor(strategy="quantile", quantile=1.0),
        Ridge(1e6),
        Ridge(fit_intercept=False),
        KernelRidge(),
        QuantileRegressor(quantile=0.95, alpha=0),
        SVR(C=1e-3),
        TransformedTargetRegressor(LinearRegression(), func=np.log, inverse_func=np.exp),
    ],
)
def test_a_model_that_is_bad_on_purpose_is_none(model):
    assert told(clone(model).fit(X[TRAIN], Y[TRAIN])) is None


class Counted(Ridge):
    fits = 0

    def fit(self, X, y):
        Counted.fits += 1
        return super().fit(X, y)


def test_no_copy_is_trained_without_reason_to_doubt():
    for alter, fits in ((lambda y: y, 1), (np.log, 2)):
        Counted.fits = 0
        told(Counted(0.01).fit(X[TRAIN], alter(Y[TRAIN])))
        assert Counted.fits == fits
