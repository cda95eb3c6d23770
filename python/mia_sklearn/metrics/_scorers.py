"""Metrics by name, and scorers of attacks."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ._rates import (
    Estimate,
    accuracy,
    advantage,
    epsilon_lower_bound,
    ppv_at_fpr,
    roc_auc,
    tpr_at_fpr,
)

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
