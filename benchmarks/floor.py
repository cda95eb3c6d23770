"""What reference models cost beyond training them: seconds of 16 references over their floor.

Run `python benchmarks/floor.py [--models forest tree ...] [--rounds 3]`. The floor is what 16
models take by scikit-learn alone, one after the other at one thread, fitted on half of the records
and asked for all, divided by the cores. It is measured in the same run, in turn with the
references, which begin without worker processes each time. The records are raw rows of Adult (read
from the folder that MIA_SKLEARN_DATA names), which a Pipeline of each model encodes.

That floor is of a machine that does nothing else: caches and memory, which cores share, make fits
on all cores at once slower. `at once` is what the same fits and answers take in one process for
each core, by scikit-learn alone, processes started before, and `of that` the references' seconds by
it.

Seconds by the clock say what others do on a machine that is not at rest. Seconds of processor, of
this process and all that it started, say what was spent: `processor` is their ratio. With
`--ways sequential threading loky`, the ratio is also printed of references that train by one of
these alone, whichever this library would choose.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from datetime import date
from multiprocessing import Pipe, get_context
from typing import Any

import numpy as np
import psutil
import sklearn
from joblib import cpu_count, parallel_config
from joblib.externals.loky import get_reusable_executor
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from mia_sklearn import ReferenceModels
from mia_sklearn.datasets import load_adult

GOALS = {
    "forest": (RandomForestClassifier(100), 1.1),
    "boosting": (HistGradientBoostingClassifier(), 1.2),
    "logistic regression": (LogisticRegression(max_iter=1_000), 1.5),
    "naive Bayes": (GaussianNB(), 1.5),
    "tree": (DecisionTreeClassifier(), 1.5),
    "neighbours": (KNeighborsClassifier(), 1.5),
}


WAYS = ("sequential", "threading", "loky")


def pipeline(model: Any) -> Any:
    """Return a model of raw rows: numbers on one scale, texts as columns of zeros and ones."""
    sparse = isinstance(model, LogisticRegression)
    texts = OneHotEncoder(handle_unknown="ignore", sparse_output=sparse)
    columns = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (texts, make_column_selector(dtype_exclude="number")),
    )
    return make_pipeline(columns, model)


def processor() -> float:
    """Return seconds of processor of this process and of those that it has started."""
    total = sum(os.times()[:4])
    for child in psutil.Process().children(recursive=True):
        total += sum(child.cpu_times()[:2])
    return total


def clocked(work: Callable[[], Any]) -> np.ndarray:
    """Return seconds by the clock and of processor that a work takes."""
    start, used = time.perf_counter(), processor()
    work()
    return np.array([time.perf_counter() - start, processor() - used])


def alone(model: Any, X: Any, y: np.ndarray, seeds: range) -> None:
    """Train models, one after the other, and ask them; nothing else."""
    with threadpool_limits(1):
        for seed in seeds:
            own = clone(model)
            if "random_state" in own.steps[-1][1].get_params():
                own.set_params(**{f"{own.steps[-1][0]}__random_state": seed})
            rows = np.random.default_rng(seed).permutation(len(y))[: len(y) // 2]
            own.fit(X.iloc[rows], y[rows]).predict_proba(X)


class AtOnce:
    """Trains models in one process for each core, which are there before; nothing else."""

    def __init__(self, model: Any, X: Any, y: np.ndarray, n_cores: int) -> None:
        spawned = get_context("spawn")
        self.given: list[Any] = [Pipe() for _ in range(n_cores)]
        self.processes = [
            spawned.Process(target=_serve, args=(end, model, X, y), daemon=True)
            for _, end in self.given
        ]
        for process in self.processes:
            process.start()
        self(range(1))

    def __call__(self, seeds: range) -> None:
        for own, _ in self.given:
            own.send(seeds)
        for own, _ in self.given:
            own.recv()

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.join()


def _serve(end: Any, model: Any, X: Any, y: np.ndarray) -> None:
    warnings.simplefilter("ignore")
    while True:
        alone(model, X, y, end.recv())
        end.send(None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=GOALS, default=list(GOALS))
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--references", type=int, default=16)
    parser.add_argument("--floor", type=int, default=3, help="models that the floor is timed on")
    parser.add_argument("--ways", nargs="*", default=[], choices=WAYS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=-1)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    data = load_adult()
    rows = np.random.default_rng(0).permutation(len(data.target))[: options.records]
    X = data.data.iloc[rows].reset_index(drop=True)
    y = (np.asarray(data.target)[rows] == ">50K").astype(int)
    print(
        f"{date.today()}, Python {platform.python_version()}, scikit-learn {sklearn.__version__}, "
        f"{cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {len(y):,} records, "
        f"{options.references} references, median of {options.rounds}\n"
    )
    titles = "model", "floor s", "at once s", "references s", "ratio", "of each round", "of that"
    titles = *titles, "processor", "goal", *options.ways
    print(f"| {' | '.join(titles)} |\n{'| --- ' * len(titles)}|")
    n_cores = cpu_count() if options.jobs < 0 else options.jobs
    scale = options.references / options.floor / np.array([n_cores, 1])
    for name in options.models:
        model, goal = pipeline(GOALS[name][0]), GOALS[name][1]
        references = ReferenceModels(model, options.references, n_jobs=options.jobs, random_state=0)

        def trained(way: str, references: Any = references) -> np.ndarray:
            with parallel_config(backend=way) if way else nullcontext():
                seconds = clocked(lambda: references.fit(X, y))
            get_reusable_executor().shutdown(wait=True)
            return seconds

        alone(model, X, y, range(1))
        at_once = AtOnce(model, X, y, n_cores)
        rounds, beside = [], []
        for turn in range(options.rounds):
            seeds = range(turn * options.floor, (turn + 1) * options.floor)
            floor = scale * clocked(lambda: alone(model, X, y, seeds))  # noqa: B023
            beside.append((scale * clocked(lambda: at_once(seeds)))[0])  # noqa: B023
            rounds.append([floor, *(trained(way) for way in ("", *options.ways))])
        at_once.end()
        times = np.array(rounds)
        ratios = times[:, 1:, 0] / times[:, :1, 0]
        seconds = [f"{value:.2f}" for value in np.median(times[:, :2, 0], axis=0)]
        middle = [f"{value:.2f}" for value in np.median(ratios, axis=0)]
        each = ", ".join(f"{ratio:.2f}" for ratio in sorted(ratios[:, 0]))
        spent = f"{np.median(times[:, 1, 1] / times[:, 0, 1]):.2f}"
        of_that = f"{np.median(times[:, 1, 0] / beside):.2f}"
        seconds.insert(1, f"{np.median(beside):.2f}")
        cells = name, *seconds, middle[0], each, of_that, spent, str(goal), *middle[1:]
        print("|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
