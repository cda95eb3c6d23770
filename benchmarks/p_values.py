"""p-values against the plain way to the same numbers: SciPy's PCHIP, NumPy's sort and search.

`python benchmarks/p_values.py` times both in one run, in turns, and prints the least wall and CPU
seconds of each, their ratios and the largest difference of the p-values. Both ways start from the
rescaled logits. The plain ways go record by record; with `--records` fewer of them are timed so,
and their time is scaled up. "Tuned" is the fastest way known to us in NumPy alone: one comparison
where each record has one target, targets sorted before they are searched where there are many.
"Read" is what adding up the references takes, one thread: nothing that reads them once is faster.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy.interpolate import PchipInterpolator

from mia_sklearn import stats

RECORDS = 20_000
SHAPES = ((100, 100), (1_000, 1))


def pchip(signal: np.ndarray, references: np.ndarray) -> np.ndarray:
    losses = np.sort(np.logaddexp(0, -references), axis=1)
    own = np.logaddexp(0, -signal)
    share = np.arange(1, references.shape[1] + 1) / references.shape[1]
    p = np.empty_like(own)
    for row, x, knots in zip(p, own, losses, strict=True):
        row[:] = PchipInterpolator(knots, share)(x)
        row[x < knots[0]] = 0
        row[x > knots[-1]] = 1
    return p


def ranks(signal: np.ndarray, references: np.ndarray) -> np.ndarray:
    count = references.shape[1]
    ordered = np.sort(references, axis=1)
    p = np.empty_like(signal)
    for row, x, others in zip(p, signal, ordered, strict=True):
        row[:] = others.searchsorted(x)
    return (1 + count - p) / (count + 1)


def ranks_tuned(signal: np.ndarray, references: np.ndarray) -> np.ndarray:
    if signal.shape[1] > 1:
        return ranks(signal, references)
    reached = np.count_nonzero(references >= signal, axis=1)
    return (1 + reached[:, np.newaxis]) / (1 + references.shape[1])


def search(pool: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    return pool.searchsorted(numbers)


def search_sorted_numbers(pool: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """One search begins where the one before ended."""
    order = np.argsort(numbers)
    places = np.empty(len(numbers), dtype=np.intp)
    places[order] = pool.searchsorted(numbers[order])
    return places


def pooled(signal: np.ndarray, references: np.ndarray, find: Callable = search) -> np.ndarray:
    """Standardise in NumPy, search in the sorted pool."""
    k = references.shape[1]
    deviation = references - references.mean(axis=1, keepdims=True)
    squares = (deviation**2).sum(axis=1, keepdims=True)
    common = 4 * squares.mean() / (k - 1)
    rest = squares - deviation**2 * (k / (k - 1))
    spread = np.sqrt((rest + common) / (k + 2) * (1 + 1 / (k - 1)))
    e = deviation * (k / (k - 1)) / spread
    t = (signal - references[:, :-1].mean(axis=1, keepdims=True)) / spread[:, -1:]
    pool = np.sort(e, axis=None)
    least = t - 1e-9 * np.abs(t) - 1e-12
    return (1 + pool.size - find(pool, least.ravel()).reshape(t.shape)) / (1 + pool.size)


def pooled_tuned(signal: np.ndarray, references: np.ndarray) -> np.ndarray:
    return pooled(signal, references, search_sorted_numbers)


METHODS: dict[str, tuple[Callable, Callable, Callable]] = {
    "pchip_p_values": (stats.pchip_p_values, pchip, pchip),
    "rank_p_values": (stats.rank_p_values, ranks, ranks_tuned),
    "pooled_p_values": (stats.pooled_p_values, pooled, pooled_tuned),
}


def clock(call: Callable, *args: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return wall and CPU seconds, and the result."""
    before = np.array([time.perf_counter(), time.process_time()])
    result = call(*args)
    return np.array([time.perf_counter(), time.process_time()]) - before, result


def measure(name: str, n_references: int, n_targets: int, records: int, rounds: int) -> str:
    rng = np.random.default_rng(0)
    signal = rng.normal(1, 2, (RECORDS, n_targets))
    references = rng.normal(1, 2, (RECORDS, n_references))
    ours, plain, tuned = METHODS[name]
    if name == "pooled_p_values":
        records = RECORDS  # no record's value is its own
    seconds = []
    for _ in range(rounds):
        own, p = clock(ours, signal, references)
        theirs, expected = clock(plain, signal[:records], references[:records])
        best = theirs
        if tuned is not plain:
            best, _ = clock(tuned, signal[:records], references[:records])
        read, _ = clock(np.sum, references)
        seconds.append((own, theirs * RECORDS / records, best * RECORDS / records, read))
    own, theirs, best, read = np.min(seconds, axis=0)
    best = np.minimum(theirs, best)
    cells = [name, f"{n_references:,} x {n_targets:,}"]
    for i in (0, 1):
        cells += [f"{own[i]:.4f}", f"{theirs[i]:.3f}", f"{theirs[i] / own[i]:.1f}"]
        cells += [f"{best[i]:.3f}", f"{best[i] / own[i]:.1f}", f"{read[i]:.4f}"]
    cells.append(f"{np.abs(p[:records] - expected).max():.0e}")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="methods whose name has this text")
    args = parser.parse_args()
    if args.records < RECORDS:
        print(f"SciPy and NumPy timed on {args.records:,} records, scaled to {RECORDS:,}.\n")
    header = ["method", f"{RECORDS:,} records x references x targets"]
    for clocked in ("wall", "CPU"):
        header += [f"{clocked} s", f"plain {clocked} s", "ratio"]
        header += [f"tuned {clocked} s", "ratio", f"read {clocked} s"]
    header.append("largest difference")
    print(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    for name in (name for name in METHODS if args.only in name):
        for shape in SHAPES:
            print(measure(name, *shape, args.records, args.rounds), flush=True)


if __name__ == "__main__":
    main()
