"""What the attacker sees: a target's answers, beside those of the references."""

from ._cascade import observe_cascade
from ._observe import observe, top_posteriors

__all__ = [
    "observe",
    "observe_cascade",
    "top_posteriors",
]
