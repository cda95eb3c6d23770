"""What an audit found: plain tables, findings, and the ways to read, check and keep them."""

from ._report import AuditReport, CheckOutcome, Finding

__all__ = [
    "AuditReport",
    "CheckOutcome",
    "Finding",
]
