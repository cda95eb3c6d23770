"""References of several defenses of one model are trained together: the same numbers, sooner."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels
from mia_sklearn._models._alike import answered, fitted, once_for_all
from mia_sklearn._models._fingerprint import fingerprint
from mia_sklearn.defenses import InputNoise, LabelOnly, RoundedPosterior, TemperaturePosterior
from mia_sklearn.references import _together, _train_all
from mia_sklearn.references._held_store import HeldStore
from mia_sklearn.selection import _ahead, compare_defenses

X, Y = make_classification(80, 4, flip_y=0.2, random_state=0)
TREE = DecisionTreeClassifier(min_samples_leaf=2)
MODELS = {
    "plain": TREE,
    "noise": InputNoise(TREE),
    "rounded": RoundedPosterior(TREE),
    "label": LabelOnly(TREE),
}
TAUGHT = {"core": None, "fit_params": None, "classes": None, "groups": None}


class Own(DecisionTreeClassifier):
    """Of nobody knows what it draws."""


class Fails(RoundedPosterior):
    def _fit(self, data):
        raise ValueError("no")


def frame(models=MODELS, **options):
    options = {"n_references": 2, "attacks": ["threshold"], "random_state": 0} | options
    found = compare_defenses(models, X, Y, progress=False, **options)
    return found.drop(columns=[name for name in found if name.endswith(("_time", "_ratio"))])


def together(estimators, cache, table=X, **options):
    first = ReferenceModels(estimators[0], 2, random_state=0, cache=cache, **options)
    return _together.train_together(first, estimators, table, Y, **TAUGHT)


@pytest.fixture
def fits(monkeypatch):
    """The trees that are trained."""
    trained, fit = [], DecisionTreeClassifier.fit

    def counted(self, *given, **params):
        trained.append(self)
        return fit(self, *given, **params)

    monkeypatch.setattr(DecisionTreeClassifier, "fit", counted)
    return trained


def test_a_comparison_finds_the_same_with_fewer_trainings(fits, monkeypatch):
    found, n = frame(), len(fits)
    fits.clear()
    monkeypatch.setattr(_ahead.Ahead, "train", lambda self, *given: None)
    pd.testing.assert_frame_equal(found, frame(), check_exact=True)
    # Two defenses and the plain model hold the same tree, in each of four references.
    assert n == len(fits) - 2 * 4


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_models_of_frames_are_those_trained_by_themselves(n_jobs):
    table = pd.DataFrame({"n": X[:, 0], "t": np.where(X[:, 1] > 0, "a", "b"), "m": X[:, 2]})
    columns = make_column_transformer((OneHotEncoder(), ["t"]), remainder="passthrough")
    model = make_pipeline(columns, LogisticRegression())
    estimators, store = [RoundedPosterior(model), TemperaturePosterior(model)], HeldStore()
    assert together(estimators, store, table, n_jobs=n_jobs) == estimators
    for each in estimators:
        alone = ReferenceModels(each, 2, random_state=0, smoothing=0.1).fit(table, Y)
        n_held = len(store._held)
        found = clone(alone).set_params(cache=store).fit(table, Y)
        assert len(store._held) == n_held
        np.testing.assert_array_equal(found.outputs_, alone.outputs_)


def test_an_interrupt_loses_nothing_that_was_trained(tmp_path, monkeypatch):
    done, each = [], _together._train_each

    def stops(sent, model, *given):
        if done:
            raise KeyboardInterrupt
        done.append(model)
        return each(sent, model, *given)

    estimators = [TREE, RoundedPosterior(TREE)]
    monkeypatch.setattr(_together, "_train_each", stops)
    with pytest.raises(KeyboardInterrupt):
        together(estimators, tmp_path)
    assert len(list(tmp_path.glob("model-*"))) == 2
    trained, train = [], _train_all.train
    monkeypatch.setattr(
        _train_all, "train", lambda sent, m, *given: trained.append(m) or train(sent, m, *given)
    )
    ReferenceModels(estimators[1], 2, random_state=0, cache=tmp_path).fit(X, Y)
    assert trained == [1, 2, 3]


def test_one_that_fails_is_left_to_its_own_audit():
    store = HeldStore()
    together([TREE, RoundedPosterior(TREE), Fails(TREE)], store)
    assert len(store._held) == 8


def test_who_shares_nothing_is_not_trained_ahead(monkeypatch):
    own = Own()
    for estimators in ([TREE, DecisionTreeClassifier(max_depth=2)], [own, RoundedPosterior(own)]):
        assert together(estimators, HeldStore()) == []
    monkeypatch.setattr(_together, "available_memory", lambda: 1_000)
    assert together([TREE, RoundedPosterior(TREE)], HeldStore()) == []


def test_other_records_or_another_layout_are_other_models():
    model = DecisionTreeClassifier(random_state=0)
    with once_for_all({fingerprint(model, "")}):
        first = fitted(DecisionTreeClassifier(random_state=0), X, Y, {})
        assert fitted(DecisionTreeClassifier(random_state=0), X, Y, {}) is first
        for table, labels in ((np.asfortranarray(X), Y), (X + 1, Y), (X, 1 - Y)):
            assert fitted(DecisionTreeClassifier(random_state=0), table, labels, {}) is not first
        assert fitted(DecisionTreeClassifier(random_state=1), X, Y, {}) is not first
        asked = []
        ask = lambda: asked.append(0) or np.zeros(2)  # noqa: E731
        answered(first, "predict", X, ask)[0] = 1
        assert not answered(first, "predict", X, ask).any() and len(asked) == 1
        answered(first, "predict_proba", X, ask)
        answered(model, "predict", X, ask)
        assert len(asked) == 3
    assert fitted(DecisionTreeClassifier(random_state=0), X, Y, {}) is not first
