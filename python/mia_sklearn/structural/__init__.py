"""The risk to training records, as a model's structure tells it in seconds."""

from ._structural_risk import structural_risk

__all__ = ["structural_risk"]
