"""The assertion of a privacy gate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ._session import RUNNING, Kept

if TYPE_CHECKING:
    import os

    from ..conditions import Condition
    from ..report import AuditReport, DPAuditReport, SyntheticReport

__all__ = ["assert_private"]


_WORDS = {"holds": "PASSED", "violated": "FAILED", "open": "UNDECIDED"}
_OF_CLAIMS = {"not refuted": "PASSED", "refuted": "FAILED", "undecided": "UNDECIDED"}


class Answer(NamedTuple):
    """What was found of one condition."""

    condition: str
    #: PASSED, FAILED, UNDECIDED, or NEW where there is no baseline yet.
    word: str
    reason: str


def assert_private(
    report: AuditReport | DPAuditReport | SyntheticReport,
    *conditions: str | Condition,
    allow_undecided: bool = False,
    baseline: AuditReport | str | os.PathLike[str] | None = None,
) -> None:
    """Fail a test unless an audit surely satisfies all conditions.

    Parameters
    ----------
    report : AuditReport, DPAuditReport or SyntheticReport
        Of the fixture ``privacy_audit``, of `mia_sklearn.audit`, of `mia_sklearn.audit_synthetic`;
        or of `mia_sklearn.audit_dp`: the claim must not be refuted, by an audit that could have
        seen its canaries. It takes no conditions and no baseline.
    *conditions : str
        As in `mia_sklearn.AuditReport.check`: ``"auc <= 0.6"``, ``"tpr@0.01 <= 0.05"``; of a
        synthetic table ``"linkability <= 0.1"``. They share the report's confidence.
    allow_undecided : bool, default=False
        Let a condition pass that the records can neither show nor refute, or of an audit in
        doubt. It is reported as undecided all the same.
    baseline : AuditReport or path, default=None
        An earlier report, its folder or its ``audit.json``: fail where surely more is given away
        than then, see `mia_sklearn.AuditReport.compare`. None stands for what
        ``--privacy-baseline`` says of this test.

    Raises
    ------
    AssertionError
        If a condition is surely violated, or undecided and not allowed to be; or if more is given
        away than in the baseline. It says PASSED, FAILED or UNDECIDED of each, with estimate,
        interval and counts, and where the whole report was saved.
    ValueError
        If there is nothing to hold the report against, or a condition cannot be read.

    Examples
    --------
    >>> def test_members_are_hard_to_tell(privacy_audit, model, split):
    ...     report = privacy_audit(model, *split)
    ...     assert_private(report, "auc <= 0.6", "tpr@0.01 <= 0.05")
    """
    from ..report import DPAuditReport
    from ..report._gate import gate_with

    __tracebackhide__ = True
    if isinstance(report, DPAuditReport):
        if conditions or baseline is not None:
            raise ValueError(
                "A DPAuditReport is held against its own claim alone: drop conditions and baseline."
            )
        _assert_claim(report, allow_undecided)
        return
    _check_report(report, baseline)
    session = RUNNING[-1] if RUNNING else None
    kept = Kept() if session is None else session.kept.get(report, Kept())
    try:
        told = _answers(report, conditions, kept.baseline if baseline is None else baseline)
    except (ValueError, OSError) as error:
        # Where it arose says nothing: what was asked for is wrong.
        raise error.with_traceback(None) from None
    if baseline is None and kept.awaited is not None:
        reason = f"there is none of this test in {kept.awaited} yet."
        told.append(Answer("baseline", "NEW", reason))
    if not told:
        raise ValueError("Give at least one condition, for example 'auc <= 0.6', or a baseline.")
    if session is not None:
        for each in told:
            allowed = " (allowed)" if allow_undecided and each.word == "UNDECIDED" else ""
            session.tell(each.condition, f"{each.word}{allowed}: {each.reason}")
        if kept.folder is not None:
            # A baseline that is made first has nothing that could pass or fail.
            decided = [each for each in told if each.word != "NEW"]
            # Only reports of the fixture have a folder.
            saved: Any = report
            saved.info["gate"] = gate_with(
                saved, [(each.condition, each.word.lower(), each.reason) for each in decided]
            )
            saved.save(kept.folder, records=session.options.records)
            session.tell_folder(kept.folder)
    failing = ("FAILED",) if allow_undecided else ("FAILED", "UNDECIDED")
    words = {each.word for each in told}
    if words & set(failing):
        raise AssertionError(_text(told, kept.folder))


def _assert_claim(report: DPAuditReport, allow_undecided: bool) -> None:
    """Fail unless a claim of differential privacy stands."""
    __tracebackhide__ = True
    info = report.info
    claim = f"epsilon <= {info['epsilon']:.4g} at delta {info['delta']:.3g}"
    word = _OF_CLAIMS[report.outcome]
    allowed = allow_undecided and word == "UNDECIDED"
    if RUNNING:
        RUNNING[-1].tell(claim, f"{word}{' (allowed)' if allowed else ''}: {report.summary}")
    if word != "PASSED" and not allowed:
        hint = "\n  What is undecided fails, unless allow_undecided=True."
        raise AssertionError(
            f"privacy {word}: {claim}\n  {report.summary}{hint if word == 'UNDECIDED' else ''}"
        )


def _check_report(report: Any, baseline: Any) -> None:
    from ..report import AuditReport, SyntheticReport

    if isinstance(report, SyntheticReport):
        if baseline is not None:
            raise ValueError("A baseline is for audits of models; give conditions alone.")
    elif not isinstance(report, AuditReport):
        raise TypeError(
            "report must be an AuditReport, what audit() returns, a DPAuditReport of audit_dp() or "
            f"a SyntheticReport of audit_synthetic(), got {type(report).__name__}."
        )


def _answers(report: Any, conditions: Any, baseline: Any) -> list[Answer]:
    told = []
    if conditions:
        for each in report.check(*conditions).results:
            word = _WORDS[each.outcome]
            told.append(Answer(str(each.condition), word, each.explanation))
    if baseline is not None:
        compared = report.compare(baseline)
        word = "UNDECIDED" if compared.doubts else "PASSED" if compared else "FAILED"
        reason = " ".join(str(compared).split())
        told.append(Answer("baseline", word, reason))
    return told


def _text(told: list[Answer], folder: Path | None) -> str:
    worst = "FAILED" if any(each.word == "FAILED" for each in told) else "UNDECIDED"
    named = ", ".join(each.condition for each in told if each.word == worst)
    lines = [f"privacy {worst}: {named}"]
    lines += [f"  {each.word} {each.condition}: {each.reason}" for each in told]
    if worst == "UNDECIDED":
        lines.append("  What is undecided fails, unless allow_undecided=True.")
    where = "not saved; --privacy-report DIR saves it"
    lines.append(f"  the whole report: {folder / 'index.html' if folder else where}")
    return "\n".join(lines)
