"""Model inversion: the search, its rules and its budget."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils import shuffle

from mia_sklearn import FunctionTarget
from mia_sklearn.disclosure import ModelInversion, inversion_contrast

X_IRIS, Y_IRIS = load_iris(return_X_y=True)


def _digits():
    X, y = shuffle(*load_digits(return_X_y=True), random_state=0)
    return X / 16, y


def _clipped(X):
    return X.clip(0, 1)


def _fit(model, X=X_IRIS, y=Y_IRIS):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clone(model).fit(X, y)


def _one_each(y, n=1):
    members = np.concatenate([np.flatnonzero(y == label)[:n] for label in np.unique(y)])
    return members, np.setdiff1d(np.arange(len(y)), members)


def test_directions_give_the_gradient():
    # A posterior that is linear: the estimate's mean is its slope whatever the radius.
    slope = np.array([0.03, -0.02, 0.0])

    def function(X):
        own = 0.5 + X @ slope
        return np.column_stack([own, 1 - own])

    target = FunctionTarget(function, classes=["a", "b"])
    inversion = ModelInversion(
        target, alpha=1, lam=1, n_directions=20_000, radius=2.0, random_state=0
    )
    found = inversion.invert(start=np.ones((1, 3)))
    np.testing.assert_allclose(found.x[0], 1 + slope, atol=1e-3)
    np.testing.assert_allclose(found.x[1], 1 - slope, atol=1e-3)
    assert found.queries.tolist() == [1 + 40_001] * 2 == [target.n_queries_ / 2] * 2


def test_known_steps():
    # Binary logistic regression with weight (2, 0): x moves along it, by lam p (1 - p) 2.
    model = LogisticRegression().fit([[0.0, 0.0], [1.0, 0.0]], [0, 1])
    model.coef_, model.intercept_ = np.array([[2.0, 0.0]]), np.zeros(1)
    found = ModelInversion(model, alpha=2, lam=0.5, gamma=-1).invert()
    x = 0.0
    for _ in range(2):
        p = 1 / (1 + np.exp(-2 * x))
        x += 0.5 * 2 * p * (1 - p)
    np.testing.assert_allclose(found.x, [[-x, 0], [x, 0]])
    np.testing.assert_allclose(found.cost, 1 / (1 + np.exp(2 * x)))
    assert found.labels.tolist() == [0, 1]
    assert found.iterations.tolist() == [2, 2]
    assert found.queries.tolist() == [3, 3]
    assert found.stopped.tolist() == ["alpha", "alpha"]


def _stepping(costs):
    """A target whose cost at x = 0, 1, 2, ... is given, and the process that walks there."""
    costs = np.asarray(costs)

    def function(X):
        own = 1 - costs[X[:, 0].astype(int)]
        return np.column_stack([own, 1 - own])

    place = iter(range(1, len(costs)))
    return FunctionTarget(function, classes=["a", "b"]), lambda X: np.full_like(X, next(place))


@pytest.mark.parametrize(
    ("beta", "gamma", "last", "rule", "best"),
    [
        # Not below the greatest of the last cost, of the last two, of the last three.
        (1, 0.0, 2, "beta", 1),
        (2, 0.0, 4, "beta", 1),
        (3, 0.0, 4, "beta", 1),
        (4, 0.0, 7, "alpha", 7),
        # Low enough, be it at the first step.
        (4, 0.45, 1, "gamma", 1),
        (4, 0.15, 7, "gamma", 7),
    ],
)
def test_rules_that_end_the_search(beta, gamma, last, rule, best):
    costs = [0.9, 0.4, 0.5, 0.49, 0.6, 0.45, 0.44, 0.1]
    target, walk = _stepping(costs)
    inversion = ModelInversion(
        target,
        process=walk,
        beta=beta,
        gamma=gamma,
        alpha=7,
        n_directions=1,
        radius=1e-9,
        random_state=0,
    )
    found = inversion.invert(["a"], start=[[0.0]])
    assert found.stopped.tolist() == [rule]
    assert found.iterations.tolist() == [last]
    assert found.x.tolist() == [[best]]
    np.testing.assert_allclose(found.cost, costs[best])


def test_auxiliary_cost_and_process():
    # Far beyond any posterior: the search minimises (x - 3)^2, within the box.
    model = _fit(LogisticRegression(max_iter=500))

    def aux(X):
        return 10 * ((X - 3) ** 2).sum(axis=1), 20 * (X - 3)

    found = ModelInversion(model, aux=aux, lam=0.01, alpha=200).invert()
    np.testing.assert_allclose(found.x, 3, atol=0.1)
    own = model.predict_proba(found.x)[np.arange(3), np.arange(3)]
    np.testing.assert_allclose(found.cost, 1 - own + aux(found.x)[0])
    boxed = ModelInversion(model, aux=aux, lam=0.01, process=lambda X: X.clip(0, 2)).invert()
    np.testing.assert_allclose(boxed.x, 2)


@pytest.mark.parametrize("method", ["gradient", "directions"])
def test_batch_equals_one_by_one(method):
    X, y = _digits()
    model = _fit(LogisticRegression(), X[:60], y[:60])
    inversion = ModelInversion(
        model, process=_clipped, lam=2, alpha=40, method=method, n_directions=10, random_state=3
    )
    together = inversion.invert()
    for i in (0, 4, 9):
        alone = inversion.invert([i])
        np.testing.assert_allclose(alone.x[0], together.x[i], atol=1e-9)
        for name in ("cost", "iterations", "queries"):
            assert getattr(alone, name)[0] == pytest.approx(getattr(together, name)[i])
    again = inversion.invert()
    np.testing.assert_array_equal(again.x, together.x)


def test_finds_records_that_the_model_is_sure_of():
    X, y = _digits()
    members, _ = _one_each(y)
    model = _fit(LogisticRegression(), X[members], y[members])
    for method in ("gradient", "directions"):
        found = ModelInversion(
            model, process=_clipped, lam=2, alpha=60, method=method, random_state=0
        ).invert()
        assert model.predict(found.x).tolist() == list(range(10))


def test_start_per_label_and_labels_in_any_order():
    model = _fit(LogisticRegression(max_iter=500))
    start = np.stack([X_IRIS[label == Y_IRIS].mean(axis=0) for label in (2, 0)])
    found = ModelInversion(model, alpha=1, lam=1e-9).invert([2, 0], start=start)
    np.testing.assert_allclose(found.x, start, atol=1e-6)
    assert found.labels.tolist() == [2, 0]


def test_frames_and_string_labels():
    frame = pd.DataFrame(X_IRIS, columns=list("abcd"))
    names = np.array(["setosa", "versicolor", "virginica"])[Y_IRIS]
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    plain = ModelInversion(_fit(pipeline), alpha=20, lam=1).invert()
    named = _fit(pipeline, frame, names)
    found = ModelInversion(named, alpha=20, lam=1).invert(["virginica", "setosa"])
    np.testing.assert_allclose(found.x, plain.x[[2, 0]])
    forest = _fit(RandomForestClassifier(5, random_state=0), frame, names)
    assert ModelInversion(forest, alpha=2, n_directions=3).invert().x.shape == (3, 4)
    contrast = inversion_contrast(found, frame[::2], names[::2], frame[1::2], names[1::2])
    assert contrast.frame()["label"].tolist() == ["virginica", "setosa"]


def test_budget_ends_midway():
    model = _fit(LogisticRegression(max_iter=500))
    options = {"method": "directions", "n_directions": 5, "gamma": -1, "random_state": 0}
    # A query each to begin with, then 11 for each label and step.
    found = ModelInversion(model, query_budget=3 + 2 * 33 + 32, **options).invert()
    assert found.iterations.tolist() == [2, 2, 2]
    assert found.queries.tolist() == [23, 23, 23]
    assert found.stopped.tolist() == ["query_budget"] * 3
    full = ModelInversion(model, alpha=2, **options).invert()
    np.testing.assert_array_equal(found.x, full.x)
    target = FunctionTarget(model.predict_proba, classes=[0, 1, 2], query_budget=50)
    found = ModelInversion(target, **options).invert(start=np.zeros((1, 4)))
    assert found.stopped.tolist() == ["query_budget"] * 3
    assert found.queries.sum() == target.n_queries_ == 36
    with pytest.raises(ValueError, match="query_budget leaves 2 queries for 3 labels"):
        ModelInversion(model, query_budget=2).invert()


BAD = {
    "regressor": (LinearRegression().fit(X_IRIS, Y_IRIS), {}, "regressor"),
    "unfitted": (LogisticRegression(), {}, "not fitted"),
    "class": (LogisticRegression, {}, "class LogisticRegression"),
    "no confidences": (LinearSVC().fit(X_IRIS, Y_IRIS), {}, "predict_proba"),
    "function": (lambda X: X, {}, "FunctionTarget"),
    "no start": (FunctionTarget(lambda X: X, [0, 1]), {}, "pass start="),
    "nothing": (None, {}, "must be a fitted classifier"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_model(name):
    model, options, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        ModelInversion(model, **options).invert()


@pytest.mark.parametrize(
    ("options", "labels", "start", "message"),
    [
        ({}, [0, 7], None, "labels holds labels that the model does not know: 7"),
        ({}, [1, 1], None, "twice"),
        ({}, [], None, "list of labels"),
        ({}, 1, None, "list of labels"),
        ({}, None, np.zeros((1, 3)), "start must hold 4 features"),
        ({}, None, np.zeros((2, 4)), "one for each of 3 labels"),
        ({}, None, np.zeros(4), "one row per record"),
        ({}, None, [["a"] * 4], "start must hold numbers"),
        ({}, None, np.full((1, 4), np.nan), "start holds values that are NaN"),
        ({"alpha": 0}, None, None, "alpha"),
        ({"beta": 0}, None, None, "beta"),
        ({"lam": -1}, None, None, "lam"),
        ({"radius": 0}, None, None, "radius"),
        ({"method": "guess"}, None, None, "method"),
        ({"process": 3}, None, None, "process"),
        ({"process": lambda X: X[:, :2]}, None, None, "process must return"),
        ({"process": lambda X: X * np.inf}, None, None, "process returned values"),
        ({"aux": lambda X: (X, X)}, None, None, "aux must return one cost"),
        ({"aux": lambda X: (X[:, 0], X[:, :1])}, None, None, "aux must return gradients"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_bad_input(options, labels, start, message):
    model = _fit(LogisticRegression(max_iter=500))
    with pytest.raises(ValueError, match=message):
        ModelInversion(model, **options).invert(labels, start=start)


def test_answers_that_are_no_numbers():
    target = FunctionTarget(lambda X: np.full((len(X), 2), np.nan), [0, 1])
    with pytest.raises(ValueError, match="NaN"):
        ModelInversion(target).invert(start=[[0.0]])


def test_says_what_came_out():
    found = ModelInversion(_fit(LogisticRegression(max_iter=500)), alpha=3, gamma=-1).invert([0])
    assert str(found).startswith("1 label inverted by gradients: cost ")
    assert str(found).endswith("in 4 queries. Ended by alpha: 1.")
    assert "ModelInversion" in repr(ModelInversion(LogisticRegression()))
