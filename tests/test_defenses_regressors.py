"""Defenses around regressors, and around classifiers with several outputs."""

import pickle

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.cluster import KMeans
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from mia_sklearn import ReferenceModels, audit, observe
from mia_sklearn._models._trainable import configured
from mia_sklearn.base import KINDS
from mia_sklearn.defenses import (
    SELENA,
    Distillation,
    DistinctTraining,
    InputNoise,
    RoundedPrediction,
    VulnerableRecordRemoval,
    all_defenses,
)
from mia_sklearn.metrics import roc_auc
from mia_sklearn.references._sampling import training_rows

pytestmark = pytest.mark.usefixtures("few_rounds")

X, Y = load_diabetes(return_X_y=True)
X, Y = X[:160], Y[:160] + np.linspace(0, 0.1, 160)
OTHERS = X[120:]
X_TRAIN, Y_TRAIN = X[:120], Y[:120]
BOTH = np.column_stack([Y_TRAIN, X_TRAIN[:, 2]])


def _tree():
    return DecisionTreeRegressor(min_samples_leaf=3, random_state=0)


DEFENSES = {
    "rounded numbers": RoundedPrediction(_tree()),
    "rounded numbers, digits": RoundedPrediction(_tree(), digits=2),
    "input noise": InputNoise(_tree(), sigma=0.2, random_state=0),
    "distinct": DistinctTraining(_tree()),
    "removal": VulnerableRecordRemoval(Ridge(), n_references=2, max_fits=12, random_state=0),
    "removal, raw": VulnerableRecordRemoval(
        Ridge(), features="raw", delta=0.3, max_fits=12, random_state=0
    ),
    "distillation": Distillation(LinearRegression(), Ridge(), random_state=0),
    "SELENA": SELENA(_tree(), n_models=4, n_left_out=2, random_state=0),
    "Split-AI": SELENA(_tree(), n_models=4, n_left_out=1, distill=False, random_state=0),
}
# Those that release what they are given where a parameter says so.
IDLE = {
    "rounded numbers": RoundedPrediction(_tree(), step=1e-9),
    "input noise": InputNoise(_tree(), sigma=0, random_state=0),
    "distinct": DistinctTraining(_tree()),
    "removal": VulnerableRecordRemoval(_tree(), delta=1.99, random_state=0),
}
OURS = [info for info in all_defenses() if info.source == "mia-sklearn"]
every_defense = pytest.mark.parametrize("name", list(DEFENSES))


@pytest.mark.one_for_all.with_args(RoundedPrediction)
@parametrize_with_checks(list(DEFENSES.values()))
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_every_defense_of_regressors_is_here():
    able = {info.defense for info in OURS if "regressor" in info.defends}
    assert able == {type(defense) for defense in DEFENSES.values()}
    assert all(set(info.defends) <= set(KINDS) for info in OURS)


@every_defense
def test_it_is_a_regressor(name):
    defense = clone(DEFENSES[name])
    assert is_regressor(defense)
    assert not is_classifier(defense)
    defense.fit(X_TRAIN, Y_TRAIN)
    predicted = defense.predict(OTHERS)
    assert predicted.shape == (40,)
    assert defense.score(OTHERS, Y[120:]) == r2_score(Y[120:], predicted)
    absent = ("predict_proba", "predict_log_proba", "decision_function", "classes_")
    assert not any(hasattr(defense, answer) for answer in absent)
    again = pickle.loads(pickle.dumps(defense))
    np.testing.assert_array_equal(again.predict(OTHERS), predicted)
    stored = skops.io.dumps(defense)
    again = skops.io.loads(stored, trusted=skops.io.get_untrusted_types(data=stored))
    np.testing.assert_array_equal(again.predict(OTHERS), predicted)
    assert not hasattr(clone(defense), "estimator_")


@every_defense
def test_several_numbers(name):
    defense = clone(DEFENSES[name]).fit(X_TRAIN, BOTH)
    predicted = defense.predict(OTHERS)
    assert predicted.shape == (40, 2)
    by_frame = clone(DEFENSES[name]).fit(X_TRAIN, pd.DataFrame(BOTH, columns=["a", "b"]))
    # Sums of a table by columns and by rows differ in the last digit.
    np.testing.assert_allclose(by_frame.predict(OTHERS), predicted, rtol=1e-9)
    # Standardised features of both: a little more than chance of each.
    assert defense.score(X_TRAIN, BOTH) > 0.1


@every_defense
def test_frames(name):
    frame = pd.DataFrame(X_TRAIN).add_prefix("x")
    by_array = clone(DEFENSES[name]).fit(X_TRAIN, Y_TRAIN)
    by_frame = clone(DEFENSES[name]).fit(frame, pd.Series(Y_TRAIN, index=frame.index))
    assert by_frame.feature_names_in_.tolist() == frame.columns.tolist()
    asked = pd.DataFrame(OTHERS).add_prefix("x")
    np.testing.assert_allclose(by_frame.predict(asked), by_array.predict(OTHERS))


