"""The engine that joblib was told to use: the cores of this machine, or a cluster.

joblib sends every task by itself. What all tasks have in common is sent once: Dask's workers hand
it on to one another, and Ray keeps it in the object store of each machine. Only what is worth the
way goes there: searches of neighbours, which scikit-learn gives to joblib too, stay here.
"""

from __future__ import annotations

import asyncio
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from itertools import islice
from multiprocessing.dummy import DummyProcess
from pickle import PicklingError
from typing import Any, NamedTuple

import numpy as np
from joblib import effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend
from sklearn import config_context, get_config
from sklearn.utils.parallel import Parallel, delayed

from ._printable import told
from ._shared import Shared

__all__ = [
    "arrived",
    "at_home",
    "away",
    "cluster",
    "done_here_first",
    "handed_out",
    "has_lost_workers",
    "may_begin_here",
    "parallel",
    "preference",
    "results_of",
    "sent_once",
    "taken",
    "wait_for_workers",
    "what_workers_lack",
]

_DASK, _RAY = "Dask", "Ray"
_CLUSTERS = {"DaskDistributedBackend": _DASK, "RayBackend": _RAY}
_OF_PROCESSES = "LokyBackend"
_SECONDS_TO_REACH = 2.0
_SECONDS_TO_START = 120.0
_SECONDS_BETWEEN_LOOKS = 0.2
# What a process takes to load its libraries, in seconds of a core.
_SECONDS_OF_PROCESS = 3.0
# Of what the first takes: some is spent on what is made once.
_SHARE_OF_EACH = 0.5
# More of them would wait for the interpreter lock.
_MOST_THREADS = 4
# What uses less of the time waits for something else than a core.
_LEAST_USE = 1 / 8
# Of a task whose worker has ended: as often as Dask tries by itself.
_TRIES = 3
_OF_LOST_WORKERS = {
    "CancelledError",
    "CommClosedError",
    "KilledWorker",
    "ObjectLostError",
    "RayActorError",
    "WorkerCrashedError",
}


# The cluster that waits while work stays at home: its backend and number of jobs.
_WAITING: ContextVar[tuple[Any, int | None] | None] = ContextVar("waiting", default=None)


class _InRay(NamedTuple):
    """Where Ray keeps a value."""

    reference: Any


@contextmanager
def at_home() -> Iterator[None]:
    """Let joblib work on this machine where it was told to use a cluster, but `away`.

    Forests answer in shared memory, which joblib refuses to whoever prefers processes.
    """
    active = get_active_backend()
    if not _name(active[0]):
        with parallel_config(prefer=None):
            yield
        return
    token = _WAITING.set(active)
    try:
        with parallel_config(backend="threading", n_jobs=1):
            yield
    finally:
        _WAITING.reset(token)


@contextmanager
def away() -> Iterator[None]:
    """Let joblib use the cluster that waits, if one does."""
    waiting = _WAITING.get()
    if waiting is None:
        yield
        return
    backend, n_jobs = waiting
    with parallel_config(backend=backend, n_jobs=n_jobs):
        yield


def cluster() -> str:
    """Return the name of the cluster that joblib uses here, empty where it uses none."""
    return _name(get_active_backend()[0])


def preference(*, threads: bool) -> str | None:
    """Return what to ask joblib to prefer: threads, or processes where they were not ruled out."""
    try:
        get_active_backend(prefer="processes")
    except ValueError:
        # Shared memory was asked for, which processes do not have.
        return None
    return "threads" if threads else "processes"


def parallel(
    n_jobs: int | None,
    *,
    prefer: str | None,
    return_as: str,
    pre_dispatch: int | str = "2 * n_jobs",
) -> Callable[[Iterable], Iterable]:
    """Return joblib's `Parallel` for tasks that are long and few, on whatever engine is active."""
    backend, _ = get_active_backend(prefer=prefer)
    if _name(backend) == _RAY:
        # It hands over each result as it comes, though joblib's pools in general may not; and
        # starts a worker that has ended anew if it is told to.
        backend.supports_return_generator = True
        restarting = {"max_restarts": -1, "max_task_retries": _TRIES}
        backend.ray_remote_args = {**restarting, **(backend.ray_remote_args or {})}
    elif not backend.supports_return_generator:
        return partial(_in_rounds, Parallel(n_jobs=n_jobs, prefer=prefer), effective_n_jobs(n_jobs))
    # In a batch, tasks that have been done would be lost with the one that ends a worker.
    return Parallel(
        n_jobs=n_jobs,
        prefer=prefer,
        return_as=return_as,
        pre_dispatch=pre_dispatch,
        batch_size=1 if _name(backend) else "auto",
    )


