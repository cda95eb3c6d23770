"""The report as plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from .._process._printable import printable
from ._summary import Summary, summarize

if TYPE_CHECKING:
    from ._contents import AuditContents
    from ._finding import Finding

__all__ = [
    "findings_in_text",
    "render_brief",
    "render_text",
    "structure_in_text",
    "table_in_text",
]

_WIDTH = 100
_N_EXPOSED = 5
_N_FINDINGS = 7
_STRUCTURE = ("measure", "value", "error", "band", "")


def render_text(report: AuditContents) -> str:
    """Return the report as text; its first line is the verdict."""
    summary = _printable(summarize(report))
    parts = [
        summary.verdict,
        _wrap(f"The attacker: {summary.attacker}") if summary.attacker else "",
        _section("What was found", findings_in_text(summary.findings)),
        _section("Who is exposed", _exposed(summary)),
        _section(summary.alone["title"], _alone(summary)) if summary.alone else "",
        _section(f"Measures, with {summary.confidence} intervals", _metrics(summary)),
        _section("Slices, headline attack", _slices(summary)),
        _section("Controls of the audit itself", _controls(summary)),
        _section("Structure of the model", structure_in_text(summary.structure)),
        _section("Attacks", _coverage(summary)),
        _section("How it was computed", table_in_text(summary.facts)),
        _wrap(summary.limits),
    ]
    return "\n\n".join(part for part in parts if part)


def render_brief(report: AuditContents) -> str:
    """Return what a page of a terminal holds: verdict, findings by title, the headline's rates."""
    summary = _printable(summarize(report))
    titles = [f"[{one.severity}] {one.code}: {one.title}" for one in summary.findings]
    left = len(titles) - _N_FINDINGS
    if left > 0:
        titles = [*titles[:_N_FINDINGS], f"and {left} more."]
    header = ("attack", "measure", "estimate", "interval", "chance", "counts")
    rows = [row for attack in summary.metrics[:1] for row in _rows_of(attack)]
    others = [_rows_of(attack)[0] for attack in summary.metrics[1:] if attack["rows"]]
    parts = [
        summary.verdict,
        "\n".join(
            textwrap.fill(title, _WIDTH, subsequent_indent="    ", break_on_hyphens=False)
            for title in titles
        ),
        table_in_text([*rows, *others], header),
        # How the list is made is said where the list is.
        f"{summary.exposed_note.partition('. ')[0].rstrip('.')}." if summary.exposed else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _printable(part: Any) -> Any:
    """Return a summary in which no name from a user acts on a terminal, or begins a line."""
    if isinstance(part, str):
        return printable(part)
    if isinstance(part, dict):
        return {name: _printable(item) for name, item in part.items()}
    if type(part) in (list, tuple):
        return type(part)(_printable(item) for item in part)
    if is_dataclass(part) and not isinstance(part, type):
        return replace(
            part, **{field.name: _printable(getattr(part, field.name)) for field in fields(part)}
        )
    return part


def _section(title: str, body: str) -> str:
    return f"{title}\n{'-' * len(title)}\n{body}" if body else ""


def _wrap(text: str, indent: str = "") -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=indent, subsequent_indent=indent)


