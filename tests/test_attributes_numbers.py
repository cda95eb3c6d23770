"""Guessing a feature of records from what a regressor predicts."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeRegressor

from mia_sklearn import FunctionRegressor
from mia_sklearn.disclosure import AttributeInference
from mia_sklearn.disclosure._attribute_rules import of_residuals

MEMBERS, STRANGERS, AUX = slice(200), slice(200, 400), slice(400, 700)
TREE = DecisionTreeRegressor(random_state=0)


@pytest.fixture(scope="module")
def records():
    """A secret bit that nothing tells of, beside numbers that must be remembered."""
    rng = np.random.default_rng(0)
    secret = rng.integers(0, 2, 700)
    return np.column_stack([rng.normal(size=700), 9.0 * secret]), rng.normal(size=700)


@pytest.fixture(scope="module")
def fitted(records):
    X, y = records
    return attack().fit(X[AUX], y[AUX])


def attack(feature=1, estimator=TREE, **options):
    options = {"n_references": 4, "random_state": 0, **options}
    return AttributeInference(feature, LogisticRegression(), estimator=estimator, **options)


def report(fitted, target, X, y):
    return fitted.report(target, X[MEMBERS], y[MEMBERS], X[STRANGERS], y[STRANGERS])


def test_a_tree_that_remembers_gives_the_feature_away(records, fitted):
    X, y = records
    leaves = clone(TREE).fit(X[MEMBERS], y[MEMBERS])
    # With the wrong value a record lands in another's leaf, if the tree ever asks for it.
    wrong = np.column_stack([X[:, 0], 9.0 - X[:, 1]])
    told = (leaves.predict(wrong[MEMBERS]) != y[MEMBERS]).mean()
    found = report(fitted, leaves, X, y)
    # Where both values give the number itself, half of the guesses are right by chance.
    expected = told + (1 - told) / 2
    assert found.members.right("learned").mean() == pytest.approx(expected, abs=0.1)
    assert found.members.right("Fredrikson").mean() > 0.75
    assert found.members.right("imputation").mean() == pytest.approx(0.5, abs=0.12)
    assert found.leaks
    assert abs(found.on_nonmembers.value) < 0.12
    assert list(found.members.by) == ["imputation", "learned", "Fredrikson"]
    assert fitted.classes_.size == 0


@pytest.mark.parametrize("model", [TREE, LinearRegression()], ids=["other records", "line"])
def test_what_remembers_nothing_of_the_members_does_not_leak(records, fitted, model):
    X, y = records
    rows = AUX if model is TREE else MEMBERS
    assert not report(fitted, clone(model).fit(X[rows], y[rows]), X, y).leaks


def test_several_numbers_in_frames_and_functions(records):
    X, y = records
    frame = pd.DataFrame(X, columns=["x", "secret"]).astype({"secret": int})
    both = pd.DataFrame({"a": y, "b": -2 * y})
    fitted = attack("secret").fit(frame[AUX], both[AUX])
    target = DecisionTreeRegressor(random_state=0).fit(frame[MEMBERS], both[MEMBERS])
    given = frame[MEMBERS], both[MEMBERS]
    guesses = fitted.predict(target, *given)
    assert (guesses == given[0]["secret"]).mean() > 0.75
    asked = FunctionRegressor(target.predict)
    np.testing.assert_array_equal(fitted.predict(asked, *given), guesses)
    np.testing.assert_allclose(fitted.predict_proba(asked, *given).sum(axis=1), 1)
    # A function that trains says by the numbers what it trains.
    trained = attack("secret", lambda X, y, seed: DecisionTreeRegressor().fit(X, y))
    assert trained.fit(frame[AUX], both[AUX]).classes_.size == 0


def test_the_published_rule_weighs_residuals_by_their_spread():
    answers = np.array([[[1.0], [3.0]], [[1.0], [3.0]]])
    prior = np.array([0.9, 0.1])
    truth = np.array([[1.9], [2.9]])
    # With large residuals the frequency decides, with small ones the closer value.
    assert of_residuals(answers, truth, prior, np.full((4, 1), 9.0)).tolist() == [0, 0]
    assert of_residuals(answers, truth, prior, np.full((4, 1), 0.1)).tolist() == [0, 1]
    # Half of 1.8^2 - 0.2^2 is less than log 9, and half of 2.2^2 - 0.2^2 is more.
    near = np.array([[2.8], [3.2]])
    assert of_residuals(answers, near, prior, np.full((4, 1), 1.0)).tolist() == [0, 1]


def test_what_does_not_fit_is_refused(records, fitted):
    X, y = records
    classes = (y > 0).astype(int)
    with pytest.raises(ValueError, match=r"y_aux is 1\.0 for all records"):
        attack().fit(X[AUX], np.ones(300))
    with pytest.raises(ValueError, match="y_aux must hold numbers"):
        attack().fit(X[AUX], classes[AUX].astype(str))
    with pytest.raises(ValueError, match="y has 2 numbers per record; y of fit had 1"):
        fitted.predict(TREE, X[MEMBERS], np.column_stack([y, y])[MEMBERS])
    nearest = KNeighborsClassifier().fit(X, classes)
    with pytest.raises(ValueError, match=r"needs a regressor.*KNeighborsClassifier"):
        fitted.predict(nearest, X[MEMBERS], y[MEMBERS])
    of_classes = attack(estimator=KNeighborsClassifier()).fit(X[AUX], classes[AUX])
    with pytest.raises(ValueError, match="model must be a classifier; Ridge is a regressor"):
        of_classes.predict(Ridge().fit(X, y), X[MEMBERS], classes[MEMBERS])


@pytest.mark.slow
def test_a_model_of_other_records_is_called_leaking_at_the_nominal_rate_at_most():
    rng = np.random.default_rng(0)

    def draw(n):
        X = np.column_stack([rng.normal(size=n), rng.integers(0, 2, n)])
        return X, X[:, 0] + 4 * X[:, 1] + rng.logistic(size=n)

    # Where nothing is imputed, the model tells of everybody: the difference alone decides.
    model = DecisionTreeRegressor(max_depth=4, random_state=0)
    guess = AttributeInference(1, DummyClassifier(), estimator=model, n_references=4)
    fitted = guess.set_params(random_state=0).fit(*draw(600))
    called = above = 0
    for _ in range(400):
        found = fitted.report(clone(model).fit(*draw(300)), *draw(300), *draw(300))
        called += found.leaks
        above += found.on_members.low > 0
    assert above > 390
    assert binom.ppf(0.001, 400, 0.025) <= called <= binom.ppf(0.999, 400, 0.025)
