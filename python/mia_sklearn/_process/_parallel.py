"""Many small jobs on the cores that there are."""

from __future__ import annotations

import multiprocessing
import os
import platform
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
from joblib import cpu_count, effective_n_jobs
from joblib.parallel import get_active_backend
from threadpoolctl import ThreadpoolController, threadpool_limits  # type: ignore[import-untyped]

from ._engine import taken

__all__ = [
    "at_most",
    "check_n_jobs",
    "end_with_parent",
    "map_on_cores",
    "one_thread",
    "one_thread_each",
    "settled_warnings",
    "this_process",
]

_SECONDS_BETWEEN_LOOKS = 0.5
# No filter can silence this one.
_OF_EMPTY_FILTERS = "`sklearn.utils.parallel.delayed` should be used with"
_watches = False
_limits: list[Any] = []
_n_limited = 0
_limiting = threading.Lock()


def map_on_cores(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Apply a function to items in threads, each of which may use one core.

    For work outside the interpreter lock (boosting, trees). One core each is faster than all
    cores for one item after the other: parallel loops that wait for their slowest thread
    collapse when the machine has other work. Sums keep their order on any number of cores.
    """

    items = list(items)
    left, answers = deque(enumerate(items)), [None] * len(items)
    errors: dict[int, BaseException] = {}

    def work() -> None:
        for place, item in taken(left):
            try:
                with one_thread_each():
                    answers[place] = function(item)
            except BaseException as error:
                errors[place] = error
                left.clear()

    # Whoever interrupts this does not want to wait for them, nor does the interpreter at its end.
    n_threads = max(1, min(cpu_count(), len(items)))
    threads = [threading.Thread(target=work, daemon=True) for _ in range(n_threads)]
    with settled_warnings():
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            left.clear()
    if errors:
        # Of the first item that failed: all before it had been begun.
        raise errors[min(errors)]
    return answers


@contextmanager
def one_thread_each() -> Iterator[int]:
    """Give the parallel loops that this thread starts meanwhile one OpenMP thread each.

    Threads of a loop wait for the slowest of them, and keep their cores busy with that: beside
    other work a loop that is done in microseconds takes as long as the scheduler lets a thread
    wait. Sums and answers are those of one thread. The number of OpenMP threads is a property of
    the calling thread; it is what it was afterwards.

    Yields
    ------
    int
        How many threads a loop would have had.
    """
    libraries = _openmp(len(sys.modules))
    usual = max((library.num_threads for library in libraries.lib_controllers), default=1)
    with libraries.limit(limits=1):
        yield usual


@lru_cache(maxsize=1)
def _openmp(_n_modules: int) -> ThreadpoolController:
    """Return the OpenMP libraries that are loaded; looked for anew where modules came."""
    return ThreadpoolController().select(user_api="openmp")


@contextmanager
def settled_warnings() -> Iterator[None]:
    """Leave warnings as they were, whatever scikit-learn does to them in threads meanwhile.

    It empties the process's filters for a moment in each thread. They can stay empty; and whoever
    finds them empty meanwhile is warned of a `delayed` that it is using as it should. To be entered
    once, around all threads, by the one that starts them.
    """
    with warnings.catch_warnings():
        shown = warnings.showwarning

        def show(message: Any, *where: Any, **more: Any) -> None:
            if not str(message).startswith(_OF_EMPTY_FILTERS):
                shown(message, *where, **more)

        warnings.showwarning = show
        yield


def check_n_jobs(n_jobs: Any) -> None:
    """Raise unless `n_jobs` is a number of jobs, or None where joblib knows one.

    Raises
    ------
    ValueError
        If it is not.
    """
    is_number = isinstance(n_jobs, (int, np.integer)) and not isinstance(n_jobs, bool)
    if n_jobs is not None and not (is_number and n_jobs):
        raise ValueError(
            "n_jobs must be None, a whole number of at least 1, or -1 for all cores, got "
            f"{n_jobs!r}."
        )
    if n_jobs is None and get_active_backend()[1] == 0:
        raise ValueError(
            "joblib.parallel_config was given n_jobs=0: give it a whole number of at least 1, or "
            "-1 for all cores."
        )


def at_most(n_jobs: int | None, n_tasks: int) -> int | None:
    """Return how many jobs to run at a time: no more than there are tasks, or cores for them."""
    if n_jobs is None or n_jobs < 1:
        return n_jobs
    # All the cores of whatever joblib was told to use, a cluster's for example.
    return max(1, min(n_jobs, n_tasks, effective_n_jobs(-1)))


@contextmanager
def one_thread() -> Iterator[None]:
    """Let numerical libraries use one thread here, where several tasks may run at a time.

    How many threads BLAS uses is a property of the process: it is as before when the last of the
    tasks has ended, or a sum would be in another order for those that run on.
    """
    global _n_limited  # noqa: PLW0603
    with _limiting:
        # Each task may have loaded other libraries.
        _limits.append(threadpool_limits(1))
        _n_limited += 1
    try:
        with one_thread_each():
            yield
    finally:
        with _limiting:
            _n_limited -= 1
            while _limits and not _n_limited:
                _limits.pop().restore_original_limits()


def this_process() -> tuple[str, int]:
    """Return what tells this process from others, on other machines too."""
    return platform.node(), os.getpid()


def end_with_parent(parent: tuple[str, int]) -> None:
    """Let this process end when its parent does, where it is a worker of process `parent`.

    Workers wait for more work for minutes; whoever ends their parent by a signal would wait with
    them, since they hold its standard output open.
    """
    global _watches  # noqa: PLW0603
    started_by = multiprocessing.parent_process()
    if _watches or started_by is None or (platform.node(), started_by.pid) != parent:
        return
    _watches = True

    def watch() -> None:
        # An orphan, even of before this began, has another one.
        while os.getppid() == parent[1]:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
