"""Check the docstrings of all public names, by numpydoc's own validation.

Each function, class and method that a user sees has a summary, names all of its parameters in their
order and says what it returns. What a method takes over from the one it overrides, it may take over
with its docstring; attributes that are properties may be documented by their class.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from numpydoc.docscrape import get_doc_object
from numpydoc.validate import Validator, validate

PACKAGE = "mia_sklearn"
MODULES = (
    *("access", "attacks", "base", "cluster", "conditions", "datasets", "defenses", "disclosure"),
    *("metrics", "neighbors", "plots", "pytest_plugin", "references", "report", "selection"),
    *("signals", "stats", "structural", "torch", "vulnerability"),
)
# As numpydoc numbers them: a docstring that is missing; unknown sections, or in another order;
# parameters that are missing, unknown, in another order or without a type; nothing said of what is
# returned; a summary that is missing, no sentence, or longer than a line.
CHECKED = {
    *("GL06", "GL07", "GL08", "PR01", "PR02", "PR03", "PR04", "PR10", "RT01"),
    *("SS01", "SS02", "SS03", "SS04", "SS06"),
}


class _Documented(Validator):
    """A docstring; of what holds a result, fields may stand under "Attributes"."""

    @property
    def doc_all_parameters(self) -> dict[str, Any]:
        found = dict(super().doc_all_parameters)
        if hasattr(self.obj, "_fields") or hasattr(self.obj, "__dataclass_fields__"):
            fields = [name for name in attributes(self.obj) if name in self.signature_parameters]
            found |= dict.fromkeys(fields, ("as its annotation says", "")) | found
            found = {n: found[n] for n in self.signature_parameters if n in found} | found
        return found


def attributes(found: Any) -> list[str]:
    """Return the names under "Attributes" in the docstring of a class."""
    listed = get_doc_object(found)["Attributes"]
    return [name for names, _, _ in listed for name in names.split(", ")]


def public_names() -> Iterator[tuple[str, Any]]:
    """Yield what users see of the package: dotted names, and what they stand for."""
    for module in (PACKAGE, *(f"{PACKAGE}.{name}" for name in MODULES)):
        seen = import_module(module)
        for name in seen.__all__:
            found = getattr(seen, name)
            if inspect.isclass(found) or inspect.isfunction(found):
                yield f"{module}.{name}", found
            if inspect.isclass(found):
                yield from _members(f"{module}.{name}", found)


def _members(name: str, found: type) -> Iterator[tuple[str, Any]]:
    """Yield methods and properties that this package adds to those of others."""
    for owner in found.__mro__:
        if owner.__module__.partition(".")[0] != PACKAGE:
            continue
        documented = attributes(found) + attributes(owner)
        for attribute, member in vars(owner).items():
            if attribute.startswith("_") or getattr(found, attribute, None) is None:
                continue
            if attribute.startswith("set_") and attribute.endswith("_request"):
                continue  # scikit-learn makes these and writes their docstrings.
            if isinstance(member, property):
                if attribute not in documented:
                    yield f"{name}.{attribute}", member
            elif isinstance(member, (classmethod, staticmethod)):
                yield f"{name}.{attribute}", getattr(found, attribute)
            else:
                # Methods that are there only where the estimator has them hold the function.
                method = getattr(member, "fn", member)
                if inspect.isroutine(method):
                    yield f"{name}.{attribute}", method


def faults(found: Any) -> list[str]:
    """Return what is wrong with a docstring."""
    if not found.__doc__ and inspect.getdoc(found):
        return []  # That of the method which it overrides, checked there.
    documented = _Documented(get_doc_object(found))
    errors = validate("", lambda *_, **__: documented)["errors"]
    elsewhere = {"PR01"} if getattr(found, "_is_protocol", False) or _as_its_base(found) else set()
    return [
        f"{code} {message}"
        for code, message in errors
        if code in CHECKED - elsewhere and not (code == "SS03" and documented.summary.endswith("?"))
    ]


def _as_its_base(found: Any) -> bool:
    """Tell whether a class says that it has the parameters of another one."""
    return inspect.isclass(found) and "Parameters and attributes are those of" in found.__doc__


def main() -> int:
    wrong = {}
    seen: set[int] = set()
    for name, found in public_names():
        if id(found) not in seen:
            seen.add(id(found))
            wrong |= {f"{name}: {fault}": None for fault in faults(found)}
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
