"""Each kernel against a NumPy twin, on every kind of input that the kernels promise to read."""

from __future__ import annotations

import multiprocessing
import os
import signal as signals
import sys
import threading
import warnings

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from scipy.interpolate import PchipInterpolator
from scipy.special import expit, logsumexp
from sklearn.ensemble import HistGradientBoostingClassifier

from mia_sklearn import _rust
from mia_sklearn.attacks._boosted import SmallBooster, SmallTrees
from processes import printed_after_ctrl_c, printed_by_kernels

BANDWIDTHS = np.array([0.05, 0.3, 1.0, 40.0])
# Enough numbers that the kernels use their threads.
LARGE = (1_101, 16)


def statistics_twin(signal, references):
    signal, references = np.asarray(signal, float), np.asarray(references, float)
    result = np.full((len(signal), 8), np.nan)
    result[:, 0] = 0
    for row, own, others in zip(result, signal, references, strict=True):
        x = others[~np.isnan(others)]
        if len(x) == 0:
            continue
        with np.errstate(all="ignore"):
            row[[0, 1, 3, 4, 7]] = len(x), x.mean(), x.min(), x.max(), expit(x).mean()
            if len(x) > 1:
                row[2] = 0.0 if (x == x[0]).all() and np.isfinite(x[0]) else x.std(ddof=1)
        if not np.isnan(own):
            row[5:7] = (x < own).sum(), (x == own).sum()
    return result


def density_twin(signal, references, bandwidths):
    signal, references = np.asarray(signal, float), np.asarray(references, float)
    result = np.full((len(signal), len(bandwidths)), np.nan)
    for row, own, others in zip(result, signal, references, strict=True):
        x = others[~np.isnan(others)]
        if len(x) == 0 or np.isnan(own):
            continue
        with np.errstate(over="ignore"):
            terms = -0.5 * ((own - x[:, None]) / bandwidths) ** 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            row[:] = logsumexp(terms, axis=0) - np.log(len(x) * bandwidths * np.sqrt(2 * np.pi))
    return result


def rmia_twin(log_ratios, log_population, gamma):
    """Compare every record with all of the population: n x z numbers."""
    difference = np.asarray(log_ratios)[:, None] - np.asarray(log_population)[None, :]
    return np.where(np.isnan(log_ratios), np.nan, (difference >= np.log(gamma)).mean(axis=1))


def t_twin(x, references):
    references = references[~np.isnan(references)]
    if len(references) < 2 or (references == references[0]).all():
        return np.nan
    sd = references.std(ddof=1)
    return (x - references.mean()) / (sd * np.sqrt(1 + 1 / len(references))) if sd > 0 else np.nan


def leave_one_out_twin(signal, references):
    signal, references = np.asarray(signal, float), np.asarray(references, float)
    t = [t_twin(own, others) for own, others in zip(signal, references, strict=True)]
    each = [
        [t_twin(x, np.delete(others, j)) for j, x in enumerate(others)] for others in references
    ]
    return np.array(t), np.array(each).reshape(references.shape)


def shrunken_twin(signal, references, variance=None):
    """Follow the definition of the shrunken statistic value by value."""
    rounding = 8 * np.finfo(np.asarray(references).dtype).eps
    signal, references = np.asarray(signal, float), np.asarray(references, float)
    rows = [row[~np.isnan(row)] for row in references]
    if variance is None:
        with np.errstate(all="ignore"):
            enough = [row for row in rows if len(row) >= 3]
            own = np.array([row.var(ddof=1) if np.ptp(row) else 0.0 for row in enough])
        own = own[np.isfinite(own)]
        variance = own.mean() if len(own) else 0.0

    def statistic(x, others):
        mean = others.mean()
        v = (((others - mean) ** 2).sum() + 4 * variance) / (len(others) - 1 + 4)
        if abs(x - mean) <= rounding * np.abs(others).max():
            return 0.0
        with np.errstate(divide="ignore"):
            return np.divide(x - mean, np.sqrt(v * (1 + 1 / len(others))))

    t, each = np.full(signal.shape, np.nan), np.full(references.shape, np.nan)
    for i, row in enumerate(rows):
        if len(row) >= 3:
            t[i] = statistic(signal[i], row[:-1])
            present = np.flatnonzero(~np.isnan(references[i]))
            each[i, present] = [statistic(x, np.delete(row, j)) for j, x in enumerate(row)]
    return t, each, variance


def counts_twin(t, pool):
    """Count the values of a pool that reach each number, each row weighing the same."""
    present = ~np.isnan(pool)
    sizes = present.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where(present, (sizes.sum() / (sizes > 0).sum() / sizes)[:, None], 0)
        least = np.where(np.isinf(t), t, t - 1e-9 * np.abs(t) - 1e-12)
    counts = [np.nan if np.isnan(x) else weights[pool >= x].sum() for x in least]
    return np.array(counts, dtype=float), weights.sum()


