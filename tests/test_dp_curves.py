"""Whole curves as claims: how they are read, tested and stretched."""

from types import SimpleNamespace

import numpy as np
import pytest

from mia_sklearn import audit_dp
from mia_sklearn.dp import run_refits
from mia_sklearn.dp._claim import Claim, claim_of
from mia_sklearn.stats import (
    TradeOff,
    epsilon_bound,
    gaussian_dp_bound,
    gaussian_dp_epsilon,
    guesses_p_value,
    one_run_mu,
    one_run_p_value,
    one_run_stretch,
    stretch_bound,
    stretched,
    stretched_epsilon,
)

# Those of randomised response at epsilon 2, exactly.
RIGHT = 1 / (1 + np.exp(-2))
ANSWERS = TradeOff([(0.0, 2 * RIGHT - 1), (1.0, RIGHT - np.e * (1 - RIGHT)), (2.0, 0.0)])


def profile_of(mu):
    true = TradeOff.gaussian(mu)
    return TradeOff([(e, float(true.delta(e))) for e in np.linspace(0, 8, 161).tolist()])


def test_a_gaussian_curve_is_stretched_by_its_mu():
    half = stretched(profile_of(1.0), 0.5)
    for delta in (1e-2, 1e-5):
        assert half.epsilon(delta) == pytest.approx(gaussian_dp_epsilon(0.5, delta), rel=5e-3)
    fpr = np.array([1e-3, 0.1, 0.6])
    np.testing.assert_allclose(half.ceiling(fpr), TradeOff.gaussian(0.5).ceiling(fpr), atol=2e-3)
    assert stretched(TradeOff.gaussian(1.0), 3).mu == 3
    assert stretched(ANSWERS, 1) is ANSWERS
    assert stretched(ANSWERS, 0).ceiling(0.3) == pytest.approx(0.3)
    for factor in (-1, np.inf):
        with pytest.raises(ValueError, match="`factor` must be at least 0 and finite"):
            stretched(ANSWERS, factor)


@pytest.mark.parametrize("counts", [(1000, 100, 85), (1000, 700, 520), (200, 20, 20)])
def test_the_factor_is_where_the_p_value_crosses_the_level(counts):
    unit = TradeOff.gaussian(1.0)
    assert stretch_bound(*counts, unit) == pytest.approx(gaussian_dp_bound(*counts), abs=1e-5)
    near = stretch_bound(*counts, profile_of(1.0))
    assert near == pytest.approx(gaussian_dp_bound(*counts), rel=1e-2)
    p = guesses_p_value(*counts, ANSWERS)
    factor = stretch_bound(*counts, ANSWERS)
    assert (factor > 1) == (p <= 0.05)
    if p < 1:
        assert stretch_bound(*counts, ANSWERS, confidence=1 - p) == pytest.approx(1, abs=5e-3)


def test_what_lies_beyond_the_pairs_of_a_curve_is_not_stretched():
    few = TradeOff([(TradeOff.gaussian(0.3).epsilon(d), d) for d in (0.1, 0.01, 1e-4, 1e-7)])
    # A curve of pairs allows their least delta without any false alarm.
    wide = stretched_epsilon(few, 4, 1e-5)
    assert wide == pytest.approx(gaussian_dp_epsilon(1.2, 1e-5), rel=0.3)
    assert stretched(few, 4).epsilon(1e-5) == pytest.approx(wide, rel=0.02)
    assert stretched_epsilon(few, np.inf, 1e-5) == np.inf
    assert stretched_epsilon(few, 0, 1e-5) == 0


def test_what_shows_nothing_and_what_shows_all():
    assert stretch_bound(100, 50, 25, ANSWERS) == 0
    assert stretch_bound(1000, 900, 900, TradeOff.gaussian(0)) == np.inf
    scores = np.arange(100, 200), np.arange(100)
    assert one_run_stretch(*scores, TradeOff.gaussian(1.0)) == one_run_mu(*scores)
    assert one_run_stretch(np.ones(50), np.ones(50), ANSWERS) == 0


@pytest.mark.parametrize("bad", [1.5, "3", None, True, np.nan])
@pytest.mark.parametrize("name", ["n_records", "n_guesses", "n_right"])
def test_odd_counts_are_named(bad, name):
    counts = {"n_records": 10, "n_guesses": 10, "n_right": 10} | {name: bad}
    for bound, more in (
        (gaussian_dp_bound, {}),
        (epsilon_bound, {}),
        (guesses_p_value, {"trade_off": ANSWERS}),
        (stretch_bound, {"guarantee": ANSWERS}),
    ):
        with pytest.raises(ValueError, match=f"`{name}` must be a whole number"):
            bound(**counts, **more)
    with pytest.raises(ValueError, match="`delta` must lie"):
        epsilon_bound(10, 10, 10, delta="1")


