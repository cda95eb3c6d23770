"""p-values of one record against its references."""

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator
from scipy.stats import t as student

from mia_sklearn.stats import (
    pchip_p_values,
    pooled_p_values,
    rank_p_values,
    references_needed,
    t_p_values,
)
from mia_sklearn.stats._p_values import Pool, p_values_from_pool, pool_of


def table(n=200, k=12, seed=0, *, tied=False):
    """Signals with references of which some are missing, some rows constant, one row empty."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, k + 1)) * rng.uniform(0.1, 5, size=(n, 1))
    if tied:
        values = np.round(values)
    signal, references = values[:, 0].copy(), values[:, 1:].copy()
    references[rng.uniform(size=references.shape) < 0.2] = np.nan
    references[:5] = 1.0
    references[5] = np.nan
    references[6, 1:] = np.nan
    references[7, 2:] = np.nan
    return signal, references


def t_statistic(value, others):
    count = len(others)
    if count < 2 or others.std() == 0:
        return np.nan
    return (value - others.mean()) / (others.std(ddof=1) * np.sqrt(1 + 1 / count))


def present(row):
    return row[~np.isnan(row)]


@pytest.mark.parametrize("tied", [False, True])
def test_rank(tied):
    signal, references = table(tied=tied)
    expected = [
        (1 + (present(row) >= value).sum()) / (len(present(row)) + 1)
        for value, row in zip(signal, references, strict=True)
    ]
    np.testing.assert_array_equal(rank_p_values(signal, references), expected)
    assert rank_p_values(signal, references)[5] == 1


@pytest.mark.parametrize("tied", [False, True])
def test_randomized_rank(tied):
    signal, references = table(tied=tied)
    draws = np.random.RandomState(3).uniform(size=len(signal))
    expected = [
        ((row > value).sum() + u * (1 + (row == value).sum())) / (len(present(row)) + 1)
        for value, row, u in zip(signal, references, draws, strict=True)
    ]
    p = rank_p_values(signal, references, randomized=True, random_state=3)
    np.testing.assert_allclose(p, expected, rtol=1e-12)
    assert (p <= rank_p_values(signal, references)).all()


def test_t():
    signal, references = table()
    p, rank = t_p_values(signal, references), rank_p_values(signal, references)
    for i, (value, row) in enumerate(zip(signal, references, strict=True)):
        statistic = t_statistic(value, present(row))
        expected = rank[i]
        if not np.isnan(statistic):
            expected = student.sf(statistic, len(present(row)) - 1)
        assert p[i] == pytest.approx(expected, rel=1e-9)
    np.testing.assert_array_equal(p[:7], rank[:7])
    assert p[7] != rank[7]


def shrunken(value, others, variance):
    """Standardise by others, with the common variance as four more observations."""
    m, deviation = len(others), value - others.mean()
    v = (((others - others.mean()) ** 2).sum() + 4 * variance) / (m - 1 + 4)
    if abs(deviation) <= 1e-14 * abs(others.mean()):
        return 0.0
    return deviation / np.sqrt(v * (1 + 1 / m)) if v > 0 else np.inf * np.sign(deviation)


def literal_pooled(signal, references):
    """Follow the definition record by record."""
    rows = [present(row) for row in references]
    enough = [row for row in rows if len(row) >= 3]
    variance = np.mean([row.var(ddof=1) for row in enough])
    pools = [
        np.array([shrunken(x, np.delete(row, j), variance) for j, x in enumerate(row)])
        for row in enough
    ]
    size = np.mean([len(pool) for pool in pools])
    p = rank_p_values(signal, references)
    for i, (value, row) in enumerate(zip(signal, rows, strict=True)):
        if len(row) >= 3:
            least = shrunken(value, row[:-1], variance)
            least -= 0.0 if np.isinf(least) else 1e-9 * abs(least) + 1e-12
            reached = sum((pool >= least).mean() * size for pool in pools)
            p[i] = (1 + reached) / (1 + size * len(pools))
    return p


@pytest.mark.parametrize("tied", [False, True])
def test_pooled(tied):
    signal, references = table(tied=tied)
    p = pooled_p_values(signal, references)
    np.testing.assert_allclose(p, literal_pooled(signal, references), rtol=1e-7)
    np.testing.assert_array_equal(p[5:8], rank_p_values(signal, references)[5:8])
    assert p.min() < 1 / 13


def test_strata_are_pooled_apart():
    signal, references = table()
    strata = np.where(np.arange(200) % 3 == 0, "a", "b")
    p = pooled_p_values(signal, references, strata=strata)
    for name in "ab":
        rows = strata == name
        expected = literal_pooled(signal[rows], references[rows])
        np.testing.assert_allclose(p[rows], expected, rtol=1e-7)


def votes(n_records, seed=0):
    """Three references of four answer -1, the other one 1, whichever it is."""
    rng = np.random.default_rng(seed)
    return rng.permuted(np.tile([1.0, -1.0, -1.0, -1.0], (n_records, 1)), axis=1)


def test_what_three_of_four_references_answer_exposes_nobody():
    references = votes(1_000)
    p = pooled_p_values(np.full(1_000, -1.0), references)
    # The reference that differs stands apart from equal ones, as the target does from three.
    last = references[:, -1] == 1
    np.testing.assert_array_equal(p[~last], 1)
    np.testing.assert_allclose(p[last], 0.25, atol=1e-3)
    np.testing.assert_allclose(pooled_p_values(np.full(1_000, 1.0), references), 0.25, atol=1e-3)


@pytest.mark.parametrize("n_references", [4, 6, 8])
def test_equal_votes_are_as_typical_whatever_the_model(n_references):
    # Exchangeable votes: of the five-thousand, no more than the nominal share below each level.
    rng = np.random.default_rng(1)
    values = (rng.uniform(size=(5_000, n_references + 1)) < rng.beta(0.3, 0.3, (5_000, 1))) * 1.0
    p = pooled_p_values(values[:, 0], values[:, 1:])
    for level in (0.001, 0.01, 0.05):
        assert (p <= level).mean() <= level + 3.3 * np.sqrt(level / 5_000)


def test_values_that_differ_by_rounding_are_equal():
    # The same three votes of ten in another order: sums of tenths that differ in the last bit.
    references = np.tile([0.1 + 0.2, 0.3, 0.1 + 0.2, 0.3], (50, 1))
    np.testing.assert_array_equal(pooled_p_values(np.full(50, 0.1 + 0.2), references), 1)
    np.testing.assert_array_equal(pooled_p_values(np.full(50, np.float32(0.3)), references), 1)


def test_without_any_variance_only_the_mean_is_typical():
    references = np.tile([[2.0], [-1.0]], (1, 4))
    np.testing.assert_array_equal(pooled_p_values([2.0, -1.0], references), 1)
    np.testing.assert_array_equal(pooled_p_values([2.5, -1.5], references), [1 / 9, 1])


def test_every_record_weighs_the_same_in_the_pool():
    # One record of nine references, which spread, and one of three, which do not.
    references = np.full((2, 9), np.nan)
    references[0] = np.arange(9.0)
    references[1, :3] = 0.0
    p = pooled_p_values([100.0, 0.0], references)
    # Of twelve values each record has six: 0 is reached by half of the first one's and all others.
    np.testing.assert_allclose(p, [1 / 13, (1 + 6 + 6 * 5 / 9) / 13])


def test_infinite_answers_are_the_limit_of_large_ones():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 7))
    extreme = rng.uniform(size=values.shape)
    for big, of_all in ((np.inf, {}), (1e150, {})):
        values[extreme < 0.1], values[extreme > 0.95] = big, -big
        of_all[big] = pooled_p_values(values[:, 0], values[:, 1:])
    assert not np.isnan(of_all[big]).any()
    values[extreme < 0.1], values[extreme > 0.95] = np.inf, -np.inf
    p = pooled_p_values(values[:, 0], values[:, 1:])
    assert ((p > 0) & (p <= 1)).all()
    high = np.isposinf(values[:, 0]) & np.isfinite(values[:, 1:]).all(axis=1)
    assert high.any() and (p[high] < 0.1).all()
    low = np.isneginf(values[:, 0]) & np.isfinite(values[:, 1:]).all(axis=1)
    np.testing.assert_allclose(p[low], 1)


def test_pools_of_other_records():
    pool = pool_of(np.array([[-1.0, 0.0, 1.0]]), 100)
    # Deviations -1.5, 0 and 1.5 over v = (squares + 4) / 5 and 1 + 1 / 2.
    np.testing.assert_allclose(
        pool.values, [-1.5 / np.sqrt(0.9 * 1.5), 0, 1.5 / np.sqrt(0.9 * 1.5)], atol=1e-12
    )
    assert pool.variance == 1
    np.testing.assert_array_equal(pool.weights, 1)
    # -0.5 is the mean of -1 and 0: as typical as 0 is between -1 and 1.
    references = [[-1.0, 0.0, 1.0]]
    p = [p_values_from_pool([x], references, pool)[0] for x in (-9.0, -0.5, 0.0, 9.0, np.nan)]
    np.testing.assert_array_equal(p, [1, 0.75, 0.5, 0.25, np.nan])
    # Without a pool, and without three references: the rank.
    nothing = pool_of(np.empty((0, 3)), 100)
    assert p_values_from_pool([9.0], references, nothing)[0] == 0.25
    assert p_values_from_pool([9.0], [[-1.0, 0.0, np.nan]], pool)[0] == 1 / 3
    # Infinite answers reach infinite ones.
    certain = Pool(np.array([-np.inf, 0.0, np.inf]), np.ones(3), 1.0)
    p = [p_values_from_pool([x], references, certain)[0] for x in (np.inf, -np.inf)]
    np.testing.assert_array_equal(p, [0.5, 1])


def test_the_pool_of_the_same_records_gives_the_same_values():
    signal, references = table(tied=True)
    p = p_values_from_pool(signal, references, pool_of(references, 10**6))
    np.testing.assert_allclose(p, pooled_p_values(signal, references), rtol=1e-8)


def test_higher_signals_never_have_larger_pooled_values():
    _, references = table(tied=True)
    signals = np.sort(np.random.default_rng(2).normal(0, 5, (len(references), 40)), axis=1)
    signals[:, 0], signals[:, -1] = -np.inf, np.inf
    assert (np.diff(pooled_p_values(signals, references), axis=1) <= 0).all()


@pytest.mark.parametrize("scale", ["loss", "signal"])
@pytest.mark.parametrize("shape", [(12, 1), (100, 100), (1_000, 1), (1_000, 30)])
def test_pchip_is_scipys_between_the_references(shape, scale):
    n_references, n_targets = shape
    rng = np.random.default_rng(5)
    signal = rng.normal(1, 3, (60, n_targets))
    references = rng.normal(1, 3, (60, n_references))
    signal[0], signal[1] = 20, -20
    p = pchip_p_values(signal, references, scale=scale)
    assert (p[0] == 0).all() and (p[1] == 1).all()
    for row, own, others in zip(p, signal, references, strict=True):
        loss, knots = (np.logaddexp(0, -x) if scale == "loss" else -x for x in (own, others))
        knots = np.sort(knots)
        smooth = PchipInterpolator(knots, np.arange(1, n_references + 1) / n_references)
        expected = np.where(loss < knots[0], 0, np.where(loss > knots[-1], 1, smooth(loss)))
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-12)


def test_pchip_at_ties_and_with_few_distinct_losses():
    # One knot per distinct loss, with the count up to and including it.
    references = [0.0, 1.0, 1.0, 1.0, 2.0]
    p = pchip_p_values([[3.0, 2.0, 1.0, 0.0, -1.0]], [references])
    np.testing.assert_array_equal(p, [[0, 0.2, 0.8, 1, 1]])
    # No cubic through one or two: steps.
    np.testing.assert_array_equal(
        pchip_p_values([[2.0, 1.0, 0.5, 0.0, -1.0]], [[0.0, 1.0, 1.0, np.nan]]),
        [[0, 2 / 3, 2 / 3, 1, 1]],
    )
    np.testing.assert_array_equal(pchip_p_values([[2.0, 1.0, 0.0]], [[1.0]]), [[0, 1, 1]])


def test_pchip_of_losses_that_vanish():
    # Far out the loss is 0 whatever the signal; an infinite one is no worse.
    references = [[800.0, 900.0, 5.0, 4.0, 3.0, -np.inf]]
    np.testing.assert_array_equal(pchip_p_values([[1e4, np.inf, 850.0]], references), 2 / 6)
    assert pchip_p_values([744.0], references)[0] == pytest.approx(2 / 6)
    np.testing.assert_array_equal(pchip_p_values([-np.inf], references), 1)


def test_pchip_refuses_other_scales():
    with pytest.raises(ValueError, match="`scale` must be 'loss' or 'signal', got 'logit'"):
        pchip_p_values([1.0], [[0.0]], scale="logit")


METHODS = [rank_p_values, t_p_values, pooled_p_values, pchip_p_values]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_targets_are_told_apart_from_one_another_only_by_their_signals(method, tied, dtype):
    signal, references = (x.astype(dtype) for x in table(tied=tied))
    several = np.stack([signal, signal + 1, -signal, np.full_like(signal, np.nan)] * 3, axis=1)
    p = method(several, references)
    assert p.shape == several.shape
    assert p.dtype == np.float64
    for own, expected in zip(several.T, p.T, strict=True):
        np.testing.assert_array_equal(method(own, references), expected)
    np.testing.assert_array_equal(method(np.asfortranarray(several), references), p)
    assert method(several[:, :0], references).shape == (len(signal), 0)


def test_strata_of_several_targets():
    signal, references = table()
    strata = np.arange(200) % 3
    p = pooled_p_values(np.stack([signal, signal + 1], axis=1), references, strata=strata)
    for own, expected in zip((signal, signal + 1), p.T, strict=True):
        np.testing.assert_array_equal(pooled_p_values(own, references, strata=strata), expected)


def test_randomized_ranks_of_several_targets_are_drawn_apart():
    signal, references = table(tied=True)
    several = np.stack([signal, signal], axis=1)
    p = rank_p_values(several, references, randomized=True, random_state=0)
    assert (p[:, 0] != p[:, 1]).mean() > 0.9
    np.testing.assert_array_equal(
        rank_p_values(several, references, randomized=True, random_state=0), p
    )
    plain = rank_p_values(several, references)
    assert (p <= plain).all()


@pytest.mark.parametrize("method", METHODS)
def test_very_many_references(method):
    rng = np.random.default_rng(6)
    references = rng.normal(size=(3, 100_001))
    signal = np.tile(np.linspace(-4.5, 4.5, 40), (3, 1))
    p = method(signal, references)
    # All four agree with the law that the references are from.
    np.testing.assert_allclose(p, student.sf(signal, 1e6), atol=0.01)
    np.testing.assert_allclose(method(signal[:, 7], references), p[:, 7], rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
class TestAll:
    def test_in_the_unit_interval_and_missing_where_the_signal_is(self, method):
        signal, references = table(tied=True)
        signal[[3, 50]] = np.nan
        p = method(signal, references)
        np.testing.assert_array_equal(np.isnan(p), np.isnan(signal))
        least = 0 if method is pchip_p_values else 1e-300
        assert ((np.delete(p, [3, 50]) >= least) & (np.delete(p, [3, 50]) <= 1)).all()

    def test_higher_signal_smaller_p(self, method):
        _, references = table()
        low, high = (method(np.full(200, level), references) for level in (0.5, 4.0))
        assert (high <= low).all()
        assert high.mean() < low.mean()

    def test_equal_answers_stay_equal_in_single_precision(self, method):
        # 0.1 is not a float32: as float64 the signal would lie above its own rounding.
        references = np.full((4, 5), 0.1, dtype=np.float32)
        np.testing.assert_array_equal(method(np.full(4, 0.1), references), 1)

    def test_input_of_any_kind_and_unchanged(self, method):
        signal, references = table()
        expected = method(signal, references)
        before = references.copy()
        references.flags.writeable = False
        for given in (references.tolist(), np.asfortranarray(references), references):
            np.testing.assert_array_equal(method(signal.tolist(), given), expected)
        np.testing.assert_array_equal(references, before)
        integers = method([1, 2], [[0, 1, 3], [0, 1, 3]])
        assert integers.shape == (2,)

    def test_without_references_or_records(self, method):
        np.testing.assert_array_equal(method([1.0, 2.0], np.empty((2, 0))), 1)
        assert method([], np.empty((0, 4))).shape == (0,)

    @pytest.mark.parametrize("shape", [(3, 4), (4,), (2, 2, 2)])
    def test_refuses_other_shapes(self, method, shape):
        for signal in ([1.0, 2.0], [[1.0, 0.0], [2.0, 0.0]]):
            with pytest.raises(ValueError, match="one row per entry of `signal`"):
                method(signal, np.zeros(shape))
        with pytest.raises(ValueError, match="one row per entry of `signal`"):
            method(np.zeros((2, 1, 1)), np.zeros((2, 4)))


def test_refuses_strata_of_another_length():
    with pytest.raises(ValueError, match="`strata` must have one entry per record"):
        pooled_p_values([1.0, 2.0], np.zeros((2, 4)), strata=[1])


def test_references_needed():
    assert references_needed(1_000, 50, 0.1) == 199
    assert references_needed(1_000, 1_000, 0.1) == 9
    # 90 / .9 is 100.00000000000001 in floating point.
    assert references_needed(90, 3, 0.3) == 99
    # The smallest rank p-value then reaches the last rejected place.
    for n, m, q in ((1_000, 50, 0.1), (777, 13, 0.05), (10, 1, 0.3)):
        k = references_needed(n, m, q)
        assert 1 / (k + 1) <= q * m / n * (1 + 1e-12)
        assert 1 / k > q * m / n
    with pytest.raises(ValueError, match="`n_rejected` must lie between 1 and n_records=10"):
        references_needed(10, 11)
    with pytest.raises(ValueError, match="`q` must lie strictly between 0 and 1"):
        references_needed(10, 1, 0)
