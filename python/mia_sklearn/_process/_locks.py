"""One process at a time, among all that share a folder."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["one_at_a_time"]

_SECONDS_BETWEEN_LOOKS = 0.05

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

    def _unlock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)


@contextmanager
def one_at_a_time(path: Path, on_wait: Callable[[], object]) -> Iterator[None]:
    """Go on when no other process, or thread, is between the two ends of this for one `path`.

    The system lets go of the lock of a process that ends, however it ends. Where a file system
    knows no locks, or the file cannot be made, nothing is waited for.

    Parameters
    ----------
    path : Path
        A file that is made, and taken away at the end.
    on_wait : callable
        Called once if there is somebody to wait for.
    """
    handle = _locked(path, on_wait)
    try:
        yield
    finally:
        if handle is not None:
            with suppress(OSError):
                # While it is locked: whoever waits for it will find that it has gone.
                path.unlink(missing_ok=True)
            with suppress(OSError):
                # Processes that were forked meanwhile hold the file open, too.
                _unlock(handle)
            os.close(handle)


def _locked(path: Path, on_wait: Callable[[], object]) -> int | None:
    has_waited = False
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except OSError:
            return None
        try:
            _lock(handle)
            if _is_at(path, handle):
                return handle
        except (BlockingIOError, PermissionError):
            if not has_waited:
                on_wait()
            has_waited = True
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        except OSError:
            os.close(handle)
            return None
        os.close(handle)


def _is_at(path: Path, handle: int) -> bool:
    """Tell whether a file that is open has its name still."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
