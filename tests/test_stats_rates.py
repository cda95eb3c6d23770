"""True-positive rates at false-positive rates: known values, a literal twin, refusals."""

import numpy as np
import pytest
from scipy.stats import beta, binom

from mia_sklearn.stats import nonmembers_needed, tpr_interval

MEMBERS, NONMEMBERS = np.arange(500, 1500), np.arange(1000)


def literal_interval(members, nonmembers, alpha, confidence=0.95):
    """Follow the definition step by step: (estimate, low, high, j, k)."""
    n1, n0 = len(members), len(nonmembers)
    descending = np.sort(nonmembers)[::-1]

    def c(i):
        return int((members > descending[i - 1]).sum()) if i <= n0 else n1

    side = (1 - confidence) / 2
    gamma = 0.7 * side
    j = max((i for i in range(1, n0 + 1) if binom.cdf(i - 1, n0, alpha) <= gamma), default=None)
    k = next(i for i in range(1, n0 + 2) if binom.sf(i - 1, n0, alpha) <= gamma)
    low = 0.0
    if j is not None and c(j) > 0:
        g = binom.cdf(j - 1, n0, alpha)
        low = beta.ppf((side - g) / (1 - g), c(j), n1 - c(j) + 1)
    high = 1.0
    if k <= n0 and c(k) < n1:
        g = binom.sf(k - 1, n0, alpha)
        high = beta.ppf(1 - (side - g) / (1 - g), c(k) + 1, n1 - c(k))
    return c(int(n0 * alpha + 1e-9) + 1) / n1, low, high, j, k


@pytest.mark.parametrize(
    ("alpha", "tpr", "ends", "order_statistics"),
    [(0.1, 0.600, (0.54296, 0.65698), (80, 121)), (0.01, 0.510, (0.46826, 0.55340), (4, 18))],
)
def test_known_values(alpha, tpr, ends, order_statistics):
    point = tpr_interval(MEMBERS, NONMEMBERS, alpha)
    assert point.tpr == tpr
    assert (point.low, point.high) == pytest.approx(ends, abs=5e-6)
    literal = literal_interval(MEMBERS, NONMEMBERS, alpha)
    assert literal[3:] == order_statistics
    assert point[:3] == pytest.approx(literal[:3], abs=1e-9)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.995])
@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.3, 0.9])
@pytest.mark.parametrize("values", [3, 20, None], ids=["3 values", "20 values", "continuous"])
@pytest.mark.parametrize(("n1", "n0"), [(1, 150), (40, 200), (300, 151)])
def test_equals_the_literal_definition(values, alpha, confidence, n1, n0):
    rng = np.random.default_rng(n1)
    members, nonmembers = rng.normal(0.7, 1, n1), rng.normal(0, 1, n0)
    if values:
        members, nonmembers = (np.round(s * values / 4) for s in (members, nonmembers))
    point = tpr_interval(members, nonmembers, alpha, confidence=confidence)
    literal = literal_interval(members, nonmembers, alpha, confidence)
    assert point.tpr == literal[0]
    if n0 < nonmembers_needed(alpha, confidence=confidence):
        assert np.isnan([point.low, point.high]).all()
    else:
        assert (point.low, point.high) == pytest.approx(literal[1:3], abs=1e-9)
        assert 0 <= point.low <= point.tpr <= point.high <= 1


def test_estimate_is_the_best_threshold_within_the_rate():
    rng = np.random.default_rng(0)
    members, nonmembers = rng.integers(0, 12, 80), rng.integers(0, 9, 90)
    for alpha in (0.01, 0.05, 0.2, 0.5, 0.99):
        within = [t for t in range(14) if (nonmembers >= t).mean() <= alpha]
        point = tpr_interval(members, nonmembers, alpha)
        assert point.tpr == max((members >= t).mean() for t in within)
        assert point.n_identified == point.tpr * 80
        assert point.n_false_alarms == min(
            (nonmembers >= t).sum() for t in within if (members >= t).mean() == point.tpr
        )
        assert point.fpr == point.n_false_alarms / 90 <= alpha


def test_all_tied_identifies_nobody():
    point = tpr_interval(np.ones(100), np.ones(100), 0.1)
    assert (point.tpr, point.low, point.n_identified, point.n_false_alarms) == (0, 0, 0, 0)
    assert point.high < 0.05


def test_several_rates_at_once():
    alphas = np.array([[0.001, 0.01], [0.1, 0.5]])
    together = tpr_interval(MEMBERS, NONMEMBERS, alphas)
    for where in np.ndindex(alphas.shape):
        alone = tpr_interval(MEMBERS, NONMEMBERS, alphas[where])
        np.testing.assert_array_equal([part[where] for part in together], alone)


@pytest.mark.parametrize(
    ("slices", "needed"), [(1, (39, 403, 4044)), (10, (61, 632, 6345))], ids=["one", "ten slices"]
)
def test_needs_so_many_nonmembers(slices, needed):
    confidence = 1 - 0.05 / slices
    for alpha, n0 in zip((0.1, 0.01, 0.001), needed, strict=True):
        assert nonmembers_needed(alpha, confidence=confidence) == n0
        for n, refused in ((n0 - 1, True), (n0, False)):
            point = tpr_interval(np.arange(n), np.arange(n), alpha, confidence=confidence)
            assert np.isnan(point.low) == np.isnan(point.high) == refused
            assert not np.isnan(point.tpr)


@pytest.mark.parametrize("alpha", [0, 1, -0.1, np.nan, [0.1, 1.0]])
def test_refuses_rates_out_of_range(alpha):
    with pytest.raises(ValueError, match="`fpr` must lie strictly between 0 and 1"):
        tpr_interval(MEMBERS, NONMEMBERS, alpha)


@pytest.mark.parametrize(
    ("members", "nonmembers", "message"),
    [
        ([], [1.0], "`member_scores` is empty"),
        ([1.0], [], "`nonmember_scores` is empty"),
        ([1.0, np.nan], [1.0], r"`member_scores` holds 1 value\(s\) of 2"),
        ([1.0], [np.inf, np.nan, 1.0], r"`nonmember_scores` holds 2 value\(s\) of 3"),
        ([[1.0]], [1.0], "one-dimensional"),
    ],
)
def test_refuses_bad_scores(members, nonmembers, message):
    with pytest.raises(ValueError, match=message):
        tpr_interval(members, nonmembers)
