"""The advantage at fixed and at chosen thresholds."""

import numpy as np
import pytest
from scipy.stats import binomtest

from mia_sklearn.stats import (
    advantage_interval,
    balanced_accuracy_interval,
    best_advantage_interval,
    difference_interval,
)


def test_known_value():
    low, high = difference_interval(60, 200, 20, 200)
    assert (low, high) == pytest.approx((0.12285, 0.27510), abs=5e-6)


@pytest.mark.parametrize("confidence", [0.8, 0.99])
@pytest.mark.parametrize(("k1", "n1", "k0", "n0"), [(0, 1, 1, 1), (7, 10, 7, 90), (0, 50, 0, 5)])
def test_interval_is_newcombes_hybrid_of_wilson(k1, n1, k0, n0, confidence):
    one, zero = (
        binomtest(k, n).proportion_ci(confidence, method="wilson") for k, n in ((k1, n1), (k0, n0))
    )
    p1, p0 = k1 / n1, k0 / n0
    expected = (
        p1 - p0 - np.hypot(p1 - one.low, zero.high - p0),
        p1 - p0 + np.hypot(one.high - p1, p0 - zero.low),
    )
    assert difference_interval(k1, n1, k0, n0, confidence=confidence) == pytest.approx(expected)


def test_fixed_threshold_counts_scores_at_the_threshold():
    members, nonmembers = np.repeat([1, 0], [60, 140]), np.repeat([1, 0], [20, 180])
    found = advantage_interval(members, nonmembers, 1)
    assert (found.n_identified, found.n_false_alarms) == (60, 20)
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.12285, 0.27510), abs=5e-6)


@pytest.mark.parametrize("values", [2, 7, 10**6])
def test_best_threshold_is_found_and_paid_for(values):
    rng = np.random.default_rng(values)
    members, nonmembers = rng.integers(0, values, 300) + values // 4, rng.integers(0, values, 120)
    best = best_advantage_interval(members, nonmembers, confidence=0.9)
    tried = [
        advantage_interval(members, nonmembers, t, confidence=0.9)
        for t in np.unique(np.concatenate([members, nonmembers]))
    ]
    assert best.value == pytest.approx(max(found.value for found in tried))
    assert best.high == pytest.approx(max(found.high for found in tried))
    slack = np.sqrt(np.log(20) / (2 * 300)) + np.sqrt(np.log(20) / (2 * 120))
    assert best.low == pytest.approx(max(0, best.value - slack))
    again = advantage_interval(members, nonmembers, best.threshold)
    assert again[-2:] == best[-2:]
    assert again.value == best.value


def test_slack_at_95_percent():
    best = best_advantage_interval(np.arange(1000, 2000), np.arange(1000))
    assert best.value == 1
    assert best.low == pytest.approx(1 - 2 * np.sqrt(np.log(40) / 2000))


def test_worse_than_chance_at_every_threshold_calls_nobody():
    best = best_advantage_interval(np.zeros(10), np.ones(10))
    assert (best.value, best.low, best.threshold) == (0, 0, np.inf)
    assert (best.n_identified, best.n_false_alarms) == (0, 0)


def test_refuses_a_nan_threshold():
    with pytest.raises(ValueError, match="`threshold` is NaN"):
        advantage_interval([1.0], [0.0], np.nan)


def test_groups_of_unequal_size_are_weighed():
    # In each class one person has nine records and another one: 10 ** 2 / 82 = 1.22 records' worth.
    y = np.repeat([0, 1], 10)
    groups = np.r_[np.zeros(9), 1, np.full(9, 2), 3]
    y_pred = np.where(np.arange(20) % 10 == 9, 1 - y, y)
    found = balanced_accuracy_interval(y, y_pred, groups=groups)
    n, share, z2 = 100 / 82, 0.9, 1.959964**2
    centre, half = share + z2 / (2 * n), np.sqrt(z2 * (share * 0.1 / n + z2 / (4 * n * n)))
    low, high = (np.array([centre - half, centre + half]) / (1 + z2 / n)).tolist()
    # Two classes of one half width: it is divided by the root of two.
    expected = (0.9, 0.9 - (0.9 - low) / np.sqrt(2), 0.9 + (high - 0.9) / np.sqrt(2))
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 19, 47, 101])
def test_ends_stay_in_the_range(n):
    for one, other in ((n, 0), (0, n), (n, n), (0, 0)):
        low, high = difference_interval(one, n, other, n)
        assert -1 <= low <= (one - other) / n <= high <= 1
    y = np.repeat([0, 1, 2], n)
    for y_pred in (y, (y + 1) % 3):
        found = balanced_accuracy_interval(y, y_pred)
        assert 0 <= found.low <= found.value <= found.high <= 1
    best = best_advantage_interval(np.full(n, 2.0), np.zeros(n))
    assert 0 <= best.low <= best.value <= best.high <= 1
