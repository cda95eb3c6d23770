"""Reference models: models trained like the target, whose training sets are known."""

from ._reference_models import ReferenceModels

__all__ = [
    "ReferenceModels",
]
