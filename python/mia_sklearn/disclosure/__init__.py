"""What else a model gives away, beside who was in its training set."""

from ._canaries import SequenceModel
from ._exposure import Exposure, canary_exposure, exposure

__all__ = [
    "Exposure",
    "SequenceModel",
    "canary_exposure",
    "exposure",
]
