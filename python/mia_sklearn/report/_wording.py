"""How numbers are written for people. Plain ASCII, so that every terminal can print it."""

from __future__ import annotations

import math
from decimal import ROUND_DOWN, Context
from typing import Any

import numpy as np

MEASURES = {
    "auc": "AUC",
    "tpr": "Members identified",
    "advantage": "Advantage",
    "accuracy": "Balanced accuracy",
    "epsilon": "Epsilon, lower bound",
    "ppv": "Members among those named",
}
BY_CHANCE = {"auc": 0.5, "advantage": 0.0, "accuracy": 0.5, "epsilon": 0.0}


def missing(value: Any) -> bool:
    """Return whether a cell holds nothing: None, NaN, or pandas' NA."""
    import pandas as pd

    return bool(pd.isna(value))


def count(value: float) -> str:
    return f"{int(value):,}"


def short(value: float) -> str:
    """Return a number of the data, to six digits."""
    return f"{float(value):.6g}"


def percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def measured(metric: str, value: float) -> str:
    """Return a metric's value: a share of people as a percentage, all others as a number."""
    return percent(value) if metric in ("tpr", "ppv") else f"{value:.3f}"


def interval(metric: str, low: float, high: float) -> str:
    if math.isnan(low) and math.isnan(high):
        return "withheld"
    if math.isnan(high):
        return f"at least {measured(metric, low)}"
    if math.isnan(low):
        return f"at most {measured(metric, high)}"
    return f"{measured(metric, low)} to {measured(metric, high)}"


def measure(metric: str, at: float, prior: float = math.nan) -> str:
    name = MEASURES.get(metric, metric)
    if math.isnan(at):
        return name
    among = "" if math.isnan(prior) else f", where {percent(prior)} of candidates are members"
    return f"{name} at {percent(at)} false alarms{among}"


def by_chance(metric: str, at: float, prior: float = math.nan) -> str:
    if metric in ("tpr", "ppv"):
        return percent(at if metric == "tpr" else prior)
    return f"{BY_CHANCE[metric]:g}" if metric in BY_CHANCE else ""


def identified(row: Any) -> str:
    """Return the plain counts behind a rate, from a row of the metrics table."""
    if missing(row.n_identified) or missing(row.n_false_alarms):
        return ""
    return (
        f"{count(row.n_identified)} of {count(row.n_members)} members, at "
        f"{false_alarms(row.n_false_alarms)} in {count(row.n_nonmembers)} non-members"
    )


def false_alarms(number: float) -> str:
    return "1 false alarm" if number == 1 else f"{count(number)} false alarms"


def small(value: float) -> str:
    """Return a p-value or q-value in decimals that everybody reads."""
    if missing(value):
        return ""
    if value < 1e-6:
        return "< 0.000001"
    return np.format_float_positional(value, precision=2, fractional=False, trim="-")


def times(value: float) -> str:
    """Return how many times as often something happens at least: two digits, rounded down."""
    if not math.isfinite(value):
        return f"{value:g}"
    digits = Context(prec=2, rounding=ROUND_DOWN).create_decimal(repr(float(value)))
    return f"{digits.normalize():,f}"


def sentence(text: Any) -> str:
    """Return a note as a sentence of its own."""
    text = str(text).strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def plain(value: Any) -> str:
    """Return any value of `AuditReport.info` without the syntax of a programming language."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(item) for item in value)
    if value is None or value == "":
        return "not given"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
    return str(value)