@every_defense
def test_in_a_pipeline_and_a_search(name):
    pipeline = make_pipeline(StandardScaler(), clone(DEFENSES[name]))
    search = GridSearchCV(pipeline, {}, cv=2).fit(X_TRAIN, Y_TRAIN)
    assert search.best_score_ == search.cv_results_["mean_test_score"][0]
    assert np.isfinite(search.best_score_)


@every_defense
def test_references_are_defended_alike(name):
    """Each answers what the defense answers that is fitted on its records with its seed."""
    references = ReferenceModels(clone(DEFENSES[name]), 2, random_state=0).fit(X_TRAIN, Y_TRAIN)
    rows = training_rows(references.membership_[1], 0, int(references.seeds_[1]))
    defense = configured(DEFENSES[name], int(references.seeds_[1]))
    predicted = defense.fit(X_TRAIN[rows], Y_TRAIN[rows]).predict(X_TRAIN)
    np.testing.assert_allclose(references.outputs_[1, :, 0], Y_TRAIN - predicted, rtol=1e-5)


@every_defense
def test_weights_reach_the_estimator(name):
    light = np.where(np.median(Y_TRAIN) < Y_TRAIN, 0.05, 1.0)
    if name == "distillation":
        pytest.skip("its student is given none")
    plain, weighted = (
        clone(DEFENSES[name]).fit(X_TRAIN, Y_TRAIN, **params).predict(OTHERS).mean()
        for params in ({}, {"sample_weight": light})
    )
    assert weighted < plain


@pytest.mark.parametrize("name", list(IDLE))
def test_does_nothing_where_it_is_told_to(name):
    defense = clone(IDLE[name]).fit(X_TRAIN, Y_TRAIN)
    expected = clone(defense.estimator).fit(X_TRAIN, Y_TRAIN).predict(OTHERS)
    np.testing.assert_allclose(defense.predict(OTHERS), expected, rtol=1e-9)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=pytest.mark.thorough if name == "input noise" else pytest.mark.slow
        )
        for name in DEFENSES
    ],
)
def test_is_audited(name):
    defense = clone(DEFENSES[name]).fit(X_TRAIN[:80], Y_TRAIN[:80])
    given = X_TRAIN[:80], Y_TRAIN[:80], X[80:], Y[80:]
    report = audit(defense, *given, n_references=4, random_state=0, progress=False)
    assert report.info["release"] == "predictions"
    assert np.isfinite(report.records["stacked"]).all()


@pytest.mark.parametrize(
    "info",
    [info for info in OURS if "regressor" not in info.defends and not info.needs_networks],
    ids=lambda info: info.class_name,
)
def test_others_are_refused_by_name(info):
    parts = [("tree", _tree())] if info.name == "stacking" else _tree()
    able = ", ".join(sorted({type(defense).__name__ for defense in DEFENSES.values()}))
    with pytest.raises(ValueError, match="does not defend regressors") as raised:
        info.defense(parts).fit(X_TRAIN, Y_TRAIN)
    assert str(raised.value).startswith(info.class_name)
    for name in able.split(", "):
        assert name in str(raised.value)


