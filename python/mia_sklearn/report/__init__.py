"""What an audit found: plain tables, findings, and the ways to read, check and keep them."""

from ..conditions import CheckOutcome
from ._baseline import BaselineComparison, BaselineDifference
from ._dp_report import DPAuditReport
from ._finding import BaseFinder, Finding
from ._gate import gate_of
from ._load import load_report
from ._report import AuditReport
from ._schema import schema
from ._signoff import SignOff, signoff
from ._structural_report import StructuralReport
from ._synthetic_report import SyntheticReport

__all__ = [
    "AuditReport",
    "BaseFinder",
    "BaselineComparison",
    "BaselineDifference",
    "CheckOutcome",
    "DPAuditReport",
    "Finding",
    "SignOff",
    "StructuralReport",
    "SyntheticReport",
    "gate_of",
    "load_report",
    "schema",
    "signoff",
]
