"""Claims of differential privacy tested by refits: bounds, broken mechanisms, true claims.

The mean of 100 numbers between 0 and 1 is released with noise; neighbours differ by one record put
in another's place, 1 against 0. `python benchmarks/dp_refits.py` prints all, `... --quick` the same
of fewer runs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from datetime import date

import numpy as np
import scipy
from joblib import Parallel, delayed
from scipy.stats import beta

import mia_sklearn
from mia_sklearn.dp import RefitsResult, run_refits
from mia_sklearn.stats import TradeOff, gaussian_dp_epsilon

N = 100
DELTA = 1e-5
Mechanism = Callable[[bool, int], float]


class Mean:
    """A private mean: what it returns with the record, or without it.

    Parameters
    ----------
    noise : {"laplace", "gaussian"}
    strength : float
        The true epsilon, or mu.
    own_bounds : bool, default=False
        Take the data's own least and greatest value for bounds.
    seed : int, default=None
        Of the noise, in each fit the same.
    """

    def __init__(
        self, noise: str, strength: float, *, own_bounds: bool = False, seed: int | None = None
    ) -> None:
        self.noise, self.strength, self.own_bounds, self.seed = noise, strength, own_bounds, seed
        self.others = np.random.default_rng(0).uniform(0.2, 0.6, N - 1)

    def __call__(self, member: bool, seed: int) -> float:
        rng = np.random.default_rng(seed if self.seed is None else self.seed)
        data = np.append(self.others, 1.0 if member else 0.0)
        width = np.ptp(data) if self.own_bounds else 1.0
        noise = rng.laplace() if self.noise == "laplace" else rng.normal()
        return float(data.mean() + noise * width / (N * self.strength))


def refits(mechanism: Mechanism, claimed: object, seed: int, **options: object) -> RefitsResult:
    return run_refits(mechanism, claimed, random_state=seed, progress=False, **options)


def bounds(parallel: Parallel, n_runs: int) -> list[list[str]]:
    """Return what 10,000 refits show of mechanisms that keep their promise."""
    rows = []
    for noise, family in (("laplace", "pure"), ("gaussian", "gaussian")):
        for strength in (0.5, 1, 2, 4):
            true = TradeOff.approximate(strength) if noise == "laplace" else strength
            claim = true if noise == "laplace" else TradeOff.gaussian(strength)
            mechanism = Mean(noise, strength)
            found = parallel(
                delayed(refits)(mechanism, claim, seed, family=family, max_refits=10_000)
                for seed in range(n_runs)
            )
            told = np.array([result.bound if noise == "laplace" else result.mu for result in found])
            cells = [f"{told.mean():.3f}", f"{told.min():.3f} to {told.max():.3f}"]
            cells += [f"{told.mean() / strength:.2f}", str(int((told > strength).sum()))]
            rows.append(
                [noise, f"{'epsilon' if noise == 'laplace' else 'mu'} {strength:g}", *cells]
            )
    return rows


BROKEN: dict[str, tuple[Mechanism, object, dict[str, object]]] = {
    "Laplace noise halved, (1, 0) claimed": (Mean("laplace", 2), (1, 0), {}),
    "Laplace noise halved, (4, 0) claimed": (Mean("laplace", 8), (4, 0), {}),
    "Gaussian noise halved, mu 1 claimed": (Mean("gaussian", 2), TradeOff.gaussian(1), {}),
    "Gaussian noise halved, (4.38, 1e-5) claimed, family gaussian": (
        Mean("gaussian", 2),
        (gaussian_dp_epsilon(1, DELTA), DELTA),
        {"family": "gaussian"},
    ),
    "bounds of the data, (1, 0) claimed": (Mean("laplace", 1, own_bounds=True), (1, 0), {}),
    "one seed for all fits, (1, 0) claimed": (Mean("laplace", 1, seed=7), (1, 0), {}),
    "one seed for all fits, (4, 1e-5) claimed": (Mean("gaussian", 1, seed=7), (4, DELTA), {}),
}
TRUE: dict[str, tuple[Mechanism, object, dict[str, object]]] = {
    "Laplace, (1, 0)": (Mean("laplace", 1), (1, 0), {}),
    "Gaussian, mu 1": (Mean("gaussian", 1), TradeOff.gaussian(1), {"family": "gaussian"}),
    "Gaussian, (4.38, 1e-5)": (Mean("gaussian", 1), (gaussian_dp_epsilon(1, DELTA), DELTA), {}),
    "nothing leaks, (0, 0)": (lambda member, seed: float(seed % 7), (0, 0), {}),
}


def broken(parallel: Parallel, n_runs: int) -> list[list[str]]:
    """Return after how many fits broken mechanisms are refuted."""
    rows = []
    for name, (mechanism, claim, options) in BROKEN.items():
        found = parallel(
            delayed(refits)(mechanism, claim, seed, max_refits=3_000, **options)
            for seed in range(n_runs)
        )
        fits = np.array([result.n_refits for result in found])
        refuted = sum(result.refuted for result in found)
        rows.append(
            [
                name,
                f"{refuted} of {n_runs}",
                f"{np.median(fits):.0f}",
                f"{fits.min()} to {fits.max()}",
            ]
        )
    return rows


def null(parallel: Parallel, n_runs: int) -> list[list[str]]:
    """Return how often true claims are refuted, and bounds exceed the truth."""
    rows = []
    for name, (mechanism, claim, options) in TRUE.items():
        found = parallel(
            delayed(refits)(mechanism, claim, seed, max_refits=1_000, **options)
            for seed in range(n_runs)
        )
        truth = found[0].claimed.epsilon(found[0].delta)
        cells = []
        for wrong in (sum(r.refuted for r in found), sum(r.bound > truth for r in found)):
            low = beta.ppf(0.025, wrong, n_runs - wrong + 1) if wrong else 0.0
            high = beta.ppf(0.975, wrong + 1, n_runs - wrong)
            cells.append(f"{wrong} of {n_runs} [{low:.3f}, {high:.3f}]")
        rows.append([name, *cells])
    return rows


def print_table(title: str, header: list[str], rows: list[list[str]]) -> None:
    print(f"\n### {title}\n\n| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer runs")
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    n_few, n_runs = (2, 20) if args.quick else (5, 200)
    start = time.perf_counter()
    parallel = Parallel(n_jobs=args.jobs)
    print(
        f"{date.today()}, mia-sklearn {mia_sklearn.__version__}, numpy {np.__version__}, scipy "
        f"{scipy.__version__}; seeds 0 to {n_runs - 1}"
    )
    print_table(
        "Fits until a broken mechanism is refuted, 3,000 at most",
        ["mechanism", "refuted", "median fits", "range"],
        broken(parallel, max(10, n_runs // 10)),
    )
    print_table(
        f"Lower bounds after 10,000 refits, {n_few} runs each",
        ["noise", "truth", "mean bound", "range", "of the truth", "above it"],
        bounds(parallel, n_few),
    )
    print_table(
        f"True claims, 1,000 refits each, {n_runs} runs: how often something is wrong, nominal .05",
        ["mechanism, claim", "refuted", "bound above the truth"],
        null(parallel, n_runs),
    )
    print(f"\n{time.perf_counter() - start:.0f} seconds")


if __name__ == "__main__":
    main()
