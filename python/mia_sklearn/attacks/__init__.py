"""Attacks: scikit-learn classifiers over observations that predict membership."""

from ._lira import LiRAAttack
from ._registry import AttackInfo, all_attacks
from ._rmia import RMIAAttack
from ._shadow import ShadowAttack
from ._stacked import StackedAttack
from ._threshold import ThresholdAttack, random_query_threshold

__all__ = [
    "AttackInfo",
    "LiRAAttack",
    "RMIAAttack",
    "ShadowAttack",
    "StackedAttack",
    "ThresholdAttack",
    "all_attacks",
    "random_query_threshold",
]
