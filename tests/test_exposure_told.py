"""Exposure told before training: known answers, and what a prediction is worth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_predict
from sklearn.utils.estimator_checks import parametrize_with_checks

from mia_sklearn.stats import auc_interval
from mia_sklearn.vulnerability import ExposureRegressor, exposure_agreement
from mia_sklearn.vulnerability._describe import RecordDescriber

RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 3))
FLIPPED = RNG.random(240) < 0.15
Y = (X[:, 0] > 0) ^ FLIPPED
RECORDS = np.column_stack([X, Y])
SMALL = {"n_trees": 5, "random_state": 0}


# Three forests of two trees, and a learner that takes no time.
@parametrize_with_checks([ExposureRegressor(estimator=Ridge(), n_trees=2, random_state=0)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_records_whose_labels_nobody_near_has_are_told():
    model = ExposureRegressor(label=-1, n_trees=20, random_state=0)
    model.fit(RECORDS[:160], FLIPPED[:160])
    predicted = model.predict(RECORDS[160:])
    found = exposure_agreement(predicted, FLIPPED[160:].astype(float), top=0.1)
    assert found.auc > 0.85
    assert found.correlation_low > 0.2
    assert model.score(RECORDS[160:], FLIPPED[160:]) == pytest.approx(found.correlation)
    blind = ExposureRegressor(**SMALL).fit(X[:160], FLIPPED[:160])
    assert blind.columns_[-4:] == ["distance_20", "feature_0", "feature_1", "feature_2"]
    assert exposure_agreement(blind.predict(X[160:]), 1.0 * FLIPPED[160:]).auc < 0.75


def test_frames_words_and_numbers_are_labels_too():
    frame = pd.DataFrame(X, columns=list("abc")).assign(city=np.where(X[:, 1] > 0, "Ulm", "Bonn"))
    words = frame.assign(income=np.where(Y, "high", "low"))
    model = ExposureRegressor(label="income", estimator=Ridge(), **SMALL)
    told = cross_val_predict(model, words, FLIPPED.astype(float), cv=3)
    assert exposure_agreement(told, FLIPPED.astype(float), top=0.1).auc > 0.8
    fitted = model.fit(words, FLIPPED)
    assert fitted.columns_[-2:] == ["log_odds_20", "moved_20"]
    # One of a class that is new is nobody's, and hard to tell.
    assert np.isfinite(fitted.predict(words.assign(income="none"))).all()
    far = np.abs(RNG.standard_cauchy(240))
    numbers = np.column_stack([X, X[:, 0] + far])
    model = ExposureRegressor(label=3, estimator=RandomForestRegressor(10, random_state=0), **SMALL)
    told = model.fit(numbers[:160], far[:160]).predict(numbers[160:])
    assert spearmanr(told, far[160:])[0] > 0.5


def test_whole_numbers_are_numbers_where_most_differ():
    far = np.round(100 * np.abs(RNG.normal(size=240)))
    numbers = np.column_stack([X, far])
    model = ExposureRegressor(label=3, **SMALL).fit(numbers, far)
    assert model.columns_[-2:] == ["error_20", "moved_20"]
    model = ExposureRegressor(label=3, **SMALL).fit(np.column_stack([X, far // 10]), far)
    assert model.columns_[-2:] == ["log_odds_20", "moved_20"]


def test_labels_of_another_kind_are_refused():
    frame = pd.DataFrame(X, columns=list("abc"))
    words = frame.assign(d=np.where(Y, "high", "low"))
    model = ExposureRegressor(label="d", **SMALL).fit(words, FLIPPED)
    with pytest.raises(ValueError, match="other kinds of values than in `fit`, such as 'high'"):
        model.predict(frame.assign(d=Y.astype(int)))


def test_a_record_is_described_without_itself():
    points = np.array([[0.0], [0.0], [1.0], [1.2], [5.0], [5.1], [9.0], [9.1]])
    labels = np.array([0, 1, 0, 0, 1, 1, 0, 1])
    found = RecordDescriber(4, np.random.RandomState(0)).fit(points, labels).columns()
    np.testing.assert_allclose(found["distance_1"], [0, 0, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1])
    np.testing.assert_allclose(found["same_1"], [0, 0, 1, 1, 1, 1, 0, 0])
    np.testing.assert_allclose(found["distance_same"][[0, 2, 4]], [1, 0.2, 0.1])
    np.testing.assert_allclose(found["distance_other"][[0, 2, 6]], [0, 1, 0.1])
    again = RecordDescriber(4, np.random.RandomState(0)).fit(points, labels)
    new = again.columns(np.array([[5.0]]), np.array([1]))
    assert new["distance_1"][0] == 0


def test_trees_that_saw_a_record_say_nothing_of_it():
    """Labels that are noise: out of bag none is told, in bag all are."""
    rng = np.random.default_rng(1)
    points, labels = rng.normal(size=(200, 2)), np.arange(200) % 2
    describer = RecordDescriber(40, np.random.RandomState(0)).fit(points, labels)
    own = describer.columns()["log_odds_1"]
    seen = describer.columns(points, labels)["log_odds_1"]
    assert abs(np.nanmean(own)) < 0.3
    assert np.nanmean(seen) > 0.7


def test_agreement_is_that_of_ranks_with_intervals():
    rng = np.random.default_rng(0)
    exposure = rng.normal(size=400)
    predicted = exposure + rng.normal(size=400)
    found = exposure_agreement(predicted, exposure, top=0.05)
    assert found.correlation == pytest.approx(spearmanr(predicted, exposure)[0])
    most = exposure >= np.sort(exposure)[-20]
    assert found[3:6] == pytest.approx(auc_interval(predicted[most], predicted[~most]))
    assert (found.n_top, found.n_others) == (20, 380)
    error = 1.959964 * np.sqrt((1 + found.correlation**2 / 2) / 397)
    assert np.arctanh(found.correlation_high) == pytest.approx(
        np.arctanh(found.correlation) + error, abs=1e-5
    )
    assert exposure_agreement(np.zeros(400), exposure).correlation == 0
    # Who is equal to the last of them belongs to them.
    assert exposure_agreement(predicted, np.r_[np.zeros(390), np.ones(10)], top=0.01).n_top == 10
    for given, why in (
        ((predicted[:3], exposure[:3]), "four at least"),
        ((predicted, np.full(400, np.nan)), "no missing"),
        ((predicted, np.zeros(400)), "none is more exposed"),
    ):
        with pytest.raises(ValueError, match=why):
            exposure_agreement(*given)
    for name in ("top", "confidence"):
        with pytest.raises(ValueError, match=f"`{name}` must lie between"):
            exposure_agreement(predicted, exposure, **{name: 1})


@pytest.mark.parametrize(
    ("table", "label", "why"),
    [
        (pd.DataFrame(RECORDS), "income", "names the column 'income'"),
        (RECORDS, "income", "no names"),
        (RECORDS, 4, "no position among 4 columns"),
        (RECORDS[:, 3:], 0, "no features"),
        (pd.DataFrame(RECORDS).mask(RECORDS > 2), None, "holds a missing value"),
    ],
)
def test_wrong_arguments_are_named(table, label, why):
    if isinstance(table, pd.DataFrame):
        table.columns = list("abcd")
    with pytest.raises(ValueError, match=why):
        ExposureRegressor(label, **SMALL).fit(table, FLIPPED)


@pytest.mark.slow
def test_nothing_is_told_where_exposure_has_nothing_to_do_with_records():
    """The interval of the AUC holds one half, and that of the correlation 0, as often as stated."""
    outside = np.zeros(2)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        records = np.column_stack([rng.normal(size=(200, 3)), rng.integers(0, 2, 200)])
        exposure = rng.random(200)
        model = ExposureRegressor(-1, n_trees=5, random_state=seed)
        model.fit(records[:100], exposure[:100])
        found = exposure_agreement(model.predict(records[100:]), exposure[100:], top=0.2)
        outside += [
            not found.correlation_low <= 0 <= found.correlation_high,
            not found.auc_low <= 0.5 <= found.auc_high,
        ]
    assert (outside <= 0.05 * 200 + 3 * np.sqrt(200 * 0.05 * 0.95)).all()
