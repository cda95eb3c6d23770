"""Ways to show and keep an `AuditReport`: text, a page, files."""

from ._html import render_html, render_notebook
from ._store import load, save
from ._summary import Summary, summarize
from ._text import render_text

__all__ = [
    "Summary",
    "load",
    "render_html",
    "render_notebook",
    "render_text",
    "save",
    "summarize",
]
