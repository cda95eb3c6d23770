"""Random numbers of NumPy, and of torch where it is used, that leave the user's own alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from ._kinds import holds_net

__all__ = ["seeded", "seeded_within"]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators of NumPy and torch for a while, and put them back.

    torch's are left out where nothing has imported it.
    """
    torch = sys.modules.get("torch")
    before = np.random.get_state()  # noqa: NPY002
    kept: Any = nullcontext()
    if torch is not None:
        # Named one by one: torch warns where it is to find out which of several are meant.
        kept = torch.random.fork_rng(range(torch.cuda.device_count()))
    with kept:
        if torch is not None:
            torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(before)  # noqa: NPY002


def seeded_within(estimator: Any, seed: int | None) -> Any:
    """Seed what trains a network that an estimator holds: nets have no seed of their own."""
    return nullcontext() if seed is None or not holds_net(estimator) else seeded(seed)
