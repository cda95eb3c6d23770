"""What an audit has to say, in plain words with stable codes: one class per finding."""

from ._all import FINDERS, findings, sought
from ._context import Context

__all__ = ["FINDERS", "Context", "findings", "sought"]
