"""The membership-inference privacy audit for scikit-learn models."""

__version__ = "0.1.0"

from .observe import observe, top_posteriors
from .references import ReferenceModels

__all__ = ["ReferenceModels", "__version__", "observe", "top_posteriors"]
