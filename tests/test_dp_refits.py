"""Claims of differential privacy tested by refits: what is refuted, what stands, what is read."""

import numpy as np
import pytest

from mia_sklearn.dp import run_refits
from mia_sklearn.stats import BettingTests, TradeOff, gaussian_dp_epsilon, gaussian_dp_mu
from mia_sklearn.stats._e_values import ceilings_of, gains, nearest_points


def laplace(epsilon, sign=1):
    """Return a mechanism on a mean whose true epsilon is this."""
    return lambda member, seed: np.random.default_rng(seed).laplace() + sign * epsilon * member


def gaussian(mu):
    return lambda member, seed: np.random.default_rng(seed).normal() + mu * member


def reused(member, seed):
    return np.random.default_rng(0).laplace() + 0.01 * member


def quick(mechanism, claimed, **options):
    options = {"random_state": 0, "progress": False, "max_refits": 600, **options}
    return run_refits(mechanism, claimed, **options)


@pytest.mark.parametrize(
    ("mechanism", "claimed"),
    [
        (laplace(2), (1, 0)),
        (laplace(2, -1), (1, 0)),
        (gaussian(2), TradeOff.gaussian(1)),
        (reused, (1, 1e-5)),
    ],
    ids=["noise halved", "low scores speak for it", "Gaussian noise halved", "seed reused"],
)
def test_broken_mechanisms_are_refuted_early(mechanism, claimed):
    result = quick(mechanism, claimed)
    assert result.refuted
    assert result.e_value >= 20
    assert 10 < result.n_with < result.n_refits < 500
    assert "is refuted at 95 % confidence" in str(result)


def test_a_pair_is_read_as_gaussian_on_request():
    delta = 1e-5
    pair = (gaussian_dp_epsilon(1.0, delta), delta)
    result = quick(gaussian(2), pair, family="gaussian")
    assert result.refuted
    assert result.claimed.mu == pytest.approx(1)
    assert result.bound == gaussian_dp_epsilon(result.mu, delta)
    assert "if the noise is Gaussian" in str(result)
    # A curve of its own is tested as it is.
    profile = [(gaussian_dp_epsilon(1.0, d), d) for d in (0.1, 0.01, 1e-3)]
    told = quick(gaussian(0), profile, family="gaussian", max_refits=60)
    assert (len(told.claimed.pairs), told.delta, told.bound) == (3, 1e-5, 0)


def test_true_claims_stand_and_the_bound_stays_below():
    result = quick(laplace(1), (1, 0), max_refits=300)
    assert not result.refuted
    assert result.n_refits == 300
    assert 0.3 < result.bound < 1
    assert result.mu is None
    constant = quick(lambda member, seed: 1.0, (1, 0), max_refits=50)
    assert (constant.bound, constant.e_value) == (0, 1)


def test_same_seed_same_result():
    results = [str(quick(laplace(1), (0.5, 0), max_refits=100, random_state=3)) for _ in range(2)]
    assert results[0] == results[1]
    seeds = []

    def noting(member, seed):
        seeds.append(seed)
        return 0.0

    quick(noting, (1, 0), max_refits=60)
    assert len(set(seeds)) == 60


def test_what_is_refused():
    with pytest.raises(ValueError, match="finite number is needed"):
        quick(lambda member, seed: np.nan, (1, 0))
    for options, match in (
        ({"family": "laplace"}, "`family` must be"),
        ({"max_refits": 0}, "whole number of at least 1"),
        ({"confidence": 1}, "`confidence`"),
        ({"delta": 1}, "`delta` must lie"),
        ({"family": "gaussian"}, "above 0"),
        ({"family": "gaussian", "delta": 1e-5}, "claimed delta above 0"),
    ):
        with pytest.raises(ValueError, match=match):
            quick(laplace(1), (1, 0), **options)
    with pytest.raises(TypeError, match="pair"):
        quick(laplace(1), 1.0)


CURVES = [
    TradeOff.approximate(1.0),
    TradeOff.approximate(2.0, 0.01),
    TradeOff.gaussian(1.0),
    TradeOff.of([(0.3, 0.2), (1.0, 0.05), (2.0, 1e-4)]),
]


@pytest.mark.parametrize("curve", CURVES, ids=[curve.claim for curve in CURVES])
def test_no_rates_that_are_allowed_win_on_average(curve):
    fpr = np.linspace(0, 1, 4_001)
    allowed = np.column_stack([curve.ceiling(fpr), 1 - curve.ceiling(fpr), fpr, 1 - fpr]) / 2
    for found, alarms in ((0.95, 0.05), (0.5, 0.004), (0.9, 0.2), (0.99, 0.7)):
        rates = np.array([found, 1 - found, alarms, 1 - alarms])
        # The nearest point, and one that is not: the mean is at most 1 all the same.
        distance = -np.log(np.clip(allowed[1:-1] * 2, 1e-9, 1)) @ rates
        about = fpr[1 + distance.argmin(), None]
        (tpr,), (alarm,) = nearest_points(rates[None], about, ceilings_of([curve]))
        nearest = tpr, alarm
        points = [nearest, (curve.ceiling(0.3), 0.3)]
        for point in points:
            means = allowed @ np.exp(gains(rates, point, curve)).ravel()
            assert means.max() <= 1 + 1e-9
        # The nearest gives nothing away.
        means = allowed @ np.exp(gains(rates, nearest, curve)).ravel()
        assert means.max() > 1 - 1e-3
        growth = rates / 2 @ gains(rates, nearest, curve).ravel()
        assert (growth > 0) == (found > curve.ceiling(alarms))


def test_bets_wait_for_both_kinds_of_scores():
    tests = BettingTests([TradeOff.approximate(0.1)])
    for i in range(30):
        tests.add(True, i)
    assert tests.log_capital[0] == 0
    for _ in range(30):
        tests.add(False, -1.0)
    assert tests.n_scores == 60
    assert tests.log_peak[0] >= tests.log_capital[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mechanism", "claimed", "family"),
    [
        (laplace(1), (1, 0), "pure"),
        (gaussian(1), TradeOff.gaussian(1), "gaussian"),
        (gaussian(0), (0, 0), "pure"),
    ],
    ids=["Laplace", "Gaussian", "no leak"],
)
def test_a_true_claim_is_seldom_refuted_and_bounds_seldom_exceed_it(mechanism, claimed, family):
    results = [
        quick(mechanism, claimed, family=family, max_refits=300, random_state=i) for i in range(200)
    ]
    assert np.mean([result.refuted for result in results]) <= 0.05
    truth = results[0].claimed.epsilon(results[0].delta)
    assert np.mean([result.bound > truth for result in results]) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", [1, 4])
def test_bounds_come_near_the_truth(epsilon):
    given = {"max_refits": 10_000}
    claim = (epsilon, 0)
    bounds = [quick(laplace(epsilon), claim, random_state=i, **given).bound for i in range(3)]
    assert max(bounds) < epsilon
    assert np.mean(bounds) > 0.8 * epsilon
    mu = gaussian_dp_mu(epsilon, 1e-5) + 1
    result = quick(gaussian(mu), (20, 1e-5), family="gaussian", **given)
    assert 0.8 * mu < result.mu < mu
