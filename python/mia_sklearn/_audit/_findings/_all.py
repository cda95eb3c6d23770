"""All findings of an audit, ours and other packages', in the order of the report."""

from __future__ import annotations

from ...report import BaseFinder, Finding
from ...structural._findings import FINDERS as OF_STRUCTURE
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
from ._of_edges import SupportVectors
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
from ._of_references import FewReferences, NoReferences, Saturated

__all__ = ["FINDERS", "findings"]

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
    VulnerableRecords,
    Overfitted,
    *OF_STRUCTURE,
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
    People,
    UnauditedMembers,
    UnusedNonmembers,
    Search,
    HeldAside,
    NoReferences,
)


def findings(context: Context) -> list[Finding]:
    """Return all findings of an audit."""
    found = [finder().find(context) for finder in FINDERS]
    found += of_other_packages(context, {finder.code for finder in FINDERS})
    return [finding for finding in found if finding is not None]
