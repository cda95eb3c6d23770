"""Many small jobs on the cores that there are."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from joblib import cpu_count
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]


def map_on_cores(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Apply a function to items in threads, each of which may use one core.

    For work outside the interpreter lock (boosting, trees). One core each is faster than all
    cores for one item after the other: parallel loops that wait for their slowest thread
    collapse when the machine has other work. Sums keep their order on any number of cores.
    """

    def alone(item: Any) -> Any:
        # The number of OpenMP threads is a property of the calling thread.
        with threadpool_limits(1, user_api="openmp"):
            return function(item)

    items = list(items)
    n_threads = max(1, min(cpu_count(), len(items)))
    # scikit-learn alters the process's warning filters in each thread, which can leave them empty.
    with warnings.catch_warnings(), ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(alone, items))
