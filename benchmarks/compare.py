"""What a comparison of defenses costs beside its trainings, a second one, and asking beside others.

`python benchmarks/compare.py` prints two tables. The first: `compare_defenses` of a forest on Adult
(read from the folder that MIA_SKLEARN_DATA names) under eight defenses, with an empty cache and
again with the cache that it left, `--jobs` at a time. Trainings are fits and answers of all
references and fits of the targets, those of each model by themselves, with as many jobs, timed
after these runs. Beside them stands what was trained within the first run, which trains once what
several models have in common. The second: a model is asked while a busy loop runs on each core,
and while none does, in turn as `mia_sklearn` asks it and as it answers by itself.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import sklearn
from joblib import cpu_count
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier

from mia_sklearn import ReferenceModels
from mia_sklearn import defenses as d
from mia_sklearn._models._answers import answer_of
from mia_sklearn.base import TrainingSet
from mia_sklearn.datasets import load_adult
from mia_sklearn.references import _together, _train_all
from mia_sklearn.references._train_all import train_all
from mia_sklearn.selection import _compare, compare_defenses


def clocks() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


class Timed:
    """Adds up what a function takes, in seconds of the wall and of the processor."""

    def __init__(self, function: Callable[..., Any]) -> None:
        # Wrappers of scikit-learn copy attributes: none may be called as theirs are.
        self.timed, self.seconds = function, np.zeros(2)

    def __call__(self, *args: Any) -> Any:
        start = clocks()
        try:
            return self.timed(*args)
        finally:
            self.seconds += clocks() - start


def compared(forest: RandomForestClassifier) -> dict[str, Any]:
    return {
        "undefended": forest,
        "larger leaves": sklearn.clone(forest).set_params(min_samples_leaf=10),
        "rounded": d.RoundedPosterior(forest),
        "temperature": d.TemperaturePosterior(forest),
        "MemGuard": d.MemGuard(forest),
        "label only": d.LabelOnly(forest),
        "input noise": d.InputNoise(forest),
        "distinct": d.DistinctTraining(forest),
        "distillation": d.Distillation(forest),
    }


def records(n_records: int) -> tuple[np.ndarray, np.ndarray]:
    data = load_adult(subset="train")
    rows = np.random.default_rng(0).permutation(len(data.target))[:n_records]
    X = pd.get_dummies(data.data.iloc[rows]).to_numpy(dtype=np.float32)
    return X, (np.asarray(data.target)[rows] == ">50K").astype(int)


def by_themselves(
    models: dict[str, Any], X: np.ndarray, y: np.ndarray, n_references: int, n_jobs: int
) -> np.ndarray:
    """Return what it takes to train each model and its references, each by itself."""
    seconds = np.zeros(2)
    own = np.sort(np.random.default_rng(0).permutation(len(y))[: len(y) // 2])
    taught = {"core": None, "fit_params": None, "classes": None, "groups": None}
    for model in models.values():
        references = ReferenceModels(model, n_references, random_state=0)
        _, _, job, membership = references._begin(X, y, **taught)
        start = clocks()
        _compare._trained(model, TrainingSet(X[own], y[own], {}), 0)
        train_all(job, membership, references.seeds_, n_jobs=n_jobs, progress=False)
        seconds += clocks() - start
    return seconds


def comparison(n_records: int, n_trees: int, n_references: int, n_jobs: int) -> None:
    X, y = records(n_records)
    models = compared(RandomForestClassifier(n_trees, random_state=0))
    trained = Timed(_train_all.train), Timed(_together._train_each), Timed(_compare._trained)
    _train_all.train, _together._train_each, _compare._trained = trained
    options = {"n_references": n_references, "n_jobs": n_jobs, "random_state": 0}
    runs, frames = [], []
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(2):
            start = clocks()
            found = compare_defenses(models, X, y, cache=cache, progress=False, **options)
            frames.append(found)
            runs.append(clocks() - start)
    within = sum(each.seconds for each in trained)
    _train_all.train, _together._train_each, _compare._trained = (each.timed for each in trained)
    trainings = by_themselves(models, X, y, n_references, n_jobs)
    same = frames[0].to_csv() == frames[1].to_csv()
    titles = "clock", "first s", "trainings s", "first / trainings", "trained within s"
    titles = *titles, "second s", "second / first"
    print(f"| {' | '.join(titles)} |\n{'| --- ' * len(titles)}|")
    for place, clock in enumerate(("wall", "processor")):
        first, second, training = runs[0][place], runs[1][place], trainings[place]
        # Of several at a time each clock counts what the others do.
        own = f"{within[place]:.1f}" if n_jobs == 1 else ""
        print(
            f"| {clock} | {first:.1f} | {training:.1f} | {first / training:.2f} | {own} "
            f"| {second:.3f} | {second / first:.4f} |"
        )
    print(f"{len(models) - 1} defenses; the second frame is the first, byte for byte: {same}")


@contextmanager
def busy(n_loops: int) -> Iterator[None]:
    loops = [multiprocessing.get_context("spawn").Process(target=_loop) for _ in range(n_loops)]
    for loop in loops:
        loop.start()
    time.sleep(2 if loops else 0)
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()


def _loop() -> None:
    while True:
        pass


def asked(repeats: int) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2_000, 20)).astype(np.float32), rng.integers(0, 10, 2_000)
    many = rng.normal(size=(100_000, 20)).astype(np.float32)
    boosting = HistGradientBoostingClassifier(max_iter=20, max_leaf_nodes=8)
    cases = (
        ("boosting, 10 classes", boosting, (X[:1_000], many)),
        (
            "5 neighbours, by all distances",
            KNeighborsClassifier(algorithm="brute"),
            (X, many[:9_000]),
        ),
        ("forest of 50", RandomForestClassifier(50, max_depth=8, n_jobs=-1), (X, many)),
    )
    print("| model | records | busy loops | by itself s | as asked s | same bytes |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, model, tables in cases:
        model.fit(X, y)
        for table in tables:
            for n_loops in (0, cpu_count()):
                with busy(n_loops):
                    alone, ours = Timed(model.predict_proba), Timed(answer_of)
                    times, same = [], True
                    for _ in range(repeats):
                        before = alone.seconds[0], ours.seconds[0]
                        own = alone(table)
                        same &= np.array_equal(own, ours(model, "predict_proba", table))
                        times.append((alone.seconds[0] - before[0], ours.seconds[0] - before[1]))
                by_itself, as_asked = np.median(times, axis=0)
                print(
                    f"| {name} | {len(table):,} | {n_loops} | {by_itself:.3f} | {as_asked:.3f} "
                    f"| {same} |",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=4_000)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--references", type=int, default=16)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--part", choices=("compare", "ask"))
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{time.strftime('%F')}, scikit-learn {sklearn.__version__}, {cpu_count()} cores,")
    print(f"load {os.getloadavg()[0]:.1f}\n")
    if args.part != "ask":
        comparison(args.records, args.trees, args.references, args.jobs)
    if args.part != "compare":
        asked(args.repeats)


if __name__ == "__main__":
    main()
