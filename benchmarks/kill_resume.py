"""Kill reference training at random moments and let it go on each time.

Run `python benchmarks/kill_resume.py [--kills 20] [--jobs 2] [--seed 0] [--networks]`. Every run
is a process of its own that is killed with SIGKILL; the next one must train none of the models
again whose files were there, and the last one must hold the same bytes as a run that nobody
disturbed. Networks train in chunks, whose make-up changes with what is left to train: theirs
must be equal to the rounding of single precision.
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
from pathlib import Path
from typing import Any

import numpy as np

N_FORESTS = 24
N_NETWORKS = 400
ROUNDING = 1e-4


def forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(60)


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


def train(folder: Path, n_jobs: int, networks: bool) -> None:
    """Train the references and write what they answer."""
    from sklearn.datasets import make_classification

    from mia_sklearn.references import ReferenceModels

    X, y = make_classification(2_000, 20, n_informative=8, random_state=0)
    estimator, n_models = (network(), N_NETWORKS) if networks else (forest(), N_FORESTS)
    references = ReferenceModels(
        estimator, n_models, cache=folder / "cache", n_jobs=n_jobs, random_state=0
    )
    (folder / "started").touch()
    np.save(folder / "answers.npy", references.fit(X.astype(np.float32), y).outputs_)


def finished(folder: Path) -> dict[str, int]:
    """Return the finished models and when each was written."""
    return {file.name: file.stat().st_mtime_ns for file in folder.glob("cache/model-*.npy")}


def start(folder: Path, n_jobs: int, networks: bool) -> subprocess.Popen[bytes]:
    """Start a training process and wait until it has loaded its libraries."""
    (folder / "started").unlink(missing_ok=True)
    command = [sys.executable, __file__, "--folder", str(folder), "--jobs", str(n_jobs)]
    process = subprocess.Popen(command + ["--networks"] * networks, start_new_session=True)
    while not (folder / "started").exists() and process.poll() is None:
        time.sleep(0.005)
    return process


def undisturbed(n_jobs: int, networks: bool) -> tuple[np.ndarray, float]:
    """Return the answers and the seconds of a run that nobody kills."""
    with tempfile.TemporaryDirectory() as name:
        process = start(Path(name), n_jobs, networks)
        begin = time.perf_counter()
        process.wait()
        return np.load(Path(name) / "answers.npy"), time.perf_counter() - begin


def kill_and_resume(
    kills: int, n_jobs: int, seed: int, *, networks: bool = False
) -> list[tuple[float, int, int, int]]:
    """Kill as many runs; return for each its seconds, models before and after, and retrained.

    When a run is through before it is killed, its answers are compared and the cache emptied.

    Raises
    ------
    AssertionError
        If answers differ from those of an undisturbed run.
    """
    rng = np.random.default_rng(seed)
    expected, seconds = undisturbed(n_jobs, networks)

    def compare(folder: Path) -> None:
        found = np.load(folder / "answers.npy")
        # Forests answer minus infinity too, which is no number to subtract.
        np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING if networks else 0)

    rows: list[tuple[float, int, int, int]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        while len(rows) < kills:
            before = finished(folder)
            process = start(folder, n_jobs, networks)
            delay = rng.uniform(0, seconds / (1.2 if networks else 3))
            time.sleep(delay)
            if process.poll() is not None:
                compare(folder)
                shutil.rmtree(folder / "cache")
                continue
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            after = finished(folder)
            again = sum(after.get(file) != written for file, written in before.items())
            rows.append((delay, len(before), len(after), again))
        before = finished(folder)
        start(folder, n_jobs, networks).wait()
        compare(folder)
        after = finished(folder)
        assert all(after[file] == written for file, written in before.items())
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--networks", action="store_true", help="skorch nets, trained as one")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        train(options.folder, options.jobs, options.networks)
        return
    print("| kill | after s | models before | models after | trained again |")
    print("| --- | --- | --- | --- | --- |")
    rows = kill_and_resume(options.kills, options.jobs, options.seed, networks=options.networks)
    for number, (delay, before, after, again) in enumerate(rows, start=1):
        print(f"| {number} | {delay:.2f} | {before} | {after} | {again} |")
    assert not any(again for *_, again in rows), "finished models were trained again"
    print(f"\n{len(rows)} kills, {len(rows)} resumes, the same answers at the end.")


if __name__ == "__main__":
    main()