def _in_rounds(engine: Parallel, size: int, tasks: Iterable) -> Generator[Any]:
    """Yield what tasks return, by an engine that hands over results when all of them are there.

    It gets so many at a time as it does at a time, so that no more are lost when it is ended.
    """
    left = iter(tasks)
    with engine:
        while batch := list(islice(left, size)):
            try:
                results = engine(batch)
            except AttributeError as error:
                # What Python before 3.14 says of a function within another.
                if "pickle" not in told(error):
                    raise
                raise PicklingError(told(error)) from error
            yield from results


def handed_out(
    function: Callable[..., Any],
    tasks: deque[Any],
    arguments: Callable[[Any], tuple[Any, ...]],
    n_jobs: int | None,
    *,
    prefer: str | None,
    in_threads: bool,
) -> AbstractContextManager[Iterable]:
    """Return a context with what a function returns for each task, from the engine that is active.

    Parameters are as in `done_here_first`; what `prefer` names, joblib uses unless it was told
    otherwise.
    """
    at_once = effective_n_jobs(n_jobs)
    if at_once > 1 and may_begin_here(prefer):
        return closing(done_here_first(function, tasks, arguments, at_once, in_threads=in_threads))
    engine = parallel(n_jobs, prefer=prefer, return_as="generator_unordered")
    return results_of(engine, (delayed(function)(*arguments(task)) for task in taken(tasks)))


def may_begin_here(prefer: str | None) -> bool:
    """Tell whether tasks that prefer processes may be done here first: nobody chose a backend."""
    if prefer != "processes":
        return False
    chosen = {type(get_active_backend(prefer=way)[0]) for way in ("threads", "processes")}
    return len(chosen) > 1


def done_here_first(
    function: Callable[..., Any],
    tasks: deque[Any],
    arguments: Callable[[Any], tuple[Any, ...]],
    n_jobs: int,
    *,
    in_threads: bool,
) -> Generator[Any]:
    """Yield what a function returns for each task: here, and in processes where these pay.

    Processes are started when the tasks that are left would take longer than that, or while the
    first does. Until they have come up, tasks are done here, one after the other. What is done
    sooner than processes start, is done in threads, where it may be: a part of most work is done
    outside of the interpreter lock.

    Parameters
    ----------
    function : callable
    tasks : deque
        Tasks, which are taken out; when they are gone, no more are done.
    arguments : callable
        What the function is given for a task.
    n_jobs : int
        Tasks at a time.
    in_threads : bool
        Whether tasks may be done in threads.
    """
    pays, settings, n_sent, n_done = threading.Event(), get_config(), 0, 0
    spent, each = _stopwatch(), np.inf
    processes = parallel(
        n_jobs, prefer="processes", return_as="generator_unordered", pre_dispatch=n_jobs
    )
    few = min(n_jobs, _MOST_THREADS)
    threads = parallel(few, prefer="threads", return_as="generator_unordered")

    def send() -> Iterator[Any]:
        nonlocal n_sent
        for task in taken(tasks):
            n_sent += 1
            yield delayed(function)(*arguments(task))

    def is_long(seconds: float) -> bool:
        return seconds * len(tasks) * (1 - 1 / n_jobs) > _SECONDS_OF_PROCESS

    def begin() -> Any:
        while not pays.wait(_SECONDS_BETWEEN_LOOKS):
            # Before the first is done it is seen that the others take as long at the least.
            yet = 0.0 if n_done else spent()
            if yet > _SECONDS_OF_PROCESS or is_long(yet * _SHARE_OF_EACH):
                break
        with config_context(**settings):
            return processes(send()) if tasks else iter(())

    with ThreadPoolExecutor(1) as starter:
        started: Future[Iterable] | None = None
        try:
            started = starter.submit(begin)
            for task in taken(tasks):
                done = function(*arguments(task))
                n_done += 1
                each = min(each, spent() * (_SHARE_OF_EACH if n_done == 1 else 1 / n_done))
                if is_long(each):
                    pays.set()
                yield done
                # More than one for each process are sent when the first has come back.
                if n_sent > n_jobs:
                    break
                if in_threads and not pays.is_set():
                    with results_of(threads, send()) as results:
                        yield from _alone(results)
            pays.set()
            yield from _alone(started.result())
        finally:
            tasks.clear()
            pays.set()
            if started is not None and started.exception() is None:
                _end(started.result())


