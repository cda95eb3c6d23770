"""Cosine neighbour counts beside tuned NumPy and, on a subset, scikit-learn.

    python benchmarks/neighbors.py [--features FILE.npz]

The file holds `queries` and `references`, both of shape (n_records, n_features). Without one,
features of a similar spectrum are drawn. Every figure is the least of several runs, taken in turn;
"ours" is from features to counts, fitting included, and ratios compare with NumPy in the same run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from mia_sklearn.neighbors import CosineNeighborCounter

RADII = (0.1, 0.2, 0.4)
CAPS = (None, 1, 10, 100)
CHUNK = 256
Table = NDArray[np.float32]


def similar_features(rng: np.random.Generator, queries: int, references: int) -> list[Table]:
    """Draw 200 outputs of 100 networks: two sides, a second direction, noise of each network."""
    both = queries + references
    sure = rng.beta(0.7, 0.5, size=both)
    side = np.where(rng.random(both) < 0.25, -1.0, 1.0) * sure
    second = rng.normal(size=both) * (1 - sure)
    noise = rng.normal(size=(both, 100)) * (0.1 + 0.9 * (1 - sure[:, None]))
    gain = 1 + 0.2 * rng.normal(size=100)
    logit = side[:, None] * gain + 0.5 * second[:, None] * rng.normal(size=100) + 0.5 * noise
    table = np.repeat(logit, 2, axis=1) * np.tile([1.0, -1.0], 100)
    table += 0.05 * rng.normal(size=table.shape)
    table = table.astype(np.float32)
    return [table[:queries], table[queries:]]


def whole_features(rng: np.random.Generator) -> dict[str, tuple[Table, tuple[float, ...]]]:
    """Draw tables of whole numbers, of which many pairs tie exactly, each with its radii."""
    values = (9, 16, 7, 15, 6, 5, 2, 42, 4, 2, 8, 5)
    columns = [np.minimum(rng.geometric(0.45, 26_000), n) - 1 for n in values]
    one_hot = np.hstack([np.eye(n)[x] for n, x in zip(values, columns, strict=True)])
    counts = rng.integers(0, 40, (26_000, 4))
    small = rng.integers(0, 4, (26_000, 60))
    tables = {
        "one-hot": (one_hot, (0.25, 0.5)),
        "one-hot and counts": (np.hstack([one_hot, counts]), (0.1,)),
        "whole numbers to 3": (small, (0.1, 0.3)),
    }
    return {name: (table.astype(np.float32), radii) for name, (table, radii) in tables.items()}


def numpy_counts(queries: Table, references: Table, radii: tuple[float, ...]) -> NDArray[np.int64]:
    """Multiply 256 rows at a time in float32 and count what is above the threshold, row by row."""

    def units(rows: Table) -> Table:
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    queries, across = units(queries), np.ascontiguousarray(units(references).T)
    counts = np.empty((len(queries), len(radii)), dtype=np.int64)
    products = np.empty((CHUNK, len(references)), dtype=np.float32)
    for first in range(0, len(queries), CHUNK):
        chunk = queries[first : first + CHUNK]
        part = np.matmul(chunk, across, out=products[: len(chunk)])
        for k, radius in enumerate(radii):
            near = part > np.float32(1 - radius)
            for i, row in enumerate(near):
                counts[first + i, k] = np.count_nonzero(row)
    return counts


def timed(calls: dict[Any, Callable[[], Any]], rounds: int) -> dict[Any, tuple[float, float]]:
    """Return the least wall and CPU seconds of each call, all of them run in turn."""
    least = dict.fromkeys(calls, (np.inf, np.inf))
    for _ in range(rounds):
        for name, call in calls.items():
            # NumPy's threads go on waiting busily for a moment after a product.
            time.sleep(0.1)
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            spent = time.perf_counter() - wall, time.process_time() - cpu
            least[name] = (min(least[name][0], spent[0]), min(least[name][1], spent[1]))
    return least


def show(name: str, ours: tuple[float, float], theirs: tuple[float, float]) -> None:
    print(
        f"{name:<34} {theirs[0]:8.3f} {theirs[1]:8.3f} {ours[0]:8.3f} {ours[1]:8.3f}"
        f" {theirs[0] / ours[0]:7.1f}x {theirs[1] / ours[1]:7.1f}x"
    )


def compare(
    name: str, tables: tuple[Table, Table], radii: tuple[float, ...], caps: Any, rounds: int
) -> None:
    """Print one line for each cap, all radii in one pass."""
    queries, references = tables

    def ours(cap: int | None) -> Callable[[], Any]:
        return lambda: CosineNeighborCounter().fit(references).count(queries, radii, cap=cap)

    calls: dict[Any, Callable[[], Any]] = {cap: ours(cap) for cap in caps}
    calls["numpy"] = lambda: numpy_counts(queries, references, radii)
    spent = timed(calls, rounds)
    for cap in caps:
        show(f"{name}{'' if cap is None else f', cap {cap}'}", spent[cap], spent["numpy"])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", help="an .npz file with queries and references")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one radius only")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    if arguments.features:
        with np.load(arguments.features) as file:
            queries, references = file["queries"], file["references"]
        print(f"features of {arguments.features}")
    else:
        queries, references = similar_features(rng, 20_000, 28_842)
        print("features drawn by a seeded generator, with a spectrum like those of 100 networks")
    print(f"{len(queries):,} queries, {len(references):,} references, {queries.shape[1]} features")
    print(f"{'':34} {'NumPy':>17} {'ours':>17} {'ratio':>17}")
    units = f"{'wall s':>8} {'CPU s':>8}"
    print(f"{'':34} {units} {units} {'wall':>8} {'CPU':>8}")
    for radius in RADII[: 1 if arguments.quick else None]:
        compare(f"radius {radius}", (queries, references), (radius,), CAPS, arguments.rounds)
    if arguments.quick:
        return
    compare("three radii at once", (queries, references), RADII, (None,), arguments.rounds)
    fitted = CosineNeighborCounter().fit(references)
    once = timed(
        {
            "fit": lambda: CosineNeighborCounter().fit(references),
            "count": lambda: fitted.count(queries, 0.1),
        },
        arguments.rounds,
    )
    for name, (wall, cpu) in once.items():
        print(f"{name + ' alone, radius 0.1':<34} {'':17} {wall:8.3f} {cpu:8.3f}")
    beta, n_train = 0.1, 10_000
    fewer = int(np.ceil(beta * len(references) / n_train))
    chosen = CosineNeighborCounter(0.4, cap=fewer).fit(references).count(queries) < fewer
    print(f"vulnerable at radius 0.4 and beta {beta}: {chosen.sum()} of {len(queries):,}")

    subset, few = queries[:500], references[:5_000]
    exact = NearestNeighbors(metric="cosine").fit(few)
    found = [len(row) for row in exact.radius_neighbors(subset, 0.1, return_distance=False)]
    ours = CosineNeighborCounter(0.1).fit(few).count(subset)
    spent = timed(
        {
            "ours": lambda: CosineNeighborCounter(0.1).fit(few).count(subset),
            "theirs": lambda: exact.radius_neighbors(subset, 0.1, return_distance=False),
        },
        arguments.rounds,
    )
    print("scikit-learn's radius_neighbors in the place of NumPy, 500 queries, 5,000 references:")
    show("radius 0.1", spent["ours"], spent["theirs"])
    print(f"its float32 distances miscount {(ours != found).sum()} of the 500 queries")

    print("whole numbers, 8,000 queries, 18,000 references, 121, 125 and 60 features:")
    for name, (table, radii) in whole_features(rng).items():
        for radius in radii:
            tables = table[:8_000], table[8_000:]
            compare(f"{name}, radius {radius}", tables, (radius,), (None,), arguments.rounds)

    print("isotropic features, 4,000 queries, 10,000 references, 1,000 features:")
    table = rng.normal(size=(14_000, 1_000)).astype(np.float32)
    isotropic = table[:4_000], table[4_000:]
    for radius in (0.1, 1.0):
        compare(f"radius {radius}", isotropic, (radius,), (None,), arguments.rounds)


if __name__ == "__main__":
    main()
