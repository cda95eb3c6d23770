"""The audit: attack a target whose members are known, and report with error bars."""

from ._audit import audit

__all__ = [
    "audit",
]
