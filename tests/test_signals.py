import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import NearestCentroid
from sklearn.svm import SVC, LinearSVC

from mia_sklearn import signals
from mia_sklearn.signals import (
    choose_smoothing,
    log_posteriors,
    log_proba_from_proba,
    rescaled_logit,
    signal,
)

PROBA = np.array([[0.7, 0.2, 0.1], [0.05, 0.05, 0.9], [1 / 3, 1 / 3, 1 / 3]])
LABEL = np.array([0, 1, 2])


@pytest.fixture(scope="module", params=[2, 4])
def data(request):
    return make_classification(
        200, 6, n_informative=4, n_classes=request.param, random_state=0, shift=20.0
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("loss", -np.log([0.7, 0.05, 1 / 3])),
        ("confidence", [0.7, 0.05, 1 / 3]),
        ("max_confidence", [0.7, 0.9, 1 / 3]),
        ("entropy", -(PROBA * np.log(PROBA)).sum(axis=1)),
        ("normalized_entropy", -(PROBA * np.log(PROBA)).sum(axis=1) / np.log(3)),
        ("correctness", [1, 0, 0]),
        ("logit", np.log(np.array([0.7, 0.05, 1 / 3]) / [0.3, 0.95, 2 / 3])),
        ("margin", np.log([0.7 / 0.2, 0.05 / 0.9, 1])),
        (
            "modified_entropy",
            [
                -0.3 * np.log(0.7) - 0.2 * np.log(0.8) - 0.1 * np.log(0.9),
                -0.95 * np.log(0.05) - 0.05 * np.log(0.95) - 0.9 * np.log(0.1),
                -2 / 3 * np.log(1 / 3) - 2 * (1 / 3 * np.log(2 / 3)),
            ],
        ),
    ],
)
def test_definitions(name, expected):
    assert_allclose(signal(name, np.log(PROBA), LABEL), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", list(signals.SIGNALS))
def test_certain_answers_stay_finite(name):
    with np.errstate(divide="ignore"):
        log_proba = np.log([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    values = signal(name, log_proba, np.array([0, 0, -1]))
    assert np.isfinite(values).all()
    direction = signals.SIGNALS[name][1]
    if name not in ("entropy", "normalized_entropy", "max_confidence"):
        assert direction * values[0] > direction * values[1]


def test_unknown_signal_is_refused():
    with pytest.raises(ValueError, match="Unknown signal 'lost'; choose one of loss"):
        signal("lost", np.log(PROBA), LABEL)


def test_rescaled_logit_is_exact_in_both_tails():
    log_proba = np.array([[-1e-30, -69.0], [-69.0, -1e-30], [-500.0, 0.0]])
    label = np.array([0, 0, 0])
    assert_allclose(rescaled_logit(log_proba, label), [69, -69, -500], rtol=1e-12)


def test_rescaled_logit_of_many_classes_sums_the_others():
    assert_allclose(
        rescaled_logit(np.log(PROBA), LABEL), np.log([0.7 / 0.3, 0.05 / 0.95, 0.5]), rtol=1e-12
    )


def test_smoothing_bounds_certain_answers():
    with np.errstate(divide="ignore"):
        log_proba = np.log([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])
    phi = rescaled_logit(log_proba, np.array([0, 0]), 0.03)
    assert_allclose(phi, [np.log(1.03 / 0.03), -np.log(1.03 / 0.03)], rtol=1e-12)


def test_loss_and_confidence_are_functions_of_phi():
    phi = rescaled_logit(np.log(PROBA), LABEL)
    assert_allclose(np.logaddexp(0, -phi), signal("loss", np.log(PROBA), LABEL), rtol=1e-10)


def test_unknown_class_has_posterior_zero():
    phi = rescaled_logit(np.log(PROBA), np.array([-1, 0, -1]))
    assert np.isneginf(phi[[0, 2]]).all()
    assert np.isfinite(phi[1])
    # All of the posterior is that of other classes, the first one's too.
    phi = rescaled_logit(np.log([[0.6, 0.3, 0.1]]), np.array([-1]), smoothing=0.03)
    assert phi[0] == pytest.approx(np.log(0.03 / 1.03))


@pytest.mark.parametrize("shape", [(5, 3, 4), (2, 3, 2)])
def test_leading_axes_are_models(shape):
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])
    label = np.array([0, 1, 1])
    each = [rescaled_logit(np.log(p), label, 0.01) for p in proba]
    assert_allclose(rescaled_logit(np.log(proba), label, 0.01), each)


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(max_iter=10_000),
        SGDClassifier(loss="log_loss", alpha=1.0, random_state=0),
        GradientBoostingClassifier(n_estimators=5, random_state=0),
        GaussianNB(),
        RandomForestClassifier(5, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_posteriors_are_the_models(model, data):
    X, y = data
    model.fit(X, y)
    assert_allclose(np.exp(log_posteriors(model, X)), model.predict_proba(X), atol=1e-9)


def test_logits_reach_further_than_posteriors(data):
    X, y = data
    if len(np.unique(y)) > 2:
        pytest.skip("binary")
    model = LogisticRegression(C=1e6, max_iter=10_000).fit(X, y)
    model.coef_ *= 1e3
    far = log_posteriors(model, X)
    assert_allclose(far[:, 1] - far[:, 0], model.decision_function(X), rtol=1e-12)
    assert np.isfinite(far).all()
    assert np.abs(far).max() > 800


def test_scores_that_agree_with_posteriors_on_one_record_alone_are_no_logits():
    class Model:
        classes_ = np.array([0, 1])

        def predict_proba(self, X):
            return np.array([[0.5, 0.5], [0.9, 0.1]])[: len(X)]

        def decision_function(self, X):
            return np.zeros(len(X))

    answer = np.exp(log_posteriors(Model(), np.zeros((2, 1))))
    np.testing.assert_allclose(answer, [[0.5, 0.5], [0.9, 0.1]])


def test_decision_function_without_probabilities(data):
    X, y = data
    for model in (LinearSVC(), SVC()):
        model.fit(X, y)
        answer = log_posteriors(model, X)
        assert_allclose(np.exp(answer).sum(axis=1), 1)
        assert (model.classes_[answer.argmax(axis=1)] == model.predict(X)).mean() > 0.95


class _LabelsOnly:
    def __init__(self, model):
        self.model, self.classes_ = model, model.classes_

    def predict(self, X):
        return self.model.predict(X)


def test_pairs_of_classes_are_read_as_scikit_learn_reads_them():
    X, y = make_classification(120, 5, n_informative=4, n_redundant=0, n_classes=4, random_state=0)
    pairs, rest = (SVC(decision_function_shape=shape).fit(X, y) for shape in ("ovo", "ovr"))
    assert_allclose(log_posteriors(pairs, X), log_posteriors(rest, X))


def test_predicted_labels_are_certain_answers(data):
    X, y = data
    model = _LabelsOnly(NearestCentroid().fit(X, y))
    answer = log_posteriors(model, X)
    assert set(np.unique(answer)) == {-np.inf, 0.0}
    np.testing.assert_array_equal(model.classes_[answer.argmax(axis=1)], model.predict(X))


def test_classes_are_aligned(data):
    X, y = data
    model = GaussianNB().fit(X, y)
    known = model.classes_
    answer = log_posteriors(model, X, [99, *known[::-1]])
    assert np.isneginf(answer[:, 0]).all()
    np.testing.assert_array_equal(answer[:, 1:], log_posteriors(model, X)[:, ::-1])


def test_sparse_records(data):
    X, y = data
    model = LogisticRegression(max_iter=10_000).fit(sparse.csr_matrix(X), y)
    assert_allclose(log_posteriors(model, sparse.csr_matrix(X)), log_posteriors(model, X))


@pytest.mark.parametrize(
    ("proba", "message"),
    [
        ([[0.5, 0.6]], "sum to 1 in each row; row 0 sums to 1.1"),
        ([[0.5, 0.5], [np.nan, 1.0]], "hold NaN, first in row 1"),
        ([[1.5, -0.5]], "non-negative"),
        ([0.5, 0.5], "1 dimension"),
    ],
)
def test_what_is_no_posterior_is_refused(proba, message):
    with pytest.raises(ValueError, match=message):
        log_proba_from_proba(proba)


def test_smoothing_is_chosen_by_saturation():
    rng = np.random.default_rng(0)
    smooth = np.log(rng.dirichlet([1, 1], size=(4, 500)))
    assert choose_smoothing(smooth) == 1e-12
    votes = rng.integers(0, 6, (4, 500)) / 5
    with np.errstate(divide="ignore"):
        assert choose_smoothing(np.log(np.stack([votes, 1 - votes], axis=-1))) == 0.03
        # One class of three ruled out, or a rest below a unit of precision: no certainty of both.
        assert choose_smoothing(np.log([[0.5, 0.5, 0.0]] * 9)) == 1e-12
        assert choose_smoothing(np.array([[0.0, -40.0]] * 9)) == 1e-12
