"""What all attacks share, and all defenses."""

from sklearn.utils.metaestimators import _BaseComposition as BaseComposition

from ._attack import THREAT_MODELS, BaseAttack
from ._defense import BaseDefense, BaseReferenceDefense
from ._training_set import TrainingSet, fit_clone

__all__ = [
    "THREAT_MODELS",
    "BaseAttack",
    "BaseComposition",
    "BaseDefense",
    "BaseReferenceDefense",
    "TrainingSet",
    "fit_clone",
]
