"""Pure statistics of scores: rates, intervals, bounds and p-values. No notion of a model.

Wilson and Clopper-Pearson intervals are `scipy.stats.binomtest(...).proportion_ci`, and
Benjamini-Hochberg and Benjamini-Yekutieli `scipy.stats.false_discovery_control`.
"""

from ._advantage import (
    Advantage,
    advantage_interval,
    best_advantage_interval,
    difference_interval,
)
from ._auc import auc_interval
from ._balanced import BalancedAccuracy, balanced_accuracy_interval
from ._combine import combine_by_rank, harmonic_combine, kost_combine
from ._conformal import conformal_combine, conformal_p_values
from ._discovery import references_needed
from ._e_values import BettingTests
from ._epsilon import epsilon_bound, one_run_epsilon, threshold_epsilon
from ._excess_risk import excess_risk
from ._ks import expected_auc_of_ks, ks_distance, ks_noise_floor
from ._one_run import (
    gaussian_dp_bound,
    guesses_p_value,
    one_run_mu,
    one_run_p_value,
    one_run_stretch,
    stretch_bound,
)
from ._p_values import pchip_p_values, pooled_p_values, rank_p_values, t_p_values
from ._paired import Difference, paired_difference, unpaired_difference
from ._paired_auc import paired_auc_difference
from ._precision import Precision, ppv_interval, ppv_nonmembers_needed
from ._rates import OperatingPoint, nonmembers_needed, tpr_interval
from ._stretched import stretched, stretched_epsilon
from ._trade_off import TradeOff, gaussian_dp_epsilon, gaussian_dp_mu

__all__ = [
    "Advantage",
    "BalancedAccuracy",
    "BettingTests",
    "Difference",
    "OperatingPoint",
    "Precision",
    "TradeOff",
    "advantage_interval",
    "auc_interval",
    "balanced_accuracy_interval",
    "best_advantage_interval",
    "combine_by_rank",
    "conformal_combine",
    "conformal_p_values",
    "difference_interval",
    "epsilon_bound",
    "excess_risk",
    "expected_auc_of_ks",
    "gaussian_dp_bound",
    "gaussian_dp_epsilon",
    "gaussian_dp_mu",
    "guesses_p_value",
    "harmonic_combine",
    "kost_combine",
    "ks_distance",
    "ks_noise_floor",
    "nonmembers_needed",
    "one_run_epsilon",
    "one_run_mu",
    "one_run_p_value",
    "one_run_stretch",
    "paired_auc_difference",
    "paired_difference",
    "pchip_p_values",
    "pooled_p_values",
    "ppv_interval",
    "ppv_nonmembers_needed",
    "rank_p_values",
    "references_needed",
    "stretch_bound",
    "stretched",
    "stretched_epsilon",
    "t_p_values",
    "threshold_epsilon",
    "tpr_interval",
    "unpaired_difference",
]