def pooled_twin(signal, references):
    """Count what reaches each statistic; ranks where there is none."""
    s, each, _ = _rust.shrunken_t(signal, references)
    counts, total = counts_twin(s.ravel(), each)
    p = ((1 + counts) / (1 + total)).reshape(s.shape)
    return np.where(np.isnan(p), _rust.rank_p_values(signal, references), p)


def gower_twin(queries, table, caps, n_neighbors):
    """Compare every query with every row, column by column."""
    far = np.zeros((len(queries), len(table)))
    for own, their, cap in zip(queries.T[:, :, None], table.T, caps, strict=True):
        same = (own == their) | (np.isnan(own) & np.isnan(their))
        with np.errstate(invalid="ignore"):
            gap = np.nan_to_num(np.abs(own - their), nan=np.inf)
        far += np.where(same, 0.0, np.minimum(gap, cap))
    nearest = np.argsort(far, axis=1, kind="stable")[:, :n_neighbors]
    return np.take_along_axis(far, nearest, axis=1), nearest


def ranks_twin(signal, references):
    signal, references = np.asarray(signal, float), np.asarray(references, float)
    count = (~np.isnan(references)).sum(axis=1, keepdims=True)
    reached = (references[:, :, None] >= signal[:, None, :]).sum(axis=1)
    return np.where(np.isnan(signal), np.nan, (1 + reached) / (1 + count))


def pchip_twin(signal, references):
    signal, references = -np.asarray(signal, float), -np.asarray(references, float)
    p = np.ones(signal.shape)
    for row, own, others in zip(p, signal, references, strict=True):
        knots, count = np.unique(others[~np.isnan(others)], return_counts=True)
        if len(knots):
            share = np.append(0, count.cumsum() / count.sum())
            row[:] = share[np.searchsorted(knots, own, side="right")]
            if len(knots) > 2:
                with np.errstate(all="ignore"):
                    smooth = PchipInterpolator(knots, share[1:])(own)
                inside = (own >= knots[0]) & (own < knots[-1])
                row[inside] = smooth[inside]
    return np.where(np.isnan(signal), np.nan, p)


def _several(signal, references):
    """Return signals of several targets: the record's own and all that the references hold."""
    return np.concatenate([signal[:, None], references, references + references[:, :1]], axis=1)


def _cases():
    rng = np.random.default_rng(0)
    normal = rng.normal(1.0, 3.0, (53, 12))
    gaps = np.where(rng.random((53, 12)) < 0.3, np.nan, normal)
    gaps[3] = np.nan
    gaps[4, 1:] = np.nan
    gaps[5, 2:] = np.nan
    gaps_in_signal = normal[:, 0].copy()
    gaps_in_signal[::7] = np.nan
    outlier = np.tile(np.linspace(0.1, 0.2, 53)[:, None], (1, 12))
    outlier[:, 5] += np.geomspace(1e-9, 1e9, 53)
    return {
        "normal": (normal[:, 0], normal[:, 1:]),
        "tied": (rng.integers(-2, 3, 53) / 10, rng.integers(-2, 3, (53, 12)) / 10),
        "constant": (np.full(53, 0.1), np.full((53, 12), 0.1)),
        "one outlier among equals": (outlier[:, 0], outlier),
        "tiny": (1e-150 * normal[:, 0], 1e-150 * normal),
        "subnormal": (1e-315 * normal[:, 0], 1e-315 * normal),
        "huge": (1e140 * normal[:, 0], 1e140 * normal),
        "far from 0": (1e8 + normal[:, 0], 1e8 + normal),
        "far from the signal": (normal[:, 0] - 5e3, normal),
        "saturated": (40 * normal[:, 0], 300 * normal),
        "NaN": (gaps_in_signal, gaps),
        "only NaN": (normal[:, 0], np.full((53, 12), np.nan)),
        "one reference": (normal[:, 0], normal[:, 1:2]),
        "two references": (normal[:, 0], normal[:, 1:3]),
        "three references": (normal[:, 0], normal[:, 1:4]),
        "no reference": (normal[:, 0], normal[:, :0]),
        "no record": (np.empty(0), np.empty((0, 12))),
        "one record": (normal[:1, 0], normal[:1]),
        "large": (rng.normal(size=LARGE[0]), rng.normal(size=LARGE)),
    }


def _packed(table):
    """Return the table as a field of packed records, whose addresses are not aligned."""
    packed = np.zeros(table.shape, dtype=[("pad", "i1"), ("x", table.dtype)])
    packed["x"] = table
    return packed["x"]


def _read_only(table):
    table = table.copy()
    table.flags.writeable = False
    return table


LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "read-only": _read_only,
    "every other": lambda table: np.repeat(np.repeat(table, 2, axis=0), 3, axis=1)[::2, ::3],
    "reversed": lambda table: np.ascontiguousarray(table[::-1, ::-1])[::-1, ::-1],
    "packed": _packed,
}

CASES = _cases()


@pytest.fixture(params=list(CASES))
def case(request):
    return CASES[request.param]


@pytest.fixture(params=[f"{name}, {dtype}" for name in CASES for dtype in ("float32", "float64")])
def typed(request):
    name, dtype = request.param.rsplit(", ", 1)
    if dtype == "float32" and name == "huge":
        return tuple((1e-120 * x).astype(dtype) for x in CASES[name])
    return tuple(x.astype(dtype) for x in CASES[name])


def _scale(references):
    references = np.asarray(references, float)
    return np.nanmax(np.abs(references), initial=0, where=~np.isnan(references))


def test_statistics_equal_their_twin(typed):
    expected = statistics_twin(*typed)
    result = _rust.reference_statistics(*typed)
    assert result.dtype == np.float64
    exact = [0, 3, 4, 5, 6]
    np.testing.assert_array_equal(result[:, exact], expected[:, exact])
    rounding = 1e-14 * _scale(typed[1]) + np.finfo(np.float64).smallest_subnormal
    np.testing.assert_allclose(result[:, [1, 2]], expected[:, [1, 2]], rtol=1e-13, atol=rounding)
    np.testing.assert_allclose(result[:, 7], expected[:, 7], rtol=1e-13, atol=0)


def test_densities_equal_their_twin(typed):
    result = _rust.kernel_log_density(*typed, BANDWIDTHS)
    expected = density_twin(*typed, BANDWIDTHS)
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-12)


def test_leave_one_out_t_equals_its_twin(typed):
    t, each = _rust.leave_one_out_t(*typed)
    expected, expected_each = leave_one_out_twin(*typed)
    assert t.dtype == each.dtype == np.float64
    # The scale over the spread is what cancels in a difference from the mean.
    tolerance = {"rtol": 1e-9, "atol": 1e-7}
    np.testing.assert_allclose(t, expected, **tolerance)
    np.testing.assert_allclose(each, expected_each, **tolerance)


def test_shrunken_t_equals_its_twin(typed):
    signal, references = typed
    s, each, variance = _rust.shrunken_t(signal, references)
    expected, expected_each, expected_variance = shrunken_twin(signal, references)
    assert s.dtype == each.dtype == np.float64
    np.testing.assert_allclose(variance, expected_variance, rtol=1e-9, atol=1e-300)
    tolerance = {"rtol": 1e-6, "atol": 1e-6}
    np.testing.assert_allclose(s, expected, **tolerance)
    np.testing.assert_allclose(each, expected_each, **tolerance)
    given = _rust.shrunken_t(signal, references, 2.5)
    np.testing.assert_allclose(given[1], shrunken_twin(signal, references, 2.5)[1], **tolerance)
    assert given[2] == 2.5


def test_ranks_equal_their_twin(typed):
    signal, references = typed
    for own in (signal[:, None], _several(*typed)):
        p = _rust.rank_p_values(own, references)
        assert p.dtype == np.float64
        np.testing.assert_array_equal(p, ranks_twin(own, references))


def test_placed_ranks_equal_their_twin(typed):
    signal, references = typed
    own = _several(*typed)
    places = np.random.default_rng(0).uniform(size=own.shape)
    p = _rust.rank_p_values(own, references, places)
    count = (~np.isnan(references)).sum(axis=1, keepdims=True)
    above = (references[:, :, None] > own[:, None, :]).sum(axis=1)
    equal = (references[:, :, None] == own[:, None, :]).sum(axis=1)
    expected = np.where(np.isnan(own), np.nan, (above + places * (1 + equal)) / (1 + count))
    np.testing.assert_allclose(p, expected, rtol=1e-12)
    np.testing.assert_array_equal(
        _rust.rank_p_values(own, references, places=None)[:, :1],
        _rust.rank_p_values(signal[:, None], references),
    )


def test_pchip_equals_scipy(typed, request):
    if any(f"{name}, float64" in request.node.name for name in ("subnormal", "tiny", "huge")):
        pytest.skip("SciPy's coefficients overflow; see the next test")
    signal, references = typed
    for own in (signal[:, None], _several(*typed)):
        p = _rust.pchip_p_values(own, references, False)
        assert p.dtype == np.float64
        np.testing.assert_allclose(p, pchip_twin(own, references), rtol=0, atol=1e-12)


