"""Conditions on an audit, such as ``auc <= 0.6``: a small grammar, read against intervals."""

from ._condition import Condition, parse
from ._evaluate import check, evaluate
from ._outcome import CheckOutcome, ConditionResult

__all__ = ["CheckOutcome", "Condition", "ConditionResult", "check", "evaluate", "parse"]
