"""Copies of records that differ as each feature may."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import spearmanr

from mia_sklearn._observations._neighborhood import perturbed_copies
from mia_sklearn._records._perturbation import Perturbation

N_COPIES = 50


def copies(X, *, noise=0.1, flip=0.1, n=N_COPIES, rows=None, seed=0):
    rows = np.arange(len(X)) if rows is None else rows
    return Perturbation(X, noise, flip)(rows, n, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "income": rng.normal(size=200),
            "age": rng.integers(17, 90, size=200),
            "sex": rng.choice(["f", "m"], size=200),
            "grade": pd.Categorical(rng.choice(["a", "b", "c"], size=200)),
            "code": pd.Categorical(rng.choice([0, 1], size=200)),
            "flag": rng.choice([True, False], size=200),
            "since": pd.to_datetime(rng.choice(["2020-01-01", "2021-01-01"], size=200)),
            "count": pd.array(rng.integers(100, size=200), dtype="Int64"),
        },
        index=np.arange(200)[::-1],
    )


def test_numbers_get_noise_of_their_own_scale():
    X = np.random.default_rng(0).normal(size=(200, 2)) * [1, 1000]
    X[0] = X.max(axis=0)
    difference = copies(X) - np.repeat(X, N_COPIES, axis=0)
    middle = (np.abs(X) < 2 * X.std(axis=0)).all(axis=1).repeat(N_COPIES)
    # The mean square of scales that are log-uniform from a thirtieth of the largest up.
    expected = 0.1 * X.std(axis=0) * np.sqrt((1 - 30**-2) / (2 * np.log(30)))
    np.testing.assert_allclose(difference[middle].std(axis=0), expected, rtol=0.05)
    # The features of a copy share its scale.
    sizes = np.abs(difference[middle] / X.std(axis=0))
    assert spearmanr(*sizes.T).statistic > 0.3
    # Within the data: nobody is larger than the largest.
    assert (copies(X).max(axis=0) == X.max(axis=0)).all()


def test_binary_features_flip_at_their_rate():
    X = np.random.default_rng(0).choice([-0.5, 2.0], size=(100, 40)).astype(np.float32)
    table = copies(X, flip=0.02)
    changed = table != np.repeat(X, N_COPIES, axis=0)
    assert changed.mean() == pytest.approx(0.02, rel=0.1)
    assert set(np.unique(table)) == {-0.5, 2.0}
    assert table.dtype == X.dtype
    # Every place alike: no feature and no record is passed over.
    assert changed.mean(axis=0).min() > 0.005
    assert changed.reshape(100, -1).mean(axis=1).min() > 0.005


def test_values_of_a_set_become_another_each_alike():
    X = np.random.default_rng(0).choice([1, 2, 5, 9], size=(400, 1))
    before, after = np.repeat(X[:, 0], N_COPIES), copies(X, flip=0.3)[:, 0]
    assert (before != after).mean() == pytest.approx(0.3, rel=0.05)
    shares = pd.Series(after[(before == 1) & (after != 1)]).value_counts(normalize=True)
    assert set(shares.index) == {2, 5, 9}
    np.testing.assert_allclose(shares, 1 / 3, atol=0.03)
    assert after.dtype == X.dtype


def test_indicators_of_one_category_move_together():
    rng = np.random.default_rng(0)
    X = np.hstack([rng.normal(size=(200, 1)), np.eye(4)[rng.integers(4, size=200)]])
    table = copies(X, noise=0, flip=0.2)
    assert (table[:, 1:].sum(axis=1) == 1).all()
    moved = table[:, 1:].argmax(axis=1) != np.repeat(X[:, 1:].argmax(axis=1), N_COPIES)
    assert moved.mean() == pytest.approx(0.2, rel=0.1)
    np.testing.assert_array_equal(table[:, 0], np.repeat(X[:, 0], N_COPIES))


def test_frames_keep_their_columns_types_and_values(frame):
    table = copies(frame, flip=0.3)
    assert table.dtypes.equals(frame.dtypes)
    assert list(table.columns) == list(frame.columns)
    assert len(table) == len(frame) * N_COPIES
    for name in ("sex", "grade", "code", "flag", "since"):
        assert set(table[name]) == set(frame[name])
    for name in frame:
        same = table[name].to_numpy() == frame[name].repeat(N_COPIES).to_numpy()
        assert 0 < same.mean() < 1 or name == "income"
    assert table["age"].between(frame["age"].min(), frame["age"].max()).all()


def test_nothing_changes_without_noise_and_flips(frame):
    table = copies(frame, noise=0, flip=0, n=2)
    expected = frame.loc[frame.index.repeat(2)].reset_index(drop=True)
    pd.testing.assert_frame_equal(table, expected)
    X = frame.to_numpy(dtype=object)
    np.testing.assert_array_equal(copies(X, noise=0, flip=0, n=2), np.repeat(X, 2, axis=0))


def test_all_values_change_where_they_must(frame):
    table = copies(frame, noise=0, flip=1, n=1)
    for name in ("sex", "grade", "code", "flag", "since"):
        assert (table[name].to_numpy() != frame[name].to_numpy()).all()


def test_missing_values_stay_missing_and_alone(frame):
    X = frame.copy()
    gone = np.arange(len(X)) % 5 == 0
    for name in ("income", "sex", "grade", "count", "since"):
        X[name] = X[name].mask(gone)
    table = copies(X, flip=0.5)
    np.testing.assert_array_equal(table.isna(), X.isna().to_numpy().repeat(N_COPIES, axis=0))
    numbers = np.random.default_rng(0).normal(size=(50, 2))
    numbers[3, 0], numbers[4, 1] = np.nan, np.inf
    table = copies(numbers)
    assert np.isnan(table[:, 0]).nonzero()[0].tolist() == list(range(150, 200))
    assert np.isinf(table[:, 1]).nonzero()[0].tolist() == list(range(200, 250))


def test_whole_numbers_and_shapes_are_kept():
    images = np.random.default_rng(0).integers(256, size=(20, 8, 8), dtype=np.uint8)
    table = copies(images, n=3)
    assert table.shape == (60, 8, 8)
    assert table.dtype == np.uint8
    assert (np.abs(table.astype(int) - np.repeat(images, 3, axis=0)) < 60).all()
    whole = np.random.default_rng(0).integers(100, size=(50, 1)).astype(float)
    assert (copies(whole) == np.rint(copies(whole))).all()


def test_the_order_of_columns_and_the_seed_are_all_that_counts(frame):
    one, other = copies(frame), copies(frame)
    pd.testing.assert_frame_equal(one, other)
    assert not copies(frame, seed=1).equals(one)


@pytest.mark.parametrize(("n_features", "flip"), [(2, 0.1), (25, 0.04), (500, 0.02)])
def test_one_feature_of_a_copy_changes_unless_that_is_too_many_or_too_few(n_features, flip):
    X = np.random.default_rng(0).integers(2, size=(20, n_features))
    assert Perturbation(X, 0.1).flip == pytest.approx(flip)


def test_sparse_records_are_refused():
    with pytest.raises(ValueError, match=r"X is sparse.*X\.toarray\(\)"):
        Perturbation(sparse.csr_matrix(np.eye(3)), 0.1, 0.1)


def test_extreme_and_infinite_values():
    """Numbers move by a tenth of how they spread, those beside infinite ones too."""
    X = np.random.default_rng(0).uniform(-1, 1, size=(200, 2)) * [1e300, 1]
    X[::10, 1] = np.inf
    moved = copies(X, flip=0).reshape(200, N_COPIES, 2)
    assert (np.isinf(moved[::10, :, 1])).all()
    moved[::10, :, 1] = X[::10, None, 1] = 0
    assert (np.abs(moved - X[:, None]).max(axis=(0, 1)) > [1e299, 0.1]).all()
    noisy = perturbed_copies(np.where(X == 0, np.inf, X), np.arange(200) % 2, 1, 0)[0]
    assert np.isinf(noisy[::10, 1]).all()
    assert np.isfinite(noisy[1::10]).all()
    assert 0.03 < (noisy[1::10] - X[1::10])[:, 1].std() < 0.12
