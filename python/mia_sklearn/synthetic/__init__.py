"""Synthetic tables without their generator: what they give away about the records behind them."""

from ._audit_synthetic import audit_synthetic

__all__ = ["audit_synthetic"]