@pytest.mark.parametrize("columns", [1, 4])
def test_nearest_rows_equal_their_twin(columns):
    rng = np.random.default_rng(columns)
    table, queries = rng.integers(0, 4, (2, 300, columns)) * rng.choice([1.0, 0.3], columns)
    table[rng.random(table.shape) < 0.1] = np.nan
    table[0], queries[0], queries[1] = np.inf, -np.inf, np.nan
    caps = rng.uniform(0.2, 1.5, columns)
    expected = gower_twin(queries, table, caps, 4)
    for one, other in (
        (queries, table),
        (np.asfortranarray(queries), np.repeat(table, 2, 1)[:, ::2]),
    ):
        _assert_same_bits(_rust.gower_nearest(one, other, caps, 4), expected)


def test_nearest_of_few_columns_equal_their_twin():
    rng = np.random.default_rng(0)
    table, queries = rng.integers(0, 4, (2, 301, 3)).astype(np.float32) * np.float32(0.3)
    gaps = queries[:, None].astype(float) - table.astype(float)
    far = np.sqrt(gaps[..., 0] ** 2 + gaps[..., 1] ** 2 + gaps[..., 2] ** 2)
    nearest = np.argsort(far, axis=1, kind="stable")[:, :40]
    expected = np.take_along_axis(far, nearest, axis=1), nearest
    for one in (queries, np.asfortranarray(queries)):
        _assert_same_bits(_rust.euclidean_nearest(one, table, 40), expected)


@pytest.mark.parametrize("max_leaf_nodes", [3, 32])
def test_small_trees_say_what_their_booster_says(max_leaf_nodes):
    rng = np.random.default_rng(0)
    rows = rng.integers(-9, 9, (301, 4)).astype(np.float32) * np.float32(0.1)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    options = {"max_iter": 4, "min_samples_leaf": 2, "max_leaf_nodes": max_leaf_nodes}
    model = HistGradientBoostingClassifier(**options).fit(rows, rng.integers(2, size=301))
    trees = SmallTrees.of(model)
    for asked in (rows, np.asfortranarray(rows)[::3], rows[:0]):
        expected = model.decision_function(asked) if len(asked) else np.empty(0)
        _assert_same_bits([trees.decision_function(asked)], [expected])
    assert SmallTrees.of(model.set_params(max_leaf_nodes=40).fit(rows, np.arange(301) % 2)) is None
    three = HistGradientBoostingClassifier(**options).fit(rows, np.arange(301) % 3)
    assert SmallTrees.of(three) is None


@pytest.mark.parametrize("l2", [0.0, 3.0])
def test_a_small_booster_learns_what_that_of_scikit_learn_does(l2):
    rng = np.random.default_rng(0)
    # Fewer numbers than bins, so that both can split at the same ones.
    rows = rng.integers(-20, 20, (600, 4)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    member = np.nansum(rows, axis=1) + 10 * rng.normal(size=600) > 0
    options = {"max_iter": 8, "max_leaf_nodes": 6, "min_samples_leaf": 9, "l2_regularization": l2}
    theirs = HistGradientBoostingClassifier(**options, early_stopping=False).fit(rows, member)
    ours = SmallBooster(**options).fit(rows, np.where(member, "yes", "no"))
    assert ours.classes_.tolist() == ["no", "yes"]
    expected = theirs.decision_function(rows)
    np.testing.assert_allclose(ours.decision_function(rows), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours.predict_proba(rows), theirs.predict_proba(rows), atol=1e-5)


def test_trees_that_read_their_columns_otherwise_speak_for_themselves():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 3))
    options = {"max_iter": 2, "min_samples_leaf": 2}
    in_front = HistGradientBoostingClassifier(**options, categorical_features=[2])
    assert SmallTrees.of(in_front.fit(np.where([[0, 0, 1]], 0, rows), rows[:, 0] > 0)) is None
    model = HistGradientBoostingClassifier(**options).fit(rows, rows[:, 0] > 0)
    assert SmallTrees.of(model) is not None
    model._predictors[1][0].nodes["num_threshold"][0] = np.nan
    assert SmallTrees.of(model) is None


@pytest.mark.parametrize("exponent", [-1_000, -500, 400, 1_000])
def test_pchip_of_tiny_and_huge_numbers_is_that_of_plain_ones(exponent):
    signal, references = CASES["normal"]
    own = np.repeat(signal[:, None], 20, axis=1) + np.linspace(-2, 2, 20)
    scaled = own * 2.0**exponent, references * 2.0**exponent
    for width in (1, 20):
        expected = _rust.pchip_p_values(own[:, :width], references, False)
        p = _rust.pchip_p_values(scaled[0][:, :width], scaled[1], False)
        assert p.tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", list(CASES))
def test_pchip_of_losses_is_that_of_signals_turned_into_losses(name):
    signal, references = CASES[name]
    own = _several(signal, references)
    with np.errstate(invalid="ignore"):
        losses = [-np.logaddexp(0, -x) for x in (own, references)]
    p = _rust.pchip_p_values(own, references, True)
    if name in ("tiny", "subnormal", "huge", "saturated", "far from the signal"):
        # Losses are apart by no more than their rounding, if at all.
        assert ((p >= 0) & (p <= 1)).all()
    else:
        expected = _rust.pchip_p_values(*losses, False)
        np.testing.assert_allclose(p, expected, rtol=0, atol=1e-7)
    alone = _rust.pchip_p_values(own[:, :1], references, True)
    assert alone.tobytes() == p[:, :1].tobytes()


