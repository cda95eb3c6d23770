"""Commands that audit: `audit`, `demo`, and what they print."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .._process._folders import file_digest
from .._process._printable import one_line
from .._process._progress import tell
from ._gate import FINE, Judged, gate_of
from ._inputs import check_file_writable, check_writable, inputs_of

if TYPE_CHECKING:
    from ..report import AuditReport

__all__ = ["audit_model", "demo", "shown"]


def audit_model(args: argparse.Namespace) -> int:
    """Audit a model, write the report, judge it by the gate; return the exit code."""
    from ..attacks import all_attacks
    from ..attacks._registry import variants
    from ..report import gate_of as kept_gate
    from ..report._evidence import evidence_of

    listed = [*(second for second in variants() if second.by_default), *all_attacks()]
    gate = gate_of(args, args.attacks or [info.name for info in listed])
    if gate.baseline is not None and args.attacks:
        _check_attacks(args, gate.baseline)
    if args.output is not None:
        check_writable(args.output)
    if args.junit is not None:
        check_file_writable(args.junit, "--junit")
    with logged(args.verbose):
        report = _audited(args)
    refused = None
    try:
        judged = gate.judge(report)
    except ValueError as error:
        # A baseline that is of another kind; the report is printed and written all the same.
        refused, judged = error, replace(gate, baseline=None).judge(report)
    if judged.results:
        report.info["gate"] = kept_gate(judged.results, fails_if=True)
    page, unsaved = None, None
    try:
        if args.junit is not None:
            judged.write_junit(args.junit, report.info, report.verdict)
        if args.output is not None:
            page = report.save(args.output, records=not args.no_records, before=gate.baseline)
    except OSError as error:
        # The verdict is given all the same.
        unsaved = error
    told = evidence_of(report) if args.no_records else report
    print(shown(told, judged, page, quiet=args.quiet, verbose=args.verbose))
    for wrong in (unsaved, refused):
        if wrong is not None:
            raise wrong
    return judged.code


def _check_attacks(args: argparse.Namespace, baseline: AuditReport) -> None:
    """Refuse a baseline without the numbers that are to be compared, before anything is trained."""
    from ..attacks._registry import headline_of

    headline = headline_of(args.attacks)
    if headline not in baseline.attacks:
        raise ValueError(
            f"--baseline {args.baseline} has no numbers of {headline!r}, which would make the "
            f"verdict; it has {', '.join(baseline.attacks)}. Name these by --attacks, or make "
            "another baseline."
        )


def _audited(args: argparse.Namespace) -> AuditReport:
    from .._audit import audit

    inputs = inputs_of(args)
    # Of what was read, whatever lies there when the audit is over.
    digest = file_digest(args.model)
    report = audit(
        **inputs,
        quick=args.quick,
        n_references=args.references,
        time_budget=args.time_budget,
        n_queries=args.queries,
        attacks=args.attacks or "auto",
        split=args.split,
        dp=args.dp,
        release=args.release,
        confidence=args.confidence,
        max_records=args.max_records,
        cache=args.cache,
        n_jobs=min(args.jobs, max(1, _most_references(args))),
        random_state=args.seed,
        progress=not args.quiet,
        title=args.title,
    )
    report.info["digests"]["model_file"] = digest
    return report


def _most_references(args: argparse.Namespace) -> int:
    from .._audit._budget import MOST_REFERENCES
    from .._audit._triage import N_REFERENCES

    if args.references is not None:
        return int(args.references)
    return N_REFERENCES if args.time_budget is None else MOST_REFERENCES


@contextmanager
def logged(shown: bool) -> Iterator[None]:
    """Print on standard error what is decided and why, where it is asked for."""
    if not shown:
        yield
        return
    logger = logging.getLogger("mia_sklearn")
    handler, level = _OneLine(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _OneLine(logging.Handler):
    """Names of data and models may be anything: each message stays on its line."""

    def emit(self, record: logging.LogRecord) -> None:
        tell(one_line(f"mia-sklearn: {record.getMessage()}"))


def shown(
    report: AuditReport, judged: Judged, page: Path | None, *, quiet: bool, verbose: bool
) -> str:
    """Return what is printed of a report: verdict and gate first, and last.

    Parameters
    ----------
    report : AuditReport
    judged : Judged
    page : Path or None
        Where it was written.
    quiet : bool
        The verdict and the gate alone.
    verbose : bool
        All there is, in place of a page of a terminal.
    """
    from ..report._text import render_brief

    gate = "\n".join(judged.lines())
    if quiet:
        return "\n".join(part for part in (report.verdict, gate) if part)
    body = str(report) if verbose else render_brief(report)
    whole = f"The whole report: {page}" if page else ""
    if not whole and not verbose:
        whole = "--verbose prints all of it, --output FOLDER writes a page."
    last = gate or f"verdict: {report.verdict}"
    first = [judged.line] if judged.line else []
    return "\n\n".join(["\n".join([*first, body]), *([whole] if whole else []), last])


def demo(args: argparse.Namespace) -> int:
    """Audit a model of handwritten digits; return the exit code."""
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import train_test_split

    from .._audit import audit

    check_writable(args.output)
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
    model = RandomForestClassifier(random_state=0).fit(X_train, y_train)
    print(
        f"A random forest learned {len(X_train)} of scikit-learn's handwritten digits. Could "
        "someone who asks it for posteriors tell which?\n",
        flush=True,
    )
    given = (model, X_train, y_train, X_test, y_test)
    quick = audit(*given, quick=True, split="random", random_state=0, progress=False)
    print(f"A first look, in seconds, without reference models: {quick.verdict}\n", flush=True)
    report = audit(*given, split="random", random_state=0, n_jobs=-1)
    page = report.save(args.output)
    print(shown(report, Judged([], False, ""), page, quiet=False, verbose=args.verbose))
    return FINE
