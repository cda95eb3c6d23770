"""Differences of shares of the same records."""

import numpy as np
import pytest
from scipy.special import ndtri

from mia_sklearn.stats import (
    Difference,
    auc_interval,
    paired_auc_difference,
    paired_difference,
    unpaired_difference,
)


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


def test_areas_of_the_same_records_differ_by_delongs_variance():
    rng = np.random.default_rng(0)
    members, others = rng.normal(1, size=(2, 40)).round(1), rng.normal(size=(2, 30)).round(1)
    found = paired_auc_difference(tuple(members), tuple(others), confidence=0.9)
    wins = [np.sign(m[:, None] - o) / 2 + 0.5 for m, o in zip(members, others, strict=True)]
    gap = wins[0] - wins[1]
    variance = sum(
        np.var([*gap.mean(axis=axis), 1, -1], ddof=1) / (gap.shape[1 - axis] + 2) for axis in (0, 1)
    )
    half = ndtri(0.95) * np.sqrt(variance)
    assert found == pytest.approx((gap.mean(), gap.mean() - half, gap.mean() + half))
    areas = [auc_interval(m, o)[0] for m, o in zip(members, others, strict=True)]
    assert found.value == pytest.approx(areas[0] - areas[1])


def test_equal_scores_differ_by_nothing_and_still_have_a_width():
    scores = np.arange(100.0)
    found = paired_auc_difference((scores + 50, scores + 50), (scores, scores))
    assert found.value == 0
    assert -0.05 < found.low < -0.01 < 0.01 < found.high < 0.05


def test_what_both_find_easy_cancels():
    rng = np.random.default_rng(0)
    members, others = rng.normal(0.5, size=300), rng.normal(size=300)
    found = paired_auc_difference((members + 0.3, members), (others, others))
    alone = auc_interval(members, others)
    assert found.high - found.low < 0.4 * (alone[2] - alone[1])


def test_areas_are_of_the_same_records():
    with pytest.raises(ValueError, match="same records: got 3 and 2 members"):
        paired_auc_difference((np.ones(3), np.ones(2)), (np.ones(3), np.ones(3)))


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


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(60, 60), (30, 400), (500, 500)])
@pytest.mark.parametrize("gaps", [(0.0, 0.0), (1.0, 0.6), (2.9, 2.9), (2.9, 1.5)])
@pytest.mark.parametrize("kind", ["plain", "rounded", "floored"])
def test_differences_of_areas_are_covered(sizes, gaps, kind):
    rng = np.random.default_rng(0)
    alter = {"plain": np.asarray, "rounded": np.round, "floored": lambda s: np.maximum(s, 1.8)}
    share = {"plain": 0.9, "rounded": 0.3, "floored": 0.7}[kind]

    def draw(n, gaps):
        common = share * rng.normal(size=n)
        own = np.sqrt(1 - share**2) * rng.normal(size=(2, n))
        return tuple(alter[kind](common + part + gap) for part, gap in zip(own, gaps, strict=True))

    truth = paired_auc_difference(draw(200_000, gaps), draw(200_000, (0, 0))).value
    n_covered = 0
    for _ in range(1000):
        found = paired_auc_difference(draw(sizes[0], gaps), draw(sizes[1], (0, 0)))
        n_covered += found.low <= truth <= found.high
    assert n_covered >= 930
