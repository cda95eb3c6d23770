"""What inverted records are worth: like the training records, or like any of their class."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.utils import shuffle

from mia_sklearn.disclosure import Inversion, ModelInversion, inversion_contrast

X_IRIS, Y_IRIS = load_iris(return_X_y=True)


def _digits():
    X, y = shuffle(*load_digits(return_X_y=True), random_state=0)
    return X / 16, y


def _clipped(X):
    return X.clip(0, 1)


def _fit(model, X=X_IRIS, y=Y_IRIS):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clone(model).fit(X, y)


def _one_each(y, n=1):
    members = np.concatenate([np.flatnonzero(y == label)[:n] for label in np.unique(y)])
    return members, np.setdiff1d(np.arange(len(y)), members)


def _found(x, labels):
    """An inversion whose records are given."""
    n = len(labels)
    zeros = np.zeros(n, dtype=int)
    x = np.asarray(x, dtype=float)
    return Inversion(np.asarray(labels), x, zeros, zeros, zeros, np.full(n, "alpha"), "gradient")


def test_contrast_by_hand():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 6))
    y = np.repeat(["a", "b", "c"], 4)
    members, fresh = rng.normal(size=(2, 12, 6))
    contrast = inversion_contrast(_found(x, ["c", "a", "b"]), members, y, fresh, y)
    expected = [
        [np.corrcoef(x[i], table[y == label].mean(axis=0))[0, 1] for table in (members, fresh)]
        for i, label in enumerate("cab")
    ]
    differences = np.subtract(*np.transpose(expected))
    np.testing.assert_allclose(np.stack([contrast.members, contrast.fresh], axis=1), expected)
    assert contrast.value == pytest.approx(differences.mean()) == float(contrast)
    # Student's with two degrees of freedom: 4.303.
    reach = 4.302653 * differences.std(ddof=1) / np.sqrt(3)
    assert contrast.high - contrast.value == pytest.approx(reach)
    assert contrast.value - contrast.low == pytest.approx(reach)
    assert contrast.n_records.tolist() == [4, 4, 4]
    np.testing.assert_allclose(contrast.member_means[1], members[y == "a"].mean(axis=0))
    np.testing.assert_allclose(contrast.frame()["contrast"], differences)


def test_both_sides_are_cut_to_one_size():
    # The mean of 10 records correlates more than that of 2: sizes must not differ.
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 30))
    y = np.repeat([0, 1], 40)
    records = x[y] + 3 * rng.normal(size=(80, 30))
    few = np.r_[0:2, 40:42]
    many = np.setdiff1d(np.arange(80), few)
    for members, fresh in ((few, many), (many, few)):
        contrast = inversion_contrast(
            _found(x, [0, 1]), records[members], y[members], records[fresh], y[fresh]
        )
        assert contrast.n_records.tolist() == [2, 2]
        drawn = contrast.fresh if fresh is many else contrast.members
        means = [
            np.corrcoef(x[label], records[many][y[many] == label][pair].mean(axis=0))[0, 1]
            for label in (0, 1)
            for pair in rng.integers(38, size=(400, 2))
        ]
        assert drawn.mean() == pytest.approx(np.mean(means), abs=0.05)


def test_contrast_is_deterministic():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 5)), np.repeat([0, 1], 10)
    X, fresh = rng.normal(size=(2, 20, 5))
    one, two, other = (
        inversion_contrast(
            _found(x, [0, 1]), X[::5], y[::5], fresh, y, n_draws=5, random_state=seed
        )
        for seed in (0, 0, 1)
    )
    assert one.value == two.value != other.value


def test_one_class_has_no_interval():
    contrast = inversion_contrast(_found([[1.0, 2, 4]], [0]), [[1.0, 2, 3]], [0], [[3, 2, 1]], [0])
    assert np.isnan([contrast.low, contrast.high]).all()
    assert "-, -" in str(contrast)
    assert "no interval" in str(contrast)


def test_a_constant_record_resembles_nothing():
    x = np.full((2, 3), 0.1)
    X, y = np.arange(12.0).reshape(4, 3) ** 2, [0, 1, 0, 1]
    contrast = inversion_contrast(_found(x, [0, 1]), X[:2], y[:2], X[2:], y[2:])
    assert contrast.value == 0
    assert "not shown" in str(contrast)


@pytest.mark.parametrize("n", [1, 20])
def test_contrast_tells_one_record_from_many(n):
    X, y = _digits()
    members, fresh = _one_each(y, n)
    model = _fit(LogisticRegression(max_iter=500), X[members], y[members])
    found = ModelInversion(model, process=_clipped, lam=1, alpha=200).invert()
    own = inversion_contrast(found, X[members], y[members], X[fresh], y[fresh], random_state=0)
    if n == 1:
        assert own.low > 0.2
        assert "resemble the training records more" in str(own)
    else:
        assert own.high < 0.2


def test_contrast_of_others_records_is_none():
    # The model of one record per class, held against another record per class.
    X, y = _digits()
    values = []
    for seed in range(20):
        rows = np.random.default_rng(seed).permutation(len(y))
        members, rest = _one_each(y[rows])
        model = _fit(LogisticRegression(), X[rows][members], y[rows][members])
        found = ModelInversion(model, process=_clipped, lam=5, alpha=30).invert()
        own, others = _one_each(y[rows][rest])
        own, others = rows[rest][own], rows[rest][others]
        values.append(
            inversion_contrast(found, X[own], y[own], X[others], y[others], random_state=0)
        )
    missed = sum(not c.low <= 0 <= c.high for c in values)
    # 5 % of 20 intervals; more than 4 come about in 3 of 1,000 such tests.
    assert missed <= 4
    mean = np.mean([c.value for c in values])
    assert abs(mean) < 3 * np.std([c.value for c in values]) / np.sqrt(20)


@pytest.mark.slow
@pytest.mark.parametrize(("n_classes", "n"), [(5, 1), (10, 1), (10, 5), (40, 1)])
def test_nominal_rate_under_the_null(n_classes, n):
    """Records of a class are skewed and of unlike spread; members and fresh ones drawn alike."""
    rng = np.random.default_rng([n_classes, n])
    centre = rng.exponential(size=(n_classes, 25))
    spread = rng.uniform(0.3, 2, size=(n_classes, 1))
    wrong, runs = 0, 1500
    for _ in range(runs):
        y = np.repeat(np.arange(n_classes), 4 * n)
        X = centre[y] + spread[y] * rng.exponential(size=(len(y), 25))
        member = np.tile(np.arange(4 * n) < n, n_classes)
        contrast = inversion_contrast(
            _found(centre, np.arange(n_classes)), X[member], y[member], X[~member], y[~member]
        )
        wrong += not contrast.low <= 0 <= contrast.high
    # At most 5 %, but for what a few classes and skewed correlations add; and not far below.
    assert binomtest(wrong, runs, 0.065, alternative="greater").pvalue > 1e-3
    assert wrong / runs > 0.02


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inverted": np.zeros((2, 3))}, "ModelInversion.invert returns"),
        ({"X_members": np.zeros((4, 2))}, "X_members and X_fresh must have the same features"),
        ({"inverted": _found(np.eye(2), [0, 1])}, "X_members holds records of 3 features"),
        ({"y_fresh": [0, 0, 0, 0]}, "X_fresh holds no record of 1"),
        ({"y_members": [0, 1]}, "one row per record"),
        ({"X_fresh": np.full((4, 3), "a")}, "X_fresh must hold numbers"),
        ({"X_fresh": np.full((4, 3), np.inf)}, "X_fresh holds values that are NaN or infinite"),
        ({"confidence": 1.0}, "confidence"),
        ({"n_draws": 0}, "n_draws"),
    ],
)
def test_bad_contrast(change, message):
    y = [0, 1, 0, 1]
    given = {
        "inverted": _found(np.eye(2, 3), [0, 1]),
        "X_members": np.eye(4, 3),
        "y_members": y,
        "X_fresh": np.eye(4, 3),
        "y_fresh": y,
        **change,
    }
    with pytest.raises(ValueError, match=message):
        inversion_contrast(given.pop("inverted"), **given)
