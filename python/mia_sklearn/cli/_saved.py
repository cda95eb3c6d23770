"""Commands on reports that were saved: `check` and `report`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from ._audits import shown
from ._gate import FINE, gate_of
from ._inputs import check_file_writable, check_writable

if TYPE_CHECKING:
    from ..report import AuditReport

__all__ = ["check_report", "show_report"]


def check_report(args: argparse.Namespace) -> int:
    """Judge a saved report by the gate; return the exit code."""
    from ..report import AuditReport

    if args.junit is not None:
        check_file_writable(args.junit, "--junit")
    report = AuditReport.load(args.report)
    gate = gate_of(args, report.attacks)
    if not gate.conditions and gate.baseline is None:
        raise ValueError(
            "Nothing to check: add --fail-if, such as --fail-if 'auc > 0.6', --conditions FILE, or "
            "fail-if in [tool.mia-sklearn] of pyproject.toml."
        )
    judged = gate.judge(report)
    if args.junit is not None:
        judged.write_junit(args.junit, report.info, report.verdict)
    print(shown(report, judged, None, quiet=True, verbose=False))
    return judged.code


def show_report(args: argparse.Namespace) -> int:
    """Print a saved report, or write it anew; return the exit code."""
    from ..report import AuditReport

    if args.format is not None and args.output is not None:
        raise ValueError(
            "--format prints a report in one form, and --output writes all files of one: give one "
            f"of the two; for a file, --format {args.format} > FILE."
        )
    before = None if args.baseline is None else AuditReport.load(args.baseline)
    report = AuditReport.load(args.report)
    if args.title is not None:
        report.info["title"] = args.title
    if args.output is not None:
        check_writable(args.output)
        written = report.save(args.output, records=not args.no_records, before=before)
        print(f"The whole report: {written}")
        return FINE
    print(_FORMATS[args.format or "text"](report, not args.no_records, before))
    return FINE


def _text(report: AuditReport, records: bool, before: AuditReport | None) -> str:
    from ..report._evidence import evidence_of

    text = str(report if records else evidence_of(report))
    return text if before is None else f"{text}\n\n{report.compare(before)}"


def _html(report: AuditReport, records: bool, before: AuditReport | None) -> str:
    from ..report._evidence import evidence_of
    from ..report._html import render_html

    kept = report if records else evidence_of(report)
    return render_html(kept, records=records, before=before)


def _markdown(report: AuditReport, records: bool, before: AuditReport | None) -> str:
    """Return the report as Markdown, which never names a record."""
    text = report.to_markdown()
    return text if before is None else f"{text}\n\n```text\n{report.compare(before)}\n```"


def _json(report: AuditReport, records: bool, before: AuditReport | None) -> str:
    from ..report._store import to_json

    return to_json(report, records=records)


_FORMATS: dict[str, Callable[[AuditReport, bool, AuditReport | None], str]] = {
    "text": _text,
    "html": _html,
    "md": _markdown,
    "json": _json,
}
