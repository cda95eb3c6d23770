"""Reference models that cannot be trained: tried again, then left out by name."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import warnings

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels, audit
from mia_sklearn.references._lost import CannotTrain, reasons, second_seed

pytestmark = pytest.mark.usefixtures("few_rounds")

X, Y = make_classification(80, 6, random_state=0)


class Failing:
    """Trains trees, but fails with some seeds; notes those that it gets.

    A cache knows none of it.
    """

    def __init__(self, seeds=(), error=None):
        self.seeds, self.error = seeds, error or ValueError("no")
        self.seen = []

    def __call__(self, X, y, seed):
        self.seen.append(seed)
        if seed in self.seeds:
            raise self.error
        return DecisionTreeClassifier(random_state=seed).fit(X, y)

    def __reduce__(self):
        return Failing, ()


def seeds_of(n_models=4):
    return ReferenceModels(GaussianNB(), n_models, random_state=0).fit(X, Y).seeds_.tolist()


def fitted(train, n_models=4, **options):
    return ReferenceModels(train, n_models, random_state=0, **options).fit(X, Y)


def test_a_model_that_fails_is_trained_with_another_seed_on_the_same_records():
    seeds = seeds_of()
    whole = fitted(Failing())
    train = Failing(seeds[1:2])
    again = fitted(train)
    assert train.seen == [seeds[0], seeds[1], second_seed(seeds[1]), *seeds[2:]]
    assert again.lost_ == {}
    assert np.array_equal(again.membership_, whole.membership_)
    others = [0, 2, 3]
    assert np.array_equal(again.outputs_[others], whole.outputs_[others])
    taken = again.membership_[1] > 0
    assert np.array_equal(again.outputs_[1, taken].argmax(axis=1), Y[taken])


@pytest.mark.parametrize("error", [ValueError("no"), ZeroDivisionError("by zero"), SystemExit(0)])
@pytest.mark.parametrize("cache", [False, True])
def test_one_that_fails_twice_is_left_out(error, cache, tmp_path):
    seeds = seeds_of()
    folder = tmp_path if cache else None
    fails = [seeds[1], second_seed(seeds[1])]
    with pytest.warns(UserWarning, match=r"1 of 4 reference models are left out.*model 1: ") as got:
        refs = fitted(Failing(fails, error), cache=folder)
    assert len(got) == 1
    assert refs.lost_.keys() == {1} and str(error) in refs.lost_[1]
    whole = fitted(Failing())
    others = [0, 2, 3]
    assert np.array_equal(refs.outputs_[others], whole.outputs_[others])
    assert np.isnan(refs.outputs_[1]).all() and np.isnan(refs.phi()[1]).all()
    assert refs.labelled_.tolist() == [[model != 1] * 80 for model in range(4)]
    table, _ = refs.shadow_observations()
    assert set(table.index.get_level_values("model")) == set(others)
    few, _ = refs.shadow_observations(max_rows=9, random_state=0)
    assert few.index.get_level_values("model").tolist() == np.repeat(others, 3).tolist()
    # A later run tries it again: what was wrong may have been put right.
    later = Failing()
    assert np.array_equal(fitted(later, cache=folder).outputs_, whole.outputs_)
    assert len(later.seen) == (1 if cache else 4)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_model_that_always_fails_ends_the_fit_at_once(n_jobs):
    train = Failing(range(2**31), ValueError("wrong parameter"))
    with (
        parallel_config(backend="threading"),
        pytest.raises(ValueError, match=r"Reference model \d could not be trained: wrong param"),
    ):
        fitted(train, 100, n_jobs=n_jobs)
    # In threads, what has been handed out by then is tried too.
    assert len(train.seen) <= (8 if n_jobs == 1 else 100)


def test_the_cause_is_shown():
    def train(X, y, seed):
        return LogisticRegression().fit(X[:, :0], y)

    with pytest.raises(ValueError, match=r"0 feature\(s\).*3 others that were tried") as caught:
        fitted(train)
    assert "in train" in str(caught.value.__cause__)


@pytest.mark.parametrize("n_left", [1, 2])
def test_too_few_that_are_left_are_an_error(n_left):
    seeds = seeds_of()
    # The second model of the first block, and then the first of the second one too.
    lost = seeds[2:] if n_left == 2 else seeds[1:]
    fails = [*lost, *map(second_seed, lost)]
    with pytest.raises(ValueError, match=rf"no \({4 - n_left} of 4.*at least 2, of different bl"):
        fitted(Failing(fails))


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError("too large")])
def test_what_is_no_fault_of_the_model_ends_the_fit(error):
    kind = KeyboardInterrupt if error is KeyboardInterrupt else RuntimeError
    train = Failing(seeds_of()[1:2], error)
    with pytest.raises(kind):
        fitted(train)
    assert len(train.seen) == 2


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("error", [MemoryError(), MemoryError("too large")])
def test_a_lack_of_memory_is_said(error, n_jobs):
    train = Failing(range(2**31), error)
    said = str(error) or "out of memory"
    with (
        parallel_config(backend="threading"),
        pytest.raises(CannotTrain, match=rf"could not be trained: {said}\. Give n_jobs=1"),
    ):
        fitted(train, n_jobs=n_jobs)


def test_a_fit_that_fails_leaves_no_thread_behind_that_changes_warnings():
    begun = threading.Event()

    def train(X, y, seed):
        if begun.is_set():
            raise MemoryError
        begun.set()
        time.sleep(0.05)
        return DecisionTreeClassifier().fit(X, y)

    before = set(threading.enumerate())
    with parallel_config(backend="threading"), pytest.raises(CannotTrain):
        fitted(train, n_jobs=2)
    with pytest.warns(UserWarning, match="heard"):
        for thread in set(threading.enumerate()) - before:
            thread.join(1)
        warnings.warn("heard", stacklevel=1)


@pytest.mark.thorough
def test_a_process_that_ends_is_said():
    # Inside, so that it goes to the other processes whole: they cannot import a file of tests.
    def leave(X, y, seed):
        # Never the process of these tests.
        if multiprocessing.parent_process() is not None:
            os._exit(0)

    ended = pytest.raises(CannotTrain, match=r"came to an end: training .* ended it, or memory")
    with parallel_config(backend="loky"), ended:
        fitted(leave, n_jobs=2)


class Moody(ClassifierMixin, BaseEstimator):
    """Fails, or answers NaN, with a third of all seeds."""

    def __init__(self, answers_nan=False, random_state=None):
        self.answers_nan = answers_nan
        self.random_state = random_state

    def fit(self, X, y):
        self.tree_ = DecisionTreeClassifier(random_state=0).fit(X, y)
        self.classes_ = self.tree_.classes_
        self.bad_ = self.random_state is not None and self.random_state % 3 == 0
        if self.bad_ and not self.answers_nan:
            raise RuntimeError("not today")
        return self

    def predict(self, X):
        return self.tree_.predict(X)

    def predict_proba(self, X):
        proba = self.tree_.predict_proba(X)
        return np.full_like(proba, np.nan) if self.bad_ else proba


@pytest.mark.parametrize("answers_nan", [False, True])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_audit_of_a_model_that_fails_at_random_goes_on(answers_nan, n_jobs):
    target = Moody(answers_nan).fit(X[:40], Y[:40])
    options = {"n_references": 24, "random_state": 0, "progress": False, "attacks": ["lira"]}
    with (
        parallel_config(backend="threading"),
        pytest.warns(UserWarning, match="24 reference models are left out") as caught,
    ):
        report = audit(target, X[:40], Y[:40], X[40:], Y[40:], n_jobs=n_jobs, **options)
    assert sum("left out" in str(warning.message) for warning in caught) == 1
    (finding,) = [one for one in report.findings if one.code == "LOST_REFERENCES"]
    n_lost = 24 - report.info["n_references"]
    assert 0 < n_lost < 8
    assert finding.title == f"{n_lost} of 24 reference models could not be trained"
    assert ("NaN" if answers_nan else "RuntimeError: not today") in finding.explanation
    assert np.isfinite(report.records["lira"]).all()


def test_those_that_fail_among_others_are_left_out_however_many():
    seeds = seeds_of(8)
    fails = [seed for first in seeds[1:6] for seed in (first, second_seed(first))]
    with pytest.warns(UserWarning, match="5 of 8 reference models are left out"):
        assert list(fitted(Failing(fails), 8).lost_) == [1, 2, 3, 4, 5]


def test_p_values_of_the_references_that_are_left_are_those_without_the_others():
    """A place that a lost model leaves is empty, and no other one moves."""
    seeds = seeds_of(8)
    fails = [seeds[2], second_seed(seeds[2])]
    with pytest.warns(UserWarning, match="left out"):
        refs = fitted(Failing(fails), 8)
    whole = fitted(Failing(), 8)
    table, member = refs.shadow_observations()
    same, also = whole.shadow_observations()
    kept = same.index.get_level_values("model") != 2
    expected = same[kept].copy()
    assert np.array_equal(member, also[kept])
    rows = expected.index.get_level_values("row")
    side = np.where(whole.membership_[2, rows] > 0, "in_1", "out_1")
    for name in ("in_1", "out_1"):
        expected.loc[side == name, name] = np.nan
    assert np.array_equal(table.to_numpy(), expected.to_numpy(), equal_nan=True)


def test_the_place_of_a_lost_model_is_taken_by_the_next_one():
    seeds = ReferenceModels(GaussianNB(), 4, sampling="bootstrap", random_state=0).fit(X, Y).seeds_
    fails = [int(seeds[0]), second_seed(int(seeds[0]))]
    with pytest.warns(UserWarning, match="left out"):
        refs = fitted(Failing(fails), sampling="bootstrap")
    table, _ = refs.shadow_observations()
    for side in ("out_", "in_"):
        empty = table.filter(regex=f"^{side}").isna().to_numpy()
        assert (np.diff(empty.astype(int), axis=1) >= 0).all()


# Rare classes.


def rare(n_members, n_others, n=300):
    """Return records of two sides with so many of a rare class on each."""
    rng = np.random.default_rng(0)
    sides = []
    for positive in (n_members, n_others):
        y = np.repeat([1, 0], [positive, n - positive])
        sides += [rng.normal(size=(n, 4)) + 3 * y[:, None], y]
    return sides


def test_a_class_that_is_rare_on_both_sides_is_in_every_training_set():
    imblearn = pytest.importorskip("imblearn")
    from imblearn.over_sampling import SMOTE

    model = imblearn.pipeline.make_pipeline(
        SMOTE(random_state=0), RandomForestClassifier(5, random_state=0)
    )
    data = rare(8, 7)
    report = audit(model.fit(*data[:2]), *data, n_references=8, random_state=0, progress=False)
    assert report.info["stratified"] and report.info["n_references"] == 8
    assert "LOST_REFERENCES" not in {finding.code for finding in report.findings}


@pytest.mark.parametrize(("n_members", "n_others"), [(6, 6), (9, 3)])
def test_folds_of_a_rare_class(n_members, n_others):
    model = CalibratedClassifierCV(GaussianNB(), cv=5)
    data = rare(n_members, n_others)
    model.fit(*data[:2])
    options = {"n_references": 16, "random_state": 0, "progress": False}
    if n_members == n_others:
        report = audit(model, *data, **options)
        assert report.info["stratified"] and report.info["n_references"] == 16
        return
    with pytest.warns(UserWarning, match="16 reference models are left out"):
        report = audit(model, *data, **options)
    assert not report.info["stratified"] and 4 < report.info["n_references"] < 16
    (finding,) = [one for one in report.findings if one.code == "LOST_REFERENCES"]
    assert "cross-validation but provided less than 5 examples" in finding.explanation


def test_reasons_are_told_once_each():
    lost = {0: "a", 3: "b", 4: "a", 5: "c", 6: "d", 7: "e " * 1000}
    text = reasons(lost)
    assert text.startswith("models 0, 4: a; model 3: b; model 5: c; and 2 other reasons")
    assert reasons({0: "a", 1: "b", 3: "b"}) == "models 1, 3: b; model 0: a"
    assert len(reasons({0: "long\n  text " * 1000})) < 400
