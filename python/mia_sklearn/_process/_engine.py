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
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from multiprocessing.dummy import DummyProcess
from typing import Any, NamedTuple

from joblib import effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel

from ._printable import told

__all__ = [
    "arrived",
    "at_home",
    "away",
    "has_lost_workers",
    "is_cluster",
    "parallel",
    "results_of",
    "sent_once",
    "wait_for_workers",
    "what_workers_lack",
]

_DASK, _RAY = "DaskDistributedBackend", "RayBackend"
_SECONDS_TO_REACH = 2.0
_SECONDS_TO_START = 120.0
_SECONDS_BETWEEN_LOOKS = 0.2
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
    """Let joblib work on this machine where it was told to use a cluster, but `away`."""
    active = get_active_backend()
    if not _name(active[0]):
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


def is_cluster() -> bool:
    """Tell whether joblib uses a cluster here."""
    return bool(_name(get_active_backend()[0]))


def parallel(n_jobs: int | None, *, prefer: str | None, return_as: str) -> Parallel:
    """Return joblib's `Parallel` for tasks that are long and few, on whatever engine is active."""
    backend, _ = get_active_backend()
    if type(backend).__name__ == _RAY:
        # It hands over each result as it comes, though joblib's pools in general may not; and
        # starts a worker that has ended anew if it is told to.
        backend.supports_return_generator = True
        restarting = {"max_restarts": -1, "max_task_retries": _TRIES}
        backend.ray_remote_args = {**restarting, **(backend.ray_remote_args or {})}
    # In a batch, tasks that have been done would be lost with the one that ends a worker.
    batch_size = 1 if _name(backend) else "auto"
    return Parallel(n_jobs=n_jobs, prefer=prefer, return_as=return_as, batch_size=batch_size)


@contextmanager
def results_of(engine: Parallel, tasks: Iterable) -> Iterator[Iterable]:
    """Yield what tasks return; those that nobody waits for any more when it ends are cancelled.

    Threads end what they are in the middle of, and are waited for: scikit-learn puts back the
    process's warnings in each of them as it ends, over those of whoever has gone on meanwhile.
    """
    before = set(threading.enumerate())
    results = engine(tasks)
    own = [t for t in threading.enumerate() if isinstance(t, DummyProcess) and t not in before]
    try:
        yield results
    finally:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "[0-9]+ tasks (which were still|have been succ)")
            results.close()
        # Whoever interrupts a training does not want to wait for it.
        if not isinstance(sys.exc_info()[1], KeyboardInterrupt):
            for thread in own:
                thread.join()


def sent_once(value: Any, n_jobs: int | None) -> Any:
    """Return what stands for a value in tasks, each of which makes it the value by `arrived`."""
    backend, _ = get_active_backend()
    engine = _name(backend)
    # joblib runs the tasks of one worker here.
    if not engine or effective_n_jobs(n_jobs) == 1:
        return value
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
    return sent


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
    """Return the name of a cluster's backend, empty on this machine."""
    name = type(backend).__name__
    return name if name in (_DASK, _RAY) else ""


async def _reaches(client: Any, worker: str) -> bool:
    """Tell whether this process can speak to a worker of Dask, and not to the scheduler alone."""
    try:
        await asyncio.wait_for(client.rpc(worker).identity(), _SECONDS_TO_REACH)
    except (OSError, asyncio.TimeoutError):
        return False
    return True
