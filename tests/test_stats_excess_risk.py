"""The risk above control: values, ends of the range, and its coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from mia_sklearn.stats import excess_risk


def test_the_estimate_is_the_share_of_failures_undone():
    found = excess_risk(60, 200, 20, 200)
    assert found.value == pytest.approx((0.3 - 0.1) / 0.9)
    assert (found.low, found.high) == pytest.approx((0.14242, 0.30218), abs=1e-5)


def test_limits_hold_0_where_the_score_test_finds_no_difference():
    for successes in range(0, 60, 3):
        n, n_control, control = 100, 150, 30
        pooled = (successes + control) / (n + n_control)
        variance = pooled * (1 - pooled) * (1 / n + 1 / n_control)
        z = (successes / n - control / n_control) / math.sqrt(variance)
        # The variance of Miettinen and Nurminen is that of one record less.
        z *= math.sqrt((n + n_control - 1) / (n + n_control))
        found = excess_risk(successes, n, control, n_control)
        assert (found.low <= 0 <= found.high) == (abs(z) <= norm.ppf(0.975))


def test_ends_of_the_range():
    none = excess_risk(0, 100, 0, 100)
    assert none.value == 0
    assert none.low == pytest.approx(-none.high, abs=0.005)
    assert 0.03 < none.high < 0.04
    every = excess_risk(100, 100, 0, 100)
    assert (every.value, every.high) == (1, 1)
    assert every.low > 0.95
    worse = excess_risk(0, 100, 50, 100)
    assert worse.value == -1
    assert worse.high < 0
    assert all(map(math.isnan, excess_risk(100, 100, 100, 100)))


def test_more_confidence_is_a_wider_interval():
    narrow, wide = (excess_risk(30, 100, 20, 100, confidence=c) for c in (0.9, 0.99))
    assert wide.low < narrow.low < narrow.value == wide.value < narrow.high < wide.high


@pytest.mark.parametrize("counts", [(5, 4, 0, 4), (-1, 4, 0, 4), (0, 0, 0, 4)])
def test_counts_beyond_their_totals_are_refused(counts):
    with pytest.raises(ValueError, match="attacks cannot have succeeded"):
        excess_risk(*counts)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "n_control"), [(100, 100), (1000, 150), (150, 1000), (5000, 5000)])
@pytest.mark.parametrize("rate", [0.002, 0.02, 0.2, 0.6, 0.95])
@pytest.mark.parametrize("risk", [0.0, 0.1])
def test_it_covers_the_truth(n, n_control, rate, risk):
    rng = np.random.default_rng(0)
    n_runs = 2000
    own = rng.binomial(n, rate + risk * (1 - rate), size=n_runs)
    others = rng.binomial(n_control, rate, size=n_runs)
    pairs, counts = np.unique(np.stack([own, others]), axis=1, return_counts=True)
    covered = 0
    for (successes, control), count in zip(pairs.T.tolist(), counts.tolist(), strict=True):
        found = excess_risk(successes, n, control, n_control)
        # All failed to fail: nothing is said.
        covered += count * (math.isnan(found.value) or found.low <= risk <= found.high)
    # As of a single share, it falls below the nominal rate here and there.
    assert covered / n_runs >= 0.92
