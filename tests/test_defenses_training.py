"""Stacking, distillation, PATE and SELENA, held to what must come out."""

import pickle

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.validation import check_is_fitted

from mia_sklearn.base import TrainingSet
from mia_sklearn.defenses import PATE, SELENA, Distillation, ModelStacking
from mia_sklearn.defenses._gaussian_privacy import epsilon_of, log_delta_of, mu_of
from mia_sklearn.defenses._parts import train_part
from mia_sklearn.defenses._selena import _draw_left_out
from mia_sklearn.defenses._soft_labels import _systematic_counts, train_on_posteriors
from nets import classifier


class Recorder(ClassifierMixin, BaseEstimator):
    """Remembers which records it saw, and answers how often the classes were among them."""

    def fit(self, X, y, sample_weight=None):
        self.seen_ = np.asarray(X)[:, 0].astype(int)
        self.weights_ = sample_weight
        self.classes_, counts = np.unique(y, return_counts=True)
        self.shares_ = counts / len(y)
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict_proba(self, X):
        check_is_fitted(self)
        return np.tile(self.shares_, (len(X), 1))

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class Unanimous(Recorder):
    """Knows the rule: the sign of the second feature."""

    def predict_proba(self, X):
        positive = np.asarray(X)[:, 1] > 0
        return np.stack([~positive, positive], axis=1).astype(float)


class Unweighted(MLPClassifier):
    """A network whose `fit` takes no weights, as in older versions."""

    def fit(self, X, y):
        return super().fit(X, y)


