"""What all attacks share, and all defenses."""

from ._attack import BaseAttack
from ._defense import BaseDefense, BaseReferenceDefense, TrainingSet, fit_clone

__all__ = ["BaseAttack", "BaseDefense", "BaseReferenceDefense", "TrainingSet", "fit_clone"]
