"""How large the leak is: the step that it is on, and where its numbers lie between the bounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from . import _wording as wording
from ._leak import SERIOUS_AUC, SERIOUS_GAIN, SINGLED_OUT_AT, Leak

if TYPE_CHECKING:
    from ._finding import Finding

__all__ = ["STEPS", "Bar", "Scale", "scale_of"]

Level = Literal["info", "warning", "serious", "open"]
#: The steps of the scale, by the severity of a leak.
STEPS = {"info": "No leak shown", "warning": "Leak shown", "serious": "Serious leak"}
# An interval may reach below guessing.
_LEAST_AUC = 0.4


class Bar(NamedTuple):
    """One number on its axis; places are percentages of its length.

    Attributes
    ----------
    name, value : str
        What it is, and the estimate with its interval in words.
    point : float
    low, high : float or None
        Ends of the interval; None where they are withheld.
    guess : float
        Where guessing lies, and in `guess_text` what it would reach.
    serious : float or None
        From where on the leak is serious; None where this number cannot show that.
    """

    name: str
    value: str
    point: float
    low: float | None
    high: float | None
    guess: float
    guess_text: str
    serious: float | None
    serious_text: str


class Scale(NamedTuple):
    """The scale of risk.

    Attributes
    ----------
    level : {"info", "warning", "serious", "open"}
        "open" where nothing is decided.
    text : str
        What puts it there.
    bars : list of Bar
    """

    level: Level
    text: str
    bars: list[Bar]

    @property
    def name(self) -> str:
        return STEPS.get(self.level, "Not decided")


def scale_of(
    leak: Leak, *, decided: bool, n_listed: int | None = None, named: Sequence[Finding] = ()
) -> Scale:
    """Place a leak on the scale.

    Parameters
    ----------
    leak : Leak
    decided : bool
        Whether its numbers may be read: with a doubt, none is placed.
    n_listed : int, default=None
        How many surely stand out one by one: to name somebody is serious at any rate.
    named : sequence of Finding, default=()
        Those that name members whatever this attack shows.
    """
    if not decided:
        return Scale("open", "Its numbers cannot be read until the doubt is cleared.", [])
    bars = [bar for bar in (_rate(leak.rate), _auc(leak.auc)) if bar is not None]
    if n_listed and leak.severity != "serious":
        text = f"{n_listed:,} stand out one by one, whatever the rates below are for all."
        return Scale("serious", text, bars)
    order = list(STEPS)
    worst = max(named, key=lambda finding: order.index(finding.severity), default=None)
    if worst is not None and order.index(worst.severity) > order.index(leak.severity):
        return Scale(worst.severity, f"{worst.title}, whatever the rates below are for all.", bars)
    if leak.degree == "open":
        return Scale("open", "There are too few records to say.", bars)
    text = {
        "info": "Neither interval lies above guessing. That is no proof of protection.",
        "warning": "An interval lies above guessing, and none is surely in the serious range.",
        "serious": (
            f"At {wording.percent(SINGLED_OUT_AT)} false alarms or fewer members are surely named "
            f"{SERIOUS_GAIN} times as often as by guessing, or the AUC is surely at least "
            f"{SERIOUS_AUC:g}."
        ),
    }[leak.severity]
    return Scale(leak.severity, text, bars)


def _rate(rate: Any | None) -> Bar | None:
    if rate is None or wording.missing(rate.estimate):
        return None
    least = rate.at / 10

    def place(share: float) -> float:
        return 100 * math.log(max(share, least) / least) / -math.log(least)

    serious = SERIOUS_GAIN * rate.at if rate.at <= SINGLED_OUT_AT else None
    name = f"Members identified at {wording.percent(rate.at)} false alarms"
    return _bar("tpr", name, rate, place, guess=rate.at, serious=serious)


def _auc(auc: Any | None) -> Bar | None:
    if auc is None or wording.missing(auc.estimate):
        return None

    def place(value: float) -> float:
        return 100 * (max(value, _LEAST_AUC) - _LEAST_AUC) / (1 - _LEAST_AUC)

    return _bar("auc", "AUC", auc, place, guess=0.5, serious=SERIOUS_AUC)


def _bar(
    metric: str,
    name: str,
    row: Any,
    place: Callable[[float], float],
    *,
    guess: float,
    serious: float | None,
) -> Bar:
    def told(value: float) -> str:
        return wording.percent(value) if metric == "tpr" else f"{value:g}"

    estimate = wording.measured(metric, row.estimate)
    return Bar(
        name=name,
        value=f"{estimate} ({wording.interval(metric, row.low, row.high)})",
        point=place(row.estimate),
        low=None if wording.missing(row.low) else place(row.low),
        high=None if wording.missing(row.high) else place(row.high),
        guess=place(guess),
        guess_text=f"{told(guess)} guessing",
        serious=None if serious is None else place(serious),
        serious_text="" if serious is None else f"{told(serious)} serious",
    )
