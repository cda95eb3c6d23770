"""Lower bounds on epsilon: known values, a literal twin, ties, membership rates."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import beta, binom

from mia_sklearn.stats import epsilon_bound, one_run_epsilon, threshold_epsilon

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@pytest.mark.parametrize(
    ("m", "r", "v", "delta", "bound"),
    [
        (1000, 100, 75, 1e-4, 0.67298),
        (100000, 1510, 1439, 1e-5, 2.67585),
        (1000, 100, 75, 0, 0.7022),
        (1000, 100, 75, 1e-3, 0),
        (1000, 1000, 600, 0, 0.2975),
        (200, 20, 20, 0, 1.8227),
        (16, 16, 16, 0, 1.58032),
        (1000, 5, 5, 0, 0.1978),
        (1000, 4, 4, 0, 0),
    ],
)
def test_known_values(m, r, v, delta, bound):
    assert epsilon_bound(m, r, v, delta=delta) == pytest.approx(bound, abs=5e-5)


def test_tiny_delta_approaches_the_closed_form():
    for m, r, v in ((1000, 100, 75), (16, 16, 16), (50, 30, 20)):
        closed = epsilon_bound(m, r, v)
        assert epsilon_bound(m, r, v, delta=1e-14) == pytest.approx(closed, abs=1e-6)
        assert closed == pytest.approx(max(0, logit(beta.ppf(0.05, v, r - v + 1))))


def test_no_right_guess_shows_nothing():
    assert epsilon_bound(10, 5, 0) == epsilon_bound(10, 5, 0, delta=1e-5) == 0
    assert epsilon_bound(10, 0, 0) == 0


def literal_p_value(guesses, rate, delta, eps):
    """Follow the definition with whole distributions."""
    m, k_in, k_out, right = guesses
    p_in = rate * np.exp(eps) / (1 - rate + rate * np.exp(eps))
    p_out = (1 - rate) * np.exp(eps) / (rate + (1 - rate) * np.exp(eps))
    mass = np.convolve(
        binom.pmf(np.arange(k_in + 1), k_in, p_in), binom.pmf(np.arange(k_out + 1), k_out, p_out)
    )
    windows = [mass[max(0, right - i) : right].sum() / i for i in range(1, right + 1)]
    return mass[right:].sum() + 2 * m * delta * max(windows, default=0)


@pytest.mark.parametrize("delta", [0, 1e-6, 1e-4])
@pytest.mark.parametrize("rate", [None, 0.5, 0.3, 0.8])
def test_one_run_is_the_largest_of_fourteen_literal_bounds(rate, delta):
    rng = np.random.default_rng(0)
    members, nonmembers = rng.normal(1.5, 1, 240), rng.normal(0, 1, 161)
    m = 401
    member = np.repeat([True, False], [240, 161])
    member = member[np.argsort(-np.concatenate([members, nonmembers]))]
    expected = 0.0
    for share in SHARES:
        k = min(max(1, round(share * m / 2)), m // 2)
        right_in, right_out = member[:k].sum(), (~member[m - k :]).sum()
        for k_out, right in ((k, right_in + right_out), (0, right_in)):
            given = ((m, k, k_out, right), rate or 240 / m, delta)

            def excess(eps, given=given):
                return literal_p_value(*given, eps) - 0.05 / 14

            if excess(0) < 0:
                expected = max(expected, brentq(excess, 0, 20))
    assert expected > 0.3
    found = one_run_epsilon(members, nonmembers, delta=delta, membership_rate=rate)
    assert found == pytest.approx(expected, abs=1e-6)


def test_ties_are_broken_without_looking_at_membership():
    for sizes in ((500, 500), (800, 200)):
        members, nonmembers = (np.ones(size) for size in sizes)
        assert one_run_epsilon(members, nonmembers) == 0
    # Two values, no leak: a stable order would put all members of a tie first.
    assert one_run_epsilon(np.tile([0, 1], 500), np.tile([0, 1], 500)) == 0


def test_same_seed_same_bound_and_any_kind_of_seed():
    rng = np.random.default_rng(3)
    members, nonmembers = rng.integers(1, 5, 400), rng.integers(0, 4, 400)
    bounds = [one_run_epsilon(members, nonmembers, random_state=7) for _ in range(2)]
    assert bounds[0] == bounds[1] > 0
    state = np.random.RandomState(7)
    assert one_run_epsilon(members, nonmembers, random_state=state) == bounds[0]


def test_membership_rate_other_than_one_half():
    rng = np.random.default_rng(0)
    members, nonmembers = rng.normal(size=800), rng.normal(size=200)
    assert one_run_epsilon(members, nonmembers) == 0
    # Read as a fair coin, four members in five look like a leak.
    assert one_run_epsilon(members, nonmembers, membership_rate=0.5) > 1


def test_perfect_separation_is_bounded_by_the_number_of_guesses():
    bound = one_run_epsilon(np.arange(100, 200), np.arange(100))
    assert bound == pytest.approx(logit((0.05 / 14) ** (1 / 200)))


def test_two_records():
    assert one_run_epsilon([1.0], [0.0]) == 0


def test_threshold_reads_both_rates_on_the_held_out_half():
    # Separated: any threshold chosen between the groups is right on the other half.
    members, nonmembers = np.arange(1000, 1200), np.arange(200)
    limit = beta.ppf(0.025, 100, 1)
    expected = np.log((limit - 0.01) / (1 - limit))
    bound = threshold_epsilon(members, nonmembers, delta=0.01)
    assert bound == pytest.approx(expected, rel=0.1)
    assert bound <= expected
    # A leak on the side of the non-members alone is found, too.
    rng = np.random.default_rng(0)
    members = rng.uniform(0, 1, 4000)
    nonmembers = np.where(rng.uniform(size=4000) < 0.2, -1.0, rng.uniform(0, 1, 4000))
    assert threshold_epsilon(members, nonmembers) > 3


def test_threshold_shows_nothing_where_nothing_is():
    assert threshold_epsilon(np.ones(50), np.ones(50)) == 0
    with pytest.raises(ValueError, match="at least two members and two non-members"):
        threshold_epsilon([1.0], [0.0, 1.0])


def test_randomised_response_stays_below_its_epsilon():
    rng = np.random.default_rng(0)
    truth = rng.uniform(size=10_000) < 0.5
    answer = np.where(rng.uniform(size=10_000) < expit(2), truth, ~truth).astype(float)
    bound = one_run_epsilon(answer[truth], answer[~truth])
    assert 1.8 < bound < 2


@pytest.mark.parametrize("delta", [-1e-9, 1, np.nan])
def test_refuses_delta_out_of_range(delta):
    with pytest.raises(ValueError, match="`delta` must lie in"):
        one_run_epsilon([1.0, 2.0], [0.0, 1.0], delta=delta)


def test_refuses_impossible_counts_and_levels():
    with pytest.raises(ValueError, match="0 <= n_right <= n_guesses <= n_records"):
        epsilon_bound(10, 5, 6)
    with pytest.raises(ValueError, match="0 <= n_right <= n_guesses <= n_records"):
        epsilon_bound(4, 5, 3)
    with pytest.raises(ValueError, match="`confidence` must lie strictly between 0 and 1"):
        epsilon_bound(10, 5, 5, confidence=1)
    with pytest.raises(ValueError, match="`membership_rate` must lie strictly between 0 and 1"):
        one_run_epsilon([1.0], [0.0], membership_rate=0)


def test_the_error_is_halved_between_the_two_rates():
    # 100 of 100 held-out members and 0 of 100 others: limits .025 ** .01 and 1 - .025 ** .01.
    limit = 0.025**0.01
    expected = np.log(limit / (1 - limit))
    assert threshold_epsilon(np.ones(200), np.zeros(200)) == pytest.approx(expected)
    assert expected == pytest.approx(3.28135, abs=1e-5)


def test_delta_beyond_the_mass_of_right_guesses():
    # All of the mass lies below the count: the gap up to it counts as values of no mass.
    assert epsilon_bound(10_000, 10_000, 10_000, delta=0.01) == pytest.approx(0.46618, abs=1e-5)
