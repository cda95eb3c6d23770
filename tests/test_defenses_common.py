"""Every defense through scikit-learn's checks, and through what defenses must keep beside."""

import pickle

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from mia_sklearn import ReferenceModels, audit
from mia_sklearn._models._trainable import configured
from mia_sklearn.base import BaseDefense
from mia_sklearn.defenses import (
    PATE,
    SELENA,
    Distillation,
    DistinctTraining,
    InputNoise,
    MemGuard,
    ModelStacking,
    RoundedPosterior,
    TemperaturePosterior,
    TopKPosterior,
    VulnerableRecordRemoval,
    all_defenses,
)
from mia_sklearn.references._sampling import training_rows
from mia_sklearn.signals import log_posteriors


def _tree():
    return DecisionTreeClassifier(min_samples_leaf=3, random_state=0)


# On three classes or more; k=2 releases all posteriors of two classes.
CHECKED = {
    "top-k": TopKPosterior(_tree(), k=2),
    "top-k, shared": TopKPosterior(_tree(), k=1, renormalize=False),
    "rounded": RoundedPosterior(_tree(), decimals=1),
    "temperature": TemperaturePosterior(LogisticRegression(), t=5),
    "MemGuard": MemGuard(_tree(), random_state=0),
    "input noise": InputNoise(_tree(), sigma=0.1, random_state=0),
    "input noise, flips": InputNoise(LogisticRegression(), sigma=0.1, flip=0.1, random_state=0),
    "removal": VulnerableRecordRemoval(
        _tree(), max_utility_loss=0.02, n_references=2, max_fits=12, random_state=0
    ),
    "removal, raw": VulnerableRecordRemoval(
        LogisticRegression(), features="raw", delta=0.1, max_fits=12, random_state=0
    ),
    "stacking": ModelStacking([("tree", _tree()), ("line", LogisticRegression())], random_state=0),
    "distillation": Distillation(LogisticRegression(), GaussianNB(), random_state=0),
    "PATE": PATE(_tree(), n_teachers=3, noise=0.1, random_state=0),
    "SELENA": SELENA(LogisticRegression(), n_models=4, n_left_out=2, random_state=0),
    "Split-AI": SELENA(_tree(), n_models=4, n_left_out=1, distill=False, random_state=0),
}
# One of each, and more of some; networks are checked in test_defenses_networks.py.
DEFENSES = {
    info.name: info.defense(_tree())
    for info in all_defenses()
    if info.source == "mia-sklearn"
    and not info.needs_networks
    and "classifier" in info.defends
    and info.name not in CHECKED
} | CHECKED
# Those that release what they are given where a parameter says so.
IDLE = {
    "top-k": TopKPosterior(_tree(), k=3),
    "rounded": RoundedPosterior(_tree(), decimals=12),
    "temperature": TemperaturePosterior(_tree(), t=1),
    "input noise": InputNoise(_tree(), sigma=0, random_state=0),
    # The records of these tests are distinct.
    "distinct": DistinctTraining(_tree()),
    # Nearly all others are neighbours: no record is vulnerable.
    "removal": VulnerableRecordRemoval(_tree(), delta=1.99, random_state=0),
}
# Checks that a defense fails for a reason.
EXCUSED: dict[type, dict[str, str]] = {}


@pytest.mark.one_for_all(TopKPosterior, ModelStacking, InputNoise, PATE)
@parametrize_with_checks(
    list(DEFENSES.values()), expected_failed_checks=lambda d: EXCUSED.get(type(d), {})
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


every_defense = pytest.mark.parametrize("name", list(DEFENSES))
# Whole audits of some; of the others, whose answers the other tests hold, in `make test-slow`.
audited_defense = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in ("top-k", "removal", "SELENA") else pytest.mark.slow)
        for name in DEFENSES
    ],
)


@pytest.fixture(scope="module")
def records():
    X, y = make_classification(
        300, 6, n_informative=4, n_classes=3, flip_y=0.1, class_sep=1.5, random_state=0
    )
    return X[:200], y[:200], X[200:], y[200:]


def check_defense_releases_one_thing(defense, X):
    """Labels, posteriors and their logarithms tell the same."""
    proba = defense.predict_proba(X)
    assert proba.shape == (len(X), len(defense.classes_))
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert (proba >= 0).all()
    np.testing.assert_array_equal(defense.predict(X), defense.classes_[proba.argmax(axis=1)])
    np.testing.assert_allclose(np.exp(defense.predict_log_proba(X)), proba, rtol=1e-6, atol=1e-12)
    np.testing.assert_array_equal(defense.predict_proba(X), proba)
    if hasattr(defense, "decision_function"):
        decision = defense.decision_function(X)
        chosen = (decision > 0).astype(int) if decision.ndim == 1 else decision.argmax(axis=1)
        np.testing.assert_array_equal(defense.classes_[chosen], defense.predict(X))


def check_defense_survives(defense, X):
    """A fitted defense answers alike when it is stored and read, and its clone is unfitted."""
    again = pickle.loads(pickle.dumps(defense))
    np.testing.assert_array_equal(again.predict_proba(X), defense.predict_proba(X))
    stored = skops.io.dumps(defense)
    trusted = skops.io.get_untrusted_types(data=stored)
    again = skops.io.loads(stored, trusted=trusted)
    np.testing.assert_array_equal(again.predict_proba(X), defense.predict_proba(X))
    fresh = clone(defense)
    assert not hasattr(fresh, "classes_")
    assert repr(fresh) == repr(clone(fresh))


