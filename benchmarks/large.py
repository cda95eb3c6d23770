"""What an audit of many records costs beside its references: attacks, controls, saving, memory.

Gradient boosting on ten simulated features, 16 references, the attacks of "auto".
`python benchmarks/large.py --members 500000` prints a row; there are as many non-members.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from mia_sklearn import audit


def measure(n: int, n_jobs: int) -> str:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2 * n, 10)).astype(np.float32)
    y = (X[:, 0] + rng.normal(size=2 * n) > 0).astype(int)
    model = HistGradientBoostingClassifier(random_state=0).fit(X[:n], y[:n])
    start, busy = time.perf_counter(), time.process_time()
    report = audit(
        model, X[:n], y[:n], X[n:], y[n:], n_references=16, n_jobs=n_jobs, random_state=0,
        progress=False,
    )  # fmt: skip
    whole, busy = time.perf_counter() - start, time.process_time() - busy
    spent = report.info["timings"]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        report.save(folder)
        saved = time.perf_counter() - start
        size = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6
    beside = (spent["attacks"] + spent["controls"]) / spent["references"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    cells = [whole, busy, *(spent[phase] for phase in ("references", "attacks", "controls"))]
    cells = [*(f"{value:.1f}" for value in cells), f"{beside:.2f}", f"{saved:.1f}", f"{size:.0f}"]
    return f"| {n:,} + {n:,} | {' | '.join(cells)} | {peak:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--members", type=int, nargs="+", default=[50_000])
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    head = ("records", "whole s", "CPU s of this process", "references s", "attacks s")
    head = (*head, "controls s", "both by references", "save s", "MB", "peak GiB")
    print(f"| {' | '.join(head)} |")
    print(f"|{' --- |' * len(head)}")
    for n in args.members:
        print(measure(n, args.jobs), flush=True)


if __name__ == "__main__":
    main()
