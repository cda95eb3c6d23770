"""Pictures of attacks, in the manner of scikit-learn's displays."""

from ._gmia import InfluenceDisplay, VulnerableRecordsDisplay
from ._gradient import GradientNormDisplay
from ._inversion import InversionDisplay
from ._membership_curve import MembershipCurveDisplay
from ._risk_utility import RiskUtilityDisplay
from ._roc import AttackRocDisplay
from ._scores import ScoreDistributionDisplay
from ._uncertainty import UncertaintyGapDisplay

__all__ = [
    "AttackRocDisplay",
    "GradientNormDisplay",
    "InfluenceDisplay",
    "InversionDisplay",
    "MembershipCurveDisplay",
    "RiskUtilityDisplay",
    "ScoreDistributionDisplay",
    "UncertaintyGapDisplay",
    "VulnerableRecordsDisplay",
]
