"""Commands on reports that were saved: `check` and `report`."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from ..report import AuditReport
from ._audits import shown
from ._gate import FINE, gate_of
from ._inputs import check_writable

__all__ = ["check_report", "show_report"]


def check_report(args: argparse.Namespace) -> int:
    """Judge a saved report by the gate; return the exit code."""
    if args.junit is not None:
        check_writable(args.junit.parent, "--junit")
    report = AuditReport.load(args.report)
    gate = gate_of(args, report.attacks)
    if not gate.conditions and gate.baseline is None:
        raise ValueError(
            "Nothing to check: add --fail-if, such as --fail-if 'auc > 0.6', --conditions FILE, or "
            "fail-if in [tool.mia-sklearn] of pyproject.toml."
        )
    judged = gate.judge(report)
    if args.junit is not None:
        judged.write_junit(args.junit, report)
    print(shown(report, judged, None, quiet=True, verbose=False))
    return judged.code


def show_report(args: argparse.Namespace) -> int:
    """Print a saved report, or write it anew; return the exit code."""
    report = AuditReport.load(args.report)
    if args.title is not None:
        report.info["title"] = args.title
    if args.output is not None:
        check_writable(args.output)
        written = report.save(args.output, records=not args.no_records)
        print(f"The whole report: {written}")
        return FINE
    print(_FORMATS[args.format](report))
    return FINE


def _html(report: AuditReport) -> str:
    from ..report._html import render_html

    return render_html(report)


_FORMATS: dict[str, Callable[[AuditReport], str]] = {"text": str, "html": _html}
