"""Kernels as Python calls them, beside the NumPy way to the same numbers: `make bench`.

The figure in brackets is the ratio to the fastest of a group. 20,000 records throughout.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage
from scipy.interpolate import PchipInterpolator
from scipy.special import expit, logsumexp

from mia_sklearn import _rust

N_RECORDS = 20_000
N_POPULATION = 10_000
BANDWIDTHS = np.array([0.3, 1.0])


def statistics(signal, references):
    columns = [
        (~np.isnan(references)).sum(axis=1),
        np.nanmean(references, axis=1),
        np.nanstd(references, axis=1, ddof=1),
        np.nanmin(references, axis=1),
        np.nanmax(references, axis=1),
        (references < signal[:, None]).sum(axis=1),
        (references == signal[:, None]).sum(axis=1),
        np.nanmean(expit(references), axis=1),
    ]
    return np.stack(columns, axis=1)


def densities(signal, references):
    u = (signal[:, None, None] - references[:, :, None]) / BANDWIDTHS
    scale = references.shape[1] * BANDWIDTHS * np.sqrt(2 * np.pi)
    return logsumexp(-0.5 * u * u, axis=1) - np.log(scale)


def rmia(log_ratios, log_population):
    """Compare every record with all of the population: n x z numbers, as privacy_meter does."""
    return (log_ratios[:, None] - log_population[None, :] >= np.log(2.0)).mean(axis=1)


def leave_one_out(signal, references):
    k = references.shape[1]
    deviation = references - references.mean(axis=1, keepdims=True)
    squares = (deviation**2).sum(axis=1, keepdims=True)
    t = (signal - references.mean(axis=1)) / np.sqrt(squares[:, 0] / (k - 1) * (1 + 1 / k))
    removed = squares - deviation**2 * (k / (k - 1))
    return t, deviation * (k / (k - 1)) / np.sqrt(removed / (k - 2) * (1 + 1 / (k - 1)))


def shrunken(signal, references):
    k = references.shape[1]
    deviation = references - references.mean(axis=1, keepdims=True)
    squares = (deviation**2).sum(axis=1, keepdims=True)
    variance = squares.mean() / (k - 1)
    rest = squares - deviation**2 * (k / (k - 1))
    spread = np.sqrt((rest + 4 * variance) / (k + 2) * (1 + 1 / (k - 1)))
    own = (signal - references[:, :-1].mean(axis=1)) / spread[:, -1]
    return own, deviation * (k / (k - 1)) / spread, variance


def pooled(signal, references):
    t, pool, _ = shrunken(signal, references)
    least = t - 1e-9 * np.abs(t) - 1e-12
    reached = pool.size - np.searchsorted(np.sort(pool, axis=None), least)
    return ((1 + reached) / (1 + pool.size))[:, None]


def ranks(signal, references):
    reached = (references >= signal[:, None]).sum(axis=1)
    return (1 + reached[:, None]) / (1 + references.shape[1])


def pchip(signal, references):
    knots = np.sort(-references, axis=1)
    share = np.arange(1, references.shape[1] + 1) / references.shape[1]
    p = [PchipInterpolator(x, share)(own) for x, own in zip(knots, -signal, strict=True)]
    p = np.where(-signal < knots[:, 0], 0, np.where(-signal > knots[:, -1], 1, p))
    return p[:, None]


KERNELS = {
    "reference_statistics": (_rust.reference_statistics, statistics),
    "kernel_log_density": (lambda s, r: _rust.kernel_log_density(s, r, BANDWIDTHS), densities),
    "leave_one_out_t": (_rust.leave_one_out_t, leave_one_out),
    "rank_p_values": (lambda s, r: _rust.rank_p_values(s[:, None], r), ranks),
    "pchip_p_values": (lambda s, r: _rust.pchip_p_values(s[:, None], r, False), pchip),
    "shrunken_t": (_rust.shrunken_t, shrunken),
    "pooled_p_values": (lambda s, r: _rust.pooled_p_values(s[:, None], r), pooled),
}


def _same(result, expected):
    results = result if isinstance(result, tuple) else (result,)
    others = expected if isinstance(expected, tuple) else (expected,)
    for ours, theirs in zip(results, others, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("way", ["kernel", "numpy"])
@pytest.mark.parametrize("n_references", [20, 100])
@pytest.mark.parametrize("name", KERNELS)
def test_per_record(benchmark, name, n_references, way):
    rng = np.random.default_rng(0)
    signal, references = rng.normal(size=N_RECORDS), rng.normal(size=(N_RECORDS, n_references))
    kernel, twin = KERNELS[name]
    benchmark.group = f"{name}, {n_references} references"
    result = benchmark(kernel if way == "kernel" else twin, signal, references)
    if benchmark.stats:
        benchmark.extra_info["ns per record"] = benchmark.stats.stats.min / N_RECORDS * 1e9
    _same(result, kernel(signal, references))


@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layout(benchmark, dtype, layout):
    rng = np.random.default_rng(0)
    references = rng.normal(size=(N_RECORDS, 100)).astype(dtype)
    if layout == "columns":
        references = np.asfortranarray(references)
    benchmark.group = "reference_statistics by layout, 100 references"
    result = benchmark(_rust.reference_statistics, references[:, 0], references)
    assert result.shape == (N_RECORDS, 8)


@pytest.mark.parametrize("way", ["kernel", "numpy"])
def test_rmia(benchmark, way):
    rng = np.random.default_rng(0)
    ratios, population = rng.normal(size=N_RECORDS), rng.normal(size=N_POPULATION)
    benchmark.group = f"rmia_scores, population {N_POPULATION}"
    if way == "kernel":
        result = benchmark(_rust.rmia_scores, ratios, population, 2.0)
    else:
        result = benchmark.pedantic(rmia, args=(ratios, population), rounds=3)
    _same(result, _rust.rmia_scores(ratios, population, 2.0))


def _linkage(vectors):
    tree = linkage(vectors, "average", metric="cosine")
    return tree[:, :2], tree[:, 2]


@pytest.mark.parametrize("way", ["kernel", "scipy"])
def test_average_linkage(benchmark, way):
    vectors = np.random.default_rng(0).normal(size=(2_000, 200))
    benchmark.group = "average_linkage, 2,000 vectors of 200 features"
    result = benchmark(_rust.average_linkage if way == "kernel" else _linkage, vectors)
    _same(result, _rust.average_linkage(vectors))


@pytest.mark.parametrize("way", ["kernel", "numpy"])
def test_cosine_counts(benchmark, way):
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(10_000, 2)) @ rng.normal(size=(2, 200))
    table = (plane + 0.4 * rng.normal(size=plane.shape)).astype("float32")
    queries, references = table[:4_000], table[4_000:]

    def kernel():
        return _rust.CosineIndex(references).count(queries, [0.1])[:, 0]

    def twin():
        units = table / np.linalg.norm(table, axis=1, keepdims=True)
        return (units[:4_000] @ units[4_000:].T > 0.9).sum(axis=1)

    benchmark.group = "cosine counts, 4,000 queries, 6,000 references"
    result = benchmark(kernel if way == "kernel" else twin)
    # float32 decides otherwise where a pair lies on the threshold.
    np.testing.assert_allclose(result, kernel(), atol=2)
