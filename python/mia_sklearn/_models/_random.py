"""Random numbers of Python, NumPy, and torch where it is used, that leave the user's own alone."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ._kinds import holds_net

__all__ = ["random_state_of", "seeded", "seeded_alone", "seeded_within"]

_drawing = threading.RLock()

_ONE_OF = {
    "Generator": "int(rng.integers(2**32)) of it",
    "SeedSequence": "int(seeds.generate_state(1)[0]) of it",
}


def random_state_of(random_state: Any) -> np.random.RandomState:
    """Return what draws random numbers, of the argument `random_state`.

    Raises
    ------
    ValueError
        If it is neither None, a RandomState nor a whole number that seeds one.
    """
    is_number = isinstance(random_state, (int, np.integer)) and not isinstance(random_state, bool)
    if random_state is None or isinstance(random_state, np.random.RandomState):
        return check_random_state(random_state)
    if is_number and 0 <= random_state < 2**32:
        return check_random_state(int(random_state))
    got = repr(random_state) if isinstance(random_state, (str, int, float)) else ""
    kind = type(random_state).__name__
    raise ValueError(
        "random_state must be None, a whole number from 0 to 2**32 - 1, or a "
        f"numpy.random.RandomState, got {got or f'a {kind}'}"
        + (f": give {_ONE_OF[kind]}." if kind in _ONE_OF else ".")
    )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators of Python, NumPy and torch for a while, and put them back.

    torch's are left out where nothing has imported it.
    """
    torch = sys.modules.get("torch")
    before = np.random.get_state(), random.getstate()  # noqa: NPY002
    kept: Any = nullcontext()
    if torch is not None:
        # Named one by one: torch warns where it is to find out which of several are meant.
        kept = torch.random.fork_rng(range(torch.cuda.device_count()))
    with kept:
        if torch is not None:
            torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(before[0])  # noqa: NPY002
            random.setstate(before[1])


@contextmanager
def seeded_alone(seed: int) -> Iterator[None]:
    """Seed the global generators for what no other thread does meanwhile, and put them back."""
    with _drawing, seeded(seed):
        yield


def seeded_within(estimator: Any, seed: int | None) -> Any:
    """Seed what trains a network that an estimator holds: nets have no seed of their own."""
    return nullcontext() if seed is None or not holds_net(estimator) else seeded(seed)
