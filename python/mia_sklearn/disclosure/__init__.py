"""What else a model gives away, beside who was in its training set."""

from ._inversion import Inversion, ModelInversion
from ._inversion_contrast import InversionContrast, inversion_contrast

__all__ = [
    "Inversion",
    "InversionContrast",
    "ModelInversion",
    "inversion_contrast",
]
