"""What else a model gives away, beside who was in its training set."""

from ._canaries import SequenceModel
from ._exposure import Exposure, canary_exposure, exposure
from ._private_labels import privacy_frontier, private_label_risk

__all__ = [
    "Exposure",
    "SequenceModel",
    "canary_exposure",
    "exposure",
    "privacy_frontier",
    "private_label_risk",
]
