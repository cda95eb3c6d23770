"""Write the tables and lines of the guide that follow from what the code states of itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mia_sklearn._audit._findings import FINDERS
from mia_sklearn.attacks import AttackInfo, all_attacks
from mia_sklearn.base._registry import Listed
from mia_sklearn.defenses import DefenseInfo, all_defenses
from mia_sklearn.report import BaseFinder
from mia_sklearn.synthetic._findings import EVERY_FINDER

PAGES = Path(__file__).parents[1] / "docs"
Rows = Iterator[tuple[str, ...]]


def attacks() -> Rows:
    yield "attack", "name", "what it does", "needs"
    for info in _ours(all_attacks()):
        yield f"`{info.class_name}`", f"`{info.name}`", _what(info), _needs(info)


def defenses() -> Rows:
    yield "defense", "what it does", "acts on", "of"
    for info in _ours(all_defenses()):
        yield f"`{info.class_name}`", _what(info), _acts_on(info), _defended(info)


def findings() -> Rows:
    return _found(FINDERS)


def synthetic_findings() -> Rows:
    return _found(EVERY_FINDER)


def _found(finders: Iterable[type[BaseFinder]]) -> Rows:
    yield "code", "severity", "meaning"
    for finder in finders:
        yield f"[`{finder.code}`](#{finder.code.lower()})", _severity(finder), finder.summary


# A table stands between `<!-- table: NAME -->` and `<!-- end -->`, in one page of the guide.
TABLES: dict[str, Callable[[], Rows]] = {
    "attacks": attacks,
    "defenses": defenses,
    "findings": findings,
    "synthetic_findings": synthetic_findings,
}


def written(page: str) -> str:
    """Return a page with what stands between its marks made anew."""
    return re.sub(
        r"(<!-- (table|finding): (\w+) -->\n).*?(?=<!-- end -->)",
        lambda found: found[1] + (_table if found[2] == "table" else _line)(found[3]),
        page,
        flags=re.DOTALL,
    )


def _table(name: str) -> str:
    lines = [f"| {' | '.join(row)} |" for row in TABLES[name]()]
    lines.insert(1, re.sub(r"[^|]+", " --- ", lines[0].replace("`", "")))
    return "".join(f"{line}\n" for line in lines)


def _line(code: str) -> str:
    finder = next(finder for finder in (*FINDERS, *EVERY_FINDER) if finder.code == code)
    return f"*{_severity(finder)}*: {finder.summary}.\n"


def _severity(finder: type[BaseFinder]) -> str:
    return " or ".join(finder.severities) + (", doubt" if finder.qualifies else "")


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


def _defended(info: DefenseInfo) -> str:
    return ", ".join(f"{kind}s" for kind in info.defends)


def main() -> None:
    """Write the pages that have marks."""
    for path in sorted(PAGES.glob("*.md")):
        page = path.read_text(encoding="utf-8")
        if page != written(page):
            path.write_text(written(page), encoding="utf-8")


if __name__ == "__main__":
    main()
