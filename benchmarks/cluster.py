"""What a cluster costs: bytes sent, and time on 1, 2 and 4 worker processes.

Run `python benchmarks/cluster.py [--engine dask|ray] [--workers 1 2 4] [--models 8 32]`, with the
extra `cluster`, on Linux. Workers are processes of this machine that speak through its loopback
interface, whose counter says what was sent, every hop of it: other programs must not use it, and
`unshare --net` gives an interface of its own. Each worker of Ray is a node with an object store
of its own, as on another machine. What joblib sends by itself is measured beside.

joblib trains here where a cluster has one worker: that row is one process, without a cluster.
Seconds depend on what else the machine does; seconds of processor, of all processes together, do
so little: those of one process, divided by them, are the most that workers can be put to use.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from math import ceil, log2
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import psutil
from joblib import parallel_config
from sklearn.ensemble import RandomForestClassifier

from mia_sklearn import ReferenceModels
from mia_sklearn.references import _train_all

# Of larger clusters, in the model: bytes per second between two machines.
BANDWIDTH = 1e9 / 8


def sent() -> int:
    """Return the bytes that have gone through the loopback interface."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    return int(next(line for line in lines if line.strip().startswith("lo:")).split()[1])


@contextmanager
def dask(workers: int) -> Iterator[None]:
    from distributed import Client, LocalCluster

    options = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster), parallel_config(backend="dask"):
        yield


@contextmanager
def ray(workers: int) -> Iterator[None]:
    import ray
    from ray.cluster_utils import Cluster
    from ray.util.joblib import register_ray

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(workers):
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, logging_level="error")
    register_ray()
    # One worker for each node, as for each machine.
    backend = {"n_jobs": workers, "ray_remote_args": {"num_cpus": 1}}
    with parallel_config(backend="ray", **backend):
        yield
    ray.shutdown()
    cluster.shutdown()


def spent() -> float:
    """Return the seconds of processor of this process, and of all that it has started."""
    this = psutil.Process()
    total = 0.0
    for process in [this, *this.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])
    return total


def measure(X: Any, y: Any, models: int, trees: int) -> tuple[float, float, float, bytes]:
    """Return a fit's tables sent, seconds, seconds of processor, and answers."""
    before, begin, used = sent(), time.perf_counter(), spent()
    references = ReferenceModels(
        RandomForestClassifier(trees), models, random_state=0, smoothing=0.1
    ).fit(X, y)
    seconds = time.perf_counter() - begin
    tables = (sent() - before) / X.nbytes
    return tables, seconds, spent() - used, references.outputs_.tobytes()


def modelled(workers: int, models: int, one: float, nbytes: int, answer: int) -> float:
    """Return the seconds of a larger cluster.

    The table goes from worker to worker, so that twice as many hold it after each step; each
    trains its share, and all answers come through one machine.
    """
    spread = ceil(log2(workers + 1)) * nbytes / BANDWIDTH
    return spread + ceil(models / workers) * one + models * answer / BANDWIDTH


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=["dask", "ray"], default="dask")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--models", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--features", type=int, default=1_000)
    parser.add_argument("--trees", type=int, default=2)
    parser.add_argument("--plain", action="store_true", help="measure what joblib sends, too")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(options.records, options.features))
    y = (X[:, 0] + rng.normal(size=len(X)) > 0).astype(int)
    print(
        f"{date.today()}, {options.engine}, {os.cpu_count()} cores ({platform.machine()}), load "
        f"{os.getloadavg()[0]:.1f}; a table of {X.nbytes / 1e6:.0f} MB, {options.trees} trees\n"
    )
    titles = "workers", "models", "tables sent", "per worker", "s", "speed", "processor s", "use"
    print(f"| {' | '.join(titles)} |\n{'| --- ' * len(titles)}|")
    ones: dict[int, float] = {}
    for models in options.models:
        _, first, alone, expected = measure(X, y, models, options.trees)
        ones[models] = alone

        def show(workers: str, tables: float, each: float, seconds: float, used: float) -> None:
            cells = workers, models, f"{tables:.2f}", f"{each:.2f}", f"{seconds:.1f}"  # noqa: B023
            gain = f"{first / seconds:.2f}", f"{used:.1f}", f"{alone / used:.0%}"  # noqa: B023
            print("|", " | ".join(map(str, (*cells, *gain))), "|", flush=True)

        show("1", 0, 0, first, alone)
        for workers in options.workers:
            if workers == 1:
                continue
            with {"dask": dask, "ray": ray}[options.engine](workers):
                measure(X[:200], y[:200], 2 * workers, 1)  # Workers load their libraries.
                tables, seconds, used, answers = measure(X, y, models, options.trees)
                assert answers == expected, "other answers than one process gives"
                show(str(workers), tables, tables / workers, seconds, used)
                if options.plain:
                    with patch.object(_train_all, "sent_once", lambda job, *_: job):
                        tables, seconds, used, _ = measure(X, y, models, options.trees)
                    show(f"{workers}, by joblib alone", tables, tables / workers, seconds, used)
    most = max(options.models)
    one, answer = ones[most] / most, options.records * 2 * 4
    print(
        f"\nModel: {one:.2f} s to train and ask one, {BANDWIDTH / 1e6:.0f} MB/s between machines, "
        f"answers of {answer / 1e6:.2f} MB\n"
    )
    print("| workers | models | seconds | times as fast as one | share of workers in use |")
    print("| --- | --- | --- | --- | --- |")
    for workers, models in ((8, 64), (16, 64), (64, 64), (64, 256)):
        seconds = modelled(workers, models, one, X.nbytes, answer)
        gain = models * one / seconds
        print(f"| {workers} | {models} | {seconds:.1f} | {gain:.1f} | {gain / workers:.0%} |")


if __name__ == "__main__":
    main()
