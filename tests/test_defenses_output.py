"""What defenses of a model's answers release, where that is known in advance."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from mia_sklearn.defenses import (
    LabelOnly,
    MemGuard,
    RoundedPosterior,
    TemperaturePosterior,
    TopKPosterior,
)
from mia_sklearn.metrics import roc_auc
from mia_sklearn.signals import log_posteriors, rescaled_logit


class Says(ClassifierMixin, BaseEstimator):
    """Answers with the records themselves."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.asarray(X)

    def predict(self, X):
        return self.classes_[np.asarray(X).argmax(axis=1)]


POSTERIORS = np.array([[0.62, 0.25, 0.13], [0.2, 0.33, 0.47], [1.0, 0.0, 0.0], [0.3, 0.4, 0.3]])


def release(defense, posteriors=POSTERIORS):
    labels = np.arange(len(posteriors)) % posteriors.shape[1]
    return defense.fit(posteriors, labels).predict_proba(posteriors)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"k": 1}, [[1, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]]),
        ({"k": 2}, [[62 / 87, 25 / 87, 0], [0, 33 / 80, 47 / 80], [1, 0, 0], [3 / 7, 4 / 7, 0]]),
        (
            {"k": 1, "renormalize": False},
            [[0.62, 0.19, 0.19], [0.265, 0.265, 0.47], [1, 0, 0], [0.3, 0.4, 0.3]],
        ),
        ({"k": 3}, POSTERIORS),
        ({"k": 3, "renormalize": False}, POSTERIORS),
    ],
)
def test_top_k(options, expected):
    np.testing.assert_allclose(release(TopKPosterior(Says(), **options)), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("decimals", "expected"),
    [
        (0, [[1, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]]),
        # .62 .25 .13 lose .02 .05 .03: the unit goes to .25.
        (1, [[0.6, 0.3, 0.1], [0.2, 0.3, 0.5], [1, 0, 0], [0.3, 0.4, 0.3]]),
        (2, POSTERIORS),
    ],
)
def test_rounding_by_largest_remainders(decimals, expected):
    released = release(RoundedPosterior(Says(), decimals=decimals))
    np.testing.assert_array_equal(released, expected)


def test_rounding_keeps_order_and_digits():
    posteriors = np.random.default_rng(0).dirichlet(np.full(30, 0.2), size=500)
    for decimals in (0, 1, 2, 6):
        released = release(RoundedPosterior(Says(), decimals=decimals), posteriors)
        np.testing.assert_array_equal(released, np.round(released, decimals))
        np.testing.assert_allclose(released.sum(axis=1), 1)
        ordered = np.take_along_axis(released, np.argsort(posteriors, axis=1), axis=1)
        assert (np.diff(ordered, axis=1) >= 0).all()


def test_temperature_is_a_softmax_of_divided_logits():
    X, y = make_classification(200, n_informative=4, n_classes=3, random_state=0)
    defended = TemperaturePosterior(LogisticRegression(), t=20).fit(X, y)
    logits = defended.estimator_.decision_function(X) / 20
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(defended.predict_proba(X), expected)


def test_temperature_keeps_the_tails():
    """A model that is sure to 400 digits is still told from one that is sure to 200."""
    X = np.array([[-1.0], [1.0], [40.0], [80.0]])
    defended = TemperaturePosterior(LogisticRegression(C=1e6), t=0.01).fit(X[:2], [0, 1])
    phi = rescaled_logit(log_posteriors(defended, X), np.ones(4, dtype=int))
    assert phi[3] > 1.9 * phi[2] > 1000


def test_label_only_needs_no_posteriors():
    X, y = make_classification(100, random_state=0)
    released = LabelOnly(LinearSVC()).fit(X, y).predict_proba(X)
    assert set(np.unique(released)) == {0, 1}


def test_label_only_leaves_the_gap():
    """Nothing but right or wrong is left of the loss."""
    X, y = make_classification(400, n_informative=3, flip_y=0.3, random_state=0)
    member = np.arange(400) < 200
    defended = LabelOnly(KNeighborsClassifier(1)).fit(X[member], y[member])
    right = defended.predict(X) == y
    phi = rescaled_logit(log_posteriors(defended, X), y, 1e-12)
    assert len(np.unique(phi)) == 2
    assert roc_auc(member, phi).value == roc_auc(member, right).value > 0.6


# MemGuard


