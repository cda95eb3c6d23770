"""Answers that this process holds, for one who asks for them soon."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

import numpy as np

from ._store import BaseStore

__all__ = ["HeldStore"]


class HeldStore(BaseStore):
    """Arrays in memory, in the place of a folder; other processes get it empty."""

    def __init__(self) -> None:
        super().__init__("memory")
        self._held: dict[str, np.ndarray] = {}

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_held": {}}

    def _begun(self, work: str) -> Any:
        return nullcontext()

    def is_here(self) -> bool:
        return False

    def write(self, name: str, shape: tuple[int, ...], parts: Iterable[np.ndarray]) -> bool:
        self._held[name] = np.concatenate([np.asarray(part).reshape(-1) for part in parts]).reshape(
            shape
        )
        return True

    def read(self, name: str, may_be: Callable[[np.ndarray], bool]) -> np.ndarray | None:
        return self._held.get(name)

    def _put(self, file: str, contents: Iterable[Any]) -> bool:
        return False

    def _get(self, file: str) -> bytes | None:
        return None
