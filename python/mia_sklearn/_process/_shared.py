"""A value that processes of this machine share: written once, and mapped into their memory."""

from __future__ import annotations

import io
import pickle
import threading
import uuid
from functools import cached_property
from typing import Any

import numpy as np
from joblib.externals.loky.backend.reduction import get_loky_pickler

__all__ = ["Shared"]

# Smaller arrays go with the rest; joblib maps arrays of more bytes into memory.
_LEAST_BYTES = 1_000_000
# A process that waits for longer has no more use for what it holds.
_SECONDS_KEPT = 10.0


class Shared:
    """What stands for a value in tasks, of which joblib would write each frame anew.

    joblib writes a plain array once for all tasks, and processes map it into their memory. So the
    arrays inside of the value travel by themselves, and all else as an array of bytes. Each process
    makes the value once.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    @cached_property
    def _parts(self) -> tuple[str, np.ndarray, list[np.ndarray]]:
        content = io.BytesIO()
        arrays: list[np.ndarray] = []

        class Pickler(get_loky_pickler()):  # type: ignore[misc]
            def persistent_id(self, value: Any) -> int | None:
                is_plain = type(value) in (np.ndarray, np.memmap) and not value.dtype.hasobject
                if not is_plain or value.nbytes < _LEAST_BYTES:
                    return None
                arrays.append(value)
                return len(arrays) - 1

        Pickler(content).dump(self.value)
        return uuid.uuid4().hex, np.frombuffer(content.getbuffer(), np.uint8), arrays

    def __reduce__(self) -> Any:
        return _received, self._parts


class _Unpickler(pickle.Unpickler):
    def __init__(self, content: np.ndarray, arrays: list[np.ndarray]) -> None:
        super().__init__(io.BytesIO(content.tobytes()))
        self.arrays = arrays

    def persistent_load(self, number: int) -> np.ndarray:
        return self.arrays[number]


class _Held:
    """The value that this process made last, until it has waited for more work for a while."""

    def __init__(self) -> None:
        self.key, self.shared = "", Shared(None)
        self.end = threading.Timer(0, self.drop)

    def drop(self) -> None:
        self.key, self.shared = "", Shared(None)


_held = _Held()


def _received(key: str, content: np.ndarray, arrays: list[np.ndarray]) -> Shared:
    if _held.key != key:
        _held.key, _held.shared = key, Shared(_Unpickler(content, arrays).load())
    _held.end.cancel()
    _held.end = threading.Timer(_SECONDS_KEPT, _held.drop)
    _held.end.daemon = True
    _held.end.start()
    return _held.shared