@pytest.mark.parametrize("shape", [(40, 700), (3, 5_000), (40, 31), (40, 64)])
def test_pchip_of_many_references_equals_scipy(shape):
    rng = np.random.default_rng(3)
    references = rng.normal(size=shape).round(2 if shape[1] < 700 else 9)
    for width in (1, 8, 9, 33, 100):
        own = rng.normal(size=(shape[0], width)).round(2)
        p = _rust.pchip_p_values(own, references, False)
        np.testing.assert_allclose(p, pchip_twin(own, references), rtol=0, atol=1e-12)
        np.testing.assert_array_equal(
            _rust.rank_p_values(own, references), ranks_twin(own, references)
        )


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_rmia_scores_equal_their_twin(case, gamma):
    signal, references = case
    population = references[:, :3].ravel()
    population = np.append(population[~np.isnan(population)], 0.25)
    np.testing.assert_array_equal(
        _rust.rmia_scores(signal, population, gamma), rmia_twin(signal, population, gamma)
    )


def test_rmia_scores_of_infinite_ratios_equal_their_twin():
    ratios = np.array([-np.inf, -1.0, 0.0, np.inf, np.nan])
    with np.errstate(invalid="ignore"):
        expected = rmia_twin(ratios, ratios[:4], 1.0)
    np.testing.assert_array_equal(_rust.rmia_scores(ratios, ratios[:4], 1.0), expected)


def test_rmia_scores_of_many_records_equal_their_twin():
    rng = np.random.default_rng(1)
    ratios, population = rng.normal(size=5_000).round(2), rng.normal(size=2_000).round(2)
    np.testing.assert_array_equal(
        _rust.rmia_scores(ratios, population, 1.0), rmia_twin(ratios, population, 1.0)
    )


def test_pooled_p_values_equal_their_twin(typed):
    signal, references = typed
    for own in (np.asarray(signal)[:, None], _several(signal, references)):
        p = _rust.pooled_p_values(own, references)
        np.testing.assert_allclose(p, pooled_twin(own, references), rtol=1e-9)


@pytest.mark.parametrize("shape", ["heavy tails", "tied", "infinite", "too wide", "one far off"])
def test_pooled_p_values_of_uneven_numbers_equal_their_twin(shape):
    rng = np.random.default_rng(2)
    references = {
        "heavy tails": lambda: rng.standard_cauchy((60, 8)),
        "tied": lambda: rng.integers(0, 3, (60, 8)).astype(float),
        "infinite": lambda: rng.choice([0.0, -0.0, 1.0, -np.inf, np.inf], (60, 8)),
        "too wide": lambda: 1.7e308 * rng.uniform(-1, 1, (60, 8)),
        "one far off": lambda: np.append(rng.normal(size=(59, 4)), [[1e200, 0, 0, 0]], axis=0),
    }[shape]()
    signal = rng.choice(references.ravel(), (len(references), 3))
    p = _rust.pooled_p_values(signal, references)
    np.testing.assert_array_equal(p, pooled_twin(signal, references))


def test_an_infinite_reference_beside_equal_ones_is_in_the_pool():
    each = _rust.shrunken_t(np.zeros((2, 0)), np.array([[0.0, 1, 2, 3], [np.inf, 0, 0, 0]]))[1]
    assert not np.isnan(each).any()
    assert each[1, 0] == np.inf


def _p_values(signal, references):
    table = np.asarray(signal)[:, None]
    several = _several(table[:, 0], references)
    return [
        method(own, references, *options)
        for own in (table, several)
        for method, *options in (
            (_rust.rank_p_values,),
            (_rust.pchip_p_values, False),
            (_rust.pchip_p_values, True),
        )
    ]


def _all_kernels(signal, references):
    t, each = _rust.leave_one_out_t(signal, references)
    return [
        _rust.reference_statistics(signal, references),
        _rust.kernel_log_density(signal, references, BANDWIDTHS),
        t,
        each,
        _rust.pooled_p_values(np.asarray(signal)[:, None], references),
        *_rust.shrunken_t(signal, references)[:2],
        _rust.leave_one_out_t(np.stack([signal] * 3, axis=1), references)[0],
        *_p_values(signal, references),
        _rust.rmia_scores(signal, np.nan_to_num(references).ravel()[:5_000], 1.5),
    ]


def _assert_same_bits(results, expected):
    for result, other in zip(results, expected, strict=True):
        assert result.tobytes() == other.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["NaN", "large"])
