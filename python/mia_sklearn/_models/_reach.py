"""What an object holds and what a function reaches: in either, something else may be hidden."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from functools import partial
from types import FunctionType, ModuleType
from typing import Any

from ._code import globals_of, is_installed, is_installed_file, names_in

__all__ = ["enclosed", "is_library", "parts_of"]

_MOST_ENTRIES = 1000


def parts_of(value: Any) -> list[Any]:
    """Return what an object holds, what a function or a class of the user's own reaches."""
    torch = sys.modules.get("torch")
    if isinstance(value, dict):
        parts = list(value.values())
    elif isinstance(value, (list, tuple, set, frozenset, deque)):
        parts = list(value)
    elif isinstance(value, partial):
        parts = [value.func, *value.args, *value.keywords.values()]
    elif isinstance(value, FunctionType):
        parts = [*enclosed(value), *(value.__defaults__ or ())]
        parts += [*(value.__kwdefaults__ or {}).values(), *vars(value).values(), *_named_by(value)]
    elif isinstance(value, type):
        own = [] if is_library(value) else [*value.__bases__, *vars(value).values()]
        parts = [getattr(held, "__func__", held) for held in own]
        parts += [part.fget for part in own if isinstance(part, property)]
    elif hasattr(value, "__self__"):
        parts = [value.__self__, getattr(value, "__func__", None)]
    elif torch is not None and isinstance(value, torch.nn.Module):
        parts = list(value.children())
        if not type(value).__module__.startswith("torch."):
            own_names = {k: held for k, held in vars(value).items() if not k.startswith("_")}
            parts += [*own_names.values(), *value.buffers(recurse=False)]
    elif hasattr(value, "get_params"):
        parts = [*value.get_params(deep=False).values(), type(value)]
    else:
        slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
        parts = [getattr(value, name, None) for name in slots]
        parts += [*getattr(value, "__dict__", {}).values(), type(value)]
    return parts[:_MOST_ENTRIES]


def enclosed(function: FunctionType) -> list[Any]:
    """Return what a function has taken along from where it was defined."""
    return list(_filled(function))


def _filled(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            # Not assigned yet.
            continue


def _named_by(function: FunctionType) -> list[Any]:
    """Return the globals that a function of the user's own names, of their modules what it names.

    Those of libraries are looked at no further: they hold nothing of the user's.
    """
    code = function.__code__
    if is_installed_file(code.co_filename):
        return []
    known = function.__globals__
    held = [known[name] for name in sorted(globals_of(code)) if name in known]
    modules = [value for value in held if isinstance(value, ModuleType) and not is_installed(value)]
    attributes = names_in(code) if modules else frozenset()
    inside = [vars(module)[name] for module in modules for name in attributes & vars(module).keys()]
    return [value for value in held if not isinstance(value, ModuleType)] + inside


def is_library(kind: type) -> bool:
    """Tell whether Python or an installed package defines a class."""
    module = sys.modules.get(kind.__module__)
    return kind.__module__ == "builtins" or is_installed(module)
