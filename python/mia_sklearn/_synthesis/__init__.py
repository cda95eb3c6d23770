"""Records for reference models of an attacker who has none."""

from ._synthesize import synthesize

__all__ = [
    "synthesize",
]