def test_the_layout_in_memory_changes_no_bit(name, layout, dtype):
    signal, references = (x.astype(dtype) for x in CASES[name])
    arranged = LAYOUTS[layout](references)
    before = arranged.copy()
    column = LAYOUTS[layout](np.stack([signal, signal], axis=1))[:, 0]
    _assert_same_bits(_all_kernels(column, arranged), _all_kernels(signal, references))
    np.testing.assert_array_equal(arranged, before)


def test_overlapping_rows_are_read():
    series = np.random.default_rng(0).normal(size=64)
    windows = sliding_window_view(series, 8)
    repeated = np.broadcast_to(series[:8], windows.shape)
    for table in (windows, repeated):
        signal = series[: len(table)]
        _assert_same_bits(_all_kernels(signal, table), _all_kernels(signal, table.copy()))


@pytest.mark.parametrize("skip", [(0, 2), (3, 7), (10, 12), (5, 5), (0, 12)])
def test_skipped_columns_are_absent(skip):
    signal, references = CASES["NaN"]
    masked = references.copy()
    masked[:, slice(*skip)] = np.nan
    _assert_same_bits(
        [
            _rust.reference_statistics(signal, references, skip=skip),
            _rust.kernel_log_density(signal, references, BANDWIDTHS, skip=skip),
        ],
        [
            _rust.reference_statistics(signal, masked),
            _rust.kernel_log_density(signal, masked, BANDWIDTHS),
        ],
    )


def test_infinite_references_are_described_as_numpy_does():
    references = np.array([[np.inf, 1.0], [-np.inf, np.inf], [np.inf, np.inf]])
    with np.errstate(invalid="ignore"):
        expected = references.mean(axis=1)
    result = _rust.reference_statistics([np.inf, 0.0, 1.0], references)
    np.testing.assert_array_equal(result[:, 1], expected)
    np.testing.assert_array_equal(result[:, [3, 4]], [[1, np.inf], [-np.inf, np.inf], [np.inf] * 2])
    np.testing.assert_array_equal(result[:, [5, 6]], [[1, 1], [1, 0], [0, 0]])
    np.testing.assert_allclose(result[:, 7], expit(references).mean(axis=1))


def test_densities_far_out_do_not_underflow():
    density = _rust.kernel_log_density([1e6, 1e200], np.zeros((2, 4)), [1e-3])
    np.testing.assert_allclose(density[0], -0.5e18, rtol=1e-15)
    assert density[1, 0] == -np.inf


