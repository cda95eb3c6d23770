"""The command line: ``mia-sklearn audit``, ``mia-sklearn attacks`` and ``mia-sklearn demo``."""

from ._main import main

__all__ = [
    "main",
]
