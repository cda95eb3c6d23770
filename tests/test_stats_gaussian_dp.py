"""Gaussian differential privacy from one run, and trade-off curves: known values, literal twins."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import norm

from mia_sklearn.metrics import epsilon_lower_bound
from mia_sklearn.stats import (
    TradeOff,
    epsilon_bound,
    gaussian_dp_bound,
    gaussian_dp_epsilon,
    gaussian_dp_mu,
    guesses_p_value,
    one_run_mu,
    one_run_p_value,
)

KNOWN = [
    (1000, 600, 1000, 0.1638, 0.584),
    (1000, 700, 1000, 0.3572, 1.372),
    (5000, 450, 500, 0.6715, 2.776),
    (1000, 95, 100, 0.7868, 3.323),
    (200, 20, 20, 0.6963, 2.892),
]
FPR = np.array([0.0, 1e-4, 0.01, 0.1, 0.3, 0.5, 0.9, 1.0])


@pytest.mark.parametrize(("m", "right", "guesses", "mu", "epsilon"), KNOWN)
def test_known_values(m, right, guesses, mu, epsilon):
    found = gaussian_dp_bound(m, guesses, right)
    assert found == pytest.approx(mu, abs=5e-5)
    assert gaussian_dp_epsilon(found, 1e-5) == pytest.approx(epsilon, abs=5e-4)
    assert found < gaussian_dp_bound(m, guesses, right, confidence=0.9)
    # The bound is where the p-value crosses the level.
    assert guesses_p_value(m, guesses, right, TradeOff.gaussian(found)) == pytest.approx(
        0.05, rel=2e-3
    )


def test_what_shows_nothing():
    assert gaussian_dp_bound(100, 50, 25) == gaussian_dp_bound(100, 50, 0) == 0
    assert gaussian_dp_bound(100, 0, 0) == 0
    assert guesses_p_value(100, 50, 25, TradeOff.gaussian(0)) == 1
    assert one_run_mu([1.0], [0.0]) == 0
    assert one_run_p_value([1.0], [0.0], TradeOff.gaussian(0)) == 1
    assert one_run_mu([1.0], [0.0], membership_rate=0.999) == 0
    with pytest.raises(ValueError, match="n_right <= n_guesses"):
        gaussian_dp_bound(100, 50, 51)


def test_epsilon_and_mu_are_each_others_inverse():
    for mu in (0.01, 1.0, 6.0, 60.0):
        for delta in (1e-9, 1e-3):
            epsilon = gaussian_dp_epsilon(mu, delta)
            left = norm.cdf(-epsilon / mu + mu / 2)
            if epsilon and mu < 60:
                right = np.exp(epsilon) * norm.cdf(-epsilon / mu - mu / 2)
                assert left - right == pytest.approx(delta, rel=1e-6)
                assert gaussian_dp_mu(epsilon, delta) == pytest.approx(mu)
    assert gaussian_dp_epsilon(0, 0) == 0
    assert gaussian_dp_epsilon(0.1, 0.3) == 0
    assert gaussian_dp_epsilon(0.1, 0) == np.inf
    # Even at epsilon 0 some noise keeps delta.
    assert gaussian_dp_epsilon(gaussian_dp_mu(0, 0.01), 0.01) == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="above 0"):
        gaussian_dp_mu(1, 0)
    with pytest.raises(ValueError, match="finite"):
        gaussian_dp_mu(np.inf, 0.1)
    with pytest.raises(ValueError, match="`mu` must be"):
        gaussian_dp_epsilon(-1, 0.1)


def test_one_run_pays_for_fourteen_tries():
    members, nonmembers = np.arange(100, 200), np.arange(100)
    paid = gaussian_dp_bound(200, 200, 200, confidence=1 - 0.05 / 14)
    assert one_run_mu(members, nonmembers) == pytest.approx(paid, abs=1e-5)
    claim = TradeOff.gaussian(1.0)
    tried = {(200, k + out, k + out) for k in (1, 2, 5, 10, 20, 50, 100) for out in (0, k)}
    least = min(guesses_p_value(*counts, claim) for counts in tried)
    assert one_run_p_value(members, nonmembers, claim) == pytest.approx(14 * least, rel=2e-3)


def test_members_may_be_drawn_at_another_rate_than_one_half():
    rng = np.random.default_rng(0)
    members, nonmembers = rng.normal(size=800), rng.normal(size=200)
    assert one_run_mu(members, nonmembers) == one_run_mu(members, nonmembers[:3]) == 0
    assert one_run_mu(members, nonmembers, membership_rate=0.8) == 0
    # Read as a fair coin, four members in five look like a leak.
    assert one_run_mu(members, nonmembers, membership_rate=0.5) > 0.3
    assert one_run_mu(members + 4, nonmembers, membership_rate=0.8) > 0.7
    assert one_run_mu(np.ones(50), np.ones(50)) == 0


def test_randomised_response_is_read_above_its_epsilon():
    rng = np.random.default_rng(0)
    member = rng.uniform(size=4_000) < 0.5
    answer = np.where(rng.uniform(size=4_000) < 1 / (1 + np.exp(-2)), member, ~member)
    told = epsilon_lower_bound(member, answer.astype(float), delta=1e-5, family="gaussian")
    assert told.low > 2 > epsilon_lower_bound(member, answer.astype(float), delta=1e-5).low > 1.7
    assert "Gaussian noise" in told.note
    assert "can exceed the truth" in told.note


def test_the_family_is_named_and_goes_with_its_options():
    member, score = np.arange(40) % 2, np.arange(40.0)
    with pytest.raises(ValueError, match="`family` must be"):
        epsilon_lower_bound(member, score, family="laplace")
    with pytest.raises(ValueError, match="`delta` above 0"):
        epsilon_lower_bound(member, score, family="gaussian")
    with pytest.raises(ValueError, match="leave `method` out"):
        epsilon_lower_bound(member, score, delta=0.1, family="gaussian", method="threshold")


def test_the_curve_of_pairs_is_the_largest_of_their_lines():
    pairs = [(0.3, 0.2), (1.0, 0.05), (1.1, 0.3), (2.0, 1e-4)]
    lines = [
        np.maximum(1 - delta - np.exp(eps) * FPR, np.exp(-eps) * (1 - delta - FPR))
        for eps, delta in pairs
    ]
    curve = TradeOff.of(pairs)
    np.testing.assert_allclose(curve(FPR), np.maximum(0, np.max(lines, axis=0)), atol=1e-12)
    assert len(curve.pairs) == 3  # One is implied.
    assert curve.epsilon(1e-4) == pytest.approx(2)
    assert curve.epsilon(0) == np.inf
    # Between two pairs their mixture holds, linear in exp(epsilon).
    fine = np.linspace(0, 1, 100_001)
    for epsilon in (0.0, 0.7, 1.5, 3.0):
        largest = np.max(curve.ceiling(fine) - np.exp(epsilon) * fine)
        assert curve.delta(epsilon) == pytest.approx(largest, abs=1e-4)
        assert curve.epsilon(curve.delta(epsilon)) == pytest.approx(min(epsilon, 2.0))


def test_the_gaussian_curve_and_its_profile():
    curve = TradeOff.gaussian(1.5)
    np.testing.assert_allclose(curve(FPR), norm.cdf(norm.ppf(1 - FPR) - 1.5), atol=1e-12)
    assert curve.delta(curve.epsilon(1e-5)) == pytest.approx(1e-5)
    profile = [(curve.epsilon(delta), delta) for delta in np.geomspace(0.5, 1e-9, 60)]
    short = curve(FPR) - TradeOff.of(profile)(FPR)
    assert (short > -1e-12).all()
    assert short.max() < 0.02
    assert TradeOff.gaussian(0).delta(0.5) == 0


def test_a_record_replaced_is_two_steps():
    gaussian, pair = TradeOff.gaussian(1.0).twice(), TradeOff.approximate(1.0, 0.01).twice()
    assert gaussian.mu == 2
    np.testing.assert_allclose(pair.pairs, [[2, 0.01 * (1 + np.e)]])
    # Two steps one after the other.
    once = TradeOff.approximate(1.0, 0.01)
    assert (pair.ceiling(FPR) >= once.ceiling(once.ceiling(FPR)) - 1e-12).all()
    assert TradeOff.approximate(9.0, 0.5).twice().ceiling(0.0) == pytest.approx(1)


def test_accountants_are_asked_for_their_profile():
    class Loss:
        def get_delta_for_epsilon(self, epsilon):
            return TradeOff.gaussian(1.0).delta(epsilon)

    class Epsilons:
        def get_epsilon(self, delta):
            if delta > 0.6:
                raise ValueError("no root")
            return gaussian_dp_epsilon(1.0, delta)

    true = TradeOff.gaussian(1.0).ceiling(FPR[1:-1])
    older = SimpleNamespace(get_delta=Loss().get_delta_for_epsilon)
    for accountant in (Loss(), older, Epsilons()):
        curve = TradeOff.of(accountant)
        over = curve.ceiling(FPR[1:-1]) - true
        assert (over >= -1e-12).all()
        assert over.max() < 0.03
        assert type(accountant).__name__ in curve.claim
        again = TradeOff.of(curve.as_dict())
        assert (again.claim, again.pairs.tolist()) == (curve.claim, curve.pairs.tolist())
    total = TradeOff.of(SimpleNamespace(total=lambda: (1.0, 0.01)))
    assert total.pairs.tolist() == [[1.0, 0.01]]
    with pytest.raises(ValueError, match="no finite epsilon"):
        TradeOff.of(SimpleNamespace(get_epsilon=lambda delta: np.inf))
    with pytest.raises(ValueError, match="no finite epsilon"):
        TradeOff.of(SimpleNamespace(get_delta=lambda epsilon: 1.0))


@pytest.mark.parametrize("accountant", ["RDPAccountant", "PRVAccountant"])
@pytest.mark.thorough
def test_the_accountants_of_opacus(accountant):
    accountants = pytest.importorskip("opacus.accountants")
    spent = getattr(accountants, accountant)()
    spent.step(noise_multiplier=1.0, sample_rate=1.0)
    curve = TradeOff.of(spent)
    over = curve.ceiling(FPR[1:-1]) - TradeOff.gaussian(1.0).ceiling(FPR[1:-1])
    assert (over >= -1e-3).all()
    assert over.max() < 0.15
    with np.errstate(divide="ignore"):
        assert curve.epsilon(1e-5) == pytest.approx(spent.get_epsilon(1e-5), rel=0.02)


def test_what_is_no_guarantee():
    for other in (1.0, "1", None, (1, 2, 3), []):
        with pytest.raises(TypeError, match=r"pair \(epsilon, delta\)"):
            TradeOff.of(other)
    with pytest.raises(ValueError, match="epsilon must be at least 0"):
        TradeOff.of((-1, 0))
    with pytest.raises(ValueError, match="finite"):
        TradeOff.of((np.inf, 0))
    with pytest.raises(ValueError, match="delta must lie"):
        TradeOff.of((1, 1))
    with pytest.raises(ValueError, match="either pairs"):
        TradeOff()
    with pytest.raises(ValueError, match="`mu` must be"):
        TradeOff.gaussian(-1)


@pytest.mark.parametrize("pairs", [[(1.0, 0.0)], [(0.5, 0.0), (0.5, 0.0)]])
def test_guesses_against_a_pair(pairs):
    claim = TradeOff.of(pairs)
    epsilon = claim.pairs[0, 0]
    assert len(claim.pairs) == 1
    bound = epsilon_bound(1000, 100, 90, confidence=0.99)
    assert bound > epsilon
    assert guesses_p_value(1000, 100, 90, claim) < 0.01
    exact = guesses_p_value(1000, 100, 90, TradeOff.approximate(bound))
    assert exact == pytest.approx(0.01)
    # Another function of the same curve goes the way of all curves, which holds too.
    assert guesses_p_value(1000, 100, 90, claim.__call__) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("scores", ["normal", "tied"])
def test_nothing_is_found_where_nothing_leaks(scores):
    rng = np.random.default_rng(0)
    n = 300
    bounds, p_values = [], []
    for i in range(n):
        member = rng.uniform(size=500) < 0.5
        score = rng.normal(size=500) if scores == "normal" else rng.poisson(2, 500)
        sides = score[member], score[~member]
        bounds.append(one_run_mu(*sides, random_state=i))
        p_values.append(one_run_p_value(*sides, TradeOff.gaussian(0.0), random_state=i))
    assert np.mean(np.array(bounds) > 0) <= 0.05
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("mu", [1, 2, 4])
def test_bounds_stay_below_the_truth(mu):
    rng = np.random.default_rng(0)
    bounds = []
    for i in range(60):
        member = rng.uniform(size=500) < 0.5
        score = rng.normal(size=500) + mu * member
        bounds.append(one_run_mu(score[member], score[~member], random_state=i))
    assert max(bounds) < mu
    assert np.mean(bounds) > {1: 0.35, 2: 0.75, 4: 1.1}[mu]


def test_a_guarantee_says_what_it_is():
    for given, told in (
        ({"pairs": [(1, 1e-5)]}, "(1, 1e-05)-differential privacy"),
        ({"pairs": [(1, 1e-5), (2, 1e-7)]}, "2 pairs of epsilon and delta"),
        ({"mu": 2}, "Gaussian differential privacy with mu 2"),
    ):
        assert TradeOff.of(given).claim == told
    assert TradeOff(mu=1.0, claim="ours").claim == "ours"
