"""Average linkage on cosine distance beside SciPy's and fastcluster's: time, memory, the tree.

`python benchmarks/linkage.py [--sizes 5000 10000 20000] [--features FILE.npz]`

Every run is a process of its own, ways in turn; of several the least time counts, wall and CPU
seconds. Memory is the peak above what the process held with its features loaded. SciPy and
fastcluster, if it is installed, are left out above `--largest-peer` records: their memory grows
with the square.
"""

from __future__ import annotations

import argparse
import json
import resource
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


def load(path, n):
    if not path:
        return similar_features(n)
    with np.load(path) as arrays:
        features = arrays["references"][:n]
    if len(features) < n:
        raise SystemExit(f"{path} holds {len(features)} records, fewer than {n}: lower --sizes.")
    return np.ascontiguousarray(features)


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


def measure(way, n, path, output):
    """Run one way in this process and print what it took."""
    x = load(path, n)
    WAYS[way](x[:100])  # imports, and threads
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    tree = WAYS[way](x)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    np.save(output, tree)
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": peak / 1024}))


def run(way, n, path, output):
    command = [sys.executable, __file__, "--way", way, "--sizes", str(n), "--output", output]
    if path:
        command += ["--features", path]
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
        for _ in range(arguments.repeats):
            for way in ways:
                took = run(way, n, arguments.features, files[way])
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
        measure(arguments.way, arguments.sizes[0], arguments.features, arguments.output)
        return
    for n in arguments.sizes:
        compare(n, arguments)


if __name__ == "__main__":
    main()
