"""What an attacker asks a model for where that is not posteriors: one number per record.

`observe(access=)` and `ReferenceModels(signal=)` take one of these, or its name.
"""

from ._auxiliary import AuxiliaryKnowledge, observe_auxiliary
from ._base import AskedRecords, BaseAccess, Question
from ._choice import choose_access
from ._density import DensityAccess, DiscriminatorAccess
from ._function import FunctionAccess
from ._label import LabelAccess
from ._sample import SampleAccess
from ._true_values import OutputsAccess, PredictionAccess, TrueValueAccess

__all__ = [
    "AskedRecords",
    "AuxiliaryKnowledge",
    "BaseAccess",
    "DensityAccess",
    "DiscriminatorAccess",
    "FunctionAccess",
    "LabelAccess",
    "OutputsAccess",
    "PredictionAccess",
    "Question",
    "SampleAccess",
    "TrueValueAccess",
    "choose_access",
    "observe_auxiliary",
]
