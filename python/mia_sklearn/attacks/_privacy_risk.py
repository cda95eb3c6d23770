"""How likely each record is a member, by histograms of one signal."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._observations._columns import Reader, describe_missing, group_columns
from ..signals import SIGNALS, signal_of_posteriors

__all__ = ["privacy_risk_scores"]

# Below it a signal is 0 for all purposes; it has no logarithm.
_LEAST = 1e-10


def privacy_risk_scores(
    shadow: Any,
    membership: Any,
    observations: Any,
    *,
    signal: str = "modified_entropy",
    bins: int = 5,
) -> np.ndarray:
    """Return each record's privacy risk score: the probability that it is a member.

    Threat model: black-box; the attacker trains shadow (reference) models like the target. For
    each true class the signal of members and of non-members makes two histograms; a record's
    score is the share of the members' one in both, which is the posterior probability of membership
    where members and non-members are equally likely beforehand [1]_.

    Parameters
    ----------
    shadow : DataFrame of shape (n_shadow, n_columns)
        Observations whose membership is known, as `ReferenceModels.shadow_observations` makes
        them, with the columns `label` and `proba_*`.
    membership : array-like of shape (n_shadow,)
        1 for members, 0 for the others.
    observations : DataFrame of shape (n_records, n_columns)
        What the target answered, as `mia_sklearn.observe` makes it.
    signal : str, default="modified_entropy"
        One of `mia_sklearn.signals.SIGNALS`.
    bins : int, default=5
        Bins of each class's histograms, equally wide on the logarithm of the signal between its
        least and its largest value (below 1e-10 it counts as that); "logit" and "margin", which
        may be negative, are not logarithmed.

    Returns
    -------
    ndarray of shape (n_records,), float64
        Values beyond the histograms' range fall into their outermost bins; an empty bin
        speaks as the nearest one that is not, of two as near the lower one. NaN for records of
        a class that lacks members or non-members among the shadow observations.

    Raises
    ------
    ValueError
        If a column is missing, the signal unknown, or an argument out of range.

    References
    ----------
    .. [1] L. Song and P. Mittal, "Systematic Evaluation of Privacy Risks of Machine Learning
       Models", USENIX Security 2021, section 5.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from mia_sklearn import ReferenceModels, observe
    >>> from mia_sklearn.attacks import privacy_risk_scores
    >>> X, y = make_classification(200, flip_y=0.3, random_state=0)
    >>> tree = DecisionTreeClassifier(random_state=0)
    >>> shadow = ReferenceModels(tree, 4, random_state=0).fit(X, y).shadow_observations()
    >>> risk = privacy_risk_scores(*shadow, observe(tree.fit(X[:100], y[:100]), X, y))
    >>> bool(risk[:100].mean() > risk[100:].mean())
    True
    """
    if signal not in SIGNALS:
        raise ValueError(f"signal must be one of {', '.join(SIGNALS)}, got {signal!r}.")
    if isinstance(bins, bool) or not isinstance(bins, (int, np.integer)) or bins < 1:
        raise ValueError(f"bins must be a whole number of at least 1, got {bins!r}.")
    (known, classes), (asked, labels) = (_signal(table, signal) for table in (shadow, observations))
    member = np.asarray(membership) == 1
    if member.shape != known.shape:
        raise ValueError(
            f"membership must hold one value for each of {len(known)} rows of shadow, got "
            f"{member.shape}."
        )
    score = np.full(len(asked), np.nan)
    for label in np.unique(labels):
        rows = labels == label
        own = classes == label
        first, second = known[own & member], known[own & ~member]
        if len(first) and len(second):
            score[rows] = _share_of_first(first, second, asked[rows], bins)
    return score


def _signal(table: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    groups = group_columns(table.columns)
    missing = [group for group in ("label", "proba") if group not in groups]
    if missing:
        raise ValueError(describe_missing("privacy_risk_scores", missing))
    reader = Reader(np.asarray(table, dtype=np.float64), groups)
    values = signal_of_posteriors(name, reader["proba"], reader.column("label"))
    if name not in ("logit", "margin"):
        values = np.log(np.maximum(values, _LEAST))
    return values, reader.column("label")


def _share_of_first(
    first: np.ndarray, second: np.ndarray, asked: np.ndarray, bins: int
) -> np.ndarray:
    """Return the first sample's share of both normalised histograms where each value lies."""
    both = np.concatenate([first, second])
    low, high = both.min(), both.max()
    edges = np.linspace(low, high, bins + 1) if high > low else np.array([low, low])

    def place(values: np.ndarray) -> np.ndarray:
        return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)

    heights = np.stack(
        [np.bincount(place(side), minlength=len(edges) - 1) / len(side) for side in (first, second)]
    )
    filled = np.flatnonzero(heights.sum(axis=0))
    # Of two as near, argmin takes the first, which is the lower.
    nearest = filled[np.abs(filled[None, :] - np.arange(len(edges) - 1)[:, None]).argmin(axis=1)]
    share = heights[0, nearest] / heights[:, nearest].sum(axis=0)
    return share[place(asked)]