BAD = {
    "classifier": (RoundedPrediction(DecisionTreeClassifier()), "does not defend classifiers"),
    "neither": (InputNoise(KMeans()), "must be a classifier or regressor"),
    "student": (Distillation(_tree(), LogisticRegression()), "student of .* must be a regressor"),
    "softened": (Distillation(_tree(), temperature=2.0), "temperature=2.0 softens posteriors"),
    "both": (RoundedPrediction(_tree(), 1.0, digits=1), "decide the same thing"),
    "steps": (RoundedPrediction(_tree(), [1.0, 2.0]), "one for each of 1 outputs"),
    "no step": (RoundedPrediction(_tree(), [0.0]), "step must be a number above 0"),
    "no numbers": (InputNoise(_tree()), "must hold numbers"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused(case):
    defense, message = BAD[case]
    y = Y_TRAIN.astype(str) if case == "no numbers" else Y_TRAIN
    with pytest.raises(ValueError, match=message):
        defense.fit(X_TRAIN, y)


def test_a_student_of_numbers_is_refused_by_a_teacher_of_labels():
    with pytest.raises(ValueError, match="student of Distillation must be a classifier"):
        Distillation(LogisticRegression(), Ridge()).fit(X_TRAIN, Y_TRAIN > 100)


def test_nothing_is_left_of_another_kind():
    defense = InputNoise(DecisionTreeClassifier(), random_state=0).fit(X_TRAIN, Y_TRAIN > 100)
    defense.set_params(estimator=_tree()).fit(X_TRAIN, Y_TRAIN)
    assert not hasattr(defense, "classes_")
    assert is_regressor(defense)


@pytest.mark.parametrize("kind", [InputNoise, DistinctTraining])
def test_several_labels(kind):
    labels = np.column_stack([Y_TRAIN > 100, X_TRAIN[:, 2] > 0])
    defense = kind(DecisionTreeClassifier(max_depth=3, random_state=0)).fit(X_TRAIN, labels)
    assert [known.tolist() for known in defense.classes_] == [[False, True]] * 2
    assert defense.predict(X_TRAIN).shape == labels.shape
    assert [answer.shape for answer in defense.predict_proba(OTHERS)] == [(40, 2)] * 2
    assert defense.score(X_TRAIN, labels) == accuracy_score(labels, defense.predict(X_TRAIN))
    assert is_classifier(defense)
    with pytest.raises(ValueError, match=r"multi-output classifiers \(y has 2 columns\).*InputN"):
        SELENA(DecisionTreeClassifier()).fit(X_TRAIN, labels)


class _Echo(LinearRegression):
    """Answers the first feature."""

    def predict(self, X):
        return X[:, 0]


def test_numbers_are_rounded():
    asked = np.array([[0.04], [-12.5], [37.49], [1234.0], [0.0], [0.25]])

    def rounded(*args, **options):
        return RoundedPrediction(_Echo(), *args, **options).fit(asked, asked[:, 0]).predict(asked)

    assert rounded(5).tolist() == [0, -10, 35, 1235, 0, 0]
    assert rounded(0.1).tolist() == [0, -12.5, 37.5, 1234, 0, 0.2]
    assert rounded(digits=1).tolist() == [0.04, -10, 40, 1000, 0, 0.2]
    assert rounded(digits=3).tolist() == [0.04, -12.5, 37.5, 1230, 0, 0.25]
    # Half of the standard deviation, 228.4, is rounded down.
    assert RoundedPrediction(_Echo()).fit(asked, asked[:, 0]).step_.tolist() == [200.0]
    model = RoundedPrediction(LinearRegression(), [10, 0.5]).fit(X_TRAIN, BOTH)
    predicted = model.predict(OTHERS) / [10, 0.5]
    np.testing.assert_allclose(predicted, np.rint(predicted), atol=1e-9)


def test_rounding_hides_exact_answers():
    """The wider the step, the less a tree's zero residuals tell."""
    member = np.arange(160) % 2 == 0
    tree = DecisionTreeRegressor(random_state=0)

    def auc(step):
        model = RoundedPrediction(tree, step).fit(X[member], Y[member])
        return roc_auc(member, observe(model, X, Y)["logit"]).value

    exact, coarse, coarser = (auc(step) for step in (1e-6, 50.0, 100.0))
    assert exact > 0.99
    assert coarse < exact - 0.05
    assert coarser < coarse - 0.05


def test_a_student_never_saw_the_members():
    """The members' targets are noise: only who memorised them answers them."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 3)), rng.normal(size=400)
    member = np.arange(400) < 200
    nearest = KNeighborsRegressor(1)

    def auc(model):
        model.fit(X[member], y[member])
        return roc_auc(member, observe(model, X, y)["logit"]).value

    assert auc(nearest) > 0.99
    selena = SELENA(DecisionTreeRegressor(), n_models=4, n_left_out=2, random_state=0)
    for defense in (selena, selena.set_params(distill=False)):
        assert auc(defense) < 0.6
    X_reference = rng.normal(size=(200, 3))
    student = Distillation(nearest, random_state=0).fit(X[member], y[member], X_reference)
    assert roc_auc(member, observe(student, X, y)["logit"]).value < 0.9


def test_outliers_are_removed():
    odd = np.vstack([X_TRAIN, -10 * X_TRAIN.mean(axis=0) + 5])
    model = VulnerableRecordRemoval(
        KNeighborsRegressor(3), delta=0.1, features="raw", max_utility_loss=1.0, random_state=0
    ).fit(odd, np.append(Y_TRAIN, 100.0))
    assert model.score_after_ >= model.score_before_ - 1.0
    assert np.isfinite(model.score_before_)


@pytest.mark.thorough
def test_private_regressors_are_compared():
    models = pytest.importorskip("diffprivlib.models")
    from mia_sklearn.selection import compare_defenses

    bounds = (X.min(axis=0), X.max(axis=0))
    private = models.LinearRegression(epsilon=1.0, bounds_X=bounds, bounds_y=(0, 400))
    compared = {"undefended": LinearRegression(), "private": private}
    frame = compare_defenses(compared, X, Y, n_references=2, random_state=0, progress=False)
    assert (frame["error"] == "").all()
    assert frame["test_score"].is_monotonic_decreasing


def test_whole_numbers_are_taught_as_they_are_predicted():
    """A teacher's answers between whole numbers are not cut off."""
    whole = np.rint(Y_TRAIN).astype(int)
    constant = Distillation(Ridge(alpha=1e9), Ridge(alpha=1e9), random_state=0).fit(X_TRAIN, whole)
    assert not np.allclose(constant.predict(OTHERS), np.rint(constant.predict(OTHERS)), atol=1e-4)
