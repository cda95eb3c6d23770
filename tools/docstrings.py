"""Check the docstrings of all public names, by numpydoc's own validation.

Each public function, class, method and property of the public modules has a summary, names all of
its parameters in their order, and says what it returns. What scikit-learn documents is left to it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from typing import Any

from numpydoc.validate import Validator, validate

PACKAGE = "mia_sklearn"
MODULES = (
    *("access", "attacks", "base", "cluster", "conditions", "datasets", "defenses", "disclosure"),
    *("metrics", "neighbors", "plots", "references", "report", "selection", "signals", "stats"),
    *("torch", "vulnerability"),
)
# See numpydoc.validate.ERROR_MSGS. A missing docstring; parameters that are missing, unknown or in
# another order, or without a type; nothing said of what is returned; sections in another order or
# unknown; summaries that are missing, no sentence, or longer than a line.
CHECKED = {"GL06", "GL07", "GL08", "PR01", "PR02", "PR03", "PR04", "PR05", "PR10", "RT01"} | {
    f"SS0{number}" for number in range(1, 7)
}


class _Documented(Validator):
    """A docstring, in which fields of a result may stand under "Attributes"."""

    @property
    def doc_all_parameters(self) -> dict[str, Any]:
        found = super().doc_all_parameters
        if not self._is_result:
            return found
        fields = [(field.name, (field.type, field.desc)) for field in self.doc["Attributes"]]
        return {**dict(fields), **found}

    @cached_property
    def _is_result(self) -> bool:
        return hasattr(self.obj, "_fields") or hasattr(self.obj, "__dataclass_fields__")


def public_names() -> Iterator[tuple[str, Any]]:
    """Yield what users see of the package: dotted names, and what they stand for."""
    for module in (PACKAGE, *(f"{PACKAGE}.{name}" for name in MODULES)):
        seen = import_module(module)
        for name in seen.__all__:
            found = getattr(seen, name)
            if inspect.ismodule(found) or not callable(found):
                continue
            yield f"{module}.{name}", found
            if inspect.isclass(found):
                yield from _members(f"{module}.{name}", found)


def _members(name: str, found: type) -> Iterator[tuple[str, Any]]:
    for attribute in dir(found):
        owner = next((c for c in found.__mro__ if attribute in vars(c)), object)
        member = inspect.getattr_static(found, attribute)
        is_ours = owner.__module__.partition(".")[0] == PACKAGE
        if attribute.startswith("_") or not is_ours:
            continue
        if isinstance(member, property) or inspect.isroutine(getattr(found, attribute)):
            yield f"{name}.{attribute}", member


def faults() -> Iterator[str]:
    """Yield what is wrong, as lines that begin with a file and a line number."""
    seen: set[int] = set()
    for name, found in public_names():
        if id(found) in seen:
            continue
        seen.add(id(found))
        result = validate(name, validator_cls=None)
        for code, message in result["errors"]:
            if code in CHECKED:
                yield f"{result['file']}:{result['file_line']}: {name}: {code} {message}"


def main() -> int:
    found = sorted(faults())
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
