"""What the command line prints, and where: no name in a file writes to a terminal as it likes."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from typing import Any

from ._printable import one_line, printable

__all__ = [
    "Terminal",
    "bar_stream",
    "complain",
    "guarded",
    "raising_method",
    "traced",
    "turn_away",
]


class Terminal:
    """A stream on which no class, column or exception writes control characters."""

    keep = "\n\t"

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        # A class or column may have any name, and no name may end an audit when it is printed.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        # Where there is no stream, Python's own print writes nothing either.
        return 0 if self._stream is None else self._stream.write(printable(text, keep=self.keep))

    def flush(self) -> None:
        if self._stream is not None:
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Bar(Terminal):
    """The same stream for the bars of this package alone, which return to the start of a line."""

    keep = "\n\t\r"


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Let nothing that is printed or warned of act on a terminal, or pass for a line of ours."""
    with (
        contextlib.redirect_stdout(Terminal(sys.stdout)),
        contextlib.redirect_stderr(Terminal(sys.stderr)),
        warnings.catch_warnings(),
    ):
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        yield


def _show_warning(message: Any, category: Any, filename: Any, lineno: Any, *_: Any) -> None:
    complain(one_line(f"{filename}:{lineno}: {category.__name__}: {message}"))


def bar_stream(stream: Any) -> Any:
    """Return a stream on which a bar of ours may return to the start of its line."""
    return _Bar(stream._stream) if isinstance(stream, Terminal) else stream


def traced(error: BaseException) -> list[str]:
    """Return a traceback whose messages, which may hold anything, stay on their lines."""
    lines = []
    for part in traceback.TracebackException.from_exception(error).format():
        ours = part.startswith(("  ", "Traceback", "\nDuring", "\nThe above"))
        lines.append(part if ours else f"{one_line(part)}\n")
    return lines


def raising_method(error: BaseException, model: Any) -> str | None:
    """Return the method of a model in which an error arose, if it arose in one.

    That is the first one on the way to the error, of an object of the model's class.
    """
    place: Any = error.__traceback__
    while place is not None:
        code, own = place.tb_frame.f_code, place.tb_frame.f_locals
        first = own.get(code.co_varnames[0]) if code.co_argcount else None
        if type(first) is type(model) and hasattr(type(model), code.co_name):
            return code.co_name
        place = place.tb_next
    # A generator makes another error of a StopIteration that leaves it.
    return raising_method(error.__cause__, model) if error.__cause__ else None


def complain(text: str) -> None:
    # Python's own exit code of a failure here, 1, would read as a verdict.
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr)


def turn_away(stream: Any) -> None:
    """Let a stream that nobody reads any more end nowhere, or Python's exit would fail on it."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
