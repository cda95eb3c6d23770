"""How well an attack tells members from non-members: estimates with intervals, and scorers."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.utils import check_random_state

from . import stats
from .stats._checks import check_level

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
    members, nonmembers = _split(y_true, y_score)
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
    members, nonmembers = _split(y_true, y_score)
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
    members, nonmembers = _split(y_true, y_score)
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
    members, nonmembers = _split(y_true, y_score)
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


def top_n(y_score: Any, n: int, *, random_state: Any = 0) -> np.ndarray:
    """Call the n candidates with the highest scores members, as LOGAN does.

    Parameters
    ----------
    y_score : array-like of shape (n_candidates,)
        Scores, higher means member.
    n : int
        How many to call members.
    random_state : int, RandomState instance or None, default=0
        Draws among candidates that tie for the last places, so that none is favoured by where it
        stands.

    Returns
    -------
    ndarray of bool of shape (n_candidates,)
        True for n candidates.

    Raises
    ------
    ValueError
        If `n` is no whole number between 1 and the number of candidates, or a score is NaN.

    References
    ----------
    .. [1] J. Hayes et al., "LOGAN: Membership Inference Attacks Against Generative Models",
       PoPETs 2019, section 4.

    Examples
    --------
    >>> from mia_sklearn.metrics import top_n
    >>> top_n([0.1, 0.9, 0.4, 0.7], 2).tolist()
    [False, True, False, True]
    """
    scores = np.asarray(y_score, dtype=np.float64)
    if scores.ndim != 1 or np.isnan(scores).any():
        raise ValueError(
            f"y_score must hold one number per candidate, NaN for none, got shape {scores.shape}."
        )
    if not isinstance(n, Integral) or not 1 <= n <= len(scores):
        raise ValueError(
            f"n must be a whole number from 1 to the number of candidates, {len(scores)}, got "
            f"{n!r}."
        )
    order = check_random_state(random_state).permutation(len(scores))
    chosen = np.zeros(len(scores), dtype=bool)
    chosen[order[np.argsort(-scores[order], kind="stable")[:n]]] = True
    return chosen


def precision_at_n(
    y_true: Any,
    y_score: Any,
    n: int | None = None,
    *,
    confidence: float = 0.95,
    random_state: Any = 0,
) -> Estimate:
    """Share of members among the n candidates with the highest scores.

    Parameters
    ----------
    y_true : array-like of shape (n_records,)
        Membership: two labels, the larger one means member.
    y_score : array-like of shape (n_records,)
        Scores, higher means member.
    n : int, default=None
        How many candidates are called members; as many as there are by default.
    confidence : float, default=0.95
        Two-sided confidence of the interval.
    random_state : int, RandomState instance or None, default=0
        Breaks ties, see `top_n`.

    Returns
    -------
    Estimate
        With Clopper and Pearson's interval of the precision to be expected at these scores.
        Guessing gives the share of members.

    Raises
    ------
    ValueError
        If lengths differ, there are not two labels, scores are not finite, `n` exceeds the
        candidates, or `confidence` lies outside (0, 1).

    Notes
    -----
    The interval takes the scores as given and membership as drawn record by record. How many of
    the n are members then varies no more than a binomial number with the same mean [1]_, so that
    the confidence is the nominal one at least.

    References
    ----------
    .. [1] W. Hoeffding, "On the Distribution of the Number of Successes in Independent Trials",
       Annals of Mathematical Statistics 27, 1956.

    Examples
    --------
    >>> from mia_sklearn.metrics import precision_at_n
    >>> print(precision_at_n([0] * 100 + [1] * 100, range(200)))
    1.000 [0.964, 1.000]
    """
    members, nonmembers = _split(y_true, y_score)
    is_member = np.repeat([True, False], [len(members), len(nonmembers)])
    n = len(members) if n is None else n
    check_level(confidence, "confidence")
    called = top_n(np.concatenate([members, nonmembers]), n, random_state=random_state)
    hits = int(np.count_nonzero(called & is_member))
    within = binomtest(hits, n).proportion_ci(confidence)
    return Estimate(
        hits / n,
        float(within.low),
        float(within.high),
        len(members),
        len(nonmembers),
        f"at the {n:,} highest scores; guessing gives {is_member.mean():.3f}",
        (n - hits) / len(nonmembers),
        hits,
        n - hits,
    )


def epsilon_lower_bound(
    y_true: Any,
    y_score: Any,
    *,
    delta: float = 0.0,
    confidence: float = 0.95,
    method: str = "one-run",
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
        If lengths differ, there are not two labels, scores are not finite, `method` is unknown
        or a level is out of range.

    References
    ----------
    .. [1] T. Steinke et al., "Privacy Auditing with One (1) Training Run", NeurIPS 2023.

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
    members, nonmembers = _split(y_true, y_score)
    if method == "one-run":
        bound = stats.one_run_epsilon(
            members,
            nonmembers,
            delta=delta,
            confidence=confidence,
            membership_rate=membership_rate,
            random_state=random_state,
        )
        note = "lower bound: nothing bounds epsilon from above"
    elif method == "threshold":
        bound = stats.threshold_epsilon(
            members, nonmembers, delta=delta, confidence=confidence, random_state=random_state
        )
        note = "average-leak lower bound: treats the records of one model as independent"
    else:
        raise ValueError(f"`method` must be 'one-run' or 'threshold', got {method!r}.")
    return Estimate(bound, bound, math.nan, len(members), len(nonmembers), note)


_METRICS: dict[str, Callable[..., Estimate]] = {
    "auc": roc_auc,
    "tpr": tpr_at_fpr,
    "advantage": advantage,
    "accuracy": accuracy,
    "epsilon": epsilon_lower_bound,
    "ppv": ppv_at_fpr,
}
# What stands behind the @ of a metric, by its parameters.
_LEVELS = {"tpr": ("fpr",), "ppv": ("fpr", "prior")}
_NEEDED = {
    "tpr": "a false-positive rate between 0 and 1, as in 'tpr@0.01'",
    "ppv": "a false-positive rate and a prior between 0 and 1, as in 'ppv@0.01,0.5'",
}
_WRITTEN = {"tpr": "tpr@LEVEL", "ppv": "ppv@FPR,PRIOR"}


def parse_metric(metric: str) -> tuple[str, float | tuple[float, float] | None]:
    """Split a metric's name from the levels that it is read at.

    Parameters
    ----------
    metric : str
        "auc", "advantage", "accuracy", "epsilon", "tpr@LEVEL" with LEVEL in (0, 1), or
        "ppv@FPR,PRIOR" with both in (0, 1).

    Returns
    -------
    name : str
    level : float, (float, float) or None
        The false-positive rate of "tpr", that and the prior of "ppv".

    Raises
    ------
    ValueError
        If the name is unknown, or a level is missing, superfluous or outside (0, 1).

    Examples
    --------
    >>> from mia_sklearn.metrics import parse_metric
    >>> parse_metric("tpr@0.01"), parse_metric("auc"), parse_metric("ppv@0.01,0.5")
    (('tpr', 0.01), ('auc', None), ('ppv', (0.01, 0.5)))
    """
    name, at, text = str(metric).strip().partition("@")
    if name not in _METRICS:
        known = ", ".join(_WRITTEN.get(known, known) for known in _METRICS)
        raise ValueError(f"Unknown metric {metric!r}; choose one of {known}.")
    if name not in _LEVELS:
        if at:
            raise ValueError(f"Metric {name!r} takes no level, got {metric!r}.")
        return name, None
    try:
        levels = tuple(float(level) for level in text.split(","))
    except ValueError:
        levels = ()
    if len(levels) != len(_LEVELS[name]) or not all(0 < level < 1 for level in levels):
        raise ValueError(f"Metric {metric!r} needs {_NEEDED[name]}.")
    return (name, levels[0]) if len(levels) == 1 else (name, (levels[0], levels[1]))


def compute(
    metric: str, y_true: Any, y_score: Any, *, confidence: float = 0.95, **options: Any
) -> Estimate:
    """Compute a metric by its name.

    Parameters
    ----------
    metric : str
        As `parse_metric` reads it.
    y_true : array-like of shape (n_records,)
        Membership: two labels, the larger one means member.
    y_score : array-like of shape (n_records,)
        Scores, higher means member.
    confidence : float, default=0.95
        Confidence of the interval.
    **options
        Passed to the metric's function: `threshold`, `delta`, ...

    Returns
    -------
    Estimate

    Examples
    --------
    >>> from mia_sklearn.metrics import compute
    >>> compute("auc", [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).value
    0.75
    """
    name, level = parse_metric(metric)
    if level is not None:
        levels = level if isinstance(level, tuple) else (level,)
        options |= zip(_LEVELS[name], levels, strict=True)
    return _METRICS[name](y_true, y_score, confidence=confidence, **options)


def attack_scorer(metric: str = "auc", **options: Any) -> Callable[[Any, Any, Any], float]:
    """Make a scorer of attacks for `cross_val_score`, `GridSearchCV` and the like.

    Parameters
    ----------
    metric : str, default="auc"
        As `parse_metric` reads it.
    **options
        Passed to `compute`.

    Returns
    -------
    callable
        `scorer(estimator, X, y)` returns the metric's value; higher is a stronger attack.
        It reads `decision_function`, or where there is none `predict_proba`; `classes_[1]` of
        the estimator means member.

    Raises
    ------
    ValueError
        If the metric is unknown.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from mia_sklearn.metrics import attack_scorer
    >>> X, y = make_classification(random_state=0)
    >>> scorer = attack_scorer("tpr@0.1")
    >>> bool(cross_val_score(LogisticRegression(), X, y, scoring=scorer).mean() > 0.5)
    True
    """
    parse_metric(metric)
    return functools.partial(_score, metric=metric, options=options)


def _score(estimator: Any, X: Any, y: Any, *, metric: str, options: dict[str, Any]) -> float:
    classes = np.asarray(estimator.classes_)
    if len(classes) != 2:
        raise ValueError(f"An attack has two classes; {estimator!r} has {len(classes)}.")
    if hasattr(estimator, "decision_function"):
        scores = estimator.decision_function(X)
    else:
        scores = np.asarray(estimator.predict_proba(X))[:, 1]
    membership = np.asarray(y)
    unknown = ~np.isin(membership, classes)
    if unknown.any():
        raise ValueError(
            f"y holds {membership[unknown].tolist()[0]!r}, which is not one of the attack's "
            f"classes {classes.tolist()}."
        )
    return compute(metric, membership == classes[1], scores, **options).value


def _split(y_true: Any, y_score: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of members and of non-members."""
    labels, scores = np.asarray(y_true), np.asarray(y_score, dtype=np.float64)
    if labels.ndim != 1 or scores.ndim != 1 or len(labels) != len(scores):
        raise ValueError(
            "y_true and y_score must be one-dimensional and of one length, got shapes "
            f"{labels.shape} and {scores.shape}."
        )
    bad = len(scores) - np.count_nonzero(np.isfinite(scores))
    if bad:
        raise ValueError(
            f"y_score holds {bad} value(s) of {len(scores)} that are NaN or infinite; leave those "
            "records out or give them a finite score."
        )
    values = np.unique(labels)
    if len(values) != 2:
        raise ValueError(
            "y_true must hold two labels, of non-members and of members (the larger one), got "
            f"{len(values)}: {values[:5].tolist()}."
        )
    member = labels == values[1]
    return scores[member], scores[~member]
