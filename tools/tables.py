"""Write the tables of the README that follow from what the code states of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from mia_sklearn._audit._findings import FINDERS

PAGE = Path(__file__).parents[1] / "README.md"
Rows = Iterator[tuple[str, ...]]


def findings() -> Rows:
    yield "code", "severity", "meaning"
    for finder in FINDERS:
        severity = " or ".join(finder.severities) + (", doubt" if finder.qualifies else "")
        yield f"`{finder.code}`", severity, finder.summary


# The tables by their markers: a table stands between `<!-- table: NAME -->` and `<!-- end -->`.
TABLES: dict[str, Callable[[], Rows]] = {"findings": findings}


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


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