def numbered(n, n_classes=3, seed=0):
    """Records whose first feature is their position."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.arange(n), rng.normal(size=n)]).astype(float)
    return X, rng.integers(n_classes, size=n)


@pytest.fixture(scope="module")
def records():
    X, y = make_classification(
        600, 6, n_informative=4, n_classes=3, flip_y=0.1, class_sep=1.5, random_state=0
    )
    return X[:400], y[:400], X[400:], y[400:]


# What a fitted defense holds.


def held(thing, found=None):
    """Return all objects that a pickle of something would hold."""
    found = {} if found is None else found
    if id(thing) in found or isinstance(thing, (str, bytes, int, float, type(None), type)):
        return found
    found[id(thing)] = thing
    if isinstance(thing, dict):
        parts = [*thing.keys(), *thing.values()]
    elif isinstance(thing, (list, tuple, set)):
        parts = list(thing)
    elif isinstance(thing, np.ndarray):
        parts = thing.ravel().tolist() if thing.dtype == object else []
    else:
        parts = list(getattr(thing, "__dict__", {}).values())
    for part in parts:
        held(part, found)
    return found


class Teacher(GaussianNB):
    """A teacher that can be told from a student."""


@pytest.mark.parametrize(
    "defense",
    [
        Distillation(Teacher(), GaussianNB(), random_state=0),
        PATE(Teacher(), GaussianNB(), n_teachers=4, random_state=0),
        SELENA(Teacher(), n_models=5, n_left_out=2, random_state=0),
    ],
    ids=["Distillation", "PATE", "SELENA"],
)
def test_nothing_that_saw_the_records_is_in_the_pickle(defense, records):
    X, y, _, _ = records
    fitted = pickle.loads(pickle.dumps(clone(defense).fit(X, y)))
    teachers = [part for part in held(fitted).values() if isinstance(part, Teacher)]
    trained = [teacher for teacher in teachers if hasattr(teacher, "theta_")]
    # The model that SELENA releases is of the sub-models' kind.
    assert trained == ([fitted.estimator_] if isinstance(fitted, SELENA) else [])
    assert teachers, "the unfitted teacher is a parameter, so the search must find it"


def test_memorised_records_are_not_in_the_pickle():
    """Nearest neighbours keep their records: only those of the student may be there."""
    X, y = make_classification(120, 5, random_state=0)
    defense = Distillation(KNeighborsClassifier(3), GaussianNB(), random_state=0)
    plain = pickle.dumps(clone(defense.estimator).fit(X, y))
    assert X[0].tobytes() in plain
    for fitted in (
        clone(defense).fit(X, y),
        PATE(KNeighborsClassifier(3), GaussianNB(), n_teachers=3, random_state=0).fit(X, y),
    ):
        released = pickle.dumps(fitted)
        assert not any(row.tobytes() in released for row in X)


# Model stacking.


def recording_stack(**options):
    models = [("first", Recorder()), ("second", Recorder())]
    return ModelStacking(models, LogisticRegression(), random_state=0, **options)


def test_each_model_of_a_stack_sees_its_own_third():
    X, y = numbered(301)
    stack = recording_stack().fit(X, y)
    assert sorted(np.concatenate(stack.parts_)) == list(range(301))
    assert sorted(len(part) for part in stack.parts_) == [100, 100, 101]
    for model, part in zip(stack.estimators_, stack.parts_[:-1], strict=True):
        np.testing.assert_array_equal(model.seen_, part)
    counts = np.array([np.bincount(y[part]) for part in stack.parts_])
    assert (np.ptp(counts, axis=0) <= 1).all()


def test_parts_are_drawn_by_the_seed():
    X, y = numbered(90)
    first, again = (recording_stack().fit(X, y).parts_ for _ in "ab")
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    others = recording_stack().set_params(random_state=1).fit(X, y).parts_
    assert set(others[0]) != set(first[0])


def test_the_combiner_reads_posteriors(records):
    X, y, others, _ = records
    stack = ModelStacking(
        [("tree", DecisionTreeClassifier(max_depth=3, random_state=0)), ("bayes", GaussianNB())],
        random_state=0,
    ).fit(X, y)
    first, second, last = stack.parts_
    tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X[first], y[first])
    bayes = GaussianNB().fit(X[second], y[second])

    def both(table):
        return np.hstack([tree.predict_proba(table), bayes.predict_proba(table)])

    combiner = LogisticRegression().fit(both(X[last]), y[last])
    np.testing.assert_allclose(
        stack.predict_proba(others), combiner.predict_proba(both(others)), atol=1e-6
    )
    np.testing.assert_allclose(
        stack.decision_function(others), combiner.decision_function(both(others)), atol=1e-4
    )


def test_classes_that_a_part_lacks():
    X, y = numbered(60, n_classes=2)
    y[7] = 2
    stack = recording_stack().fit(X, y)
    assert stack.predict_proba(X).shape == (60, 3)
    knows = [2 in y[part] for part in stack.parts_]
    assert sum(knows) == 1
    if not knows[-1]:
        assert (stack.predict_proba(X)[:, 2] == 0).all()
        assert not hasattr(stack, "decision_function")


def test_scores_are_not_released_where_classes_lack_them():
    X, y = numbered(60, n_classes=2)
    y[7] = 2
    stacks = [recording_stack().set_params(random_state=seed).fit(X, y) for seed in range(8)]
    lacking = [len(stack.final_estimator_.classes_) < 3 for stack in stacks]
    assert 0 < sum(lacking) < 8
    assert [hasattr(stack, "decision_function") for stack in stacks] == [not la for la in lacking]


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_default_base_models_and_their_seeds(records):
    X, y, others, labels = records
    first, again = (ModelStacking(random_state=3).fit(X, y) for _ in "ab")
    assert [type(model) for model in first.estimators_] == [MLPClassifier, RandomForestClassifier]
    np.testing.assert_array_equal(first.predict_proba(others), again.predict_proba(others))
    assert first.score(others, labels) > 0.6


def test_parameters_of_base_models_are_reached():
    stack = ModelStacking([("tree", DecisionTreeClassifier()), ("bayes", GaussianNB())])
    assert stack.get_params()["tree__max_depth"] is None
    stack.set_params(tree__max_depth=4, bayes=LogisticRegression(), final_estimator=GaussianNB())
    assert stack.get_params()["tree__max_depth"] == 4
    assert isinstance(stack.get_params()["bayes"], LogisticRegression)
    assert isinstance(clone(stack).estimators[1][1], LogisticRegression)


def test_weights_go_to_every_model_of_a_stack():
    X, y = numbered(90)
    weights = np.arange(90) + 1.0
    models = [("first", Recorder()), ("second", Recorder())]
    stack = ModelStacking(models, Recorder(), random_state=0).fit(X, y, sample_weight=weights)
    fitted = [*stack.estimators_, stack.final_estimator_]
    for model, part in zip(fitted, stack.parts_, strict=True):
        np.testing.assert_array_equal(model.weights_, weights[part])


def test_metadata_is_routed_to_the_models_that_ask_for_it():
    X, y = numbered(90)
    weights = np.arange(90) + 1.0
    with config_context(enable_metadata_routing=True):
        models = [
            ("first", Recorder().set_fit_request(sample_weight=True)),
            ("second", Recorder().set_fit_request(sample_weight=False)),
        ]
        last = LogisticRegression().set_fit_request(sample_weight=False)
        stack = ModelStacking(models, last, random_state=0)
        stack.fit(X, y, sample_weight=weights)
    first, second = stack.estimators_
    np.testing.assert_array_equal(first.weights_, weights[stack.parts_[0]])
    assert second.weights_ is None


@pytest.mark.parametrize(
    ("stack", "message"),
    [
        (ModelStacking([]), r"must be a list of \(name, classifier\)"),
        (ModelStacking([GaussianNB()]), r"must hold pairs \(name, classifier\)"),
        (ModelStacking([("a", GaussianNB()), ("a", GaussianNB())]), "not unique"),
        (ModelStacking([("a", GaussianNB)]), "'a' is no classifier"),
        (ModelStacking([("a", LinearSVC())]), r"CalibratedClassifierCV\(LinearSVC"),
        (ModelStacking("two"), r"must be a list of \(name, classifier\)"),
        (ModelStacking(final_estimator=1), "'final_estimator' parameter of ModelStacking"),
        (ModelStacking([("net__1", GaussianNB())]), "must not contain __"),
    ],
)
def test_base_models_that_will_not_do(stack, message):
    with pytest.raises(ValueError, match=message):
        stack.fit(*numbered(60))


def test_too_few_records_for_thirds():
    X, _ = numbered(60)
    y = np.zeros(60, dtype=int)
    y[:2] = 1
    with pytest.raises(ValueError, match=r"at least 3 records of each of two classes, got \[58, 2"):
        recording_stack().fit(X, y)
    y[:3] = 1
    assert recording_stack().fit(X, y).classes_.tolist() == [0, 1]


@pytest.mark.parametrize("place", ["first", "final_estimator"])
def test_the_model_that_takes_no_weights_is_named(place):
    X, y = numbered(90)
    stack = recording_stack().set_params(**{place: KNeighborsClassifier()})
    with pytest.raises(ValueError, match="sample_weight is to be passed to fit of KNeighbors"):
        stack.fit(X, y, sample_weight=np.ones(90))


# Soft labels.


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
    model = train_on_posteriors(student, data, posteriors, classes, np.random.RandomState(0))
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


# Distillation.


def test_the_student_never_sees_a_training_record_or_a_label():
    X, y = numbered(100, n_classes=2)

    class Seen(Unanimous):
        pass

    fitted = Distillation(Seen(), Recorder(), reference_size=0.3, random_state=0).fit(X, y)
    assert len(fitted.estimator_.seen_) == 30
    given = np.arange(200, 240.0)
    X_reference = np.column_stack([given, np.cos(given)])
    fitted = Distillation(Seen(), Recorder(), random_state=0).fit(X, y, X_reference)
    assert sorted(fitted.estimator_.seen_) == given.tolist()
    np.testing.assert_allclose(fitted.estimator_.shares_[1], (X_reference[:, 1] > 0).mean())


def test_distillation_with_given_records_learns_the_teacher(records):
    X, y, others, _ = records
    fitted = Distillation(LogisticRegression(), LogisticRegression(C=1e6)).fit(X, y, others)
    teacher = LogisticRegression().fit(X, y)
    np.testing.assert_allclose(fitted.predict_proba(X), teacher.predict_proba(X), atol=0.01)


def test_temperature_makes_the_taught_posteriors_even(records):
    X, y, others, _ = records
    warm = Distillation(LogisticRegression(), LogisticRegression(C=1e6), temperature=3.0)
    teacher = LogisticRegression().fit(X, y)
    expected = teacher.predict_proba(X) ** (1 / 3)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(warm.fit(X, y, others).predict_proba(X), expected, atol=0.01)


def test_what_a_student_has_is_known_before_it_is_fitted():
    assert not hasattr(Distillation(LogisticRegression(), GaussianNB()), "decision_function")
    assert hasattr(Distillation(GaussianNB(), LogisticRegression()), "decision_function")
    assert hasattr(SELENA(LogisticRegression()), "decision_function")
    assert not hasattr(SELENA(LogisticRegression(), distill=False), "decision_function")


def test_teachers_need_posteriors(records):
    X, y, _, _ = records
    for defense in (Distillation(LinearSVC()), SELENA(LinearSVC())):
        with pytest.raises(ValueError, match=r"CalibratedClassifierCV\(LinearSVC"):
            defense.fit(X, y)
    PATE(LinearSVC(), n_teachers=2, random_state=0).fit(X, y)


@pytest.mark.parametrize("option", [{"temperature": 0}, {"reference_size": 1.0}, {"student": 3}])
def test_distillation_options_out_of_range(option, records):
    X, y, _, _ = records
    with pytest.raises(ValueError, match=next(iter(option))):
        Distillation(GaussianNB(), **option).fit(X, y)


@pytest.mark.parametrize("defense", [Distillation(GaussianNB()), PATE(GaussianNB())])
def test_reference_records_that_are_training_records_are_named(defense, records):
    X, y, others, _ = records
    with pytest.raises(ValueError, match=r"1 of its 3 rows are there too: 1"):
        defense.fit(X, y, np.vstack([others[0], X[5], others[1]]))


# PATE.


def hockey_stick(epsilon, mu):
    """Integrate max(0, p - e^epsilon q) of two normal densities mu apart."""
    start = epsilon / mu + mu / 2

    def integrand(x):
        return norm.pdf(x, mu) - np.exp(epsilon) * norm.pdf(x)

    return quad(integrand, start, max(start, mu) + 40, epsabs=1e-15, limit=500, points=[mu])[0]


@pytest.mark.parametrize("mu", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0, 5.0])
def test_delta_is_the_hockey_stick_divergence(mu, epsilon):
    expected = hockey_stick(epsilon, mu)
    np.testing.assert_allclose(np.exp(log_delta_of(epsilon, mu)), expected, rtol=1e-5, atol=1e-13)


def test_known_delta():
    assert np.exp(log_delta_of(1.0, 1.0)) == pytest.approx(0.126936737507, rel=1e-10)


@pytest.mark.parametrize("mu", [1e-3, 0.1, 1.0, 10.0, 1000.0])
@pytest.mark.parametrize("delta", [1e-12, 1e-5, 1e-2])
def test_epsilon_round_trips(mu, delta):
    epsilon = epsilon_of(mu, delta)
    if epsilon == 0:
        assert 2 * norm.cdf(mu / 2) - 1 <= delta
    else:
        assert log_delta_of(epsilon, mu) == pytest.approx(np.log(delta), abs=1e-4)
        assert mu_of(epsilon, delta) == pytest.approx(mu, rel=1e-6)


def test_a_normal_tail_bounds_epsilon():
    """Against the looser textbook conversion of zero-concentrated privacy."""
    for mu in (0.5, 2.0, 20.0):
        loose = mu**2 / 2 + mu * np.sqrt(2 * np.log(1e5))
        assert 0.3 * loose < epsilon_of(mu, 1e-5) < loose


def pate(X, y, **options):
    options = {"n_teachers": 5, "random_state": 0, **options}
    return PATE(Unanimous(), Recorder(), **options).fit(X, y)


def test_epsilon_of_noisy_votes():
    X, y = numbered(300, n_classes=2)
    fitted = pate(X, y, noise=4.0, n_queries=50)
    assert fitted.n_queries_ == 50
    assert len(fitted.estimator_.seen_) == 50
    # Fifty votes that each move by the root of two, under noise of four votes.
    mu = np.sqrt(100) / 4
    assert log_delta_of(fitted.epsilon_, mu) == pytest.approx(np.log(1e-5))
    asked = pate(X, y, epsilon=fitted.epsilon_, n_queries=50)
    assert asked.noise_ == pytest.approx(4.0)
    assert asked.epsilon_ == pytest.approx(fitted.epsilon_)
    assert pate(X, y, noise=4.0).epsilon_ > fitted.epsilon_
    assert pate(X, y, noise=4.0, n_queries=50, delta=1e-3).epsilon_ < fitted.epsilon_


def test_noise_that_nobody_named():
    X, y = numbered(300, n_classes=2)
    fitted = pate(X, y)
    assert fitted.noise_ == 0.5
    assert fitted.n_queries_ == 90
    assert np.isfinite(fitted.epsilon_)


def test_unanimous_teachers_without_noise_are_believed():
    X, y = numbered(400, n_classes=2)
    fitted = pate(X, y, noise=0)
    assert fitted.epsilon_ == np.inf
    assert fitted.agreement_ == 1.0
    asked = X[fitted.estimator_.seen_]
    np.testing.assert_allclose(fitted.estimator_.shares_[1], (asked[:, 1] > 0).mean())


def test_much_noise_drowns_the_votes():
    X, y = numbered(6000, n_classes=2)
    X[:, 1] = 1.0
    fitted = pate(X, y, noise=1e6, reference_size=0.5)
    # All teachers vote 1; of 3000 labels half are 0.
    np.testing.assert_allclose(fitted.estimator_.shares_, 0.5, atol=0.05)
    assert pate(X, y, noise=0.1).estimator_.classes_.tolist() == [1]


def test_teachers_have_parts_of_their_own_that_labels_do_not_decide():
    X, y = numbered(103, n_classes=3)
    seen = []

    class Watched(Recorder):
        def fit(self, X, y):
            super().fit(X, y)
            seen.append(self.seen_)
            return self

    def parts(labels):
        seen.clear()
        defense = PATE(Watched(), GaussianNB(), n_teachers=7, reference_size=0.2, random_state=0)
        defense.fit(X, labels)
        return [part.tolist() for part in seen]

    first = parts(y)
    assert sorted(len(part) for part in first) == [11] * 2 + [12] * 5
    everyone = np.concatenate(first)
    assert len(np.unique(everyone)) == len(everyone) == 82
    changed = y.copy()
    changed[first[2][0]] = (changed[first[2][0]] + 1) % 3
    assert parts(changed) == first


def test_teachers_of_one_class_vote_for_it():
    X, y = numbered(60, n_classes=2)
    y[:] = 0
    y[[3, 17, 40]] = 1
    fitted = PATE(LogisticRegression(), n_teachers=20, noise=0, random_state=0).fit(X, y)
    assert fitted.predict_proba(X).shape == (60, 2)
    assert (fitted.predict(X) == 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": 1.0, "epsilon": 1.0}, "give one of them"),
        ({"epsilon": 0}, "'epsilon' parameter of PATE"),
        ({"epsilon": -1.0}, "'epsilon' parameter of PATE"),
        ({"noise": -1.0}, "'noise' parameter of PATE"),
        ({"noise": np.inf}, "'noise' parameter of PATE"),
        ({"delta": 0.0}, "'delta' parameter of PATE"),
        ({"n_teachers": 1}, "'n_teachers' parameter of PATE"),
        ({"n_teachers": 71}, "at least 71 records beside the reference records"),
        ({"n_queries": 31}, "there are 30 reference records"),
    ],
)
def test_pate_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        pate(*numbered(100, n_classes=2), **options)


def test_a_record_per_teacher_will_do():
    assert pate(*numbered(100, n_classes=2), n_teachers=70).n_queries_ == 30


# SELENA.


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


@pytest.mark.parametrize("estimator", [GaussianNB(), DecisionTreeClassifier()])
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


# Estimators of other kinds.


def test_labels_with_gaps_where_an_estimator_wants_them_without():
    class Strict(Recorder):
        def fit(self, X, y):
            if not np.array_equal(np.unique(y), np.arange(len(np.unique(y)))):
                raise ValueError("labels must be 0, 1, ...")
            return super().fit(X, y)

    X, y = numbered(30)
    data = TrainingSet(X[y != 1], y[y != 1], {})
    model = train_part(Strict(), data, np.arange(3))
    assert model.classes_.tolist() == [0, 2]
    assert set(model.predict(X)) <= {0, 2}
    with pytest.raises(ValueError, match="labels must be"):
        train_part(Strict(), TrainingSet(data.X, np.array(["a", "b"])[data.y // 2], {}), ["a", "b"])


@pytest.mark.parametrize(
    "defense",
    [
        ModelStacking([("net", None), ("bayes", GaussianNB())], random_state=0),
        Distillation(None, random_state=0),
        PATE(None, n_teachers=3, noise=0, random_state=0),
        SELENA(None, n_models=3, n_left_out=1, random_state=0),
        SELENA(None, n_models=3, n_left_out=1, distill=False, random_state=0),
    ],
    ids=lambda defense: type(defense).__name__,
)
def test_networks(defense, records):
    X, y, others, labels = records
    name = "net" if isinstance(defense, ModelStacking) else "estimator"
    net = classifier(module__n_features=6, max_epochs=10)
    defense = clone(defense).set_params(**{name: net})
    names = np.array(["north", "south", "west"])
    fitted = defense.fit(X.astype(np.float32), names[y])
    asked = others.astype(np.float32)
    assert fitted.predict_proba(asked).shape == (200, 3)
    assert fitted.score(asked, names[labels]) > 0.5