def _stopwatch() -> Callable[[], float]:
    """Return what tells how long a work has taken since, by the cores that it could have.

    A work that waits for its core, beside others, would wait for one in another process, too.
    """
    begin, used = time.perf_counter(), time.process_time()

    def spent() -> float:
        seconds, of_core = time.perf_counter() - begin, time.process_time() - used
        return of_core if of_core > _LEAST_USE * seconds else seconds

    return spent


def taken(tasks: deque[Any]) -> Iterator[Any]:
    """Take out tasks and yield them, each to one of the threads that ask for them."""
    while True:
        try:
            task = tasks.popleft()
        except IndexError:
            return
        yield task


@contextmanager
def results_of(engine: Parallel, tasks: Iterable) -> Iterator[Iterable]:
    """Yield what tasks return; those that nobody waits for any more when it ends are cancelled.

    Threads end what they are in the middle of, and are waited for: scikit-learn puts back the
    process's warnings in each of them as it ends, over those of whoever has gone on meanwhile.
    """
    before = set(threading.enumerate())
    results: Iterable = ()
    own: list[threading.Thread] = []
    try:
        results = engine(tasks)
        own = [t for t in threading.enumerate() if isinstance(t, DummyProcess) and t not in before]
        yield results
    finally:
        _end(results)
        # Whoever interrupts a training does not want to wait for it.
        if not _is_interrupted():
            for thread in own:
                thread.join()


def _alone(results: Iterable) -> Iterator[Any]:
    """Yield results; who closes this does not close them, of which joblib would warn."""
    for result in results:  # noqa: UP028
        yield result


class _EndError(Exception):
    """What joblib is told when nobody waits for more results."""


def _end(results: Any) -> None:
    """Cancel what joblib has still to do for results, if it does them.

    It warns whoever closes them, and of another thread than the one that began, later on.
    """
    if hasattr(results, "throw"):
        with suppress(_EndError):
            results.throw(_EndError())


def _is_interrupted() -> bool:
    error = sys.exc_info()[1]
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False


def sent_once(value: Any, n_jobs: int | None, prefer: str | None) -> Any:
    """Return what stands for a value in tasks, each of which makes it the value by `arrived`."""
    backend, _ = get_active_backend(prefer=prefer)
    engine = _name(backend)
    # joblib runs the tasks of one worker here.
    if effective_n_jobs(n_jobs) == 1:
        return value
    if not engine:
        return Shared(value) if type(backend).__name__ == _OF_PROCESSES else value
    if engine == _DASK:
        client = backend.client
        worker = next(iter(client.ncores()))
        direct = client.sync(_reaches, client, worker)
        return client.scatter(value, hash=False, direct=direct, workers=[worker])
    import ray

    return _InRay(ray.put(value))


def arrived(sent: Any) -> Any:
    """Return what stands for a value in a task: Dask has put it there already."""
    if isinstance(sent, _InRay):
        import ray

        return ray.get(sent.reference)
    return sent.value if isinstance(sent, Shared) else sent


def wait_for_workers(n_jobs: int) -> None:
    """Wait a while until as many of Dask's workers as there were have been started again.

    Ray waits by itself. joblib would go on with one worker, or none, on this machine.
    """
    backend, _ = get_active_backend()
    end = time.monotonic() + _SECONDS_TO_START
    while _name(backend) == _DASK and time.monotonic() < end:
        if sum(backend.client.ncores().values()) >= n_jobs:
            return
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def has_lost_workers(error: BaseException) -> bool:
    """Tell whether an error of a cluster says that workers ended, with what they held."""
    return not _OF_LOST_WORKERS.isdisjoint(kind.__name__ for kind in type(error).__mro__)


def what_workers_lack(error: BaseException | None) -> str:
    """Return the module that a worker could not import, if an error says so, else nothing."""
    while error is not None:
        found = re.search(r"No module named '([\w.]+)'", told(error))
        if found:
            return found[1]
        error = error.__cause__ or error.__context__
    return ""


def _name(backend: Any) -> str:
    return _CLUSTERS.get(type(backend).__name__, "")


async def _reaches(client: Any, worker: str) -> bool:
    """Tell whether this process can speak to a worker of Dask, and not to the scheduler alone."""
    try:
        await asyncio.wait_for(client.rpc(worker).identity(), _SECONDS_TO_REACH)
    except (OSError, asyncio.TimeoutError):
        return False
    return True
