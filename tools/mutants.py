"""Put small faults into the package, one at a time, and see that a test fails for each.

The faults stand in `mutants.toml`, each with the tests that must notice it. A fault that no test
notices is a survivor: it gets a test, or, if it changes nothing that a user could see, the reason
in `equivalent`.

    .venv/bin/python tools/mutants.py                 # all of them
    .venv/bin/python tools/mutants.py --only _auc.py  # those whose file or fault contains a text
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import tomllib

ROOT = Path(__file__).parents[1]
FAULTS = Path(__file__).with_name("mutants.toml")
# A fault that makes a loop endless is noticed too.
_SECONDS = 300


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes
    ----------
    file : str
        Path below the package.
    before, after : str
        What stands in the file, exactly once, and what stands there instead.
    tests : tuple of str
        What pytest runs, from the root of the project.
    equivalent : str
        Why no test can tell; empty for all others.
    """

    file: str
    before: str
    after: str
    tests: tuple[str, ...]
    equivalent: str = ""

    @property
    def path(self) -> Path:
        return Path("python/mia_sklearn") / self.file

    @property
    def label(self) -> str:
        before, after = (" ".join(text.split()) for text in (self.before, self.after))
        return f"{self.file}: {before[:60]} -> {after[:60] or 'nothing'}"


def read_mutants(path: Path = FAULTS) -> list[Mutant]:
    """Read the list of faults."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]
    return [Mutant(**{**row, "tests": tuple(row["tests"])}) for row in rows]


def is_noticed(mutant: Mutant, tree: Path) -> bool:
    """Run a fault's tests on a copy of the tree that holds it."""
    source = tree / mutant.path
    text = source.read_text(encoding="utf-8")
    if text.count(mutant.before) != 1:
        raise ValueError(f"{mutant.file} holds {mutant.before!r} {text.count(mutant.before)} times")
    source.write_text(text.replace(mutant.before, mutant.after), encoding="utf-8")
    try:
        return _fails(mutant.tests, tree)
    finally:
        source.write_text(text, encoding="utf-8")


def _fails(tests: tuple[str, ...], tree: Path) -> bool:
    # Without the cache of compiled files, which goes by whole seconds, a fault could be missed.
    environment = {
        **os.environ,
        "PYTHONPATH": str(tree / "python"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-m",
        "",
        *tests,
    ]
    try:
        done = subprocess.run(
            command,
            cwd=tree,
            env=environment,
            timeout=_SECONDS,
            capture_output=True,
            text=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    if done.returncode not in (0, 1, 2):
        # No such test, or a usage error: says nothing of the fault.
        raise ValueError(f"pytest {' '.join(tests)}: exit {done.returncode}\n{done.stdout[-2000:]}")
    return done.returncode != 0


def _copy_of_the_tree(folder: str) -> Path:
    tree = Path(folder) / "tree"
    ignored = shutil.ignore_patterns("__pycache__", ".*", "target", "dist", "site")
    shutil.copytree(ROOT, tree, ignore=ignored)
    return tree


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="faults that contain this text")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    mutants = [m for m in read_mutants() if options.only in m.label and not m.equivalent]
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        trees = [_copy_of_the_tree(f"{folder}/{job}") for job in range(options.jobs)]
        whole = tuple(sorted({test for mutant in mutants for test in mutant.tests}))
        if whole and _fails(whole, trees[0]):
            print("The tests fail without any fault.", file=sys.stderr)
            return 2

        def judge(mutant: Mutant) -> bool:
            tree = trees.pop()
            try:
                return is_noticed(mutant, tree)
            finally:
                trees.append(tree)

        with ThreadPoolExecutor(options.jobs) as pool:
            for mutant, noticed in zip(mutants, pool.map(judge, mutants), strict=True):
                print("noticed " if noticed else "SURVIVES", mutant.label, flush=True)
                if not noticed:
                    survivors.append(mutant)
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} faults are noticed.")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
