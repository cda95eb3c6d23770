"""Targets are asked with one thread for each loop, in parts where there are many records."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.neighbors import KernelDensity, KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_info, threadpool_limits

import mia_sklearn._models._asking as asking
from mia_sklearn import FunctionTarget, audit, observe
from mia_sklearn._models._answers import answer_of
from mia_sklearn.access import FunctionAccess

_USUAL = 3


def _threads() -> int:
    openmp = [part["num_threads"] for part in threadpool_info() if part["user_api"] == "openmp"]
    return max(openmp)


@pytest.fixture
def usual():
    """Let loops of this thread have some threads, whatever the tests are run with."""
    with threadpool_limits(_USUAL, user_api="openmp"):
        yield
        assert _threads() == _USUAL


class Watched(ClassifierMixin, BaseEstimator):
    """Notes how many threads it is asked with."""

    seen: set[int] = set()  # noqa: RUF012

    def fit(self, X, y):
        self.tree_ = DecisionTreeClassifier(random_state=0).fit(X, y)
        self.classes_ = self.tree_.classes_
        return self

    def predict(self, X):
        self.seen.add(_threads())
        return self.tree_.predict(X)

    def predict_proba(self, X):
        self.seen.add(_threads())
        return self.tree_.predict_proba(X)


@pytest.fixture
def records():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 3))
    return X, (X[:, 0] + rng.normal(size=3000) > 0).astype(int)


def _asked(way, model, X, y):
    if way == "observe":
        observe(model, X, y)
    elif way == "label":
        observe(model, X, y, access="label", n_queries=0)
    elif way == "function":
        observe(FunctionTarget(model.predict_proba, [0, 1]), X, y)
    elif way == "access":
        observe(model, X, y, access=FunctionAccess(lambda own, Z: own.predict_proba(Z)[:, 1]))
    else:
        halves = X[::2], y[::2], X[1::2], y[1::2]
        audit(model, *halves, quick=True, random_state=0, progress=False)


@pytest.mark.parametrize(
    "way",
    ["observe", "label", "function", "access", pytest.param("audit", marks=pytest.mark.slow)],
)
def test_target_is_asked_with_one_thread(usual, records, way):
    X, y = records[0][:100], records[1][:100]
    model = Watched().fit(X, y)
    Watched.seen.clear()
    _asked(way, model, X, y)
    assert Watched.seen == {1}


def test_threads_come_back_after_an_error(usual, records):
    model = KNeighborsClassifier().fit(*records)
    with pytest.raises(ValueError, match="features"):
        answer_of(model, "predict", records[0][:, :2])


@pytest.mark.parametrize(
    ("model", "methods"),
    [
        (HistGradientBoostingClassifier(max_iter=2), ("predict", "decision_function")),
        (HistGradientBoostingRegressor(max_iter=2), ("predict",)),
        (make_pipeline(StandardScaler(), KNeighborsClassifier(3)), ("predict_proba",)),
    ],
)
def test_parts_answer_as_the_whole(usual, records, monkeypatch, model, methods):
    X, y = records
    parts = []
    monkeypatch.setattr(asking, "cpu_count", lambda: 2)
    in_threads = asking._in_threads
    monkeypatch.setattr(
        asking, "_in_threads", lambda ask, given: parts.append(len(given)) or in_threads(ask, given)
    )
    model.fit(X[:200], y[:200])
    for method in methods:
        assert np.array_equal(answer_of(model, method, X), getattr(model, method)(X))
        answer_of(model, method, X[:900])
    assert parts == [2] * len(methods)


def test_several_outputs_in_parts(usual, records, monkeypatch):
    X, y = records
    monkeypatch.setattr(asking, "cpu_count", lambda: 2)
    model = KNeighborsClassifier(3).fit(X[:200], np.stack([y, 1 - y], axis=1)[:200])
    answered = answer_of(model, "predict_proba", X)
    for own, whole in zip(answered, model.predict_proba(X), strict=True):
        assert np.array_equal(own, whole)


def test_only_what_answers_each_record_by_itself_is_asked_in_parts(usual, records):
    X, y = records
    boosting = HistGradientBoostingClassifier(max_iter=1)

    class Own(HistGradientBoostingClassifier):
        pass

    for model in (
        Own(max_iter=1),
        make_pipeline(FunctionTransformer(lambda Z: Z - Z.mean(axis=0)), boosting),
        DecisionTreeClassifier(),
    ):
        fitted = model.fit(X, y)
        assert np.array_equal(answer_of(fitted, "predict_proba", X), fitted.predict_proba(X))
        assert not asking._answers_by_record(fitted)
    assert asking._answers_by_record(boosting)


def test_density_is_asked_with_one_thread(usual, records):
    class Seen(KernelDensity):
        def score_samples(self, X):
            assert _threads() == 1
            return super().score_samples(X)

    observe(Seen().fit(records[0][:50]), records[0][:50], access="density")


def test_networks_and_libraries_keep_their_threads(usual):
    class Booster:
        __module__ = "lightgbm.sklearn"

    with asking.beside_other_work(Booster()):
        assert _threads() == _USUAL
