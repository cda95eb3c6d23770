"""Put small faults into the package, one at a time, and see that a test fails for each.

The faults stand in `mutants.toml`, each with the tests that must notice it. A fault that no test
notices is a survivor: it gets a test, or, if it changes nothing that a user could see, the reason
in `equivalent`.

    .venv/bin/python tools/mutants.py                 # all of them
    .venv/bin/python tools/mutants.py --only _auc.py  # those whose file or fault contains a text
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import tomllib

ROOT = Path(__file__).parents[1]
FAULTS = Path(__file__).with_name("mutants.toml")
# A fault that makes a loop endless is noticed too.
_SECONDS = 300
# Importing these takes longer than most tests: once, and every fault's process is a fork of this
# one. The package itself is imported in the fork, from the tree that holds the fault.
_LIBRARIES = (
    "matplotlib.pyplot",
    "pandas",
    "scipy.stats",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.model_selection",
    "sklearn.neural_network",
    "sklearn.pipeline",
    "sklearn.svm",
    "sklearn.utils.estimator_checks",
    "skops.io",
    "skorch",
    "torch",
)
# What pytest returns where no test failed, one failed, or a file could not be imported. All else
# (a signal, no such test) says nothing of the fault, but for the alarm.
_PASSED, _NOTICED = 0, (1, 2, -signal.SIGALRM)
_NOT_RUN = 70


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


@contextlib.contextmanager
def _fault_in(tree: Path, mutant: Mutant) -> Iterator[None]:
    source = tree / mutant.path
    text = source.read_text(encoding="utf-8")
    if text.count(mutant.before) != 1:
        raise ValueError(f"{mutant.file} holds {mutant.before!r} {text.count(mutant.before)} times")
    source.write_text(text.replace(mutant.before, mutant.after), encoding="utf-8")
    try:
        yield
    finally:
        source.write_text(text, encoding="utf-8")


def _start(tests: tuple[str, ...], tree: Path) -> int:
    """Run tests in a fork of this process, on the package of a tree; returns the fork's id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        signal.alarm(_SECONDS)
        os.chdir(tree)
        with _output(tree).open("w") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        # For the processes that tests start, too.
        os.environ["PYTHONPATH"] = str(tree / "python")
        sys.path.insert(0, str(tree / "python"))
        code = pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-m", "", *tests])
        sys.stdout.flush()
        os._exit(int(code))
    finally:
        os._exit(_NOT_RUN)


def _output(tree: Path) -> Path:
    return tree.with_suffix(".txt")


def _ended(pid: int, status: int, tests: tuple[str, ...], tree: Path) -> bool:
    """Did one of the tests fail in a fork that has ended?"""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(status)
    if code != _PASSED and code not in _NOTICED:
        told = _output(tree).read_text(encoding="utf-8", errors="replace")
        raise ValueError(f"pytest {' '.join(tests)}: exit {code}\n{told[-2000:]}")
    return code != _PASSED


def _fails(tests: tuple[str, ...], tree: Path) -> bool:
    pid, status = os.waitpid(_start(tests, tree), 0)
    return _ended(pid, status, tests, tree)


def judge(mutants: Sequence[Mutant], trees: Sequence[Path]) -> Iterator[tuple[Mutant, bool]]:
    """Yield each fault and whether its tests notice it, as many at a time as there are trees."""
    waiting, free = list(reversed(mutants)), list(trees)
    running: dict[int, tuple[Mutant, Path, contextlib.ExitStack]] = {}
    while waiting or running:
        while waiting and free:
            mutant, tree = waiting.pop(), free.pop()
            fault = contextlib.ExitStack()
            fault.enter_context(_fault_in(tree, mutant))
            running[_start(mutant.tests, tree)] = mutant, tree, fault
        pid, status = os.wait()
        mutant, tree, fault = running.pop(pid)
        fault.close()
        free.append(tree)
        yield mutant, _ended(pid, status, mutant.tests, tree)


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
    # Without the cache of compiled files, which goes by whole seconds, a fault could be missed.
    sys.dont_write_bytecode = True
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    for library in _LIBRARIES:
        importlib.import_module(library)
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        trees = [_copy_of_the_tree(f"{folder}/{job}") for job in range(options.jobs)]
        whole = tuple(sorted({test for mutant in mutants for test in mutant.tests}))
        if whole and _fails(whole, trees[0]):
            print("The tests fail without any fault:", _output(trees[0]).read_text()[-4000:])
            return 2
        for mutant, noticed in judge(mutants, trees):
            print("noticed " if noticed else "SURVIVES", mutant.label, flush=True)
            if not noticed:
                survivors.append(mutant)
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} faults are noticed.")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