def test_claims_are_read_however_they_are_given():
    assert claim_of(None, (1, 1e-5), 100) == Claim(1, 1e-5, stated=False)
    assert claim_of(None, TradeOff.approximate(1, 1e-5), 100) == Claim(1, 1e-5, stated=False)
    spent = SimpleNamespace(total=lambda: (2.0, 0.0))
    assert claim_of(None, spent, 100) == Claim(2, 0, stated=False)
    whole = claim_of(None, TradeOff.gaussian(1.0), 5_000)
    # A power of ten, at most a tenth of one over the records.
    assert whole.delta == 1e-5 and whole.epsilon == gaussian_dp_epsilon(1.0, 1e-5)
    assert whole.families == ("pure", "curve")
    pairs = claim_of(None, [(1, 0.1), (2, 0.01)], 5_000)
    assert (pairs.epsilon, pairs.delta, len(pairs.curve.pairs)) == (2, 0.01, 2)
    accountant = SimpleNamespace(get_epsilon=lambda delta: gaussian_dp_epsilon(1.0, delta))
    asked = claim_of(None, accountant, 5_000)
    assert asked.epsilon == pytest.approx(gaussian_dp_epsilon(1.0, 1e-5))


def known(X, y, seed):
    """Answers by randomised response at epsilon 2 about what it was trained on."""
    return _Known({row.tobytes(): label for row, label in zip(X, y, strict=True)}, seed)


class _Known:
    classes_ = np.array([0, 1])

    def __init__(self, labels, seed):
        self.labels, self.seed = labels, seed

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        rng = np.random.default_rng(self.seed)
        labels = [self.labels.get(row.tobytes(), int(row[0] > 0)) for row in X]
        return np.eye(2)[np.array(labels) ^ (rng.random(len(X)) > RIGHT)]

    def predict(self, X):
        return self.predict_proba(X).argmax(axis=1)


@pytest.mark.parametrize(
    ("claimed", "outcome"), [(ANSWERS, "not refuted"), (profile_of(0.25), "refuted")]
)
def test_a_curve_that_is_claimed_is_what_is_tested(claimed, outcome):
    X = np.random.default_rng(0).normal(size=(700, 2))
    y = (X[:, 0] > 0).astype(int)
    report = audit_dp(known, X, y, claimed, 600, method="one-run")
    assert report.outcome == outcome
    assert report.bounds["family"].tolist() == ["pure", "curve"]
    assert report.bounds["decides"].tolist() == [False, True]
    assert (report.epsilon > report.info["epsilon"]) == (outcome == "refuted")
    assert claimed.claim in report.summary and report.info["curve"] == claimed.claim
    for text in (str(report), report.to_markdown()):
        assert "for the verdict nothing but the claim" in text


def test_refits_bet_against_a_curve():
    def noisy(member, seed):
        return np.random.default_rng(seed).normal() + 3.0 * member

    options = {"family": "curve", "random_state": 0, "progress": False, "max_refits": 60}
    result = run_refits(noisy, TradeOff.gaussian(0.5), **options)
    assert result.refuted and "shape of the claimed one" in str(result)
    assert gaussian_dp_epsilon(0.5, 1e-5) < result.bound < gaussian_dp_epsilon(3.0, 1e-5)
    with pytest.raises(ValueError, match="family='curve' needs a whole curve"):
        run_refits(noisy, (1, 1e-5), **options)


def test_refits_that_could_refute_nothing_are_refused():
    def nothing(member, seed):
        raise AssertionError("something was fitted")

    for max_refits, claimed, told in (
        (100, (4, 0), r"max_refits`=100 could not refute \(4, 0\).* it takes max_refits=481"),
        (20, TradeOff.gaussian(1.0), "could not refute Gaussian differential privacy"),
    ):
        with pytest.raises(ValueError, match=told):
            run_refits(nothing, claimed, max_refits=max_refits, progress=False)


def test_dp_accountings_losses_are_read_as_they_are():
    pld = pytest.importorskip("dp_accounting.pld.privacy_loss_distribution")
    losses = pld.from_gaussian_mechanism(2.0, sampling_prob=0.1).self_compose(50)
    curve = TradeOff.of(losses)
    for delta in (3e-2, 1e-3, 2.5e-5, 1e-7):
        theirs = losses.get_epsilon_for_delta(delta)
        assert curve.epsilon(delta) == pytest.approx(theirs, abs=1e-3)


def test_diffprivlibs_budget_is_read_as_it_is():
    diffprivlib = pytest.importorskip("diffprivlib")
    spent = diffprivlib.BudgetAccountant(epsilon=3, delta=0.1, slack=0.01)
    for _ in range(20):
        spent.spend(0.05, 1e-6)
    epsilon, delta = spent.total()
    curve = TradeOff.of(spent)
    assert curve.pairs.tolist() == [[epsilon, delta]]
    assert claim_of(None, spent, 1_000) == Claim(epsilon, delta, stated=False)


@pytest.mark.slow
@pytest.mark.parametrize("curve", [ANSWERS, profile_of(1.0)], ids=["answers", "Gaussian"])
def test_true_curves_are_seldom_refuted(curve):
    wrong, n = 0, 300
    for seed in range(n):
        rng = np.random.default_rng(seed)
        member = rng.random(500) < 0.5
        if curve is ANSWERS:
            score = np.where(rng.random(500) > RIGHT, ~member, member) + rng.random(500) / 2
        else:
            score = rng.normal(size=500) + member
        sides = score[member], score[~member]
        wrong += one_run_p_value(*sides, curve, membership_rate=0.5) <= 0.05
    # Of 300 at 5 % more than 24 have a probability of .01.
    assert wrong <= 24
