"""Formulas as MathML, which browsers draw without a script; numbers that stay with their unit."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml


def _inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _block(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f"<p>{tex2mathml(node.astext(), as_block=True)}</p>")
    raise nodes.SkipNode


def _keep_together(app: Any, doctree: nodes.document, docname: str) -> None:
    """Break no line between a number and the per cent sign behind it."""
    for text in list(doctree.findall(nodes.Text)):
        joined = re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", text)
        if joined != text and not isinstance(text.parent, (nodes.literal, nodes.literal_block)):
            text.parent.replace(text, nodes.Text(joined))


def setup(app: Any) -> dict[str, bool]:
    """Register both."""
    app.add_html_math_renderer("plain", (_inline, None), (_block, None))
    app.connect("doctree-resolved", _keep_together)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
