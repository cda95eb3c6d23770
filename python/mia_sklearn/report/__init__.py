"""What an audit found: plain tables, findings, and the ways to read, check and keep them."""

from ..conditions import CheckOutcome
from ._baseline import BaselineComparison, BaselineDifference
from ._finding import BaseFinder, Finding
from ._report import AuditReport

__all__ = [
    "AuditReport",
    "BaseFinder",
    "BaselineComparison",
    "BaselineDifference",
    "CheckOutcome",
    "Finding",
]
