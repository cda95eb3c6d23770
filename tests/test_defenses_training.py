"""Model stacking, distillation, and what all defenses that train differently release."""

import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn.base import TrainingSet
from mia_sklearn.defenses import PATE, SELENA, Distillation, ModelStacking
from mia_sklearn.defenses._parts import train_part
from recorders import Recorder, Unanimous, numbered


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
        (ModelStacking("two"), "'estimators' parameter of ModelStacking must be an instance of"),
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


@pytest.mark.thorough
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
    pytest.importorskip("skorch")
    from nets import classifier

    name = "net" if isinstance(defense, ModelStacking) else "estimator"
    net = classifier(module__n_features=6, max_epochs=5, lr=0.5)
    defense = clone(defense).set_params(**{name: net})
    names = np.array(["north", "south", "west"])
    fitted = defense.fit(X.astype(np.float32), names[y])
    asked = others.astype(np.float32)
    assert fitted.predict_proba(asked).shape == (200, 3)
    assert fitted.score(asked, names[labels]) > 0.5
