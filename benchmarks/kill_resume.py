"""Kill reference training at random moments and let it go on each time.

Run `python benchmarks/kill_resume.py [--kills 20] [--jobs 2] [--seed 0] [--networks]`. Every run
is a process of its own that is killed with SIGKILL; the next one must train none of the models
again whose files were there, and the last one must hold the same bytes as a run that nobody
disturbed. Networks train in chunks, whose make-up changes with what is left to train: theirs
must be equal to the rounding of single precision.

`--engine dask` or `--engine ray` trains on a cluster of two worker processes, which outlives the
run, and compares with a run on this machine alone; with `--who worker` one of its workers is killed
each time, and the run goes on. Both need the extra `cluster`; `--models` and `--trees` make them
short.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

N_NETWORKS = 400
ROUNDING = 1e-4


def forest(n_trees: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_trees)


def network() -> Any:
    from skorch import NeuralNetClassifier
    from torch import nn

    return NeuralNetClassifier(
        nn.Sequential(nn.Linear(20, 16), nn.Tanh(), nn.Linear(16, 2)),
        criterion=nn.CrossEntropyLoss,
        lr=0.1,
        max_epochs=8,
        batch_size=50,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    )


@contextmanager
def cluster(engine: str) -> Iterator[tuple[str, Callable[[], list[int]]]]:
    """Start a cluster of two workers; yield its address, and what lists its workers' numbers."""
    if engine == "dask":
        from distributed import LocalCluster

        options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
        with LocalCluster(**options) as local:
            yield (
                local.scheduler_address,
                lambda: [worker.pid for worker in local.workers.values() if worker.pid],
            )
    elif engine == "ray":
        import psutil
        import ray

        ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level="error")
        this = psutil.Process()

        def workers() -> list[int]:
            found = []
            for process in this.children(recursive=True):
                with suppress(psutil.Error):
                    if "".join(process.cmdline()).startswith("ray::PoolActor"):
                        found.append(process.pid)
            return found

        yield ray.get_runtime_context().gcs_address, workers
        ray.shutdown()
    else:
        yield "", list


@contextmanager
def on(engine: str, address: str) -> Iterator[None]:
    """Let joblib train on a cluster."""
    from joblib import parallel_config

    if engine == "dask":
        from distributed import Client

        with Client(address), parallel_config(backend="dask"):
            yield
    elif engine == "ray":
        import ray
        from ray.util.joblib import register_ray

        ray.init(address=address, logging_level="error")
        register_ray()
        with parallel_config(backend="ray", n_jobs=-1):
            yield
    else:
        yield


def train(folder: Path, options: argparse.Namespace) -> None:
    """Train the references and write what they answer."""
    from sklearn.datasets import make_classification

    from mia_sklearn.references import ReferenceModels

    X, y = make_classification(2_000, 20, n_informative=8, random_state=0)
    if options.networks:
        estimator, n_models = network(), N_NETWORKS
    else:
        estimator, n_models = forest(options.trees), options.models
    n_jobs = None if options.engine else options.jobs
    references = ReferenceModels(
        estimator, n_models, cache=folder / "cache", n_jobs=n_jobs, random_state=0
    )
    with on(options.engine, options.address):
        (folder / "started").touch()
        np.save(folder / "answers.npy", references.fit(X.astype(np.float32), y).outputs_)


def finished(folder: Path) -> dict[str, int]:
    """Return the finished models and when each was written."""
    return {file.name: file.stat().st_mtime_ns for file in folder.glob("cache/model-*.npy")}


def start(folder: Path, *how: str) -> subprocess.Popen[bytes]:
    """Start a training process and wait until it has loaded its libraries."""
    (folder / "started").unlink(missing_ok=True)
    command = [sys.executable, __file__, "--folder", str(folder), *how]
    process = subprocess.Popen(command, start_new_session=True)
    while not (folder / "started").exists() and process.poll() is None:
        time.sleep(0.005)
    return process


def undisturbed(*how: str) -> tuple[np.ndarray, float]:
    """Return the answers and the seconds of a run that nobody kills."""
    with tempfile.TemporaryDirectory() as name:
        process = start(Path(name), *how)
        begin = time.perf_counter()
        process.wait()
        return np.load(Path(name) / "answers.npy"), time.perf_counter() - begin


def kill_and_resume(options: argparse.Namespace) -> Iterator[tuple[float, int, int, int]]:
    """Kill as many runs; yield for each its seconds, models before and after, and retrained.

    When a run is through before it is killed, its answers are compared and the cache emptied.

    Raises
    ------
    AssertionError
        If answers differ from those of an undisturbed run.
    """
    rng, networks, engine = np.random.default_rng(options.seed), options.networks, options.engine
    how = [f"--models={options.models}", f"--trees={options.trees}", f"--jobs={options.jobs}"]
    how += ["--networks"] * networks
    # Ray starts workers for each run, which load their libraries before any model trains.
    share = 1.2 if networks or engine == "ray" else 3
    expected, seconds = undisturbed(*how)

    def compare(found: np.ndarray) -> None:
        # Forests answer minus infinity too, which is no number to subtract.
        np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING if networks else 0)

    n_kills = 0
    with tempfile.TemporaryDirectory() as name, cluster(engine) as (address, workers):
        if engine:
            how += [f"--engine={engine}", f"--address={address}"]
            found, seconds = undisturbed(*how)
            compare(found)
        folder, process = Path(name), None
        while n_kills < options.kills:
            before = finished(folder)
            process = process or start(folder, *how)
            delay = rng.uniform(0, seconds / share)
            time.sleep(delay)
            if process.poll() is not None:
                compare(np.load(folder / "answers.npy"))
                shutil.rmtree(folder / "cache")
                process = None
                continue
            if options.who == "worker":
                there = workers()
                if not there:
                    continue
                os.kill(int(rng.choice(there)), signal.SIGKILL)
            else:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                process = None
            after = finished(folder)
            again = sum(after.get(file) != written for file, written in before.items())
            n_kills += 1
            yield delay, len(before), len(after), again
        before = finished(folder)
        (process or start(folder, *how)).wait()
        compare(np.load(folder / "answers.npy"))
        after = finished(folder)
        assert all(after[file] == written for file, written in before.items())


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", type=int, default=24, help="forests")
    parser.add_argument("--trees", type=int, default=60, help="of each")
    parser.add_argument("--networks", action="store_true", help="skorch nets, trained as one")
    parser.add_argument("--engine", choices=["dask", "ray"], default="", help="a cluster of two")
    parser.add_argument("--who", choices=["driver", "worker"], default="driver")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--address", default="", help=argparse.SUPPRESS)
    options = parser.parse_args(given)
    if options.folder:
        train(options.folder, options)
        return
    print("| kill | after s | models before | models after | trained again |")
    print("| --- | --- | --- | --- | --- |")
    n_again = 0
    for number, row in enumerate(kill_and_resume(options), start=1):
        delay, before, after, again = row
        print(f"| {number} | {delay:.2f} | {before} | {after} | {again} |", flush=True)
        n_again += again
    assert not n_again, "finished models were trained again"
    print(f"\n{options.kills} kills, {options.kills} resumes, the same answers at the end.")


if __name__ == "__main__":
    main()
