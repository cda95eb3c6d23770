"""How cost grows: observing, scoring and shadow rows for more records and more references.

A naive Bayes classifier trains in next to no time, so that what is left is this library's own
work. `python benchmarks/scale.py` prints the table; the last row is 100,000 records and 1,000
references.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from sklearn.naive_bayes import GaussianNB

from mia_sklearn import ReferenceModels, observe
from mia_sklearn.attacks import LiRAAttack, RMIAAttack

SIZES = ((10_000, 100), (100_000, 100), (10_000, 1_000), (100_000, 1_000))


def measure(n_records: int, n_references: int, n_jobs: int) -> str:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n_records)
    X = (rng.normal(size=(n_records, 4)) + 0.5 * y[:, None]).astype(np.float32)
    seconds = {}

    def clock(name: str) -> None:
        now = time.perf_counter()
        seconds[name] = now - clock.last  # type: ignore[attr-defined]
        clock.last = now  # type: ignore[attr-defined]

    clock.last = time.perf_counter()  # type: ignore[attr-defined]
    references = ReferenceModels(GaussianNB(), n_references, n_jobs=n_jobs, random_state=0)
    references.fit(X, y)
    clock("train")
    model = GaussianNB().fit(X[::2], y[::2])
    observations = observe(model, X, y, references=references)
    clock("observe")
    shadow, membership = references.shadow_observations(random_state=0)
    clock("shadow rows")
    for name, attack in (("LiRA", LiRAAttack()), ("RMIA", RMIAAttack())):
        attack.fit(shadow, membership)
        clock(f"{name} fit")
        attack.decision_function(observations)
        clock(f"{name} score")
    table = observations.memory_usage().sum() / 2**30
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    cells = " | ".join(f"{value:.2f}" for value in seconds.values())
    return f"| {n_records:,} | {n_references:,} | {cells} | {table:.2f} | {peak:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    print(
        "| records | references | train s | observe s | shadow rows s | LiRA fit s | LiRA score s "
        "| RMIA fit s | RMIA score s | table GiB | peak GiB |"
    )
    print("| " + " | ".join(["---"] * 11) + " |")
    for n_records, n_references in SIZES:
        print(measure(n_records, n_references, args.jobs), flush=True)


if __name__ == "__main__":
    main()
