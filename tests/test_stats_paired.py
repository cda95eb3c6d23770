"""Differences of shares of the same records."""

import numpy as np
import pytest
from scipy.special import ndtri

from mia_sklearn.stats import Difference, paired_difference, unpaired_difference


def test_interval_is_walds_after_one_more_of_either_kind():
    first, second = np.zeros((2, 50), dtype=bool)
    first[:12] = second[8:14] = True
    # 8 records more, 2 fewer.
    found = paired_difference(first, second, confidence=0.9)
    more, less = 9 / 52, 3 / 52
    half = ndtri(0.95) * np.sqrt((more + less - (more - less) ** 2) / 52)
    assert found == pytest.approx((6 / 50, more - less - half, more - less + half))


def test_no_difference_still_has_a_width():
    found = paired_difference(np.ones(100), np.ones(100))
    assert found.value == 0
    assert -0.04 < found.low < -0.01 < 0.01 < found.high < 0.04
    assert paired_difference([1], [0]).high == 1


def test_unpaired_difference_is_newcombes_of_limits():
    found = unpaired_difference(Difference(0.5, 0.2, 0.6), Difference(0.1, 0.0, 0.5))
    assert found == pytest.approx((0.4, 0.4 - np.hypot(0.3, 0.4), 0.4 + np.hypot(0.1, 0.1)))


def test_bad_input_is_named():
    for first, second in (([1, 0], [1]), ([], []), ([[1]], [[1]])):
        with pytest.raises(ValueError, match="one entry per record"):
            paired_difference(first, second)
    with pytest.raises(ValueError, match="confidence"):
        paired_difference([1], [0], confidence=95)


@pytest.mark.slow
@pytest.mark.parametrize("n", [100, 1000])
@pytest.mark.parametrize("rates", [(0.02, 0.02), (0.1, 0.02), (0.3, 0.3), (0.01, 0.0)])
def test_intervals_cover(n, rates):
    rng = np.random.default_rng(0)
    more, less = rates
    ends = []
    for _ in range(3000):
        drawn = rng.random((2, n))
        one, other = (
            paired_difference(side < more, (side >= more) & (side < more + less)) for side in drawn
        )
        ends.append((one, unpaired_difference(one, other)))
    for place, truth in enumerate((more - less, 0.0)):
        low, high = np.array([(found[place].low, found[place].high) for found in ends]).T
        assert ((low <= truth) & (truth <= high)).mean() >= 0.94
        # Each end errs at half of what both may.
        assert (low > truth).mean() <= 0.031
