"""Write the tables of the README that follow from what the code states of itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from mia_sklearn._audit._findings import FINDERS
from mia_sklearn.attacks import AttackInfo, all_attacks
from mia_sklearn.base._registry import Listed
from mia_sklearn.defenses import DefenseInfo, all_defenses

PAGE = Path(__file__).parents[1] / "README.md"
Rows = Iterator[tuple[str, ...]]


def attacks() -> Rows:
    yield "attack", "name", "what it does", "needs"
    for info in _ours(all_attacks()):
        yield f"`{info.class_name}`", f"`{info.name}`", _what(info), _needs(info)


def defenses() -> Rows:
    yield "defense", "what it does", "acts on"
    for info in _ours(all_defenses()):
        yield f"`{info.class_name}`", _what(info), _acts_on(info)


def findings() -> Rows:
    yield "code", "severity", "meaning"
    for finder in FINDERS:
        severity = " or ".join(finder.severities) + (", doubt" if finder.qualifies else "")
        yield f"`{finder.code}`", severity, finder.summary


# The tables by their markers: a table stands between `<!-- table: NAME -->` and `<!-- end -->`.
TABLES: dict[str, Callable[[], Rows]] = {
    "attacks": attacks,
    "defenses": defenses,
    "findings": findings,
}


def with_tables(page: str) -> str:
    """Return a page with its tables made anew."""
    for name, rows in TABLES.items():
        lines = [f"| {' | '.join(row)} |" for row in rows()]
        lines.insert(1, "| " + " | ".join("---" for _ in next(rows())) + " |")
        start, end = f"<!-- table: {name} -->\n", "<!-- end -->"
        before, marked, rest = page.partition(start)
        _, ended, after = rest.partition(end)
        if not (marked and ended):
            raise ValueError(f"{PAGE.name} has no place for the table {name!r}.")
        page = "".join([before, start, *(f"{line}\n" for line in lines), end, after])
    return page


def _ours(listed: list) -> list:
    return [info for info in listed if info.source == "mia-sklearn"]


def _what(info: Listed) -> str:
    text = info.load().__doc__ or ""
    return info.summary + (_whose(text) if "Source: this project" not in text else "")


def _whose(text: str) -> str:
    """Return the authors of the first reference of a documentation, in brackets."""
    found = re.search(r"\.\. \[1\] (.*?), \"", " ".join(text.split()))
    if found is None:
        return ""
    names = [name.split()[-1] for name in re.split(r", | and ", found[1].replace(" et al.", ""))]
    many = len(names) > 2 or "et al." in found[1]
    return f" ({names[0]} et al.)" if many else f" ({' and '.join(names)})"


def _needs(info: AttackInfo) -> str:
    learns = not info.make()._ranks_without_members
    if info.threat_model == "black-box":
        by_references = learns or any(group.endswith("out") for group in info.requires)
        return "references" if by_references else "one answer per record"
    needs = {
        "white-box": "the model's weights",
        "federated": "a part in the training",
        "generator": "samples",
    }[info.threat_model]
    return f"{needs}; some members" if learns else needs


def _acts_on(info: DefenseInfo) -> str:
    return f"{info.alters} of networks" if info.needs_networks else info.alters


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
