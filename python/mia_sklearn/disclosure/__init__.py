"""What else a model gives away, beside who was in its training set."""

from ._inversion import ModelInversion
from ._inversion_contrast import InversionContrast, inversion_contrast
from ._inversion_result import Inversion

__all__ = [
    "Inversion",
    "InversionContrast",
    "ModelInversion",
    "inversion_contrast",
]
