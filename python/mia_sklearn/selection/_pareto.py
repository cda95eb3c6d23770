"""From a search over candidates to those worth having: useful, and of little risk."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import t as student_t

from .._comparisons._splits import Split, split_scores
from ..stats._checks import check_level
from ..stats._frontier import on_frontier

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["pareto_front", "pareto_refit", "upper_end"]

_TIE_DECIMALS = 10


def pareto_refit(
    *,
    utility: str = "accuracy",
    risk: Any = "risk",
    max_risk: float,
    confidence: float = 0.95,
    test_ratio: float | None = None,
) -> ParetoRefit:
    """Make a `refit` of `GridSearchCV` that picks the most useful candidate of low enough risk.

    A candidate qualifies when the upper end of its risk's one-sided interval is at most
    `max_risk`; of those that do, the one with the highest mean utility is picked. Of equal ones it
    is the one of less risk.

    Parameters
    ----------
    utility : str, default="accuracy"
        A key of the search's `scoring`, "r2" for regressors; higher is better.
    risk : str or scorer, default="risk"
        The key of the scorer made by `membership_risk`, or the scorer itself where its key is its
        `name`.
    max_risk : float
        The largest risk allowed, in the units of the metric of the scorer: 0.1 for an advantage,
        0.55 for an AUC.
    confidence : float, default=0.95
        Of the one-sided interval.
    test_ratio : float, default=None
        Test records for each training record of a split. By default ``1 / (k - 1)``, that of k
        folds; give 0.25 for five folds however often they are repeated.

    Returns
    -------
    callable
        Given `cv_results_` it returns the index of a candidate. It warns where none qualifies and
        picks the one whose interval ends lowest, so that the search is not lost.

    Raises
    ------
    ValueError
        If a limit is out of range. When the search has finished: if its results hold no such
        score, or there is one split only, whose risk has no interval.

    See Also
    --------
    membership_risk : The scorer.
    pareto_front : All candidates that no other beats.

    Notes
    -----
    Splits share training records, so that the spread of their scores alone is too small. The
    interval is ``mean + t_{k-1} s sqrt(1 / k + n_test / n_train)`` [1]_. It is read for each
    candidate by itself: the risk of the one picked was chosen among several.

    References
    ----------
    .. [1] C. Nadeau and Y. Bengio, "Inference for the Generalization Error", Machine Learning
       52, 2003, section 3.3.

    Examples
    --------
    >>> from mia_sklearn.selection import pareto_refit
    >>> results = {
    ...     "split0_test_accuracy": [0.90, 0.85], "split1_test_accuracy": [0.92, 0.86],
    ...     "split0_test_risk": [-0.30, -0.05], "split1_test_risk": [-0.32, -0.05],
    ... }
    >>> choose = pareto_refit(utility="accuracy", risk="risk", max_risk=0.1)
    >>> choose(results)
    1
    """
    return ParetoRefit(utility, getattr(risk, "name", risk), max_risk, confidence, test_ratio)


class ParetoRefit:
    """The choice that `pareto_refit` makes."""

    def __init__(
        self,
        utility: str,
        risk: str,
        max_risk: float,
        confidence: float,
        test_ratio: float | None,
    ) -> None:
        number = isinstance(max_risk, (int, float, np.number)) and not isinstance(max_risk, bool)
        if not number or not max_risk >= 0:
            raise ValueError(
                f"max_risk must be a number of at least 0, got {max_risk!r}: it is a risk, not the "
                "negative score."
            )
        if test_ratio is not None and not 0 < test_ratio < math.inf:
            raise ValueError(f"test_ratio must be above 0, got {test_ratio!r}.")
        self.utility = utility
        self.risk = risk
        self.max_risk = float(max_risk)
        self.confidence = check_level(confidence, "confidence")
        self.test_ratio = test_ratio

    def __repr__(self) -> str:
        return (
            f"pareto_refit(utility={self.utility!r}, risk={self.risk!r}, "
            f"max_risk={self.max_risk:g}, confidence={self.confidence:g})"
        )

    def __call__(self, cv_results: Mapping[str, Any]) -> int:
        """Return the index of the candidate to refit."""
        utility, risk = _read(cv_results, self.utility, self.risk)
        upper = upper_end(risk, self.confidence, self.test_ratio)
        # Where a candidate could not be trained or attacked there are no numbers.
        useful = np.where(np.isnan(utility.mean), -np.inf, utility.mean).round(_TIE_DECIMALS)
        upper = np.where(np.isnan(upper), np.inf, upper)
        allowed = (upper <= self.max_risk) & (useful > -np.inf)
        if allowed.any():
            chosen = np.flatnonzero(allowed)
            order = np.lexsort((risk.mean[chosen].round(_TIE_DECIMALS), -useful[chosen]))
            return int(chosen[order[0]])
        best = int(np.lexsort((-useful, upper))[0])
        if np.isinf(upper[best]):
            warnings.warn(
                f"No candidate's {self.risk!r} was measured, see the warnings of the search. "
                "Candidate "
                f"{best} is picked by its {self.utility!r} alone; what it gives away is not known.",
                UserWarning,
                stacklevel=2,
            )
        else:
            warnings.warn(
                f"No candidate keeps the risk {self.risk.removeprefix('neg_')!r} at or below "
                f"max_risk={self.max_risk:g} at {100 * self.confidence:g} % confidence. "
                f"Candidate {best} is picked, whose interval ends lowest: "
                f"mean {risk.mean[best]:.3g}, upper end {upper[best]:.3g}. "
                "Search among models that remember less, give more records, or allow more.",
                UserWarning,
                stacklevel=2,
            )
        return best


def pareto_front(
    cv_results: Mapping[str, Any], *, utility: str = "accuracy", risk: Any = "risk"
) -> pd.DataFrame:
    """List the candidates of a search that no other beats in both utility and risk.

    Parameters
    ----------
    cv_results : dict
        `cv_results_` of a search.
    utility : str, default="accuracy"
        A key of the search's `scoring`, "r2" for regressors; higher is better.
    risk : str or scorer, default="risk"
        The key of the scorer made by `membership_risk`, or the scorer itself where its key is its
        `name`.

    Returns
    -------
    DataFrame
        One row per candidate, those of least risk first, by its index in `cv_results`:
        ``params``, ``utility``, ``utility_sd``, ``risk``, ``risk_sd``. The standard deviations
        are over the splits (n - 1), the risk is positive. Candidates without numbers are left
        out.

    Raises
    ------
    ValueError
        If the results hold no such score; names those that they hold.

    See Also
    --------
    mia_sklearn.plots.RiskUtilityDisplay : The picture.

    Examples
    --------
    >>> from mia_sklearn.selection import pareto_front
    >>> results = {
    ...     "params": [{"depth": 9}, {"depth": 2}, {"depth": 1}],
    ...     "split0_test_accuracy": [0.9, 0.8, 0.7],
    ...     "split0_test_risk": [-0.3, -0.1, -0.2],
    ... }
    >>> pareto_front(results)[["params", "utility", "risk"]]
             params  utility  risk
    1  {'depth': 2}      0.8   0.1
    0  {'depth': 9}      0.9   0.3
    """
    import pandas as pd

    useful, risky = _read(cv_results, utility, getattr(risk, "name", risk))
    frame = pd.DataFrame(
        {
            "params": list(cv_results.get("params", [{}] * len(useful.mean))),
            "utility": useful.mean,
            "utility_sd": useful.sd,
            "risk": risky.mean,
            "risk_sd": risky.sd,
        }
    )
    best = on_frontier(useful.mean, risky.mean)
    return frame[best].sort_values(["risk", "utility"], kind="stable")


def upper_end(risk: Split, confidence: float, test_ratio: float | None = None) -> np.ndarray:
    """Return the upper end of each candidate's one-sided interval.

    Raises
    ------
    ValueError
        If there is one split only.
    """
    n_splits = risk.values.shape[1]
    if n_splits < 2:
        raise ValueError(
            "The search has one split, and one measurement has no interval: give cv= of at least "
            "2 splits."
        )
    ratio = 1 / (n_splits - 1) if test_ratio is None else test_ratio
    error = risk.sd * np.sqrt(1 / n_splits + ratio)
    return risk.mean + student_t.ppf(confidence, n_splits - 1) * error


def _read(cv_results: Mapping[str, Any], utility: str, risk: str) -> tuple[Split, Split]:
    return split_scores(cv_results, utility), Split(-split_scores(cv_results, risk).values)
