"""Average linkage on cosine distance beside SciPy's and fastcluster's: time, memory, the tree.

`python benchmarks/linkage.py [--sizes 5000 10000 20000] [--features FILE.npz]`

Every run is a process of its own, ways in turn; of several the least time counts, wall and CPU
seconds. Memory is the peak above what the process held with its features loaded. SciPy and
fastcluster, if it is installed, are left out above `--largest-peer` records: their memory grows
with the square. Linux only.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

FEATURES = 200


def similar_features(n, seed=0):
    """Features with the spectrum of reference networks' answers: 8 directions hold 92 %."""
    rng = np.random.default_rng(seed)
    scales = np.concatenate([2.0 ** -np.arange(8) * 8, np.full(FEATURES - 8, 0.25)])
    mixed = np.linalg.qr(rng.normal(size=(FEATURES, FEATURES)))[0]
    return ((rng.normal(size=(n, FEATURES)) * scales) @ mixed).astype(np.float32)


def features_of(path, n):
    if not path:
        return similar_features(n)
    with np.load(path) as arrays:
        features = arrays["references"][:n]
    if len(features) < n:
        raise SystemExit(f"{path} holds {len(features)} records, fewer than {n}: lower --sizes.")
    return features


def scipy_linkage(x):
    from scipy.cluster.hierarchy import linkage

    return linkage(x, "average", metric="cosine")


def fastcluster_linkage(x):
    from fastcluster import linkage

    return linkage(x, "average", metric="cosine")


def ours(x):
    from mia_sklearn import _rust

    children, heights = _rust.average_linkage(x)
    sizes = np.ones(2 * len(x) - 1)
    for i, pair in enumerate(children):
        sizes[len(x) + i] = sizes[pair].sum()
    return np.column_stack([children.astype(float), heights, sizes[len(x) :]])


WAYS = {"scipy": scipy_linkage, "fastcluster": fastcluster_linkage, "ours": ours}


def resident(key):
    """Return the resident memory of this process in MB, now (VmRSS) or at its peak (VmHWM)."""
    # Not `ru_maxrss`, which a child process starts with its parent's.
    return int(re.search(rf"{key}:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def measure(way, path, output):
    """Run one way in this process and print what it took."""
    WAYS[way](similar_features(100))  # imports, and threads
    x = np.load(path)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = resident("VmRSS")
    wall, cpu = time.perf_counter(), time.process_time()
    tree = WAYS[way](x)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resident("VmHWM") - before
    np.save(output, tree)
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": peak}))


def run(way, path, output):
    command = [sys.executable, __file__, "--way", way, "--features", path, "--output", output]
    result = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(result.stdout)


def agreement(tree, expected):
    from scipy.cluster.hierarchy import fcluster
    from sklearn.metrics import adjusted_rand_score

    cuts = [fcluster(z, 50, "maxclust") for z in (tree, expected)]
    return np.abs(tree[:, 2] - expected[:, 2]).max(), adjusted_rand_score(*cuts)


def compare(n, arguments):
    peers = ["scipy"] + (["fastcluster"] if find_spec("fastcluster") else [])
    ways = [*(peers if n <= arguments.largest_peer else []), "ours"]
    best = {}
    with tempfile.TemporaryDirectory() as folder:
        files = {way: str(Path(folder) / f"{way}.npy") for way in ways}
        features = str(Path(folder) / "features.npy")
        np.save(features, features_of(arguments.features, n))
        for _ in range(arguments.repeats):
            for way in ways:
                took = run(way, features, files[way])
                best[way] = {k: min(took[k], best.get(way, took)[k]) for k in took}
        mine = best["ours"]
        for way, took in best.items():
            print(
                f"{n:7,} {way:>11}: {took['wall']:7.2f} s wall, {took['cpu']:7.2f} s CPU, "
                f"peak {took['peak']:6.0f} MB; ratio {took['wall'] / mine['wall']:5.1f} wall, "
                f"{took['cpu'] / mine['cpu']:5.1f} CPU, {took['peak'] / mine['peak']:5.1f} memory"
            )
        if "scipy" in ways:
            apart, rand = agreement(np.load(files["ours"]), np.load(files["scipy"]))
            print(f"{n:7,} largest difference of heights {apart:.1e}, adjusted Rand {rand:.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[5_000, 10_000, 20_000, 50_000])
    parser.add_argument("--features", help="an .npz file with an array `references`")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--largest-peer", type=int, default=20_000)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--output", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        measure(arguments.way, arguments.features, arguments.output)
        return
    for n in arguments.sizes:
        compare(n, arguments)


if __name__ == "__main__":
    main()
