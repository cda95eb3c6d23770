"""What all attacks share, and all defenses."""

from ._attack import KNOWS_THE_RECORD, THREAT_MODELS, BaseAttack, Variant
from ._defense import ALTERED, BaseDefense, BaseReferenceDefense
from ._training_set import TrainingSet, fit_clone

__all__ = [
    "ALTERED",
    "KNOWS_THE_RECORD",
    "THREAT_MODELS",
    "BaseAttack",
    "BaseDefense",
    "BaseReferenceDefense",
    "TrainingSet",
    "Variant",
    "fit_clone",
]