class Suspicious(ClassifierMixin, BaseEstimator):
    """Takes whoever has a large first posterior for a member."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        sure = 1 / (1 + np.exp(-20 * (np.exp(X[:, 0]) - 0.75)))
        return np.stack([1 - sure, sure], axis=1)


@pytest.fixture(scope="module")
def overfit():
    X, y = make_classification(
        1200, 10, n_informative=5, n_classes=3, flip_y=0.2, class_sep=0.7, random_state=0
    )
    return X, y


def guard(overfit, max_distortion, **options):
    X, y = overfit
    defense = MemGuard(
        RandomForestClassifier(30, random_state=0), max_distortion, random_state=0, **options
    )
    return defense.fit(X[:400], y[:400], X[400:800], y[400:800])


@pytest.mark.parametrize("max_distortion", [0.05, 0.3, 1.0])
def test_memguard_keeps_labels_and_its_budget(overfit, max_distortion):
    X, _ = overfit
    guarded = guard(overfit, max_distortion)
    own = guarded.estimator_.predict_proba(X)
    released = guarded.predict_proba(X)
    np.testing.assert_array_equal(guarded.predict(X), guarded.classes_[own.argmax(axis=1)])
    distortion = np.abs(released - own).sum(axis=1)
    # Every record's expected distortion is within the budget; the mean has an error of its own.
    assert distortion.mean() < max_distortion + 4 * distortion.std() / np.sqrt(len(X))
    assert distortion.mean() > 0


class FirstPosterior:
    """An adversary who takes the first posterior for the probability of membership."""

    def predict_proba(self, ordered):
        sure = np.exp(ordered[:, 0])
        return np.stack([1 - sure, sure], axis=1)


@pytest.mark.parametrize(("budget", "shares"), [(0.1, [0.1, 0.25]), (2.0, [0.8, 0.5])])
def test_memguards_replacements_by_hand(budget, shares):
    guarded = MemGuard(Says(), budget)
    guarded.adversary_ = FirstPosterior()
    guarded._shapes, guarded._verdicts = np.log([[0.4, 0.3, 0.3]]), np.array([0.4])
    # At the distances 1 and 0.4; of the first eight in ten make the verdict 0.5 on average, of the
    # second one in two. Where it is 0.5 as it is, or less, or nothing changes, nothing is replaced.
    own = [
        [0.9, 0.05, 0.05],
        [0.6, 0.2, 0.2],
        [0.5, 0.25, 0.25],
        [0.45, 0.3, 0.25],
        [0.4, 0.3, 0.3],
    ]
    _, share = guarded._replacements(np.log(own))
    np.testing.assert_allclose(share, [*shares, 0, 0, 0], atol=1e-12)


def test_memguard_takes_what_comes_closest_to_undecided():
    guarded = MemGuard(Says(), 2.0)
    guarded.adversary_ = FirstPosterior()
    guarded._shapes = np.log([[0.6, 0.2, 0.2], [0.4, 0.3, 0.3], [0.7, 0.2, 0.1]])
    guarded._verdicts = np.array([0.6, 0.4, 0.7])
    chosen, share = guarded._replacements(np.log([[0.9, 0.05, 0.05]]))
    assert chosen.tolist() == [1]
    np.testing.assert_allclose(share, [0.8])


def test_memguard_leaves_its_adversary_undecided(overfit):
    X, _ = overfit
    guarded = guard(overfit, 2.0, adversary=Suspicious())

    def verdict(posteriors):
        ordered = np.log(np.maximum(-np.sort(-posteriors, axis=1), 1e-13))
        return Suspicious().predict_proba(ordered)[:, 1]

    before = verdict(guarded.estimator_.predict_proba(X[:400]))
    after = verdict(guarded.predict_proba(X[:400]))
    assert before.mean() > 0.65
    assert abs(after.mean() - 0.5) < 0.06


def test_memguard_misleads_an_attacker_who_does_not_know_it(overfit):
    X, _ = overfit
    guarded = guard(overfit, 1.0)
    rows = np.r_[:400, 800:1200]
    member = rows < 400
    own = guarded.estimator_.predict_proba(X[rows]).max(axis=1)
    released = guarded.predict_proba(X[rows]).max(axis=1)
    before, after = roc_auc(member, own), roc_auc(member, released)
    assert before.value > 0.85
    assert after.high < before.low


def test_memguard_answers_the_same_question_alike(overfit):
    X, _ = overfit
    guarded = guard(overfit, 0.5)
    whole = guarded.predict_proba(X)
    np.testing.assert_array_equal(guarded.predict_proba(X[::-1])[::-1], whole)
    np.testing.assert_array_equal(guarded.predict_proba(X[:7]), whole[:7])
    np.testing.assert_array_equal(guard(overfit, 0.5).predict_proba(X), whole)


def test_memguard_without_a_budget_changes_nothing(overfit):
    X, _ = overfit
    guarded = guard(overfit, 0)
    np.testing.assert_allclose(guarded.predict_proba(X), guarded.estimator_.predict_proba(X))


def test_memguard_sets_reference_records_apart(overfit):
    X, y = overfit
    guarded = MemGuard(KNeighborsClassifier(1), reference_size=0.25, random_state=0)
    guarded.fit(X[:400], y[:400])
    assert guarded.estimator_.n_samples_fit_ == 300


# What is refused.


@pytest.mark.parametrize(
    ("defense", "message"),
    [
        (TopKPosterior(Says(), k=4), "k=4, but y holds 3 classes"),
        (TopKPosterior(Says(), k=0), "'k' parameter .* must be an int in the range"),
        (RoundedPosterior(Says(), decimals=-1), "'decimals' parameter .* in the range"),
        (RoundedPosterior(Says(), decimals=0.5), "'decimals' parameter .* must be an int"),
        (TemperaturePosterior(Says(), t=0), "'t' parameter .* in the range"),
        (TemperaturePosterior(Says(), t=-2), "'t' parameter .* in the range"),
        (MemGuard(Says(), max_distortion=-0.1), "'max_distortion' parameter .* in the range"),
        (MemGuard(Says(), adversary=LinearSVC()), "'predict_proba' or None. Got Lin"),
        (
            TopKPosterior(LinearSVC()),
            r"LinearSVC has no predict_proba.*TopKPosterior\(CalibratedClassifierCV\(LinearSVC",
        ),
        (RoundedPosterior(SVC()), "SVC has no predict_proba"),
        (TemperaturePosterior(make_pipeline(StandardScaler(), RidgeClassifier())), "RidgeCl"),
        (MemGuard(RidgeClassifier()), "RidgeClassifier has no predict_proba"),
        (
            LabelOnly(StandardScaler()),
            "estimator of LabelOnly must be a classifier, got StandardScaler",
        ),
    ],
)
def test_bad_arguments(defense, message):
    X, y = make_classification(60, 5, n_informative=3, n_redundant=1, n_classes=3, random_state=0)
    with pytest.raises(ValueError, match=message):
        defense.fit(X, y)


@pytest.mark.parametrize(
    "estimator",
    [
        CalibratedClassifierCV(LinearSVC(), cv=2),
        StackingClassifier([("tree", KNeighborsClassifier())], cv=2),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ],
)
def test_estimators_that_have_posteriors_once_fitted(estimator):
    X, y = make_classification(60, 5, random_state=0)
    assert RoundedPosterior(estimator).fit(X, y).predict_proba(X).shape == (60, 2)


def test_stacks_of_labels_have_no_posteriors():
    X, y = make_classification(60, 5, random_state=0)
    stack = StackingClassifier([("tree", KNeighborsClassifier())], LinearSVC(), cv=2)
    with pytest.raises(ValueError, match="StackingClassifier has no predict_proba"):
        RoundedPosterior(stack).fit(X, y)


def test_there_is_no_decision_function():
    X, y = make_classification(60, 5, random_state=0)
    defense = RoundedPosterior(LogisticRegression()).fit(X, y)
    assert not hasattr(defense, "decision_function")


X, Y = make_classification(80, 5, n_informative=3, n_redundant=1, n_classes=3, random_state=0)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ((X[40:50], Y[40:50]), r"2 of its 10 rows are there too: 0, 3\. Drop them"),
        ((X[50:60, :3], None), "X and X_reference must have the same features"),
        ((None, Y[50:60]), "y_reference holds labels of X_reference, which was not given"),
        ((X[50:60], Y[50:55]), "X_reference and y_reference must have one row per record"),
        ((X[50:60], Y[50:60] + 7), "y_reference holds [789], which y does not"),
        ((X[:0], None), "X_reference holds no records"),
    ],
)
def test_bad_reference_records(reference, message):
    rows = np.r_[:40, 40, 43]
    with pytest.raises(ValueError, match=message):
        MemGuard(LogisticRegression()).fit(X[rows], Y[rows], *reference)


def test_too_few_records_to_set_apart():
    with pytest.raises(ValueError, match=r"3 classes need at least 3 on each side.*n_samples=8"):
        MemGuard(LogisticRegression()).fit(X[:8], [0, 1, 2, 0, 1, 2, 0, 1])
