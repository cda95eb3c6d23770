"""True values in all shapes they come in, answers in those that they must not, weights of 0."""

import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.datasets import load_diabetes, make_multilabel_classification
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mia_sklearn import FunctionRegressor, ReferenceModels, audit, observe, structural_risk

X, Y = load_diabetes(return_X_y=True)
X, Y = X[:80], Y[:80]
TWO = np.column_stack([Y, X[:, 2]])
TREE = DecisionTreeRegressor(max_depth=4, random_state=0)
LABELS = make_multilabel_classification(80, n_classes=3, random_state=0)[1]
QUICK = {"n_references": 2, "random_state": 0, "progress": False, "controls": False}


def _tensor(y):
    return pytest.importorskip("torch").tensor(y)


def _polars(y):
    polars = pytest.importorskip("polars")
    return polars.Series("y", y) if y.ndim == 1 else polars.DataFrame(y)


FORMS = {
    "list": lambda y: y.tolist(),
    "one column": lambda y: y.reshape(len(y), -1),
    "frame": pd.DataFrame,
    "nullable": lambda y: pd.DataFrame(y).convert_dtypes(),
    "decimals": lambda y: np.array(
        [[Decimal(repr(v)) for v in row] for row in y.reshape(len(y), -1).tolist()]
    ).reshape(y.shape),
    "objects": lambda y: y.astype(object),
    "tensor": _tensor,
    "polars": _polars,
}


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("form", FORMS)
def test_true_values_are_the_same_in_every_form(form, outputs):
    y = Y if outputs == 1 else TWO
    model = TREE.fit(X, y)
    given = FORMS[form](y)
    pd.testing.assert_frame_equal(observe(model, X, given), observe(model, X, y))
    references = ReferenceModels(TREE, n_models=2, random_state=0)
    expected = references.fit(X, y).phi().copy()
    np.testing.assert_array_equal(references.fit(X, given).phi(), expected)


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint16, np.float16, np.float32])
def test_any_kind_of_number_is_a_true_value(kind):
    y = (Y > 150) if kind is bool else (Y / 3).astype(kind)
    seen = observe(Ridge().fit(X, y.astype(float)), X, y)
    np.testing.assert_allclose(seen["target_0"], y.astype(float))


def _given(y, model=None):
    model = model or TREE.fit(X, TWO if np.ndim(y) == 2 and np.shape(y)[1] == 2 else Y)
    return model, X[:40], y[:40], X[40:], y[40:]


BAD_VALUES = {
    "complex": (Y.astype(complex), "y_train must hold real numbers"),
    "dates": (pd.to_datetime(pd.Series(Y), unit="D"), "y_train must hold numbers.*datetime64"),
    "sparse": (sparse.csr_matrix(Y[:, None]), r"y_train is a sparse matrix: give y_train.toarray"),
    "three dimensions": (Y[:, None, None], r"one column per output, got shape \(40, 1, 1\)"),
    "no output": (np.empty((80, 0)), r"one column per output, got shape \(40, 0\)"),
    "mixed": (pd.DataFrame({"a": Y, "b": np.where(Y > 150, "hi", "lo")}), "got 'lo'|got 'hi'"),
    "None": (np.array([None, *Y[1:]]), "y_train holds nan in row 0"),
    "NA": (pd.Series([pd.NA, *Y[1:]], dtype="Float64"), "y_train holds nan in row 0"),
    "too large": (Y * 1e300, "y_train holds values of up to .*other units"),
    "too small": (Y * 1e-300, "y_train holds values of up to .*other units"),
}


@pytest.mark.parametrize("case", BAD_VALUES)
def test_what_are_no_numbers_is_refused(case):
    y, message = BAD_VALUES[case]
    with pytest.raises(ValueError, match=message):
        audit(*_given(y), **QUICK)


def test_both_sides_have_the_same_outputs():
    model = TREE.fit(X, TWO)
    with pytest.raises(ValueError, match="y_train and y_test must have as many outputs each"):
        audit(model, X[:40], TWO[:40], X[40:], Y[40:], **QUICK)
    with pytest.raises(ValueError, match="one row per record, got 40 and 39"):
        audit(model, X[:40], TWO[:39], X[40:], TWO[40:], **QUICK)
    with pytest.raises(ValueError, match="y_train must have as many values for each record"):
        audit(model, X[:40], [[1.0], [1.0, 2.0]] * 20, X[40:], TWO[40:], **QUICK)


ANSWERS = {
    "transposed": (lambda p: p[None], r"answered with shape \(1, 40\); expected what y has"),
    "short": (lambda p: p[:-1], r"answered with shape \(39,\)"),
    "three": (lambda p: np.column_stack([p, p, p]), r"answered with shape \(40, 3\)"),
    "nothing": (lambda p: None, r"answered with shape \(\)"),
    "text": (lambda p: np.full(len(p), "x"), "answers with what are no numbers"),
    "complex": (lambda p: p + 1j, "answers with what are no numbers: complex"),
    "NaN": (lambda p: np.where(np.arange(len(p)) == 3, np.nan, p), r"answers \[nan\] for record 3"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answers_that_are_none_are_refused(case):
    change, message = ANSWERS[case]
    model = TREE.fit(X, Y)
    with pytest.raises(ValueError, match=f"could not answer X_train: predict.*{message}"):
        audit(*_given(Y, lambda X: change(model.predict(X))), estimator=TREE, **QUICK)


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p[:, None],
        lambda p: p.tolist(),
        pd.Series,
        lambda p: pd.DataFrame({"p": p}),
        lambda p: p.astype(object),
    ],
    ids=["column", "list", "Series", "frame", "objects"],
)
def test_answers_of_functions_may_have_any_form(change):
    model = TREE.fit(X, Y)
    seen = observe(FunctionRegressor(lambda X: change(model.predict(X))), X, Y)
    pd.testing.assert_frame_equal(seen, observe(model, X, Y))


