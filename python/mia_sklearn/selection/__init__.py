"""Choose a model by what it gives away, and compare defenses at what they cost."""

from ._audited import Audited
from ._compare import compare_defenses
from ._pareto import pareto_front, pareto_refit
from ._record_remedies import record_remedies
from ._risk import membership_risk

__all__ = [
    "Audited",
    "compare_defenses",
    "membership_risk",
    "pareto_front",
    "pareto_refit",
    "record_remedies",
]
