"""A model that was fitted on another y than y_train: every number is in doubt."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, QuantileRegressor, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

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
    assert found is None or (found.qualifies and "y_train" in report.doubts[0])
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
    of_thousands = clone(TREE).fit(X[TRAIN], both[TRAIN] * [1, 1e3])
    assert (
        "R2 of output weight is"
        in told(of_thousands, pd.DataFrame(both, columns=["y", "weight"])).explanation
    )
    swapped = clone(TREE).fit(X[TRAIN], both[TRAIN, ::-1])
    found = told(swapped, both)
    assert "output 0 predicts column 1, output 1 predicts column 0" in found.explanation
    assert "in the order [1, 0]" in found.remedy
    # Columns that go together are told apart as well, by a model that is better than their mean.
    alike = np.column_stack([Y, Y + np.random.default_rng(0).normal(0, Y.std(), len(Y))])
    swapped = clone(TREE).fit(X[TRAIN], alike[TRAIN, ::-1])
    assert "in the order [1, 0]" in told(swapped, alike).remedy
    assert told(clone(TREE).fit(X[TRAIN], alike[TRAIN]), alike) is None


CUTS = np.quantile(Y, [0.5, 0.8])
LABELS = np.column_stack([*(cut < Y for cut in CUTS[::-1]), X[:, 0] > 0])


@pytest.mark.parametrize("model", [DecisionTreeClassifier(), KNeighborsClassifier(3)])
@pytest.mark.parametrize("n_references", [0, 2])
def test_columns_of_labels_in_another_order(model, n_references):
    options = {"y": LABELS.astype(int), "n_references": n_references}
    cycled = clone(model).fit(X[TRAIN], LABELS[TRAIN][:, [2, 0, 1]].astype(int))
    found = told(cycled, **options)
    assert "in the order [2, 0, 1]" in found.remedy
    assert "output 0 predicts column 2" in found.explanation
    assert told(clone(model).fit(X[TRAIN], LABELS[TRAIN].astype(int)), **options) is None


def test_names_of_columns_and_outputs_that_are_not_learned():
    labels = pd.DataFrame(LABELS.astype(int), columns=["ill", "worse", "old"])
    labels["rare"] = (np.arange(200) % 40 == 0).astype(int)
    labels["again"] = labels["ill"]
    order = ["worse", "ill", "old", "rare", "again"]
    fitted = DecisionTreeClassifier(max_depth=6).fit(X[TRAIN], labels[order][TRAIN])
    found = told(fitted, labels)
    assert "output 0 predicts column worse, output 1 predicts column ill." in found.explanation
    # What answers the same for all may lie in any order, as may columns that are the same.
    assert told(DummyClassifier().fit(X[TRAIN], labels[TRAIN]), labels) is None
    assert told(DecisionTreeClassifier().fit(X[TRAIN], labels[TRAIN]), labels) is None


class Guessed(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = [np.array([0, 1])] * y.shape[1]
        return self

    def predict(self, X):
        return (np.sin(1e4 * X[:, : len(self.classes_)]) > 0).astype(int)


def test_what_guesses_lies_in_any_order():
    labels = np.random.default_rng(0).integers(0, 2, (200, 6))
    assert told(Guessed().fit(X[TRAIN], labels[TRAIN]), labels) is None


def test_labels_of_another_output_are_named():
    labels = np.column_stack([LABELS[:, 0], LABELS[:, 1] + 5]).astype(int)
    fitted = DecisionTreeClassifier().fit(X[TRAIN], labels[TRAIN])
    with pytest.raises(ValueError, match=r"column 0 that the model knows of another output, 5, 6"):
        told(fitted, labels[:, ::-1])


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
