"""What the command line prints, and where: no name in a file writes to a terminal as it likes."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
from typing import Any

from ._printable import one_line, printable

__all__ = ["Terminal", "complain", "traced", "turn_away"]


class Terminal:
    """A stream on which no class, column or exception writes control characters."""

    def __init__(self, stream: Any, keep: str = "\n\t") -> None:
        self._stream, self._keep = stream, keep
        # A class or column may have any name, and no name may end an audit when it is printed.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        # Where there is no stream, Python's own print writes nothing either.
        return 0 if self._stream is None else self._stream.write(printable(text, keep=self._keep))

    def flush(self) -> None:
        if self._stream is not None:
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def traced(error: BaseException) -> list[str]:
    """A traceback whose messages, which may hold anything, stay on their lines."""
    lines = []
    for part in traceback.TracebackException.from_exception(error).format():
        ours = part.startswith(("  ", "Traceback", "\nDuring", "\nThe above"))
        lines.append(part if ours else f"{one_line(part)}\n")
    return lines


def complain(text: str) -> None:
    # Python's own exit code of a failure here, 1, would read as a verdict.
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr)


def turn_away(stream: Any) -> None:
    """Let a stream that nobody reads any more end nowhere, or Python's exit would fail on it."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
