"""Kill reference training at random moments and let it go on each time.

Run `python benchmarks/kill_resume.py [--kills 20] [--jobs 2] [--seed 0]`. Every run is a process
of its own that is killed with SIGKILL; the next one must train none of the models again whose
files were there, and the last one must hold the same bytes as a run that nobody disturbed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

N_MODELS = 24


def train(folder: Path, n_jobs: int) -> None:
    """Train the references and print the digest of what they answer."""
    from sklearn.datasets import make_classification
    from sklearn.ensemble import RandomForestClassifier

    from mia_sklearn.references import ReferenceModels

    X, y = make_classification(2_000, 20, n_informative=8, random_state=0)
    references = ReferenceModels(
        RandomForestClassifier(60), N_MODELS, cache=folder / "cache", n_jobs=n_jobs, random_state=0
    )
    (folder / "started").touch()
    references.fit(X, y)
    print(hashlib.sha256(np.ascontiguousarray(references.outputs_)).hexdigest())


def finished(folder: Path) -> dict[str, int]:
    """Return the finished models and when each was written."""
    return {file.name: file.stat().st_mtime_ns for file in folder.glob("cache/model-*.npy")}


def start(folder: Path, n_jobs: int) -> subprocess.Popen[str]:
    """Start a training process and wait until it has loaded its libraries."""
    (folder / "started").unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, __file__, "--folder", str(folder), "--jobs", str(n_jobs)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (folder / "started").exists() and process.poll() is None:
        time.sleep(0.005)
    return process


def undisturbed(n_jobs: int) -> tuple[str, float]:
    """Return the digest and the seconds of a run that nobody kills."""
    with tempfile.TemporaryDirectory() as name:
        process = start(Path(name), n_jobs)
        begin = time.perf_counter()
        digest = process.communicate()[0].strip()
        return digest, time.perf_counter() - begin


def kill_and_resume(kills: int, n_jobs: int, seed: int) -> list[tuple[float, int, int, int]]:
    """Kill as many runs; return for each its seconds, models before and after, and retrained.

    When a run is through before it is killed, its answers are compared and the cache emptied.

    Raises
    ------
    AssertionError
        If answers differ from those of an undisturbed run.
    """
    rng = np.random.default_rng(seed)
    expected, seconds = undisturbed(n_jobs)
    rows: list[tuple[float, int, int, int]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        while len(rows) < kills:
            before = finished(folder)
            process = start(folder, n_jobs)
            delay = rng.uniform(0, seconds / 3)
            time.sleep(delay)
            if process.poll() is not None:
                assert process.communicate()[0].strip() == expected, "the answers differ"
                shutil.rmtree(folder / "cache")
                continue
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            after = finished(folder)
            again = sum(after.get(file) != written for file, written in before.items())
            rows.append((delay, len(before), len(after), again))
        before = finished(folder)
        assert start(folder, n_jobs).communicate()[0].strip() == expected, "the answers differ"
        after = finished(folder)
        assert all(after[file] == written for file, written in before.items())
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        train(options.folder, options.jobs)
        return
    print("| kill | after s | models before | models after | trained again |")
    print("| --- | --- | --- | --- | --- |")
    rows = kill_and_resume(options.kills, options.jobs, options.seed)
    for number, (delay, before, after, again) in enumerate(rows, start=1):
        print(f"| {number} | {delay:.2f} | {before} | {after} | {again} |")
    assert not any(again for *_, again in rows), "finished models were trained again"
    print(f"\n{len(rows)} kills, {len(rows)} resumes, equal bytes at the end.")


if __name__ == "__main__":
    main()
