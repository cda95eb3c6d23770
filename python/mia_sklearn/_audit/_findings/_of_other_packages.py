"""Findings that other packages bring. None of them can end an audit, or alter what it found."""

from __future__ import annotations

import warnings
from importlib.metadata import EntryPoint, entry_points

from ...report import BaseFinder, Finding
from ._context import Context

__all__ = ["of_other_packages"]

ENTRY_POINTS = "mia_sklearn.findings"


def of_other_packages(context: Context, taken: set[str]) -> list[Finding | None]:
    """Ask the finders of other packages, by the name of their entry point.

    Parameters
    ----------
    context : Context
        Each finder gets a copy.
    taken : set of str
        Codes of findings that they cannot have.

    Returns
    -------
    list of Finding or None
        Of each that works; of others a warning says why not.
    """
    found: list[Finding | None] = []
    taken = set(taken)
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        try:
            finder = _load(point)
            if finder.code in taken:
                raise ValueError(f"another finding has the code {finder.code!r}")
            taken.add(finder.code)
            found.append(_ask(finder, context))
        except Exception as error:
            source = f" of {point.dist.name}" if point.dist else ""
            warnings.warn(
                f"The finding {point.value}{source} is left out: {type(error).__name__}: {error}",
                UserWarning,
                stacklevel=4,
            )
    return found


def _load(point: EntryPoint) -> BaseFinder:
    finder = point.load()
    if not (isinstance(finder, type) and issubclass(finder, BaseFinder)):
        raise TypeError("it is no subclass of BaseFinder")
    return finder()


def _ask(finder: BaseFinder, context: Context) -> Finding | None:
    finding = finder.find(context.copy())
    if finding is None:
        return None
    said = (finding.title, finding.explanation, finding.remedy, finding.severity)
    if finding != finder.found(*said):
        raise ValueError(f"find must return None or what found() makes, got {finding!r:.100}")
    return finding
