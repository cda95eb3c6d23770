"""Commands that list what there is: `attacks`, `defenses`, `explain`."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from difflib import get_close_matches

from .._process._docs import finding_page, guide_page
from ._gate import FINE

__all__ = ["explain", "list_attacks", "list_defenses"]


def list_attacks(args: argparse.Namespace) -> int:
    """Print all attacks, and what each needs."""
    from ..attacks import all_attacks
    from ..disclosure._registry import INFERENCES

    rows = [("attack", "threat model", "columns it needs", "what it does", "from")]
    for info in all_attacks():
        try:
            summary = info.summary
        except ImportError as error:
            summary = str(error)
        needs = ", ".join(info.requires) or "-"
        model = info.threat_model or "not known"
        rows.append((info.name, model, needs, summary, info.source))
    _print_table(rows)
    print("\nOther questions than who was in the training set, asked from Python:\n")
    heads = ("attack", "threat model", "what it asks for", "where")
    asked = [(i.name, i.threat_model, i.question, i.where) for i in INFERENCES]
    _print_table([heads, *asked])
    return FINE


def list_defenses(args: argparse.Namespace) -> int:
    """Print all defenses, and what each alters."""
    from ..defenses import all_defenses

    rows = [("defense", "alters", "of", "needs", "what it does", "from")]
    for info in all_defenses():
        try:
            summary = info.summary
        except ImportError as error:
            summary = str(error)
        needed = {"networks": info.needs_networks, "other records": info.needs_reference_data}
        needs = ", ".join(name for name, needs in needed.items() if needs) or "-"
        kinds = ", ".join(f"{kind}s" for kind in info.defends if not kind.startswith("multi"))
        rows.append((info.name, info.alters, kinds, needs, summary, info.source))
    _print_table(rows)
    return FINE


def explain(args: argparse.Namespace) -> int:
    """Print what names mean: codes of findings, metrics, measures, attacks, defenses."""
    known = _explanations()
    # A finding may have the name of the measure that it is about: both are told.
    by_name: dict[str, list[str]] = {name: [of] for name, of in _classes().items()}
    for name in known:
        by_name.setdefault(name.lower(), []).append(name)
    unknown = [name for name in args.names if name.lower() not in by_name]
    if unknown:
        near = get_close_matches(unknown[0].lower(), by_name, n=3)
        meant = f" Did you mean {' or '.join(by_name[name][0] for name in near)}?" if near else ""
        raise ValueError(
            f"{unknown[0]!r} is no finding, metric, measure, attack or defense.{meant} "
            "`mia-sklearn explain` lists all."
        )
    if not args.names:
        _print_table([(name, kind) for name, (kind, _) in known.items()])
        return FINE
    told = []
    for name in dict.fromkeys(each for asked in args.names for each in by_name[asked.lower()]):
        kind, text = known[name]
        told.append(f"{name} ({kind})\n{textwrap.fill(text, 100, break_on_hyphens=False)}")
    print("\n\n".join(told))
    return FINE


def _explanations() -> dict[str, tuple[str, str]]:
    """Return by name what kind of thing it is, and what it means."""
    from .._audit._findings import FINDERS
    from ..attacks import all_attacks
    from ..defenses import all_defenses
    from ..dp._findings import FINDERS as OF_CLAIMS
    from ..report import BaseFinder
    from ..report._counted import RECORD
    from ..report._glossary import glossary
    from ..report._structure import MEASURES
    from ..synthetic._findings import EVERY_FINDER

    known = {
        term.key: ("word of a report", f"{_sentence(term.name)} {term.text} {term.link}")
        for term in glossary(RECORD)
    }
    page = guide_page("structural")
    for name, (called, text) in MEASURES.items():
        known[name] = ("measure of a model's structure", f"{called}. {text} {page}")
    for info in (*all_defenses(), *all_attacks()):
        try:
            known[info.name] = (
                info.kind,
                f"{_sentence(info.summary)} In Python {info.class_name}.",
            )
        except ImportError as error:
            known[info.name] = (info.kind, str(error))
    finders: tuple[type[BaseFinder], ...] = (*FINDERS, *OF_CLAIMS, *EVERY_FINDER)
    for finder in finders:
        doubt = " It leaves all numbers in doubt." if finder.qualifies else ""
        known[finder.code] = (
            f"finding, {' or '.join(finder.severities)}",
            f"{finder.summary[0].upper()}{finder.summary[1:]}.{doubt} {finding_page(finder.code)}",
        )
    return known


def _classes() -> dict[str, str]:
    """Return by their classes, as Python calls them, the names of attacks and defenses."""
    from ..attacks import all_attacks
    from ..defenses import all_defenses

    return {info.class_name.lower(): info.name for info in (*all_attacks(), *all_defenses())}


def _sentence(text: str) -> str:
    return text if text.endswith("?") else f"{text}."


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
