"""The report in a notebook: what matters, in a few lines, without naming anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._process._notebook import Tone, badge, folded, paragraph, shown, table
from ._finding import in_html
from ._summary import Summary, summarize

if TYPE_CHECKING:
    from ._contents import AuditContents

__all__ = ["render_notebook"]

_TONES: dict[str, Tone] = {
    "info": "quiet",
    "open": "warning",
    "warning": "warning",
    "serious": "serious",
}


def _structure(summary: Summary) -> list[str]:
    names = ("measure", "value", "error", "band", "meaning")
    rows = [[row[name] for name in names] for row in summary.structure if row["value"] != "-"]
    if not rows:
        return []
    head = ("Measure", "Value", "Error", "Band", "Meaning")
    return [folded("Structure of the model", table("Structure", head, rows, numbers=(1, 2)))]


def render_notebook(report: AuditContents) -> str:
    """Return the report as a piece of HTML.

    Notebooks are passed around and published: no record is named. The page that `save` writes
    holds the rest.
    """
    summary = summarize(report.without_records())
    first, *others = summary.metrics
    level = badge(summary.scale.name, _TONES[summary.scale.level])
    head = ("Measure", "Estimate", f"{summary.confidence} interval", "By chance")
    tables = [
        table(
            f"Measures of {attack['attack']}",
            head,
            [
                (row["measure"], row["estimate"], row["interval"], row["chance"])
                for row in attack["rows"]
            ],
            numbers=(1, 2, 3),
        )
        for attack in summary.metrics
    ]
    controls = [
        (row["control"], row["result"], row["numbers"], row["note"]) for row in summary.controls
    ]
    return shown(
        summary.title,
        paragraph(summary.verdict, before=level),
        paragraph(f"The attacker: {summary.attacker}.") if summary.attacker else "",
        in_html(summary.findings),
        folded(f"Measures of {first['attack']}, the headline attack", tables[0]),
        *(
            folded(f"Measures of {attack['attack']}: {attack['brief']}", numbers)
            for attack, numbers in zip(others, tables[1:], strict=True)
        ),
        folded(
            "Controls of the audit itself",
            table("Controls", ("Control", "Result", "Measured", "Meaning"), controls),
        ),
        *_structure(summary),
        paragraph("`print(report)` says more, `report.save(folder)` writes the page."),
    )