def table_in_text(rows: Sequence[Sequence[str]], header: Sequence[str] = ()) -> str:
    """Return columns side by side, the last one unpadded; a line per row."""
    lines = [tuple(header), *rows] if header else list(rows)
    if not rows:
        return ""
    cells = [[" ".join(str(cell).split()) for cell in line] for line in lines]
    widths = [max(len(line[j]) for line in cells) for j in range(len(cells[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def findings_in_text(findings: Iterable[Finding]) -> str:
    """Return findings as blocks of text, in which no name from a user acts on a terminal."""
    blocks = []
    for finding in map(_printable, findings):
        block = [f"[{finding.severity}] {finding.code}: {finding.title}"]
        block.append(_wrap(finding.explanation, "    "))
        if finding.remedy:
            block.append(_wrap(f"Next: {finding.remedy}", "    "))
        blocks.append("\n".join(block))
    return "\n".join(blocks)


def _exposed(summary: Summary) -> str:
    exposed = summary.exposed[:_N_EXPOSED]
    named = any(e["index"] for e in exposed)
    more = {"combined": "p, all attacks", "again": "named again"}
    more = {key: title for key, title in more.items() if any(e[key] for e in exposed)}
    rows = [
        (
            *(e["set"], e["row"], *([e["index"] or e["row"]] if named else [])),
            *(e["label"], e["score"], e["p"] or "-", e["q"] or "-"),
            *(e[key] or "-" for key in more),
        )
        for e in exposed
    ]
    row, label = summary.unit.columns
    index = ["index"] if named else []
    table = table_in_text(rows, ("set", row, *index, label, "score", "p", "q", *more.values()))
    return "\n".join(part for part in (_wrap(summary.exposed_note), table) if part)


def _alone(summary: Summary) -> str:
    alone = summary.alone or {}
    rows = [
        (r["set"], r["row"], r["label"], r["neighbors"], r["p"] or "-", r["q"] or "-")
        for r in alone["records"][:_N_EXPOSED]
    ]
    table = table_in_text(rows, ("set", *summary.unit.columns, "neighbours", "p", "q"))
    return "\n".join(part for part in (_wrap(alone["note"]), table) if part)


def _metrics(summary: Summary) -> str:
    rows = []
    notes: dict[tuple[str, str], None] = {}
    for attack in summary.metrics:
        rows += _rows_of(attack)
        for row in attack["rows"]:
            if row["note"]:
                notes[row["measure"], row["note"]] = None
    table = table_in_text(rows, ("attack", "measure", "estimate", "interval", "chance", "counts"))
    said = [_wrap(f"{measure}: {note}", "  ") for measure, note in notes]
    return "\n".join([table, *said])


def _rows_of(attack: dict[str, Any]) -> list[tuple[str, ...]]:
    columns = ("measure", "estimate", "interval", "chance", "counts")
    return [(attack["attack"], *(row[name] for name in columns)) for row in attack["rows"]]


def _slices(summary: Summary) -> str:
    return table_in_text(
        [
            (row["slice"], row["measure"], row["estimate"], row["interval"], row["sizes"])
            for row in summary.slices
        ],
        ("slice", "measure", "estimate", "interval", "members + non-members"),
    )


def _controls(summary: Summary) -> str:
    return "\n".join(
        _wrap(f"[{row['result']}] {row['control']}: {row['numbers']} {row['note']}".rstrip())
        for row in summary.controls
    )


def structure_in_text(structure: Sequence[dict[str, str]]) -> str:
    """Return the measures of a model's structure: those that predict risk, then the others.

    What could not be measured is named in the end.
    """
    measured = [row for row in structure if row["value"] != "-"]
    names = ("measure", "value", "error", "band", "tells")
    table = table_in_text(
        [tuple(row[name] or "-" for name in names) for row in measured], _STRUCTURE
    )
    reasons: dict[str, list[str]] = {}
    for row in structure:
        if row["value"] == "-":
            reasons.setdefault(row["meaning"], []).append(row["measure"])
    left = [_wrap(f"{', '.join(names)}. {reason}") for reason, names in reasons.items()]
    return "\n".join([part for part in (table, *left) if part])


def _coverage(summary: Summary) -> str:
    run = [
        _wrap(f"run: {', '.join(attacks)} ({whose})") for whose, attacks in _by_attacker(summary)
    ]
    not_run = [
        _wrap(f"not run: {row['attack']} ({row['threat_model']}): {row['reason']}")
        for row in summary.not_run
    ]
    release = (
        [f"Whoever gets the released model gets: {summary.release}."] if summary.release else []
    )
    return "\n".join(release + run + not_run)


def _by_attacker(summary: Summary) -> list[tuple[str, list[str]]]:
    """Return the attacks that were run, by what their attacker has and knows."""
    attacks: dict[str, list[str]] = {}
    for row in summary.run:
        whose = f"{row['threat_model']}; access: {row['access']}; knows: {row['knowledge']}"
        if whose == summary.attacker:
            whose = f"{row['threat_model']}, the attacker described above"
        attacks.setdefault(whose, []).append(row["attack"])
    return list(attacks.items())
