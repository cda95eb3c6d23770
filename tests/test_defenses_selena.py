"""SELENA: records are answered by the models that never saw them."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn.defenses import SELENA
from mia_sklearn.defenses._selena import _draw_left_out
from recorders import Recorder, numbered


@pytest.fixture(scope="module")
def records():
    X, y = make_classification(
        600, 6, n_informative=4, n_classes=3, flip_y=0.1, class_sep=1.5, random_state=0
    )
    return X[:400], y[:400], X[400:], y[400:]


@pytest.mark.parametrize(("n", "n_models", "n_left_out"), [(25, 25, 10), (103, 10, 3), (7, 5, 4)])
def test_each_record_is_left_out_as_often(n, n_models, n_left_out):
    sets = _draw_left_out(n, n_models, n_left_out, np.random.RandomState(0))
    assert sets.shape == (n, n_left_out)
    assert all(len(set(row)) == n_left_out for row in sets.tolist())
    left_out = np.bincount(sets.ravel(), minlength=n_models)
    assert np.ptp(left_out) <= n_left_out
    assert (left_out < n).all()


def test_left_out_sets_are_drawn_at_random():
    """Every pair of five sub-models leaves out the first record as often."""
    draws = [
        tuple(sorted(_draw_left_out(5, 5, 2, np.random.RandomState(seed))[0]))
        for seed in range(4000)
    ]
    _, counts = np.unique(draws, axis=0, return_counts=True)
    assert len(counts) == 10
    # Each is 400 on average; six standard deviations.
    assert (np.abs(counts - 400) < 6 * np.sqrt(360)).all()


def split_ai(X, y, estimator=None, **options):
    options = {"n_models": 6, "n_left_out": 2, "random_state": 0, **options}
    return SELENA(estimator or Recorder(), distill=False, **options).fit(X, y)


def test_a_member_is_answered_by_models_that_never_saw_it():
    X, y = numbered(120)
    fitted = split_ai(X, y)
    models = fitted.estimator_.models
    saw = np.array([np.isin(np.arange(120), model.seen_) for model in models])
    assert ((~saw).sum(axis=0) == 2).all()
    shares = np.array([model.shares_ for model in models])
    expected = np.array([shares[~saw[:, i]].mean(axis=0) for i in range(120)])
    np.testing.assert_allclose(fitted.predict_proba(X), expected)


def test_memorised_labels_do_not_come_out():
    """Labels are coin flips: a nearest neighbour knows those of its own records only."""
    X, y = make_classification(400, 8, flip_y=1.0, random_state=0)
    neighbour = KNeighborsClassifier(1)
    assert clone(neighbour).fit(X, y).score(X, y) == 1
    options = {"n_models": 10, "n_left_out": 4, "random_state": 0}
    assert split_ai(X, y, neighbour, **options).score(X, y) < 0.65
    assert SELENA(neighbour, **options).fit(X, y).score(X, y) < 0.65


def test_a_copy_of_a_record_does_not_answer_for_it():
    X, y = make_classification(200, 8, flip_y=1.0, random_state=0)
    twice, labels = np.vstack([X, X]), np.concatenate([y, y])
    fitted = split_ai(twice, labels, KNeighborsClassifier(1))
    assert fitted.score(X, y) < 0.65


def test_strangers_are_answered_by_as_many_models_and_always_the_same():
    X, y = numbered(120)
    fitted = split_ai(X, y)
    strangers = X + 0.5
    answers = fitted.predict_proba(strangers)
    np.testing.assert_array_equal(fitted.predict_proba(strangers[::-1])[::-1], answers)
    np.testing.assert_array_equal(fitted.predict_proba(strangers[:7]), answers[:7])
    models = fitted.estimator_.models
    shares = np.array([model.shares_ for model in models])
    pairs = np.array([(shares[i] + shares[j]) / 2 for i in range(6) for j in range(i)])
    nearest = np.abs(pairs[:, None] - answers).max(axis=2)
    assert (nearest.min(axis=0) < 1e-12).all()
    assert len(np.unique(nearest.argmin(axis=0))) > 5


def test_the_released_model_learns_what_split_ai_answers():
    X, y = make_classification(300, 5, n_informative=3, n_redundant=0, random_state=0)
    tree = DecisionTreeClassifier(random_state=0)
    answers = split_ai(X, y, tree).predict_proba(X)
    fitted = SELENA(tree, n_models=6, n_left_out=2, random_state=0).fit(X, y)
    np.testing.assert_allclose(fitted.predict_proba(X), answers, atol=1e-12)
    assert type(fitted.estimator_) is DecisionTreeClassifier


@pytest.mark.thorough
@pytest.mark.parametrize(
    "estimator", [DecisionTreeClassifier(), pytest.param(GaussianNB(), marks=pytest.mark.slow)]
)
def test_the_number_of_jobs_changes_nothing(estimator, records):
    X, y, others, _ = records
    one, two = (split_ai(X, y, estimator, n_jobs=n).predict_proba(others) for n in (1, 2))
    np.testing.assert_array_equal(one, two)
    other = split_ai(X, y, estimator, random_state=1).predict_proba(others)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_left_out": 6}, "n_left_out=6 must be below n_models=6"),
        ({"n_models": 121}, r"at least 121 different records for n_models=121, got 120"),
        ({"n_models": 1}, "'n_models' parameter of SELENA"),
        ({"n_left_out": 0}, "'n_left_out' parameter of SELENA"),
    ],
)
def test_selena_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        split_ai(*numbered(120), **options)


def test_a_sub_model_per_record_will_do():
    X, y = numbered(120)
    assert len(split_ai(X, y, n_models=120, n_left_out=119).estimator_.models) == 120
    with pytest.raises(ValueError, match="got 60 "):
        split_ai(np.vstack([X[:60], X[:60]]), y, n_models=61)


def test_parts_are_taught_nothing_by_arguments_of_fit(records):
    class Taught(GaussianNB):
        def fit(self, X, y, teacher=None):
            return super().fit(X, y)

    X, y, _, _ = records
    with pytest.raises(ValueError, match=r"teacher hands on a fitted GaussianNB .*drop it"):
        SELENA(Taught(), n_models=3, n_left_out=1).fit(X, y, teacher=GaussianNB().fit(X, y))
