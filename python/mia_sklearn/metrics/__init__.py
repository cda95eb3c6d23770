"""How well an attack tells members from non-members: estimates with intervals, and scorers."""

from ._rates import (
    Estimate,
    accuracy,
    advantage,
    epsilon_lower_bound,
    ppv_at_fpr,
    roc_auc,
    tpr_at_fpr,
)
from ._scorers import attack_scorer, compute, parse_metric
from ._top import precision_at_n, top_n

__all__ = [
    "Estimate",
    "accuracy",
    "advantage",
    "attack_scorer",
    "compute",
    "epsilon_lower_bound",
    "parse_metric",
    "ppv_at_fpr",
    "precision_at_n",
    "roc_auc",
    "top_n",
    "tpr_at_fpr",
]
