"""Values inside the cells of a table: lists, dicts, arrays and other objects that can be altered.

A copy of a table shares them with the original, so that a model that sorts a list in a cell alters
the records of all others, and the user's.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

__all__ = ["cell_in_words", "holds_containers", "own_cell", "own_cells"]

# Nothing can be written into these; whatever else a cell holds is copied.
_FIXED = (
    *(type(None), bool, int, float, complex, str, bytes),
    *(Decimal, Fraction, date, datetime, time, timedelta),
)
_CONTAINERS = (dict, list, tuple, set, frozenset, np.ndarray)


def _is_fixed(kind: type) -> bool:
    is_scalar = issubclass(kind, np.generic) and not issubclass(kind, (np.object_, np.void))
    return kind in _FIXED or is_scalar


def own_cells(values: Iterable[Any]) -> list[Any] | None:
    """Return cells with objects of their own in them; None where nothing can be written into any.

    Each cell is copied by itself: one object in two rows becomes two.
    """
    values = list(values)
    if all(map(_is_fixed, set(map(type, values)))):
        return None
    return list(map(own_cell, values))


def own_cell(value: Any) -> Any:
    """Return what a cell holds, which whoever gets it may write to.

    Raises
    ------
    ValueError
        If it cannot be copied.
    """
    if _is_fixed(type(value)):
        return value
    try:
        return copy.deepcopy(value)
    except Exception as error:
        raise ValueError(
            f"A record holds a {type(value).__name__}, which cannot be copied ({error}): a model "
            "that writes to it would alter your data. Put plain values in its place (numbers, "
            "text, lists, arrays)."
        ) from error


def holds_containers(values: Iterable[Any]) -> bool:
    """Tell whether any cell holds several values."""
    return any(issubclass(kind, _CONTAINERS) for kind in set(map(type, values)))


def cell_in_words(value: Any) -> str:
    """Return a text that is the same for equal values, and another for others.

    Numbers count by value, dicts and sets whatever the order of what they hold; a list, a tuple
    and an array of the same values are the same. Unlike `repr`, no value is left out or rounded.
    """
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, dict):
        return _listed("{}", value.items(), sorted)
    if isinstance(value, (set, frozenset)):
        return _listed("{}", value, sorted)
    if isinstance(value, (list, tuple)):
        return _listed("[]", value, list)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return repr(int(value) if isinstance(value, bool) else value)


def _listed(ends: str, values: Iterable[Any], order: Callable[[Iterable[str]], list[str]]) -> str:
    return ends[0] + ", ".join(order(map(cell_in_words, values))) + ends[1]
