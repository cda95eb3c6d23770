"""What columns of the record are of: steps in front of a model, wide tables, what is left out."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, StandardScaler, TargetEncoder
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels, audit, observe
from mia_sklearn._models._preprocessing import preprocessing_of
from mia_sklearn._observations import _record_columns
from mia_sklearn._observations._record_columns import RECORD_COLUMNS, record_columns
from mia_sklearn._observations._record_features import record_features

WORDS = np.array(["red", "green", "blue", "large", "small", "old", "new", "fast", "slow"])


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    monkeypatch.setattr(_record_columns, "_N_TREES", 20)


def texts(n=40, seed=0):
    rng = np.random.default_rng(seed)
    X = [" ".join(rng.choice(WORDS, 6)) for _ in range(n)]
    return X, np.array(["red" in text for text in X]).astype(int)


def features_of(X, estimator=None):
    return record_features(X, np.arange(len(X)), estimator, 0)


def columns_of(X, y, estimator=None, people=None):
    return record_columns(X, y, people, first=0, seed=0, estimator=estimator)


class Failing(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        raise ValueError("Anna, 3 March")

    def transform(self, X):
        return X


class Texts(Failing):
    def fit(self, X, y=None):
        self.n_ = len(X)
        return self


def named(steps):
    return [] if steps is None else [type(step).__name__ for _, step in steps.steps]


WORD = TfidfVectorizer(min_df=2)
MODEL = LogisticRegression()
FRONT = {
    "alone": (MODEL, []),
    "a vectorizer": (make_pipeline(WORD, MODEL), ["TfidfVectorizer"]),
    "nested": (make_pipeline(WORD, make_pipeline(PCA(), MODEL)), ["TfidfVectorizer", "PCA"]),
    "none": (make_pipeline("passthrough", WORD, None, MODEL), ["TfidfVectorizer"]),
    "selectors": (
        make_pipeline(WORD, VarianceThreshold(), SelectKBest(k=2), MODEL),
        ["TfidfVectorizer", "VarianceThreshold"],
    ),
    "discriminant": (make_pipeline(WORD, LinearDiscriminantAnalysis(), MODEL), ["TfidfVectorizer"]),
    "search": (GridSearchCV(make_pipeline(WORD, MODEL), {}), ["TfidfVectorizer"]),
    "calibrated": (CalibratedClassifierCV(make_pipeline(WORD, MODEL)), ["TfidfVectorizer"]),
    "all supervised": (make_pipeline(make_pipeline(SelectKBest()), MODEL), []),
    "function": (lambda X, y, seed: MODEL, []),
    "class": (LogisticRegression, []),
}


@pytest.mark.parametrize("name", FRONT)
def test_steps_in_front_of_a_model(name):
    estimator, expected = FRONT[name]
    assert named(preprocessing_of(estimator, 0)) == expected


def test_parts_that_labels_teach_are_dropped_from_composites():
    parts = make_column_transformer((TargetEncoder(), [0]), (StandardScaler(), [1]))
    model = make_pipeline(make_union(parts, SelectKBest(k=1)), MODEL)
    X = np.random.default_rng(0).normal(size=(9, 2))
    found = preprocessing_of(model, 0).fit_transform(X)
    np.testing.assert_allclose(found, StandardScaler().fit_transform(X[:, 1:]))
    assert parts.transformers[0][1].__class__ is TargetEncoder


def test_what_labels_teach_may_be_all_that_there_is():
    X = pd.DataFrame({"text": texts()[0], "size": np.arange(40.0)})
    model = make_pipeline(make_column_transformer((TargetEncoder(), ["text"])), MODEL)
    found = columns_of(X[["text"]], np.arange(40) % 2, model)
    assert found.values is None and "is no table of numbers" in found.text
    parts = make_column_transformer((TfidfVectorizer(), "text"), remainder=TargetEncoder())
    kept = features_of(X, make_pipeline(parts, MODEL))
    assert kept.values.shape == (40, len(WORDS)) and "ColumnTransformer" in kept.text


def test_texts_are_read_as_the_models_steps_make_numbers_of_them():
    X, y = texts()
    found = columns_of(X, y, make_pipeline(WORD, MODEL))
    assert found.text == "what TfidfVectorizer makes of them, fitted without labels"
    far = cdist(*[TfidfVectorizer(min_df=2).fit_transform(X).toarray()] * 2)
    np.fill_diagonal(far, np.inf)
    expected = np.sort(far, axis=1)[:, [0, 4, 19]]
    places = [RECORD_COLUMNS.index(f"difficulty_distance_{k}") for k in (1, 5, 20)]
    np.testing.assert_allclose(found.values[:, places], expected, rtol=1e-4, atol=1e-3)
    # Surely told, since one word tells it.
    assert found.values[:, RECORD_COLUMNS.index("difficulty_forest_1")].mean() > 1


def test_what_the_target_has_learned_has_no_part_in_it():
    X, y = texts()
    model = make_pipeline(TfidfVectorizer(), MODEL)
    fresh = columns_of(X, y, model)
    fitted = columns_of(X, y, model.fit(X[:3], [0, 1, 0]))
    np.testing.assert_array_equal(fresh.values, fitted.values)
    order = np.random.default_rng(0).permutation(len(X))
    moved = columns_of([X[i] for i in order], y[order], model)
    np.testing.assert_array_equal(moved.values, fresh.values[order])
    assert set(model[0].vocabulary_) == set(" ".join(X[:3]).split())


def test_of_wide_tables_few_directions_are_read():
    rng = np.random.default_rng(0)
    place = rng.normal(size=(30, 2))
    wide = (place @ rng.normal(size=(2, 1100))) / 40
    near = cdist(place, place).argsort(axis=1)[:, 1]
    for X in (wide, sparse.csr_matrix(wide), pd.DataFrame(wide)):
        found = record_features(X, np.arange(30), None, 0)
        assert found.values.shape == (30, 30)
        assert found.text == "1,100 columns, in 30 of 1,100 directions"
        assert (cdist(found.values, found.values).argsort(axis=1)[:, 1] == near).mean() > 0.8
    # What spreads much counts for no more than what spreads by 1.
    loud = np.hstack([wide, 1e6 * rng.normal(size=(30, 1)), np.full((30, 1), np.nan)])
    loud[0, -1] = np.inf
    quiet = record_features(loud, np.arange(30), None, 0).values
    assert np.isfinite(quiet).all()
    assert quiet.std(axis=0).max() < 3


def test_pictures_are_read_as_steps_flatten_them():
    rng = np.random.default_rng(0)
    X, y = rng.uniform(size=(30, 3, 3)), np.arange(30) % 2
    flat = FunctionTransformer(lambda x: x.reshape(len(x), -1))
    found = features_of(X, make_pipeline(flat, MODEL))
    np.testing.assert_allclose(found.values, X.reshape(30, 9), rtol=1e-6)
    assert columns_of(X, y, make_pipeline(flat, MODEL)).values.shape == (30, len(RECORD_COLUMNS))


LEFT_OUT = {
    "no step": (MODEL, "no step in front of the model makes numbers of them"),
    "fails": (make_pipeline(Failing(), MODEL), r"cannot be fitted alone \(ValueError\)"),
    "stay texts": (make_pipeline(Texts(), MODEL), "what Texts makes of texts or pictures is no"),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_why_texts_are_left_out(name):
    estimator, why = LEFT_OUT[name]
    X, y = texts(20)
    found = columns_of(X, y, estimator)
    assert found.values is None
    assert re.search(why, found.text)
    # Its message may quote records.
    assert "Anna" not in found.text
    # Beside texts, numbers are still read.
    frame = pd.DataFrame({"said": X, "a": np.arange(20.0)})
    beside = columns_of(frame, y, estimator)
    assert beside.values is not None
    assert "texts left out" in beside.text


def test_a_frame_with_texts_is_read_as_the_model_reads_it():
    X, _ = texts()
    frame = pd.DataFrame({"said": X, "a": 100 * np.arange(40.0)})
    parts = make_column_transformer((CountVectorizer(), "said"), ("passthrough", ["a"]))
    found = features_of(frame, make_pipeline(parts, MODEL))
    assert found.values.shape == (40, 1 + len(WORDS))
    assert "ColumnTransformer" in found.text
    assert found.values[:, -1].std() == pytest.approx(1, rel=1e-4)


def test_observations_audits_and_references_agree():
    X, y = texts(60)
    model = make_pipeline(CountVectorizer(), DecisionTreeClassifier(random_state=0))
    references = ReferenceModels(model, 2, random_state=0).fit(X, y)
    target = model.fit(X[:30], y[:30])
    seen = observe(target, X, y, references=references)
    shadow, _ = references.shadow_observations()
    names = list(RECORD_COLUMNS)
    own = seen[names].loc[shadow.index.get_level_values("row")]
    np.testing.assert_array_equal(shadow[names], own)
    np.testing.assert_array_equal(references.record_columns(), seen[names])
    options = {"n_references": 2, "controls": False, "random_state": 0, "progress": False}
    report = audit(target, X[:30], y[:30], X[30:], y[30:], attacks=["stacked"], **options)
    assert report.info["record_columns"] == references.record_features_
    assert "CountVectorizer" in report.info["record_columns"]
