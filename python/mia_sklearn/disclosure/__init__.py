"""What else a model gives away, beside who was in its training set."""

from ._attribute_report import AttributeReport
from ._attributes import AttributeInference
from ._canaries import SequenceModel
from ._exposure import Exposure, canary_exposure, exposure
from ._inversion import ModelInversion
from ._inversion_contrast import InversionContrast, inversion_contrast
from ._inversion_result import Inversion
from ._private_labels import privacy_frontier, private_label_risk

__all__ = [
    "AttributeInference",
    "AttributeReport",
    "Exposure",
    "Inversion",
    "InversionContrast",
    "ModelInversion",
    "SequenceModel",
    "canary_exposure",
    "exposure",
    "inversion_contrast",
    "privacy_frontier",
    "private_label_risk",
]
