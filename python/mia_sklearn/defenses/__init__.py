"""Defenses: classifiers and regressors that leak less than the one they wrap or train.

`AdversarialRegularization`, `DPSGD`, `DropoutDefense`, `EarlyStoppingDefense`, `RelaxLoss` and
`WeightPenalty` train networks: asking for them imports torch.
"""

from typing import Any

from .._models._backend import class_of_networks
from ._distillation import Distillation
from ._distinct import DistinctTraining
from ._input_noise import InputNoise
from ._label_only import LabelOnly
from ._mem_guard import MemGuard
from ._pate import PATE
from ._registry import DefenseInfo, all_defenses, networks
from ._removal import VulnerableRecordRemoval
from ._rounding import RoundedPosterior
from ._rounding_numbers import RoundedPrediction
from ._selena import SELENA
from ._stacking import ModelStacking
from ._temperature import TemperaturePosterior
from ._top_k import TopKPosterior

# Without the networks, so that `import *` loads no torch.
__all__ = [
    "PATE",
    "SELENA",
    "DefenseInfo",
    "Distillation",
    "DistinctTraining",
    "InputNoise",
    "LabelOnly",
    "MemGuard",
    "ModelStacking",
    "RoundedPosterior",
    "RoundedPrediction",
    "TemperaturePosterior",
    "TopKPosterior",
    "VulnerableRecordRemoval",
    "all_defenses",
]


def __getattr__(name: str) -> Any:
    if name in networks():
        return class_of_networks(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *networks()])
