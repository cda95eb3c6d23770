"""How well an attack tells members from non-members: estimates with intervals, and scorers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .. import stats
from ._sides import members_and_others

__all__ = [
    "Estimate",
    "accuracy",
    "advantage",
    "epsilon_lower_bound",
    "ppv_at_fpr",
    "roc_auc",
    "tpr_at_fpr",
]


@dataclass(frozen=True)
class Estimate:
    """A number with its interval and what it rests on.

    Attributes
    ----------
    value : float
    low, high : float
        Ends of the confidence interval; NaN where withheld.
    n_members, n_nonmembers : int
        Records behind the estimate.
    note : str
        Why an end is withheld and what it would take, or how to read the estimate.
    fpr : float or None
        The false-positive rate realised at the operating point.
    n_identified, n_false_alarms : int or None
        Members, and non-members, called members at the operating point.

    Examples
    --------
    >>> from mia_sklearn.metrics import Estimate
    >>> estimate = Estimate(0.61, 0.55, 0.67, n_members=150, n_nonmembers=150)
    >>> print(estimate)
    0.610 [0.550, 0.670]
    >>> float(estimate)
    0.61
    """

    value: float
    low: float
    high: float
    n_members: int
    n_nonmembers: int
    note: str = ""
    fpr: float | None = None
    n_identified: int | None = None
    n_false_alarms: int | None = None

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        ends = ("-" if math.isnan(end) else f"{end:.3f}" for end in (self.low, self.high))
        return f"{self.value:.3f} [{', '.join(ends)}]"


def roc_auc(y_true: Any, y_score: Any, *, confidence: float = 0.95) -> Estimate:
    """Area under the ROC curve: a random member scores above a random non-member.

    Parameters
    ----------
    y_true : array-like of shape (n_records,)
        Membership: two labels, the larger one means member.
    y_score : array-like of shape (n_records,)
        Scores, higher means member.
    confidence : float, default=0.95
        Two-sided confidence of the interval.

    Returns
    -------
    Estimate
        With DeLong's interval, see `mia_sklearn.stats.auc_interval`.

    Raises
    ------
    ValueError
        If lengths differ, there are not two labels, scores are not finite, or `confidence` lies
        outside (0, 1).

    Examples
    --------
    >>> from mia_sklearn.metrics import roc_auc
    >>> print(roc_auc([0] * 50 + [1] * 50, range(100)))
    1.000 [0.960, 1.000]
    """
    members, nonmembers = members_and_others(y_true, y_score)
    auc, low, high = stats.auc_interval(members, nonmembers, confidence=confidence)
    return Estimate(auc, low, high, len(members), len(nonmembers))


def tpr_at_fpr(
    y_true: Any, y_score: Any, fpr: float = 0.01, *, confidence: float = 0.95
) -> Estimate:
    """Share of members identified when at most a share `fpr` of non-members is.

    Parameters
    ----------
    y_true : array-like of shape (n_records,)
        Membership: two labels, the larger one means member.
    y_score : array-like of shape (n_records,)
        Scores, higher means member.
    fpr : float, default=0.01
        The false-positive rate allowed, in (0, 1).
    confidence : float, default=0.95
        Two-sided confidence of the interval.

    Returns
    -------
    Estimate
        With the realised false-positive rate and counts; the interval, see
        `mia_sklearn.stats.tpr_interval`, is withheld where there are too few non-members.

    Raises
    ------
    ValueError
        If lengths differ, there are not two labels, scores are not finite, or a level lies
        outside (0, 1).

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.metrics import tpr_at_fpr
    >>> y = np.repeat([0, 1], 1000)
    >>> score = np.concatenate([np.arange(1000), np.arange(500, 1500)])
    >>> print(tpr_at_fpr(y, score, 0.01))
    0.510 [0.468, 0.553]
    >>> tpr_at_fpr(y, score, 0.001).note
    'interval withheld: 1,000 non-members, 4,044 needed for a false-positive rate of 0.001'
    """
    members, nonmembers = members_and_others(y_true, y_score)
    point = stats.tpr_interval(members, nonmembers, float(fpr), confidence=confidence)
    note = ""
    if math.isnan(point.high):
        needed = stats.nonmembers_needed(fpr, confidence=confidence)
        note = (
            f"interval withheld: {len(nonmembers):,} non-members, {needed:,} needed for a "
            f"false-positive rate of {fpr:g}"
        )
    return Estimate(
        point.tpr,
        point.low,
        point.high,
        len(members),
        len(nonmembers),
        note,
        point.fpr,
        point.n_identified,
        point.n_false_alarms,
    )


def ppv_at_fpr(
    y_true: Any, y_score: Any, fpr: float = 0.01, prior: float = 0.5, *, confidence: float = 0.95
) -> Estimate:
    """Share of members among the records named, when at most a share `fpr` of non-members is.

    Parameters
    ----------
    y_true : array-like of shape (n_records,)
        Membership: two labels, the larger one means member.
    y_score : array-like of shape (n_records,)
        Scores, higher means member.
    fpr : float, default=0.01
        The false-positive rate allowed, in (0, 1).
    prior : float, default=0.5
        The share of members among the candidates that an attacker meets, in (0, 1); not that
        among these records.
    confidence : float, default=0.95
        Two-sided confidence of the interval.

    Returns
    -------
    Estimate
        With the realised false-positive rate and counts; NaN where nobody is named. The interval,
        see `mia_sklearn.stats.ppv_interval`, is withheld where there are too few non-members.

    Raises
    ------
    ValueError
        If lengths differ, there are not two labels, scores are not finite, or a level lies
        outside (0, 1).

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.metrics import ppv_at_fpr
    >>> y = np.repeat([0, 1], 1000)
    >>> score = np.concatenate([np.arange(1000), np.arange(500, 1500)])
    >>> print(ppv_at_fpr(y, score, 0.1))
    0.857 [0.844, 0.877]
    """
    members, nonmembers = members_and_others(y_true, y_score)
    found = stats.ppv_interval(members, nonmembers, fpr, prior, confidence=confidence)
    notes = []
    if math.isnan(found.value):
        notes.append("nobody is named at this false-positive rate")
    if math.isnan(found.high):
        needed = stats.ppv_nonmembers_needed(fpr, confidence=confidence)
        notes.append(
            f"interval withheld: {len(nonmembers):,} non-members, {needed:,} needed for a "
            f"precision at a false-positive rate of {fpr:g}"
        )
    return Estimate(
        found.value,
        found.low,
        found.high,
        len(members),
        len(nonmembers),
        "; ".join(notes),
        found.fpr,
        found.n_identified,
        found.n_false_alarms,
    )


def advantage(
    y_true: Any, y_score: Any, *, threshold: float | None = None, confidence: float = 0.95
) -> Estimate:
    """Membership advantage, TPR - FPR.

    Parameters
    ----------
    y_true : array-like of shape (n_records,)
        Membership: two labels, the larger one means member.
    y_score : array-like of shape (n_records,)
        Scores, higher means member.
    threshold : float, default=None
        Records with `y_score >= threshold` are called members. It must be fixed without these
        records. By default the largest advantage over all thresholds, for which the interval
        pays.
    confidence : float, default=0.95
        Two-sided confidence of the interval.

    Returns
    -------
    Estimate

    Raises
    ------
    ValueError
        If lengths differ, there are not two labels, scores are not finite, or `confidence` lies
        outside (0, 1).

    References
    ----------
    .. [1] S. Yeom et al., "Privacy Risk in Machine Learning", CSF 2018.

    Examples
    --------
    >>> from mia_sklearn.metrics import advantage
    >>> print(advantage([0] * 200 + [1] * 200, [0] * 180 + [1] * 80 + [0] * 140, threshold=1))
    0.200 [0.123, 0.275]
    """
    members, nonmembers = members_and_others(y_true, y_score)
    if threshold is None:
        found = stats.best_advantage_interval(members, nonmembers, confidence=confidence)
        note = "at the best threshold for these records; the interval pays for that choice"
    else:
        found = stats.advantage_interval(members, nonmembers, threshold, confidence=confidence)
        note = ""
    return Estimate(
        found.value,
        found.low,
        found.high,
        len(members),
        len(nonmembers),
        note,
        found.n_false_alarms / len(nonmembers),
        found.n_identified,
        found.n_false_alarms,
    )


def accuracy(
    y_true: Any, y_score: Any, *, threshold: float | None = None, confidence: float = 0.95
) -> Estimate:
    """Balanced accuracy, (1 + advantage) / 2: 1/2 is chance whatever the share of members.

    Parameters
    ----------
    y_true : array-like of shape (n_records,)
        Membership: two labels, the larger one means member.
    y_score : array-like of shape (n_records,)
        Scores, higher means member.
    threshold : float, default=None
        As of `advantage`.
    confidence : float, default=0.95
        Two-sided confidence of the interval.

    Returns
    -------
    Estimate

    Raises
    ------
    ValueError
        As `advantage`.

    Examples
    --------
    >>> from mia_sklearn.metrics import accuracy
    >>> print(accuracy([0] * 200 + [1] * 200, [0] * 180 + [1] * 80 + [0] * 140, threshold=1))
    0.600 [0.561, 0.638]
    """
    found = advantage(y_true, y_score, threshold=threshold, confidence=confidence)
    return Estimate(
        (1 + found.value) / 2,
        (1 + found.low) / 2,
        (1 + found.high) / 2,
        found.n_members,
        found.n_nonmembers,
        found.note,
        found.fpr,
        found.n_identified,
        found.n_false_alarms,
    )


def epsilon_lower_bound(
    y_true: Any,
    y_score: Any,
    *,
    delta: float = 0.0,
    confidence: float = 0.95,
    method: str = "one-run",
    family: str = "pure",
    membership_rate: float | None = None,
    random_state: Any = 0,
) -> Estimate:
    """Lower bound on the epsilon of differential privacy that this training can have had.

    Parameters
    ----------
    y_true : array-like of shape (n_records,)
        Membership: two labels, the larger one means member. It must have been drawn at random:
        after a split by time or by convenience the bound means nothing.
    y_score : array-like of shape (n_records,)
        Scores, higher means member.
    delta : float, default=0.0
        The delta of (epsilon, delta)-differential privacy, in [0, 1).
    confidence : float, default=0.95
        One-sided confidence of the bound.
    method : {"one-run", "threshold"}, default="one-run"
        "one-run" is the bound of Steinke et al. for one training run. "threshold" reads the two
        error rates at one threshold and treats records as independent: an average-leak epsilon.
    family : {"pure", "gaussian"}, default="pure"
        "pure" assumes nothing of how the training trades epsilon for delta. "gaussian" assumes
        that it does so as Gaussian noise does (DP-SGD, the Gaussian mechanism), is larger, and
        needs a delta above 0; of another training, such as randomised response, it can exceed
        the true epsilon. For "one-run" only.
    membership_rate : float, default=None
        Probability with which each record became a member; the share of members by default.
        Not used by "threshold".
    random_state : int, RandomState or None, default=0
        Breaks ties ("one-run") or draws the half that chooses the threshold.

    Returns
    -------
    Estimate
        `value` and `low` are the bound, `high` is NaN: nothing bounds epsilon from above.

    Raises
    ------
    ValueError
        If lengths differ, there are not two labels, scores are not finite, `method` or `family`
        is unknown, the two do not go together, or a level is out of range.

    References
    ----------
    .. [1] T. Steinke et al., "Privacy Auditing with One (1) Training Run", NeurIPS 2023.
    .. [2] S. Mahloujifar, L. Melis and K. Chaudhuri, "Auditing f-Differential Privacy in One
       Run", 2024, arXiv 2410.22235 (family "gaussian").

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.metrics import epsilon_lower_bound
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 2000)
    >>> bool(epsilon_lower_bound(y, y + rng.normal(0, 0.5, 2000)).low > 2)
    True
    >>> epsilon_lower_bound(y, rng.normal(size=2000)).low
    0.0
    """
    members, nonmembers = members_and_others(y_true, y_score)
    if method not in ("one-run", "threshold"):
        raise ValueError(f"`method` must be 'one-run' or 'threshold', got {method!r}.")
    _check_family(family, method, delta)
    drawn = {"membership_rate": membership_rate, "random_state": random_state}
    if method == "threshold":
        bound = stats.threshold_epsilon(
            members, nonmembers, delta=delta, confidence=confidence, random_state=random_state
        )
        note = "average-leak lower bound: treats the records of one model as independent"
    elif family == "gaussian":
        mu = stats.one_run_mu(members, nonmembers, confidence=confidence, **drawn)
        bound = stats.gaussian_dp_epsilon(mu, delta)
        note = (
            f"lower bound at delta {delta:g} if the training adds Gaussian noise, as DP-SGD does: "
            "of another one it can exceed the truth"
        )
    else:
        bound = stats.one_run_epsilon(
            members, nonmembers, delta=delta, confidence=confidence, **drawn
        )
        note = "lower bound: nothing bounds epsilon from above"
    return Estimate(bound, bound, math.nan, len(members), len(nonmembers), note)


def _check_family(family: str, method: str, delta: float) -> None:
    if family not in ("pure", "gaussian"):
        raise ValueError(f"`family` must be 'pure' or 'gaussian', got {family!r}.")
    if family == "gaussian" and method != "one-run":
        raise ValueError("family='gaussian' reads guesses after one run: leave `method` out.")
    if family == "gaussian" and delta == 0:
        raise ValueError(
            "family='gaussian' needs a `delta` above 0, such as 1e-5: at delta 0 Gaussian noise "
            "has no finite epsilon."
        )
