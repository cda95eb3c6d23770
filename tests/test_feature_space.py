"""The space that records are drawn from, read off the data."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from mia_sklearn._records._feature_space import FeatureSpace


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.integers(17, 90, size=300),
            "income": rng.normal(size=300),
            "sex": rng.choice(["f", "m"], size=300),
            "grade": pd.Categorical(rng.choice(["a", "b", "c"], size=300)),
            "flag": rng.choice([True, False], size=300),
        }
    )


def drawings(X, space):
    rng = np.random.RandomState(0)
    return [space.uniform(500, rng), space.around(X[:1], 500, 0.5, rng)]


def test_frames_keep_their_columns_types_and_values(frame):
    space = FeatureSpace(frame)
    assert space.n_choices == 5
    for drawn in drawings(frame, space):
        assert drawn.dtypes.equals(frame.dtypes)
        assert list(drawn.columns) == list(frame.columns)
        assert drawn["age"].between(frame["age"].min(), frame["age"].max()).all()
        assert drawn["income"].between(frame["income"].min(), frame["income"].max()).all()
        for name in ("sex", "grade", "flag"):
            assert set(drawn[name]) == set(frame[name])


def test_whole_numbers_stay_whole_and_ranges_are_used_up():
    X = np.column_stack([np.arange(100), np.linspace(-1, 1, 100)]).astype(np.float32)
    drawn = FeatureSpace(X).uniform(5000, np.random.RandomState(0))
    assert drawn.dtype == np.float32
    assert (drawn[:, 0] == np.rint(drawn[:, 0])).all()
    assert set(drawn[:, 0]) == set(range(100))
    # Uniform: mean and standard deviation of a range of two.
    assert drawn[:, 1].mean() == pytest.approx(0, abs=0.05)
    assert drawn[:, 1].std() == pytest.approx(2 / np.sqrt(12), rel=0.05)


def test_few_values_are_a_set():
    X = np.random.default_rng(0).choice([-0.7, 0.1, 1.3], size=(200, 2))
    assert set(FeatureSpace(X).uniform(100, np.random.RandomState(0)).ravel()) == {-0.7, 0.1, 1.3}


def test_indicators_of_one_category_count_once_and_stay_indicators():
    rng = np.random.default_rng(0)
    X = np.hstack([rng.normal(size=(300, 2)), np.eye(4)[rng.integers(4, size=300)]])
    X = np.hstack([X, np.eye(3)[rng.integers(3, size=300)], rng.integers(2, size=(300, 1))])
    space = FeatureSpace(X)
    assert space.n_choices == 2 + 1 + 1 + 1
    for drawn in drawings(X, space):
        assert (drawn[:, 2:6].sum(axis=1) == 1).all()
        assert (drawn[:, 6:9].sum(axis=1) == 1).all()
        assert set(drawn[:, 9]) == {0, 1}


def test_nearest_returns_into_the_space():
    rng = np.random.default_rng(0)
    X = np.hstack([rng.normal(size=(300, 1)), np.eye(3)[rng.integers(3, size=300)]])
    space = FeatureSpace(X)
    low, high = space.limits()
    assert low.tolist() == [X[:, 0].min(), 0, 0, 0]
    assert high.tolist() == [X[:, 0].max(), 1, 1, 1]
    moved = space.nearest(np.array([[99.0, 0.2, 0.7, 0.1], [0.0, 0.4, 0.3, 0.3]]))
    np.testing.assert_allclose(moved, [[high[0], 0, 1, 0], [0, 1, 0, 0]])
    np.testing.assert_array_equal(space.nearest(X), X)


def test_images_keep_their_shape():
    X = np.random.default_rng(0).uniform(size=(50, 1, 4, 5)).astype(np.float32)
    space = FeatureSpace(X)
    assert space.n_choices == 20
    for drawn in drawings(X, space):
        assert drawn.shape == (500, 1, 4, 5)


def test_noise_is_as_wide_as_asked():
    X = np.random.default_rng(0).normal(size=(2000, 1))
    x = np.array([[0.0]])
    drawn = FeatureSpace(X).around(x, 4000, 0.5, np.random.RandomState(0))
    assert drawn.std() == pytest.approx(0.5, rel=0.05)


def test_draws_do_not_depend_on_the_order_of_the_rows(frame):
    other = FeatureSpace(frame[::-1]).uniform(20, np.random.RandomState(1))
    pd.testing.assert_frame_equal(FeatureSpace(frame).uniform(20, np.random.RandomState(1)), other)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (sparse.eye(3, format="csr"), "toarray"),
        (np.empty((0, 2)), "empty"),
        (np.array([[1.0, np.nan]]), "Column 1 holds missing"),
        (pd.DataFrame({"a": ["x", None]}), "Column 'a' holds missing"),
    ],
)
def test_what_cannot_be_drawn_from_is_refused(X, message):
    with pytest.raises(ValueError, match=message):
        FeatureSpace(X)


@pytest.mark.parametrize("largest", [1e20, 1e300, np.finfo(float).max])
def test_ranges_may_be_as_wide_as_numbers_are(largest):
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(100, 2)) * [largest, 1]
    for drawn in drawings(X, FeatureSpace(X)):
        assert (np.abs(drawn) <= np.abs(X).max(axis=0)).all()
        assert np.ptp(drawn[:, 0] / largest) > 0.5
