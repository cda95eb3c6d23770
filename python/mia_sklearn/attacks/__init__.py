"""Attacks: scikit-learn classifiers over observations that predict membership.

`WhiteBoxAttack` and `UnsupervisedWhiteBoxAttack` are networks: asking for them imports torch.
"""

from typing import Any

from .._models._backend import class_of_networks
from ._cascade import CascadeAttack
from ._gradient_norm import GradientNormAttack
from ._grouped import GroupAttack
from ._lira import LiRAAttack
from ._logan import LOGANAttack
from ._margin_edge import MarginEdgeAttack
from ._privacy_risk import privacy_risk_scores
from ._qmia import QMIAAttack
from ._registry import AttackInfo, all_attacks, networks
from ._rmia import RMIAAttack
from ._round_loss import RoundLossAttack
from ._shadow import ShadowAttack
from ._stacked import StackedAttack
from ._threshold import ThresholdAttack, random_query_threshold
from .gmia import EnhancingRecords, FoundQueries, GMIAAttack, IndirectGMIAAttack

# Without the networks, so that `import *` loads no torch.
__all__ = [
    "AttackInfo",
    "CascadeAttack",
    "EnhancingRecords",
    "FoundQueries",
    "GMIAAttack",
    "GradientNormAttack",
    "GroupAttack",
    "IndirectGMIAAttack",
    "LOGANAttack",
    "LiRAAttack",
    "MarginEdgeAttack",
    "QMIAAttack",
    "RMIAAttack",
    "RoundLossAttack",
    "ShadowAttack",
    "StackedAttack",
    "ThresholdAttack",
    "all_attacks",
    "privacy_risk_scores",
    "random_query_threshold",
]


def __getattr__(name: str) -> Any:
    if name in networks():
        return class_of_networks(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *networks()])
