"""What torch may use and has here: threads, memory, steps in one pass."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from joblib import cpu_count, effective_n_jobs

__all__ = ["fuses", "in_threads", "is_out_of_memory", "n_cores", "torch_threads"]


def n_cores(n_jobs: int | None) -> int:
    """Return how many cores `n_jobs` stands for; None for as many as torch uses."""
    if n_jobs is None:
        return torch.get_num_threads()
    return min(effective_n_jobs(n_jobs), cpu_count())


def in_threads(function: Callable[..., Any], chunks: Sequence[Any], n: int) -> Iterator[Any]:
    """Yield a function's results on chunks of work, in their order."""
    if n == 1:
        # torch's own threads are slower under any but the main thread.
        yield from map(function, chunks)
        return
    with ThreadPoolExecutor(n) as pool:
        waiting = [pool.submit(function, chunk) for chunk in chunks]
        try:
            yield from (done.result() for done in waiting)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def torch_threads(cores: int) -> Iterator[None]:
    """Let torch use so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(cores, os.cpu_count() or 1)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says so, of the CPU or of a GPU."""
    text = str(error).lower()
    signs = ("out of memory", "allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or any(sign in text for sign in signs)


@cache
def fuses(optimizer: Any, device: str) -> bool:
    """Tell whether this version of torch has a fused step for an optimizer."""
    weight = torch.zeros(1, device=device, requires_grad=True)
    weight.grad = torch.zeros_like(weight)
    try:
        optimizer([weight], lr=0.1, fused=True).step()
    except (RuntimeError, TypeError):
        return False
    return True
