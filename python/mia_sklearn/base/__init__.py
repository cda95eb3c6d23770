"""What all attacks share, and all defenses."""

from sklearn.utils.metaestimators import _BaseComposition as BaseComposition

from ._attack import BaseAttack
from ._defense import BaseDefense, BaseReferenceDefense, TrainingSet, fit_clone

__all__ = [
    "BaseAttack",
    "BaseComposition",
    "BaseDefense",
    "BaseReferenceDefense",
    "TrainingSet",
    "fit_clone",
]
