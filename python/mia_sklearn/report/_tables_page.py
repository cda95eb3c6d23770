"""Tables and findings as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ._finding import Finding
from ._html import TEMPLATES, policy_of, template_named

__all__ = ["PageTable", "render_tables"]

# What the style sheet prints at the foot of each page of paper.
_PRINTED = "Membership-inference audit"


@dataclass(frozen=True)
class PageTable:
    """A table of a page.

    Attributes
    ----------
    title, caption : str
    head : sequence of str
        Names of columns; the first names the rows.
    rows : sequence of sequences of str
    numbers : collection of int
        Which columns hold numbers.
    wide : collection of int
        Which hold sentences.
    notes : sequence of str, default=()
        What stands below it.
    """

    title: str
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int] = ()
    wide: Sequence[int] = ()
    notes: Sequence[str] = ()


def render_tables(
    *,
    kind: str,
    title: str,
    sentence: str,
    tone: str,
    findings: list[Finding],
    tables: list[PageTable],
    limits: str,
    fingerprint: str,
) -> str:
    """Return a report of tables and findings as an HTML document, see `TablesReport`."""
    from markupsafe import Markup

    style = (TEMPLATES / "report.css").read_text(encoding="utf-8").replace(_PRINTED, kind)
    return template_named("tables.html").render(
        kind=kind,
        title=title,
        sentence=sentence,
        tone=tone,
        findings=findings,
        tables=tables,
        limits=limits,
        fingerprint=fingerprint,
        style=Markup(style),
        policy=policy_of(style),
    )
