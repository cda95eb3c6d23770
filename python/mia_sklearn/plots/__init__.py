"""Pictures of attacks, in the manner of scikit-learn's displays."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._gmia import InfluenceDisplay, VulnerableRecordsDisplay
    from ._gradient import GradientNormDisplay
    from ._inversion import InversionDisplay
    from ._membership_curve import MembershipCurveDisplay
    from ._risk_utility import RiskUtilityDisplay
    from ._roc import AttackRocDisplay
    from ._scores import ScoreDistributionDisplay
    from ._uncertainty import UncertaintyGapDisplay

# A display is loaded at its first use, with what it alone imports.
_HOMES = {
    "AttackRocDisplay": "_roc",
    "GradientNormDisplay": "_gradient",
    "InfluenceDisplay": "_gmia",
    "InversionDisplay": "_inversion",
    "MembershipCurveDisplay": "_membership_curve",
    "RiskUtilityDisplay": "_risk_utility",
    "ScoreDistributionDisplay": "_scores",
    "UncertaintyGapDisplay": "_uncertainty",
    "VulnerableRecordsDisplay": "_gmia",
}

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


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