@every_defense
def test_released_answers_agree(name, records):
    X, y, others, _ = records
    defense = clone(DEFENSES[name]).fit(X, y)
    for asked in (X, others):
        check_defense_releases_one_thing(defense, asked)
    check_defense_survives(defense, others)


@every_defense
def test_two_classes(name, records):
    X, y, others, _ = records
    check_defense_releases_one_thing(clone(DEFENSES[name]).fit(X, y == 1), others)


@every_defense
def test_names_instead_of_numbers(name, records):
    X, y, others, _ = records
    names = np.array(["north", "south", "west"])[y]
    by_number = clone(DEFENSES[name]).fit(X, y)
    by_name = clone(DEFENSES[name]).fit(X, names)
    assert by_name.classes_.tolist() == ["north", "south", "west"]
    np.testing.assert_allclose(by_name.predict_proba(others), by_number.predict_proba(others))
    check_defense_releases_one_thing(by_name, others)


@every_defense
def test_frames(name, records):
    X, y, others, _ = records
    columns = [f"feature {j}" for j in range(X.shape[1])]
    frame = pd.DataFrame(X, columns=columns, index=np.arange(len(X))[::-1])
    by_array = clone(DEFENSES[name]).fit(X, y)
    by_frame = clone(DEFENSES[name]).fit(frame, pd.Series(y, index=frame.index))
    assert by_frame.feature_names_in_.tolist() == columns
    asked = pd.DataFrame(others, columns=columns)
    np.testing.assert_allclose(by_frame.predict_proba(asked), by_array.predict_proba(others))
    with pytest.raises(ValueError, match="feature names should match"):
        by_frame.predict(asked.rename(columns={"feature 0": "other"}))


@every_defense
def test_in_a_pipeline_and_a_search(name, records):
    X, y, _, _ = records
    pipeline = make_pipeline(StandardScaler(), clone(DEFENSES[name]))
    search = GridSearchCV(pipeline, {}, cv=2).fit(X, y)
    assert search.best_score_ > 0.4


@audited_defense
def test_is_audited(name, records):
    X, y, others, labels = records
    defense = clone(DEFENSES[name]).fit(X, y)
    report = audit(
        defense,
        *(X, y, others, labels),
        n_references=4,
        attacks=["threshold", "lira"],
        controls=False,
        random_state=0,
        progress=False,
    )
    assert report.info["n_references"] >= 4
    assert np.isfinite(report.records["lira"]).all()


@every_defense
def test_references_are_defended_alike(name, records):
    """Each answers what the defense answers that is fitted on its records with its seed."""
    X, y, _, _ = records
    references = ReferenceModels(clone(DEFENSES[name]), 2, random_state=0).fit(X, y)
    for model in (0, 3):
        rows = training_rows(references.membership_[model], 0, int(references.seeds_[model]))
        defense = configured(DEFENSES[name], int(references.seeds_[model])).fit(X[rows], y[rows])
        answers = log_posteriors(defense, X, references.classes_).astype(np.float32)
        np.testing.assert_array_equal(references.outputs_[model], answers)


@pytest.mark.parametrize("name", list(IDLE))
def test_does_nothing_where_it_is_told_to(name, records):
    X, y, others, _ = records
    defense = clone(IDLE[name]).fit(X, y)
    expected = clone(defense.estimator).fit(X, y).predict_proba(others)
    np.testing.assert_allclose(defense.predict_proba(others), expected, rtol=1e-9, atol=1e-11)


@every_defense
def test_arguments_of_fit_reach_the_estimator(name, records):
    X, y, others, _ = records
    plain, weighted = (
        clone(DEFENSES[name]).fit(X, y, **params).predict_proba(others)
        for params in ({}, {"sample_weight": np.where(y == 0, 0.05, 1.0)})
    )
    # As a rule: where answers are labels, some of them stay.
    assert weighted[:, 0].mean() < 0.9 * plain[:, 0].mean()


@every_defense
def test_arguments_of_fit_that_are_not_taken_are_named(name, records):
    X, y, _, _ = records
    defense = clone(DEFENSES[name])
    if "estimator" not in defense.get_params(deep=False):
        pytest.skip("has no estimator= of its own")
    defense.set_params(estimator=KNeighborsClassifier())
    with pytest.raises(ValueError, match="sample_weight is to be passed to fit of KNeighbors"):
        defense.fit(X, y, sample_weight=np.ones(len(y)))


@audited_defense
def test_at_chance_where_the_model_never_saw_the_records(name):
    """Members and others are both strangers to the model: no attack has anything to find."""
    X, y = make_classification(1500, 6, n_informative=4, n_classes=3, random_state=1)
    defense = clone(DEFENSES[name]).fit(X[1000:], y[1000:])
    report = audit(
        defense,
        X[:500],
        y[:500],
        X[500:1000],
        y[500:1000],
        n_references=4,
        attacks=["threshold", "lira"],
        controls=False,
        random_state=0,
        progress=False,
        confidence=0.999,
    )
    auc = report.metrics.query("metric == 'auc' and slice == 'all'")
    assert ((auc["low"] <= 0.5) & (auc["high"] >= 0.5)).all()


def test_every_defense_is_listed():
    from mia_sklearn import defenses

    public = {getattr(defenses, name) for name in defenses.__all__}
    exported = {each for each in public if isinstance(each, type) and issubclass(each, BaseDefense)}
    # Those of regressors alone are in test_defenses_regressors.py.
    of_classifiers = {each for each in exported if "classifier" in each.defends}
    assert of_classifiers == {type(defense) for defense in DEFENSES.values()}