def test_other_one_dimensional_arguments_are_converted():
    references = np.arange(12.0).reshape(3, 4)
    expected = _rust.reference_statistics(np.array([1.0, 2.0, 3.0]), references)
    for signal in ([1, 2, 3], np.array([1, 2, 3], "i2"), np.array([1, 2, 3], ">f8")):
        np.testing.assert_array_equal(_rust.reference_statistics(signal, references), expected)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: _rust.reference_statistics(np.zeros(2), np.zeros((3, 4))), ValueError, "signal"),
        (lambda: _rust.leave_one_out_t(np.zeros(4), np.zeros((3, 4))), ValueError, "signal has 4"),
        (lambda: _rust.shrunken_t(np.zeros(4), np.zeros((3, 4))), ValueError, "signal has 4"),
        (
            lambda: _rust.reference_statistics(np.zeros((3, 1)), np.zeros((3, 4))),
            ValueError,
            "one ",
        ),
        (lambda: _rust.reference_statistics(np.zeros(3), np.zeros(3)), ValueError, "references"),
        (lambda: _rust.reference_statistics(np.zeros(3), [[0.0]] * 3), TypeError, "NumPy array"),
        (lambda: _rust.leave_one_out_t(np.zeros(3), np.zeros((3, 4), int)), TypeError, "int64"),
        (
            lambda: _rust.pooled_p_values(np.zeros((3, 1)), np.zeros((3, 4), ">f8")),
            TypeError,
            ">f8",
        ),
        (
            lambda: _rust.reference_statistics(np.zeros(3), np.zeros((3, 4)), skip=(2, 5)),
            ValueError,
            r"skip=\(2, 5\)",
        ),
        (
            lambda: _rust.kernel_log_density(np.zeros(3), np.zeros((3, 4)), [1.0], skip=(3, 2)),
            ValueError,
            r"skip=\(3, 2\)",
        ),
        (
            lambda: _rust.kernel_log_density(np.zeros(3), np.zeros((3, 4)), [1.0, 0.0]),
            ValueError,
            "bandwidths must be positive",
        ),
        (lambda: _rust.leave_one_out_t(np.zeros((3, 1, 1)), np.zeros((3, 4))), ValueError, "two "),
        (lambda: _rust.rank_p_values(np.zeros(3), np.zeros((3, 4))), ValueError, "signal must"),
        (lambda: _rust.rank_p_values(np.zeros((2, 1)), np.zeros((3, 4))), ValueError, "signal has"),
        (
            lambda: _rust.rank_p_values(np.zeros((3, 1)), np.zeros((3, 4)), np.zeros((3, 2))),
            ValueError,
            r"places has shape \(3, 2\) .* \(3, 1\)",
        ),
        (lambda: _rust.pchip_p_values(np.zeros((3, 1)), [[0.0]] * 3, True), TypeError, "NumPy"),
        (
            lambda: _rust.pchip_p_values(np.zeros((2, 1)), np.zeros((3, 4)), True),
            ValueError,
            "signal has 2 rows where 3",
        ),
        (
            lambda: _rust.gower_nearest(np.zeros((1, 3)), np.zeros((3, 2)), [1.0, 1.0], 1),
            ValueError,
            "queries have 3 features",
        ),
        (
            lambda: _rust.gower_nearest(np.zeros((1, 2)), np.zeros((3, 2)), [1.0, 0.0], 1),
            ValueError,
            "caps must be positive",
        ),
        (
            lambda: _rust.gower_nearest(np.zeros((1, 2)), np.zeros((3, 2)), [1.0, 1.0], 4),
            ValueError,
            "n_neighbors=4 does not lie between 1 and 3",
        ),
        (
            lambda: _rust.euclidean_nearest(
                np.full((1, 2), np.nan, "f4"), np.zeros((3, 2), "f4"), 1
            ),
            ValueError,
            "queries holds NaN or infinity",
        ),
        (lambda: _sums(feature=np.array([1])), ValueError, "node 0 is none of a tree"),
        (lambda: _sums(value=np.zeros(2)), ValueError, "value has 2 rows where 1 were expected"),
        (
            lambda: _learned(np.zeros((3, 1), "f4"), np.ones(2, bool)),
            ValueError,
            "member has 2 rows where 3 were expected",
        ),
        (lambda: _learned(np.zeros((0, 1), "f4")), ValueError, "rows is empty"),
        (lambda: _rust.rmia_scores([0.0], [], 1.0), ValueError, "log_population is empty"),
        (lambda: _rust.rmia_scores([0.0], [np.nan], 1.0), ValueError, "log_population holds NaN"),
        (lambda: _rust.rmia_scores([0.0], [0.0], -1.0), ValueError, "gamma must be positive"),
    ],
)
def test_wrong_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def _sums(**changed):
    nodes = {name: np.zeros(1, dtype=int) for name in ("feature", "left", "right", "starts")}
    nodes |= {"threshold": np.zeros(1), "value": np.zeros(1), "missing_left": np.zeros(1, bool)}
    return _rust.boosted_sums(np.zeros((1, 1), "f4"), **nodes | changed, baseline=0.0)


def _learned(rows, member=None):
    growth = {"leaves": 5, "rows_in_leaf": 5, "learning_rate": 0.1, "l2": 1.0, "columns": 2}
    member = rows[:, 0] > 0 if member is None else member
    return _rust.boosted_trees(rows, member, **growth, trees=2, seed=0)


_PRINT_DIGEST = """
rng = np.random.default_rng(0)
signal, references = rng.normal(size=5_003), rng.normal(size=(5_003, 17))
t, each = _rust.leave_one_out_t(signal, references)
s, e, variance = _rust.shrunken_t(signal, references)
results = [_rust.reference_statistics(signal, references), t, each, s, e, np.array(variance),
           _rust.kernel_log_density(signal, references, [0.3, 1.0]),
           _rust.rank_p_values(references, references[:, ::-1]),
           _rust.pchip_p_values(references, references[:, 8:], True),
           _rust.pchip_p_values(references[:, :2], references[:, 2:], True),
           *_rust.gower_nearest(references[::7], references, np.full(17, 0.5), 3),
           *_rust.euclidean_nearest(*[references[::k].astype("f4") for k in (7, 1)], 3),
           _rust.boosted_trees(
               references.astype("f4"), signal > 0, trees=2, leaves=9, rows_in_leaf=9,
               learning_rate=0.1, l2=1.0, columns=12, seed=3)["value"],
           _rust.pooled_p_values(references[:, :2], references),
           _rust.pooled_p_values(references, references[:, ::-1]),
           _rust.rmia_scores(references[:, 0], each.ravel(), 2.0)]
print(hashlib.sha256(b"".join(r.tobytes() for r in results)).hexdigest())
"""


def test_the_number_of_threads_changes_no_bit():
    one, three = (printed_by_kernels(_PRINT_DIGEST, RAYON_NUM_THREADS=n) for n in "13")
    assert one == three == printed_by_kernels(_PRINT_DIGEST, OMP_NUM_THREADS="2")


