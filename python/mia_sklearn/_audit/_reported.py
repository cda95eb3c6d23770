"""From a finished run to its report."""

from __future__ import annotations

import logging

from ..report import AuditReport
from ..report._exposed import N_SHOWN
from ._coverage import coverage
from ._features import features_table
from ._findings import Context, findings
from ._run import Run
from ._tables import controls_table, info_of, metrics_table, records_table

__all__ = ["report_of"]

_LOG = logging.getLogger(__name__)


def report_of(run: Run, title: str | None, *, quick: bool) -> AuditReport:
    """Read the numbers of a run, and say what they mean."""
    with run.timed("metrics"):
        metrics = metrics_table(run, run.scores)
    records = records_table(run, run.scores, run.p_values, run.expected_neighbors)
    info = info_of(run, title, quick=quick)
    report = AuditReport(
        metrics=metrics,
        records=records,
        findings=findings(Context(run, metrics, records, run.controls, info)),
        coverage=coverage(
            run.attacks,
            run.headline,
            run.means,
            run.truth,
            no_time_for=() if run.budget is None else run.budget.left_out,
        ),
        controls=controls_table(run.controls),
        info=info,
        structural=run.structure.frame(),
    )
    report.features = features_table(run, report.most_exposed(N_SHOWN).index)
    _log(report, run)
    return report


def _log(report: AuditReport, run: Run) -> None:
    verdicts = {None: "no verdict", True: "passed", False: "failed"}
    for control in run.controls:
        _LOG.info("control %s: %s", control.control, verdicts[control.passed])
    for finding in report.findings:
        _LOG.info("finding %s (%s): %s", finding.code, finding.severity, finding.title)
    _LOG.info("seconds: %s", report.info.get("timings"))
