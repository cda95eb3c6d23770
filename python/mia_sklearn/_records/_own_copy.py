"""Copies that share nothing which can be changed, of functions neither."""

from __future__ import annotations

import copy
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

__all__ = ["own_copy"]


def own_copy(value: Any, made: dict[int, Any] | None = None) -> Any:
    """Return a deep copy, of functions with what they have taken along from where they were made.

    Python's own copies share functions, and with them what these keep between calls. `made` holds
    the copies of what was met by identity, so that what is shared within several values stays so.

    Raises
    ------
    Exception
        Whatever an object raises that cannot be copied.
    """
    made = {} if made is None else made
    if id(value) in made:
        return made[id(value)]
    if type(value) in (list, tuple):
        return type(value)(own_copy(item, made) for item in value)
    if type(value) is dict:
        return {key: own_copy(item, made) for key, item in value.items()}
    if isinstance(value, MethodType):
        return MethodType(value.__func__, own_copy(value.__self__, made))
    if isinstance(value, FunctionType) and value.__closure__:
        return _of_function(value, made)
    return value if isinstance(value, ModuleType) else copy.deepcopy(value, made)


def _of_function(function: FunctionType, made: dict[int, Any]) -> FunctionType:
    cells = tuple(CellType() for _ in function.__closure__ or ())
    code, defaults = function.__code__, function.__defaults__
    copied = FunctionType(code, function.__globals__, function.__name__, defaults, cells)
    copied.__kwdefaults__ = function.__kwdefaults__
    copied.__qualname__, copied.__module__ = function.__qualname__, function.__module__
    vars(copied).update(vars(function))
    # A function may have taken itself along.
    made[id(function)] = copied
    for cell, given in zip(cells, function.__closure__ or (), strict=True):
        try:
            held = given.cell_contents
        except ValueError:
            continue
        cell.cell_contents = own_copy(held, made)
    return copied
