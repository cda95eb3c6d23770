"""What the attacker sees: a target's answers, beside those of the references."""

from ._observe import observe, top_posteriors

__all__ = [
    "observe",
    "top_posteriors",
]
