"""The report as Markdown: for job summaries, reviews and model cards. It names no record."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .._process._printable import printable
from ._evidence import evidence_of
from ._finding import NAMING
from ._leak import read_leak
from ._scale import STEPS
from ._signoff import SignOff, signoff
from ._summary import Summary, summarize

if TYPE_CHECKING:
    from ._contents import AuditContents
    from ._finding import Finding

__all__ = [
    "escape",
    "findings_in_markdown",
    "render_markdown",
    "render_model_card",
    "table_in_markdown",
]

# What begins markup anywhere in a line, of templates ("{{") and formulas ("$") too.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|~$#])")
# What begins it at the start of one: rules, lists, numbered lists.
_AT_START = re.compile(r"^(\d*)(?=[-+=]|(?<=\d)[.)](?:\s|$))")
# What turns into a link or a message to somebody without any markup.
_LINKS = re.compile(r"(?i)(?<=[a-z]):(?=//)|(?<=\bwww)\.|@|(?<=\bmailto):|(?<=\bxmpp):")
# Names of code, as our own sentences quote them.
_CODE = re.compile(r"`([A-Za-z][\w.]*(?:\([\w.=, ]*\))?)`")
_COVERAGE = ("attack", "status", "threat_model", "access", "knowledge", "reason")
_BLANK = "............"


def escape(text: object) -> str:
    """Return text that Markdown shows as it is, on one line: no markup, link, tag or message.

    Names of code in backticks stay code.
    """
    line = " ".join(printable(str(text), keep="\n\t\r").split())
    parts = _CODE.split(line)
    shown = [f"`{part}`" if place % 2 else _inert(part) for place, part in enumerate(parts)]
    return _AT_START.sub(r"\g<1>\\", "".join(shown))


def _inert(text: str) -> str:
    text = _MARKUP.sub(r"\\\1", text.replace("&", "&amp;"))
    text = text.replace("\\<", "&lt;").replace("\\>", "&gt;")
    return _LINKS.sub(lambda found: f"&#{ord(found[0])};", text)


def render_markdown(report: AuditContents) -> str:
    """Return the report as Markdown, with the annex to sign it off.

    Parameters
    ----------
    report : AuditReport

    Returns
    -------
    str
    """
    kept = evidence_of(report)
    summary = summarize(kept)
    parts = [
        f"# {escape(summary.title)}",
        f"**{escape(summary.verdict)}**",
        f"The attacker behind this number: {escape(summary.attacker)}." if summary.attacker else "",
        "## What was found",
        *(findings_in_markdown(summary.findings) or ["No findings."]),
        f"## Measures, with {escape(summary.confidence)} intervals",
        _measures(summary),
        *_slices(summary),
        "## Controls of the audit itself",
        table_in_markdown(
            ("Control", "Result", "Measured", "Meaning"),
            [(c["control"], c["result"], c["numbers"], c["note"]) for c in summary.controls],
        )
        or "No controls were run.",
        *_structure(summary),
        "## Attacks run and not run",
        table_in_markdown(
            ("Attack", "", "Threat model", "Access", "Knowledge", "Remark"),
            [
                (
                    r["attack"],
                    r["status"],
                    r["threat_model"],
                    r["access"],
                    r["knowledge"],
                    r["reason"],
                )
                for r in (*summary.run, *summary.not_run)
            ],
        ),
        "## How it was computed",
        table_in_markdown(("", ""), summary.facts),
        escape(summary.limits),
        *_annex(signoff(kept)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def render_model_card(report: AuditContents) -> str:
    """Return what a model card says of the audit: the body of a section, without a heading.

    Parameters
    ----------
    report : AuditReport

    Returns
    -------
    str
    """
    kept = evidence_of(report)
    summary = summarize(kept)
    rows = kept.metrics[
        (kept.metrics["attack"] == kept.info["headline"]) & (kept.metrics["slice"] == "all")
    ]
    not_run = ", ".join(row["attack"] for row in summary.not_run)
    made = ", ".join(f"{name} {number}" for name, number in kept.info.get("versions", {}).items())
    doubts = "; ".join(kept.doubts) or "nothing found"
    named = [finding.severity for finding in kept.findings if finding.code in NAMING]
    largest = max([read_leak(rows).severity, *named], key=list(STEPS).index)
    lines = [
        f"**{escape(summary.verdict)}**",
        f"- Attacker: {escape(summary.attacker or 'not known')}",
        f"- Released as: {escape(summary.release or 'not stated')}",
        f"- Unit of privacy: {'a person' if kept.info.get('unit') == 'person' else 'one record'}",
        f"- Size of the leak: {largest}; in doubt: {escape(doubts)}",
        f"- Attacks run: {escape(', '.join(kept.attacks))}",
        f"- Not run: {escape(not_run or 'none')}",
        f"- Made with: {escape(made or 'not known')}",
    ]
    table = table_in_markdown(
        ("Measure", "Estimate", f"{summary.confidence} interval", "By chance"),
        [
            (row["measure"], row["estimate"], row["interval"], row["chance"])
            for row in summary.metrics[0]["rows"]
        ],
    )
    return "\n\n".join([lines[0], "\n".join(lines[1:]), table, escape(summary.limits)]) + "\n"


def table_in_markdown(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    cells = [[escape(cell) for cell in row] for row in rows]
    if not cells:
        return ""
    lines = [[escape(name) for name in head], ["---"] * len(head), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def findings_in_markdown(findings: Iterable[Finding]) -> list[str]:
    return [
        "\n".join(
            [
                f"- **{finding.severity}: {escape(finding.title)}** ({escape(finding.code)})",
                *(f"  {escape(text)}" for text in (finding.explanation, finding.remedy) if text),
            ]
        )
        for finding in findings
    ]


def _measures(summary: Summary) -> str:
    return table_in_markdown(
        ("Attack", "Measure", "Estimate", "Interval", "By chance", "In counts", "Note"),
        [
            (
                *(attack["attack"], row["measure"], row["estimate"], row["interval"]),
                *(row["chance"], row["counts"], row["note"]),
            )
            for attack in summary.metrics
            for row in attack["rows"]
        ],
    )


def _slices(summary: Summary) -> list[str]:
    if not summary.slices:
        return []
    head = ("Slice", "Measure", "Estimate", "Interval", "Members + others")
    names = ("slice", "measure", "estimate", "interval", "sizes")
    return [
        f"## Groups of {summary.unit.many}",
        table_in_markdown(head, [[row[name] for name in names] for row in summary.slices]),
    ]


def _structure(summary: Summary) -> list[str]:
    if not summary.structure:
        return []
    names = ("measure", "value", "error", "band", "tells", "meaning")
    head = ("Measure", "Value", "Error", "Band", "", "Meaning")
    rows = [[row[name] for name in names] for row in summary.structure]
    return ["## Structure of the model", table_in_markdown(head, rows)]


def _annex(annex: SignOff) -> list[str]:
    parts = [f"## {escape(annex.title)}", escape(annex.note)]
    for part in annex.parts:
        parts.append(f"### {escape(part.title)}")
        rows = [(field.label, field.text or _BLANK) for field in part.fields]
        parts.append(table_in_markdown(("", ""), rows))
    parts.append("### What guidelines ask for, and where it is answered")
    parts.append(
        table_in_markdown(
            ("Guideline", "Heading", "Asks for", "Answered in", "Left open"),
            [
                (t.framework, t.heading, t.asks, annex.titles_of(t) or "-", t.left_open or "-")
                for t in annex.frameworks
            ],
        )
    )
    parts.append("### What this audit does not answer")
    parts.append("\n".join(f"- {escape(text)}" for text in annex.not_answered))
    return parts
