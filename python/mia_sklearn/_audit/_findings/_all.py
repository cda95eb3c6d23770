"""All findings of an audit, ours and other packages', in the order of the report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ...report import BaseFinder, Finding
from ...structural._findings import LossGap, SelfInfluence, StoresRecords, SupportVectors
from ._context import Context
from ._in_doubt import (
    AnswersDiffer,
    BelowChance,
    ClassesPermuted,
    LostReferences,
    NoSignal,
    ReferencesDiffer,
    TargetsDiffer,
    UnsteadyAnswers,
)
from ._of_audit import HeldAside, PipelineControl, ReferenceControl, Search, Shift
from ._of_claim import ClaimedPrivacy
from ._of_groups import GroupAtRisk
from ._of_leak import ExposedRecords, NotShown, SingledOut, TellsApart
from ._of_model import MeasuredRemedy, Overfitted, VulnerableRecords
from ._of_other_packages import of_other_packages
from ._of_records import (
    Duplicates,
    Overlap,
    People,
    TooFewRecords,
    UnauditedMembers,
    UnusedNonmembers,
)
from ._of_references import FewReferences, NoReferences, Saturated, TimeBudget

__all__ = ["FINDERS", "findings", "sought"]

_SOUGHT: ContextVar[frozenset[str] | None] = ContextVar("sought", default=None)

FINDERS: tuple[type[BaseFinder], ...] = (
    ClassesPermuted,
    TargetsDiffer,
    ReferencesDiffer,
    BelowChance,
    NoSignal,
    SingledOut,
    TellsApart,
    NotShown,
    ClaimedPrivacy,
    SupportVectors,
    MeasuredRemedy,
    ExposedRecords,
    GroupAtRisk,
    VulnerableRecords,
    Overfitted,
    StoresRecords,
    LossGap,
    SelfInfluence,
    Shift,
    ReferenceControl,
    PipelineControl,
    Overlap,
    Duplicates,
    LostReferences,
    AnswersDiffer,
    UnsteadyAnswers,
    Saturated,
    TooFewRecords,
    FewReferences,
    TimeBudget,
    People,
    UnauditedMembers,
    UnusedNonmembers,
    Search,
    HeldAside,
    NoReferences,
)


def findings(context: Context) -> list[Finding]:
    """Return all findings of an audit, or those that `sought` names."""
    codes = _SOUGHT.get()
    if codes is not None:
        found = [finder().find(context) for finder in FINDERS if finder.code in codes]
    else:
        found = [finder().find(context) for finder in FINDERS]
        found += of_other_packages(context, {finder.code for finder in FINDERS})
    return [finding for finding in found if finding is not None]


@contextmanager
def sought(*codes: str) -> Iterator[None]:
    """Let audits look for these findings alone meanwhile, where nobody is shown the others."""
    token = _SOUGHT.set(frozenset(codes))
    try:
        yield
    finally:
        _SOUGHT.reset(token)
