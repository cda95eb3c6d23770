"""What notebooks show of our objects: small pieces of HTML, at home in light and in dark."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import Literal

from ._printable import printable

__all__ = ["Tone", "badge", "folded", "marked", "paragraph", "shown", "table"]

Tone = Literal["quiet", "good", "warning", "serious"]

# Text and ground are the notebook's own; what has a colour of its own is legible on both.
_STYLE = """
.mia-sklearn { max-width: 60rem; margin: 0.4rem 0; padding: 0.7rem 1rem;
  border: 1px solid rgba(128, 140, 160, 0.45); border-radius: 6px; font-size: 14px;
  line-height: 1.5; overflow-wrap: anywhere; }
.mia-sklearn p { margin: 0.25rem 0; }
.mia-sklearn .mia-title { font-weight: 600; }
.mia-sklearn .mia-badge { display: inline-block; padding: 0 0.5rem; border-radius: 1rem;
  background: #5b6675; color: #fff; font-size: 0.85em; font-weight: 600; white-space: nowrap; }
.mia-sklearn .mia-good { background: #2a7049; }
.mia-sklearn .mia-warning { background: #8a5a00; }
.mia-sklearn .mia-serious { background: #b3261e; }
.mia-sklearn .mia-scroll { overflow-x: auto; }
.mia-sklearn table { border-collapse: collapse; margin: 0.4rem 0; font-size: 0.93em; }
.mia-sklearn th, .mia-sklearn td { padding: 0.2rem 0.7rem; text-align: left; vertical-align: top;
  background: none; border: 0; border-bottom: 1px solid rgba(128, 140, 160, 0.35); }
.mia-sklearn .mia-number { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
.mia-sklearn summary { cursor: pointer; padding: 0.1rem 0; }
.mia-sklearn details > p { margin-left: 1.1rem; }
"""
# Between backticks, or a parameter with its value, said before what to do with it.
_CODE = re.compile(r"`([^`\n]+)`|\b([a-zA-Z_]\w*=[^\s()`]+)(?= \()")


def marked(text: str) -> str:
    """Return a text as HTML in which code is shown as such."""
    return _CODE.sub(r"<code>\1\2</code>", html.escape(printable(str(text), keep="\n")))


def shown(title: str, *parts: str) -> str:
    """Return what a notebook shows: a title, and pieces of HTML below it."""
    head = f'<p class="mia-title">{marked(title)}</p>' if title else ""
    return f'<div class="mia-sklearn"><style>{_STYLE}</style>{head}{"".join(parts)}</div>'


def paragraph(text: str, *, before: str = "") -> str:
    """Return a paragraph; what comes before its text is HTML."""
    return f"<p>{before}{' ' if before else ''}{marked(text)}</p>"


def badge(text: str, tone: Tone = "quiet") -> str:
    return f'<span class="mia-badge mia-{tone}">{marked(text)}</span>'


def folded(title: str, *parts: str, before: str = "") -> str:
    """Return pieces of HTML that unfold below a title; what comes before it is HTML."""
    head = f"{before}{' ' if before else ''}{marked(title)}"
    return f"<details><summary>{head}</summary>{''.join(parts)}</details>"


def table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()
) -> str:
    """Return a table; its first column names the rows, those in `numbers` hold numbers."""

    def cell(place: int, text: str) -> str:
        kind = ' class="mia-number"' if place in numbers else ""
        tag = "td" if place else 'th scope="row"'
        return f"<{tag}{kind}>{marked(text)}</{tag[:2]}>"

    names = "".join(
        f'<th scope="col"{" class=mia-number" if place in numbers else ""}>{marked(name)}</th>'
        for place, name in enumerate(head)
    )
    body = "".join(
        f"<tr>{''.join(cell(place, text) for place, text in enumerate(row))}</tr>" for row in rows
    )
    return (
        f'<div class="mia-scroll"><table aria-label="{html.escape(printable(caption))}">'
        f"<thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>"
    )
