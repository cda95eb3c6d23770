"""What an audit of many records costs beside its references: attacks, controls, saving, memory.

Ten simulated features, the attacks of "auto". `python benchmarks/large.py --members 500000` prints
a row, measured in a process of its own; there are as many non-members. Of several sizes it also
says by how much memory grows with a record, and what ten million records would take by that:
`python benchmarks/large.py --model nb --references 4 --members 250000 1000000`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.naive_bayes import GaussianNB

from mia_sklearn import audit

MODELS = {"boosting": HistGradientBoostingClassifier(random_state=0), "nb": GaussianNB()}
HEAD = ("records", "whole s", "CPU s of this process", "references s", "attacks s", "controls s",
        "both by references", "by CPU s", "save s", "MB", "peak GiB")  # fmt: skip
MANY = 10_000_000


def measure(n: int, args: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2 * n, 10)).astype(np.float32)
    y = (X[:, 0] + rng.normal(size=2 * n) > 0).astype(int)
    model = MODELS[args.model].fit(X[:n], y[:n])
    start, busy = time.perf_counter(), time.process_time()
    busy_at: dict[str, float] = {}
    follow_processor_time(busy_at)
    report = audit(
        model, X[:n], y[:n], X[n:], y[n:], n_references=args.references, n_jobs=args.jobs,
        random_state=0, progress=False,
    )  # fmt: skip
    whole, busy = time.perf_counter() - start, time.process_time() - busy
    spent = report.info["timings"]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        report.save(folder)
        saved = time.perf_counter() - start
        size = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    ratios = [(of["attacks"] + of["controls"]) / of["references"] for of in (spent, busy_at)]
    cells = [whole, busy, *(spent[phase] for phase in ("references", "attacks", "controls"))]
    cells = [*(f"{value:.1f}" for value in cells), *(f"{value:.2f}" for value in ratios)]
    cells += [f"{saved:.1f}", f"{size:.0f}", f"{peak / 2**30:.2f}"]
    return {"row": f"| {n:,} + {n:,} | {' | '.join(cells)} |", "records": 2 * n, "peak": peak}


def follow_processor_time(busy_at: dict[str, float]) -> None:
    """Take down the processor time of each phase, which other work on the machine hardly alters.

    References that train in processes of their own, as naive Bayes does, are not counted.
    """
    from contextlib import contextmanager

    from mia_sklearn._audit._run import Planned

    timed = Planned.timed

    @contextmanager
    def noted(self: Any, phase: str) -> Any:
        before = os.times()
        with timed(self, phase):
            yield
        after = os.times()
        busy_at[phase] = sum(after[:4]) - sum(before[:4])

    Planned.timed = noted  # type: ignore[method-assign]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--members", type=int, nargs="+", default=[50_000])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--references", type=int, default=16)
    parser.add_argument("--model", choices=MODELS, default="boosting")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one, args)))
        return
    print(f"{args.model}, {args.references} references\n")
    print(f"| {' | '.join(HEAD)} |")
    print(f"|{' --- |' * len(HEAD)}")
    found = []
    for n in args.members:
        options = ["--model", args.model, "--references", str(args.references)]
        command = [sys.executable, __file__, *options, "--jobs", str(args.jobs), "--one", str(n)]
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        found.append(json.loads(told.splitlines()[-1]))
        print(found[-1]["row"], flush=True)
    if len(found) > 1:
        first, last = found[0], found[-1]
        grown = (last["peak"] - first["peak"]) / (last["records"] - first["records"])
        most = (last["peak"] + grown * (MANY - last["records"])) / 2**30
        print(f"\n{grown:,.0f} bytes for each record more: {MANY:,} records take {most:.1f} GiB.")


if __name__ == "__main__":
    main()
