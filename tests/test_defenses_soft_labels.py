"""Any classifier learns posteriors."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.datasets import make_classification
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn.base import TrainingSet
from mia_sklearn.defenses import Distillation
from mia_sklearn.defenses._soft_labels import _systematic_counts, train_on_answers


@pytest.fixture(scope="module")
def records():
    X, y = make_classification(
        600, 6, n_informative=4, n_classes=3, flip_y=0.1, class_sep=1.5, random_state=0
    )
    return X[:400], y[:400], X[400:], y[400:]


class Unweighted(MLPClassifier):
    """A network whose `fit` takes no weights, as in older versions."""

    def fit(self, X, y):
        return super().fit(X, y)


def test_systematic_counts():
    rng = np.random.RandomState(0)
    posteriors = rng.dirichlet(np.full(7, 0.3), size=500)
    posteriors[:50] = np.eye(7)[rng.randint(7, size=50)]
    counts = _systematic_counts(posteriors, 10, rng)
    assert (counts.sum(axis=1) == 10).all()
    assert (np.abs(counts - 10 * posteriors) < 1 + 1e-9).all()
    assert (counts[posteriors == 0] == 0).all()
    draws = [_systematic_counts(posteriors[60:61], 10, rng)[0] for _ in range(4000)]
    np.testing.assert_allclose(np.mean(draws, axis=0), 10 * posteriors[60], atol=0.05)


def smooth(X, n_classes, sharpness=1.0):
    """Return posteriors of a linear rule."""
    rng = np.random.default_rng(5)
    logits = sharpness * X @ rng.normal(size=(X.shape[1], n_classes))
    proba = np.exp(logits - logits.max(axis=1, keepdims=True))
    return proba / proba.sum(axis=1, keepdims=True)


def learned(student, X, posteriors, asked, params=None):
    classes = np.arange(posteriors.shape[1])
    data = TrainingSet(X, np.empty(0), params or {})
    model = train_on_answers(student, data, posteriors, classes, np.random.RandomState(0))
    return model, model.predict_proba(asked)


MLP = {"hidden_layer_sizes": (32,), "max_iter": 60, "random_state": 0, "tol": 0.0}


@pytest.mark.parametrize("n_classes", [2, 30])
@pytest.mark.parametrize(
    ("student", "off"),
    [
        (LogisticRegression(C=1e6), 0.005),
        (make_pipeline(StandardScaler(), LogisticRegression(C=1e6)), 0.005),
        (RandomForestClassifier(100, random_state=0), 0.27),
        (KNeighborsClassifier(5), 0.27),
        (BaggingClassifier(KNeighborsClassifier(5), 20, random_state=0), 0.27),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_student_answers_like_its_teacher(student, off, n_classes):
    rng = np.random.default_rng(0)
    X, asked = rng.normal(size=(600, 4)), rng.normal(size=(200, 4))
    model, answers = learned(student, X, smooth(X, n_classes), asked)
    assert model.classes_.tolist() == list(range(n_classes))
    # Total variation, against what the best constant answer is off by.
    truth = smooth(asked, n_classes)
    distance = np.abs(answers - truth).sum(axis=1).mean() / 2
    constant = np.abs(truth.mean(axis=0) - truth).sum(axis=1).mean() / 2
    assert distance < off
    assert distance < 0.5 * constant


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("n_classes", [2, 30])
@pytest.mark.parametrize("network", [MLPClassifier(**MLP), Unweighted(**MLP)])
def test_a_network_learns_posteriors_with_weights_and_without(network, n_classes):
    rng = np.random.default_rng(0)
    X, asked = rng.normal(size=(400, 4)), rng.normal(size=(200, 4))
    _, answers = learned(network, X, smooth(X, n_classes), asked)
    truth = smooth(asked, n_classes)
    distance = np.abs(answers - truth).sum(axis=1).mean() / 2
    constant = np.abs(truth.mean(axis=0) - truth).sum(axis=1).mean() / 2
    assert distance < 0.5 * constant
    assert distance < 0.2


def test_a_tree_answers_exactly_what_it_was_taught():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    posteriors = rng.dirichlet(np.ones(4), size=80)
    # Too small to be learned, and with nothing in it.
    posteriors[0] = [0.9999, 0.0001, 0, 0]
    _, answers = learned(DecisionTreeClassifier(random_state=0), X, posteriors, X)
    np.testing.assert_allclose(answers[1:], posteriors[1:], atol=2e-3)
    assert answers[0].tolist() == [1, 0, 0, 0]


def test_one_neighbour_answers_in_tenths():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    posteriors = rng.dirichlet(np.ones(4), size=80)
    _, answers = learned(KNeighborsClassifier(1), X, posteriors, X)
    np.testing.assert_allclose(answers, posteriors, atol=0.1 + 1e-9)
    np.testing.assert_allclose(answers * 10, np.rint(answers * 10), atol=1e-9)


def test_a_forest_learns_records_it_is_unsure_of_and_keeps_its_sample_size():
    """Weighted rows would be drawn as often for a posterior of .01 as for one of .99."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    posteriors = np.tile([0.95, 0.05], (300, 1))
    forest, answers = learned(RandomForestClassifier(100, random_state=0), X, posteriors, X)
    assert abs(answers[:, 1].mean() - 0.05) < 0.02
    assert forest.max_samples == 0.1
    half = RandomForestClassifier(5, max_samples=0.5, random_state=0)
    assert learned(half, X, posteriors, X)[0].max_samples == 0.05
    number = RandomForestClassifier(5, max_samples=50, random_state=0)
    assert learned(number, X, posteriors, X)[0].max_samples == 50


def test_weights_of_records_multiply_their_posteriors():
    X = np.array([[0.0], [0.0]])
    posteriors = np.array([[0.8, 0.2], [0.4, 0.6]])
    params = {"sample_weight": np.array([3.0, 1.0])}
    _, answers = learned(DecisionTreeClassifier(), X, posteriors, X[:1], params)
    np.testing.assert_allclose(answers, [[0.7, 0.3]])
    pipeline = make_pipeline(StandardScaler(), DecisionTreeClassifier())
    params = {"decisiontreeclassifier__sample_weight": params["sample_weight"]}
    np.testing.assert_allclose(learned(pipeline, X, posteriors, X[:1], params)[1], [[0.7, 0.3]])


def test_posteriors_of_one_class_and_of_a_class_never_named():
    X = np.arange(12.0)[:, None]
    sure = np.tile([0.0, 1.0, 0.0], (12, 1))
    model, answers = learned(LogisticRegression(), X, sure, X)
    assert model.classes_.tolist() == [1]
    assert (answers == 1).all()
    some = np.where(X < 6, [[0.2, 0, 0.8]], [[0.8, 0, 0.2]])
    assert learned(LogisticRegression(), X, some, X)[0].classes_.tolist() == [0, 2]


def test_students_under_metadata_routing(records):
    X, y, others, _ = records
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    with config_context(enable_metadata_routing=True):
        fitted = Distillation(LogisticRegression(), pipeline, random_state=0).fit(X, y)
    assert fitted.predict_proba(others).shape == (200, 3)
