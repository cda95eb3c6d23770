"""What an object holds and what a function reaches: in either, something else may be hidden."""

from __future__ import annotations

import dis
import functools
import sys
import sysconfig
from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

__all__ = ["enclosed", "globals_of", "is_installed", "is_installed_file", "is_library", "parts_of"]

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
    attributes = _attributes_of(code) if modules else set()
    inside = [vars(module)[name] for module in modules for name in attributes & vars(module).keys()]
    return [value for value in held if not isinstance(value, ModuleType)] + inside


def globals_of(code: CodeType) -> set[str]:
    """Return the names of globals that code reads, functions in it included."""
    used = {
        instruction.argval
        for instruction in dis.get_instructions(code)
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    return used.union(*map(globals_of, _inner(code)))


def _attributes_of(code: CodeType) -> set[str]:
    return set(code.co_names).union(*map(_attributes_of, _inner(code)))


def _inner(code: CodeType) -> list[CodeType]:
    return [const for const in code.co_consts if isinstance(const, CodeType)]


def is_library(kind: type) -> bool:
    """Tell whether Python or an installed package defines a class."""
    module = sys.modules.get(kind.__module__)
    return kind.__module__ == "builtins" or is_installed(module)


def is_installed(module: ModuleType | None) -> bool:
    """Tell whether Python or an installed package holds a module, so that its version tells it."""
    if module is None or module.__name__ == "__main__":
        return False
    file = getattr(module, "__file__", None)
    if file is None:
        return module.__name__.partition(".")[0] in sys.stdlib_module_names
    return is_installed_file(file)


@functools.cache
def is_installed_file(file: str) -> bool:
    """Tell whether a file is Python's own or of an installed package."""
    if file.startswith("<frozen "):
        return True
    # This package too, wherever it lies: its version tells its code.
    roots = [sysconfig.get_path(key) for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    roots.append(str(Path(__file__).parents[1]))
    return any(Path(file).is_relative_to(root) for root in roots) or "site-packages" in file
