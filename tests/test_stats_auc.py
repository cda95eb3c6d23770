"""The area under the ROC curve: known value, peers' estimate, limits at the edges."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score

from mia_sklearn.stats import auc_interval


def test_known_value():
    auc, low, high = auc_interval(np.arange(500, 1500), np.arange(1000))
    assert auc == 0.875
    assert low == pytest.approx(0.86015, abs=5e-6)
    assert high == pytest.approx(0.88848, abs=5e-6)


@pytest.mark.parametrize("values", [2, 10, 10**6])
@pytest.mark.parametrize(("n1", "n0"), [(1, 1), (1, 30), (50, 70), (300, 200)])
def test_estimate_is_scikit_learns(values, n1, n0):
    rng = np.random.default_rng(n1)
    members, nonmembers = rng.integers(0, values, n1), rng.integers(0, values, n0)
    expected = roc_auc_score(np.repeat([1, 0], [n1, n0]), np.concatenate([members, nonmembers]))
    auc, low, high = auc_interval(members, nonmembers)
    assert auc == pytest.approx(expected)
    assert 0 <= low <= auc <= high <= 1


def test_interval_is_delongs_on_the_logit_scale():
    rng = np.random.default_rng(0)
    members, nonmembers = rng.integers(2, 9, 150), rng.integers(0, 8, 250)
    wins = (members[:, None] > nonmembers) + 0.5 * (members[:, None] == nonmembers)
    auc = wins.mean()
    variance = wins.mean(axis=1).var(ddof=1) / 150 + wins.mean(axis=0).var(ddof=1) / 250
    half = 1.6448536269514722 * np.sqrt(variance) / (auc * (1 - auc))
    expected = (auc, expit(logit(auc) - half), expit(logit(auc) + half))
    assert auc_interval(members, nonmembers, confidence=0.9) == pytest.approx(expected)


def test_perfect_separation_has_an_interval_that_solves_the_score_equation():
    auc, low, high = auc_interval(np.arange(50, 100), np.arange(50))
    assert (auc, high) == (1, 1)
    spread = low * (1 - low) / 2500 * (1 + 49 * ((1 - low) / (2 - low) + low / (1 + low)))
    assert (1 - low) ** 2 == pytest.approx(1.959964**2 * spread, rel=1e-5)


def test_few_misorderings_widen_delongs_interval():
    members, nonmembers = np.append(np.arange(100, 130), 50.5), np.arange(52)
    auc, low, high = auc_interval(members, nonmembers)
    assert min(31, 52) * (1 - auc) < 5
    wins = (members[:, None] > nonmembers).astype(float)
    variance = wins.mean(axis=1).var(ddof=1) / 31 + wins.mean(axis=0).var(ddof=1) / 52
    half = 1.959964 * np.sqrt(variance) / (auc * (1 - auc))
    assert low < expit(logit(auc) - half) < expit(logit(auc) + half) <= high


def test_mirrored_scores_mirror_the_interval():
    rng = np.random.default_rng(1)
    for size in (5, 200):
        members, nonmembers = rng.normal(1, 1, size), rng.normal(0, 1, 2 * size)
        auc, low, high = auc_interval(members, nonmembers)
        mirrored = auc_interval(-members, -nonmembers)
        assert mirrored == pytest.approx((1 - auc, 1 - high, 1 - low))


def test_all_tied_is_chance():
    auc, low, high = auc_interval(np.ones(20), np.ones(20))
    assert auc == 0.5
    assert 0.3 < low < 0.5 < high < 0.7


def test_a_small_side_that_shows_one_value_is_not_sure_of_it():
    # Ten of 500 members answer 1, none of 20 others: .05 of them might.
    auc, low, high = auc_interval(np.r_[np.zeros(490), np.ones(10)], np.zeros(20))
    assert auc == 0.51
    assert low < 0.45
    assert high > 0.54
    mirrored = auc_interval(np.zeros(20), np.r_[np.zeros(490), np.ones(10)])
    np.testing.assert_allclose(mirrored, (0.49, 1 - high, 1 - low), atol=1e-12)


def test_a_small_side_that_is_told_apart_is_not_unknown():
    """Most scores are one value, and members lie above it, but for one pair."""
    auc, low, high = auc_interval(np.r_[np.ones(9), 0.85], np.r_[np.zeros(69), 0.9])
    assert auc == 1 - 1 / 700
    assert 0.55 < low < 0.9 < high < 1


def test_below_half_ties_change_nothing():
    # 0/1 at one half: as DeLong has it.
    scores = np.repeat([0.0, 1.0], 25)
    auc, low, high = auc_interval(scores, scores)
    share = np.where(scores == 1, 0.75, 0.25)
    half = 1.959964 * np.sqrt(2 * share.var(ddof=1) / 50) / 0.25
    assert auc == 0.5
    np.testing.assert_allclose([low, high], 1 / (1 + np.exp([half, -half])), rtol=1e-6)


@pytest.mark.parametrize("flip", [False, True])
def test_ends_stay_in_the_range(flip):
    for n in (1, 2, 3, 7, 49):
        sides = np.full(n, 0.1) * np.arange(1, n + 1), np.full(n, -0.3) * np.arange(1, n + 1)
        auc, low, high = auc_interval(*(sides[::-1] if flip else sides))
        assert 0 <= low <= auc <= high <= 1
