"""What all attacks share, and all defenses."""

from ._attack import KNOWS_THE_RECORD, THREAT_MODELS, BaseAttack, Variant
from ._defense import ALTERED, BaseDefense
from ._reference_defense import BaseReferenceDefense
from ._training_set import TrainingSet, fit_clone
from ._wrapped import KINDS

__all__ = [
    "ALTERED",
    "KINDS",
    "KNOWS_THE_RECORD",
    "THREAT_MODELS",
    "BaseAttack",
    "BaseDefense",
    "BaseReferenceDefense",
    "TrainingSet",
    "Variant",
    "fit_clone",
]