class _Wrong(DecisionTreeRegressor):
    def predict(self, X):
        return np.full(len(X), np.nan)


def test_references_that_do_not_answer_are_named():
    with pytest.raises(ValueError, match=r"Reference model 0 could not be trained: predict of _Wr"):
        audit(*_given(Y), estimator=_Wrong(), **QUICK)


def test_a_function_that_predicts_numbers_is_told_what_it_needs():
    with pytest.raises(ValueError, match=r"predicts numbers needs estimator=.*FunctionRegressor"):
        audit(*_given(Y, TREE.fit(X, Y).predict), **QUICK)
    with pytest.raises(ValueError, match="references need estimator="):
        audit(*_given(Y, FunctionRegressor(TREE.predict)), **QUICK)


def test_a_few_records_are_enough_to_be_audited():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = TREE.fit(X[:10], Y[:10])
        report = audit(model, X[:10], Y[:10], X[10:20], Y[10:20], **QUICK)
    assert report.info["n_members"] == 10
    assert report.check("auc <= 0.9").results[0].outcome != "holds"


@pytest.mark.parametrize("model", [TREE, DecisionTreeClassifier(max_depth=3)])
def test_records_without_weight_are_no_members(model):
    y = Y if model is TREE else (Y > 150).astype(int)
    weights = np.ones(80)
    weights[[2, 3, 50]] = 0
    model = model.fit(X[:40], y[:40], sample_weight=weights[:40])
    expected = (
        r"fit_params\['sample_weight'\] is 0 for 2 record\(s\) of X_train, the first in row 2, and "
        r"for 1 record\(s\) of X_test, the first in row 10. .* it is no member"
    )
    with pytest.raises(ValueError, match=expected):
        audit(*_given(y, model), fit_params={"sample_weight": weights}, **QUICK)
    references = ReferenceModels(model, n_models=2)
    with pytest.raises(ValueError, match=r"is 0 for 3 record\(s\) of X, the first in row 2"):
        references.fit(X, y, fit_params={"sample_weight": weights})
    # What no model is asked to tell may have any weight.
    pool = np.r_[:2, 4:50, 51:80]
    references.fit(
        X[pool],
        y[pool],
        core=(X[[2, 3, 50]], y[[2, 3, 50]]),
        fit_params={"sample_weight": weights[[*pool, 2, 3, 50]]},
    )


BAD_LABELS = {
    "sparse": (sparse.csr_matrix(LABELS), "y_train is a sparse matrix"),
    "columns": (LABELS[:, :2], "y_train has 2 columns; the model has 3 outputs"),
    "labels": (LABELS + 1, "y_train has labels that the model does not know of output 0: 2"),
    "words": (np.where(LABELS, "a", "b"), "does not know of output 0: 'a', 'b'. It knows 0, 1"),
    "missing": (np.where(LABELS == 1, np.nan, 0.0), "y_train has no label in row"),
}


@pytest.mark.parametrize("case", BAD_LABELS)
def test_labels_of_other_outputs_are_refused(case):
    y, message = BAD_LABELS[case]
    model = DecisionTreeClassifier().fit(X, LABELS)
    with pytest.raises(ValueError, match=message):
        audit(*_given(y, model), **QUICK)
    if case != "sparse":
        with pytest.raises(ValueError, match=message.replace("y_train", "y")):
            observe(model, X, y)


class OwnNames(RegressorMixin, BaseEstimator):
    """Keeps what it learned under names of its own, without the underscore that marks it."""

    def fit(self, X, y):
        self.coef = np.linalg.lstsq(X, y, rcond=None)[0]
        return self

    def predict(self, X):
        return X @ self.coef


class SaysSo(OwnNames):
    def __sklearn_is_fitted__(self):
        return hasattr(self, "ready")


class OwnMeans(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.means = X.mean(axis=0)
        return self

    def transform(self, X):
        return X - self.means


def test_what_answers_is_fitted_whatever_its_attributes_are_called():
    X = np.random.default_rng(0).normal(size=(60, 3))
    halves = X[:30], X[:30, 0], X[30:], X[30:, 0]
    fitted = OwnNames().fit(*halves[:2])
    options = {"n_references": 0, "controls": False, "attacks": ["threshold"], "progress": False}
    assert audit(fitted, *halves, **options).info["target_train_r2"] == pytest.approx(1)
    assert structural_risk(fitted, *halves).info["n_test"] == 30
    assert len(observe(fitted, X, X[:, 0])) == 60
    assert structural_risk(OwnMeans().fit(X), X).info["n_train"] == 60
    # One that says itself that it is not is taken at its word.
    for model in (OwnNames(), SaysSo().fit(*halves[:2])):
        for ask in (audit, structural_risk):
            with pytest.raises(NotFittedError, match="not fitted yet"):
                ask(model, *halves)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        structural_risk(OwnMeans(), X)
