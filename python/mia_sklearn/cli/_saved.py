"""Commands on reports that were saved: `check` and `report`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from ._gate import FINE, gate_of
from ._inputs import check_file_writable, check_writable

if TYPE_CHECKING:
    from ..report import AuditReport
    from ..report._tables_report import TablesReport

__all__ = ["check_report", "show_report"]


def check_report(args: argparse.Namespace) -> int:
    """Judge a saved report by the gate; return the exit code."""
    from ..report import AuditReport, DPAuditReport, load_report

    if args.junit is not None:
        check_file_writable(args.junit, "--junit")
    report = load_report(args.report)
    if isinstance(report, DPAuditReport):
        raise ValueError(
            f"{args.report} is an audit of differential privacy, which is held against its claim "
            "alone: `mia-sklearn report` prints it, and the exit code of `mia-sklearn audit-dp` "
            "says whether the claim is refuted."
        )
    attacks = report.attacks if isinstance(report, AuditReport) else []
    if args.baseline is not None and not attacks:
        raise ValueError("--baseline is for audits of models.")
    gate = gate_of(args, attacks)
    if not gate.conditions and gate.baseline is None:
        raise ValueError(
            "Nothing to check: add --fail-if, such as --fail-if 'auc > 0.6', --conditions FILE, or "
            "fail-if in [tool.mia-sklearn] of pyproject.toml."
        )
    judged = gate.judge(report)
    verdict = report.verdict if isinstance(report, AuditReport) else report.summary
    if args.junit is not None:
        judged.write_junit(args.junit, report.info, verdict)
    print("\n".join([verdict, *judged.lines()]))
    return judged.code


def show_report(args: argparse.Namespace) -> int:
    """Print a saved report, or write it anew; return the exit code."""
    from ..report import AuditReport, load_report

    if args.format is not None and args.output is not None:
        raise ValueError(
            "--format prints a report in one form, and --output writes all files of one: give one "
            f"of the two; for a file, --format {args.format} > FILE."
        )
    report = load_report(args.report)
    if not isinstance(report, AuditReport):
        for option, given in (("--title", args.title), ("--baseline", args.baseline)):
            if given is not None:
                raise ValueError(f"{option} is for audits of models.")
        if args.output is not None:
            check_writable(args.output)
            written = report.save(args.output, records=not args.no_records)
            print(f"The whole report: {written}")
        else:
            print(_shown_tables(report, args.format or "text", records=not args.no_records))
        return FINE
    before = None if args.baseline is None else AuditReport.load(args.baseline)
    if args.title is not None:
        report.info["title"] = args.title
    if args.output is not None:
        check_writable(args.output)
        written = report.save(args.output, records=not args.no_records, before=before)
        print(f"The whole report: {written}")
        return FINE
    print(_FORMATS[args.format or "text"](report, not args.no_records, before))
    return FINE


def _shown_tables(report: TablesReport, form: str, *, records: bool) -> str:
    """Return an audit of a claim or of a synthetic table in one of the forms."""
    kept = report if records else report.without_records()
    if form == "html":
        return kept.to_html()
    if form == "json":
        return kept.to_json()
    return kept.to_markdown() if form == "md" else str(kept)


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
