"""How far a long work is: one bar on standard error, through all of its phases."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ._terminal import bar_stream

__all__ = ["duration", "enter", "foretell", "phases", "progress_bar", "steps", "tell"]

# A work that is this far from its end, in seconds, is told how long it will take.
_LONG = 20.0


class _Phases:
    """One bar over the phases of a work, each with its share of the whole."""

    def __init__(self, units: Mapping[str, int]) -> None:
        self.units = dict(units)
        self.base, self.phase = 0, ""
        self.bar = _tqdm(
            desc="audit",
            total=sum(units.values()),
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}",
        )

    def enter(self, phase: str) -> None:
        self.leave()
        self.phase = phase
        self.bar.set_description_str(phase, refresh=False)
        self.within(0.0, "")

    def leave(self) -> None:
        self.base += self.units.pop(self.phase, 0)

    def within(self, share: float, note: str) -> None:
        """Say how much of the phase is done."""
        self.bar.n = self.base + share * self.units.get(self.phase, 0)
        self.bar.set_postfix_str(note, refresh=True)

    def tell(self, text: str) -> None:
        self.bar.clear()
        print(text, file=sys.stderr)
        self.bar.refresh()


_CURRENT: ContextVar[_Phases | None] = ContextVar("phases", default=None)


@contextmanager
def phases(units: Mapping[str, int], *, shown: bool) -> Iterator[None]:
    """Show one bar while the body runs; bars that it would show are part of this one.

    Parameters
    ----------
    units : mapping of str to int
        The phases in order, and how much of the work each is.
    shown : bool
    """
    if not shown:
        yield
        return
    whole = _Phases(units)
    token = _CURRENT.set(whole)
    try:
        yield
        whole.leave()
        whole.bar.n = whole.bar.total
        whole.bar.set_postfix_str("", refresh=True)
    finally:
        _CURRENT.reset(token)
        whole.bar.close()


def enter(phase: str) -> None:
    """Say which phase of the whole work begins, where one is shown."""
    whole = _CURRENT.get()
    if whole is not None:
        whole.enter(phase)


def tell(text: str) -> None:
    """Print a line on standard error, above the bar where one is shown."""
    whole = _CURRENT.get()
    if whole is None:
        print(text, file=sys.stderr)
    else:
        whole.tell(text)


def foretell(text: str) -> None:
    """Print a line above the bar, where one is shown."""
    whole = _CURRENT.get()
    if whole is not None:
        whole.tell(text)


def steps(parts: Iterable, total: int) -> Iterator:
    """Yield the parts of a phase that has no bar of its own, and say how far it is."""
    whole = _CURRENT.get()
    for done, part in enumerate(parts):
        if whole is not None:
            whole.within(done / total, "")
        yield part


def progress_bar(
    iterable: Iterable | None = None,
    *,
    total: int | None = None,
    initial: int = 0,
    desc: str = "",
    unit: str = "it",
    disable: bool = False,
    at_once: int = 1,
    foretold: bool = True,
) -> Any:
    """Return a bar of tqdm on standard error, or where one is shown for more, a part of it.

    Parameters
    ----------
    iterable, total, initial, desc, unit, disable
        As in tqdm.
    at_once : int, default=1
        How many are worked on at a time: how long all take is told when the first is done.
    foretold : bool, default=True
        Whether it is.
    """
    whole = _CURRENT.get()
    if disable or whole is None:
        return _tqdm(iterable, total=total, initial=initial, desc=desc, unit=unit, disable=disable)
    if total is None:
        total = len(iterable)  # type: ignore[arg-type]
    part = _Part(whole, iterable, total=total, initial=initial, unit=unit, at_once=at_once)
    part.foretold = foretold
    return part


class _Part:
    """What stands for a bar inside of the bar of a whole work."""

    def __init__(
        self,
        whole: _Phases,
        iterable: Iterable | None,
        *,
        total: int,
        initial: int,
        unit: str,
        at_once: int,
    ) -> None:
        self.whole, self.iterable, self.total, self.n = whole, iterable, total, initial
        self.unit, self.at_once, self.foretold = unit, at_once, True
        self.initial, self.start = initial, time.perf_counter()

    def __iter__(self) -> Iterator:
        for part in self.iterable or ():
            yield part
            self.update()

    def __enter__(self) -> _Part:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, n: int = 1) -> None:
        if self.n == self.initial and self.foretold:
            self._estimate()
        self.n += n
        many = f"{self.unit}s" if self.total != 1 else self.unit
        self.whole.within(self.n / max(1, self.total), f"{self.n:,} of {self.total:,} {many}")

    def set_postfix_str(self, text: str) -> None:
        self.whole.within(self.n / max(1, self.total), text)

    def _estimate(self) -> None:
        """Say how long all will take, by the first, where that is long."""
        left = self.total - self.initial
        seconds = (time.perf_counter() - self.start) * -(-left // self.at_once)
        if self.unit == "model" and seconds > _LONG:
            attacks = self.whole.units.get("attacks", 0)
            then = f", then {attacks} attack{'s' * (attacks > 1)}" if attacks else ""
            self.whole.tell(f"About {duration(seconds)}: {left} {self.unit}s{then}.")


def duration(seconds: float) -> str:
    """Return a time in words, as coarse as an estimate is."""
    minutes = seconds / 60
    if minutes < 1:
        return f"{10 * max(1, round(seconds / 10))} s"
    if minutes < 90:
        return f"{round(minutes)} min"
    return f"{minutes / 60:.1f} h"


def _tqdm(*args: Any, **options: Any) -> Any:
    # In a notebook a bar of its own, else text that stays on one line.
    from tqdm.auto import tqdm

    return tqdm(*args, file=bar_stream(sys.stderr), **options)
