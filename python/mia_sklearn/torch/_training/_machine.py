"""What torch may use and has here: threads, memory, steps in one pass."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from joblib import cpu_count, effective_n_jobs

from ...references._lost import CannotTrain

__all__ = [
    "free_bytes",
    "fuses",
    "in_halves",
    "in_threads",
    "is_out_of_memory",
    "n_cores",
    "torch_threads",
]

_CPU_BYTES = 2**30
_GPU_SHARE = 0.5


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


def free_bytes(device: torch.device) -> int:
    """Return how much of a device's memory networks may take that train together."""
    if device.type == "cuda":
        return int(_GPU_SHARE * torch.cuda.mem_get_info(device)[0])
    return _CPU_BYTES


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says so, of the CPU or of a GPU."""
    text = str(error).lower()
    signs = ("out of memory", "allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or any(sign in text for sign in signs)


def in_halves(
    train: Callable[[Sequence[int]], list[Any]],
    models: Sequence[int],
    device: torch.device,
    kind: str = "networks",
) -> list[Any]:
    """Return what training some models together gives; that of halves which fit into memory.

    Raises
    ------
    CannotTrain
        If not even one fits.
    """
    try:
        return train(models)
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, CannotTrain) or not is_out_of_memory(error):
            raise
        if len(models) == 1:
            raise CannotTrain(
                f"Training does not fit into the memory of {device}, with one of the {kind} at a "
                "time: give the net a smaller batch_size (-1 takes all records at once), or fewer "
                "records."
            ) from error
        warnings.warn(
            f"{len(models)} {kind} at a time do not fit into the memory of {device}; "
            f"going on with {(len(models) + 1) // 2}.",
            stacklevel=2,
        )
    # Behind the handler, whose traceback holds what is to be released.
    if device.type == "cuda":
        torch.cuda.empty_cache()
    middle = (len(models) + 1) // 2
    parts = (models[:middle], models[middle:])
    return [one for part in parts for one in in_halves(train, part, device, kind)]


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