def _each_kernel(signal, references, index):
    """What every function of the module answers, by its name."""
    tables = references[:200], references[:60]
    narrow = [np.ascontiguousarray(table, dtype="f4") for table in tables]
    # A tree of one split, on the first column at 0.
    tree = {"feature": [0, -1, -1], "left": [1, 0, 0], "right": [2, 0, 0], "starts": [0]}
    tree = {name: np.array(nodes) for name, nodes in tree.items()}
    tree |= {"threshold": np.zeros(3), "value": np.arange(3.0), "missing_left": np.ones(3, bool)}
    return {
        "reference_statistics": [_rust.reference_statistics(signal, references)],
        "kernel_log_density": [_rust.kernel_log_density(signal, references, BANDWIDTHS)],
        "leave_one_out_t": _rust.leave_one_out_t(signal, references),
        "shrunken_t": _rust.shrunken_t(signal, references)[:2],
        "pooled_p_values": [_rust.pooled_p_values(signal[:, None], references)],
        "rank_p_values": [_rust.rank_p_values(signal[:, None], references)],
        "pchip_p_values": [_rust.pchip_p_values(signal[:, None], references, True)],
        "rmia_scores": [_rust.rmia_scores(signal, references.ravel()[:5_000], 1.5)],
        "gower_nearest": _rust.gower_nearest(*tables, np.ones(references.shape[1]), 2),
        "euclidean_nearest": _rust.euclidean_nearest(*narrow, 2),
        "average_linkage": _rust.average_linkage(tables[0]),
        "cluster_medoids": [_rust.cluster_medoids(tables[0], np.arange(200) % 9)],
        "boosted_sums": [_rust.boosted_sums(narrow[0], **tree, baseline=0.5)],
        "boosted_trees": [_learned(narrow[0])["value"]],
        "CosineIndex": [
            index.count(references, [0.3, 0.9]),
            _rust.CosineIndex(tables[1]).count(*tables[1:], [0.3]),
        ],
    }


def test_threads_may_call_at_the_same_time():
    signal, references = (np.nan_to_num(x) for x in CASES["large"])
    index = _rust.CosineIndex(references)  # one for all threads
    expected = _each_kernel(signal, references, index)
    assert expected.keys() == {name for name in dir(_rust) if not name.startswith("_")}
    results = [None] * 4
    start = threading.Barrier(len(results))

    def work(i):
        start.wait()
        results[i] = _each_kernel(signal, references, index)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(results))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        for name in expected:
            _assert_same_bits(result[name], expected[name])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_gets_threads_of_its_own():
    signal, references = CASES["large"]
    expected = _all_kernels(signal, references)  # the parent's threads exist now
    with multiprocessing.get_context("fork").Pool(2) as children:
        pending = children.starmap_async(_all_kernels, [(signal, references)] * 4)
        for result in pending.get(timeout=60):
            _assert_same_bits(result, expected)
    _assert_same_bits(_all_kernels(signal, references), expected)


@pytest.mark.skipif(not hasattr(signals, "setitimer"), reason="needs timers")
@pytest.mark.parametrize("method", ["rank_p_values", "pchip_p_values", "gower_nearest"])
def test_long_kernels_let_signal_handlers_run(method):
    rng = np.random.default_rng(0)
    # One record again and again, which takes no memory.
    own = np.broadcast_to(rng.normal(size=60), (40_000, 60))
    references = np.broadcast_to(rng.normal(size=1_000), (40_000, 1_000))
    options = (False,) if method == "pchip_p_values" else ()
    if method == "gower_nearest":
        references, options = rng.normal(size=(2_000, 60)), (np.ones(60), 1)

    class Alarm(Exception):
        pass

    calls = 0

    def count(number, frame):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Alarm

    before = signals.signal(signals.SIGALRM, count)
    try:
        signals.setitimer(signals.ITIMER_REAL, 0.01, 0.01)
        # Without a look at signals in between, one call of the handler would be left at the end.
        with pytest.raises(Alarm):
            getattr(_rust, method)(own, references, *options)
    finally:
        signals.setitimer(signals.ITIMER_REAL, 0)
        signals.signal(signals.SIGALRM, before)
    assert calls >= 3


# Some ten seconds of one core each.
_LONG_CALLS = {
    "kernel_log_density": "np.zeros(20_000), np.zeros((20_000, 100)), np.ones(1_000)",
    "pooled_p_values": "np.zeros((2_000_000, 1)), np.broadcast_to(0.5, (2_000_000, 2_000))",
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child")
@pytest.mark.parametrize("method", _LONG_CALLS)
def test_ctrl_c_ends_a_long_call(method):
    output = printed_after_ctrl_c(
        f"""
import time
import numpy as np
from mia_sklearn import _rust
arguments = {_LONG_CALLS[method]}
print("calling", flush=True)
began = time.monotonic()
try:
    _rust.{method}(*arguments)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    assert time.monotonic() - began < 1.5
""",
        wait=1,
        timeout=20,
    )
    assert output == "interrupted\n"
