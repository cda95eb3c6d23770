"""What an audit chose within its budget of time, in words."""

from __future__ import annotations

from typing import Any

from .._process._progress import duration

__all__ = ["chosen_in_words", "lowered", "seconds_in_words", "without_a_clock"]


def lowered(info: dict[str, Any]) -> list[str]:
    """Return what a time budget made less than usual: `n_references`, `attacks`; perhaps none."""
    return list(info.get("time_budget", {}).get("lowered", ()))


def without_a_clock(info: dict[str, Any]) -> str:
    """Return the arguments that ask for what was chosen, on a machine of any speed."""
    chosen = info["time_budget"]
    arguments = f"n_references={chosen['n_references']}"
    return f"{arguments}, attacks={chosen['attacks']}" if "attacks" in chosen else arguments


def chosen_in_words(info: dict[str, Any]) -> str:
    """Return what was chosen, and how the same audit is asked for again."""
    seconds = seconds_in_words(info["time_budget"]["seconds"])
    return f"{seconds}; the same audit on any machine: {without_a_clock(info)}"


def seconds_in_words(seconds: float) -> str:
    """Return a time, as coarse as a reader needs it."""
    if seconds < 100:
        return f"{seconds:.{0 if seconds >= 10 else 1}f} s"
    return duration(seconds)
