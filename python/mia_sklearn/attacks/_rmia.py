"""Robust membership inference attack."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit
from sklearn.utils._param_validation import Interval

from .._observations._columns import Reader
from .._rust import rmia_scores
from ._by_references import ByReferences

__all__ = ["RMIAAttack"]


class RMIAAttack(ByReferences):
    r"""Robust membership inference attack (RMIA): compare with records of a population.

    A record's ratio is its probability of the true class under the target over the same
    probability averaged over the references. The score is the share of population records
    whose ratio it exceeds by the factor gamma. The population are the rows given to `fit` that
    are not members.

    Threat model: black-box; the attacker trains reference models like the target, on records
    like the target's.

    Parameters
    ----------
    mode : {"auto", "online", "offline"}, default="auto"
        Online: the average over in and out references alike. Offline: over out references,
        corrected by `offline_a`. "auto" is online when the observations have `in_*` columns.
    gamma : float, default=1.0
        Factor by which the record's ratio must exceed the population record's. More than 1
        only adds ties when one target is attacked.
    offline_a : float, default=0.3
        The `a` of the offline correction p = ((1 + a) mean_out + 1 - a) / 2, between 0 and 1.
    columns : sequence of str, default=None
        Names of the columns of plain arrays.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    mode_ : {"online", "offline"}
    population_ : ndarray of shape (n_population,)
        Log-ratios of the population records.

    Notes
    -----
    For one target the score is an increasing function of the ratio, so one sort of the
    population and one binary search per record give it. Deviation from the paper: records of
    equal share are ordered by their ratio, which breaks the ties that a finite population
    makes; the order of unequal shares is the paper's.

    References
    ----------
    .. [1] S. Zarifzadeh, P. Liu and R. Shokri, "Low-Cost High-Power Membership Inference
       Attacks", ICML 2024, equations 2 to 4 and appendix B.2.2.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.attacks import RMIAAttack
    >>> rng = np.random.default_rng(0)
    >>> member = np.arange(200) % 2
    >>> out = rng.normal(size=(200, 8))
    >>> phi = rng.normal(size=200) + 3 * member
    >>> attack = RMIAAttack().fit(np.column_stack([phi, out]), member)
    >>> attack.score(np.column_stack([phi, out]), member) > 0.85
    True
    """

    # Not on a signal that is no probability.
    by_default: ClassVar[tuple[str, ...]] = ("posteriors", "labels", "predictions")
    headline: ClassVar[int | None] = 30
    is_quick: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "gamma": [Interval(Real, 0, None, closed="neither")],
        "offline_a": [Interval(Real, 0, 1, closed="both")],
        **ByReferences._parameter_constraints,
    }

    def __init__(
        self,
        *,
        mode: str = "auto",
        gamma: float = 1.0,
        offline_a: float = 0.3,
        columns: Any = None,
    ) -> None:
        super().__init__(mode=mode, columns=columns)
        self.gamma = gamma
        self.offline_a = offline_a

    def _fit(self, table: Reader, member: np.ndarray) -> None:
        super()._fit(table, member)
        log_ratio = self._log_ratio(table)[~member]
        self.population_ = np.sort(log_ratio[np.isfinite(log_ratio)])
        if len(self.population_) == 0:
            raise ValueError("RMIAAttack needs non-members with a signal: its population is empty.")

    def _log_ratio(self, table: Reader) -> np.ndarray:
        phi = table.column("logit").astype(np.float64)
        means = np.stack([side.mean_probability for side in self._moments(table)])
        empty = np.isnan(means)
        count = np.maximum((~empty).sum(axis=0), 1)
        average = np.where(empty, 0.0, means).sum(axis=0) / count
        if self.mode_ == "offline":
            average = ((1 + self.offline_a) * average + 1 - self.offline_a) / 2
        average = np.where(empty.all(axis=0), expit(phi), average)
        with np.errstate(invalid="ignore"):
            return -np.logaddexp(0, -phi) - np.log(np.maximum(average, np.finfo(float).tiny))

    def _score(self, table: Reader) -> np.ndarray:
        log_ratio = self._log_ratio(table)
        share = rmia_scores(log_ratio, self.population_, float(self.gamma))
        # Less than one population record's worth: orders ties, never unequal shares.
        return share + expit(log_ratio) / (2 * len(self.population_))
