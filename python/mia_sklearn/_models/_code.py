"""What code uses beside its arguments: globals, modules, versions of packages."""

from __future__ import annotations

import dis
import functools
import importlib.metadata
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

__all__ = [
    "globals_of",
    "imports_of",
    "is_installed",
    "is_installed_file",
    "names_in",
    "source_of",
    "version_of",
]


def globals_of(code: CodeType) -> set[str]:
    used = {
        instruction.argval
        for instruction in dis.get_instructions(code)
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    return used.union(*map(globals_of, inner))


def names_in(code: CodeType) -> frozenset[str]:
    """Return the names of globals and attributes in code, and in code inside of it."""
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    return frozenset(code.co_names).union(*map(names_in, inner))


def imports_of(code: CodeType, package: str | None) -> Iterator[tuple[str, ModuleType | None]]:
    """Yield what code imports when it runs: its name, and the module unless it is installed.

    Parameters
    ----------
    code : code
        Of a function, with all code inside of it.
    package : str or None
        To which imports that begin with a point are relative.
    """
    steps = [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]
    for place, step in enumerate(steps):
        if step.opname == "IMPORT_NAME":
            # Two constants come before it: how many points there are, and what is taken from it.
            level, taken = steps[place - 2].argval, steps[place - 1].argval
            yield from _imported("." * level + step.argval, package, taken or ())
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from imports_of(const, package)


def _imported(
    name: str, package: str | None, taken: Any
) -> Iterator[tuple[str, ModuleType | None]]:
    top = (package or "" if name.startswith(".") else name).partition(".")[0]
    if top in sys.stdlib_module_names:
        return
    if top and _is_installed_package(top):
        yield f"{name} {_installed_version(top)}", None
        return
    try:
        module = importlib.import_module(name, package)
    except Exception:
        # Whatever stands in its place then is code, which is told by itself.
        yield name, None
        return
    yield name, module
    for part in taken:
        if part != "*" and not hasattr(module, part):
            yield from _imported(f"{module.__name__}.{part}", None, ())


def _is_installed_package(top: str) -> bool:
    """Tell, without importing it, whether a package is an installed one."""
    if top in sys.modules:
        return is_installed(sys.modules[top])
    spec = importlib.util.find_spec(top)
    return spec is not None and spec.origin is not None and is_installed_file(spec.origin)


@functools.cache
def _installed_version(top: str) -> str:
    """Return the version of what holds a package, whether it has been imported or not."""
    holders = importlib.metadata.packages_distributions().get(top, [])
    return " ".join(f"{name} {importlib.metadata.version(name)}" for name in sorted(set(holders)))


@functools.cache
def version_of(module: str | None) -> str:
    top = sys.modules.get((module or "").partition(".")[0])
    return str(getattr(top, "__version__", ""))


def source_of(module: ModuleType) -> bytes:
    """Return what tells a module from a changed one: its package's version, or its text."""
    if is_installed(module):
        return version_of(module.__name__).encode()
    if hasattr(module, "__path__"):
        # A package without `__init__.py` has folders, but no file.
        files = sorted(path for folder in module.__path__ for path in Path(folder).rglob("*.py"))
    else:
        files = [Path(getattr(module, "__file__", None) or "")]
    return b"".join(path.read_bytes() for path in files if path.is_file())


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
    if file.startswith("<frozen "):
        return True
    # This package too, wherever it lies: its version tells its code.
    roots = [sysconfig.get_path(key) for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    roots.append(str(Path(__file__).parents[1]))
    return any(Path(file).is_relative_to(root) for root in roots) or "site-packages" in file
