"""Whether inverted records show the training set, or only what everyone knows of its classes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import t as student_t
from sklearn.utils import check_random_state

from .._records._checked import check_records, check_same_features
from .._records._rows import take_rows
from ..stats._checks import check_level
from ._inversion_result import Inversion
from ._numbers import numbers

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["InversionContrast", "inversion_contrast"]


@dataclass(frozen=True, eq=False)
class InversionContrast:
    """How much more inverted records resemble the training records than fresh ones.

    Attributes
    ----------
    value : float
        Mean over classes of the correlation with the mean of the class's training records, less
        that with the mean of as many fresh ones.
    low, high : float
        Ends of its interval; NaN with one class only.
    confidence : float
    labels : ndarray of shape (n_classes,)
    n_records : ndarray of int of shape (n_classes,)
        Records behind each mean.
    members, fresh : ndarray of shape (n_classes,)
        The two correlations of each class; that with fresh records is the mean over draws.
    x : ndarray of shape (n_classes, ...)
        The inverted records.
    member_means, fresh_means : ndarray of shape (n_classes, ...)
        What they are held against, of the first draw.
    """

    value: float
    low: float
    high: float
    confidence: float
    labels: np.ndarray
    n_records: np.ndarray
    members: np.ndarray
    fresh: np.ndarray
    x: np.ndarray
    member_means: np.ndarray
    fresh_means: np.ndarray

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        ends = ("-" if math.isnan(end) else f"{end:+.3f}" for end in (self.low, self.high))
        return (
            f"Inverted records correlate {self.members.mean():.3f} with the training records of "
            f"their class and {self.fresh.mean():.3f} with as many fresh ones: "
            f"{self.value:+.3f} [{', '.join(ends)}]. {self._meaning()}"
        )

    def _meaning(self) -> str:
        if math.isnan(self.low):
            return "One class alone has no interval."
        if self.low > 0:
            return "They resemble the training records more than others of their class."
        return (
            "That they resemble the training records more than others of their class is not shown."
        )

    def frame(self) -> pd.DataFrame:
        """Return the numbers class by class.

        Returns
        -------
        DataFrame
            One row per class: ``label``, ``n_records``, ``members``, ``fresh``, ``contrast``.
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "label": self.labels,
                "n_records": self.n_records,
                "members": self.members,
                "fresh": self.fresh,
                "contrast": self.members - self.fresh,
            }
        )


def inversion_contrast(
    inverted: Inversion,
    X_members: Any,
    y_members: Any,
    X_fresh: Any,
    y_fresh: Any,
    *,
    confidence: float = 0.95,
    n_draws: int = 100,
    random_state: Any = None,
) -> InversionContrast:
    """Hold inverted records against training records, beside as many fresh ones.

    An inverted record may look like its class whether or not the model gives its training set
    away: that it resembles *these* records more than others of the class is what leaks. For
    each class the record found is correlated, over its features, with the mean of the class's
    training records and with the mean of an equally large sample of fresh ones.

    Threat model: none, it is a judgement by someone who has the training set.

    Parameters
    ----------
    inverted : Inversion
        What `ModelInversion.invert` returned.
    X_members : table of shape (n_members, ...)
        All training records.
    y_members : array-like of shape (n_members,)
    X_fresh : table of shape (n_fresh, ...)
        Records of the same kind that the model was not trained on.
    y_fresh : array-like of shape (n_fresh,)
    confidence : float, default=0.95
        Two-sided confidence of the interval.
    n_draws : int, default=100
        Samples that the larger of a class's two sets is cut to the size of the smaller by; their
        mean counts. More make the result less noisy.
    random_state : int, RandomState instance or None, default=None
        Of the samples.

    Returns
    -------
    InversionContrast

    Raises
    ------
    ValueError
        If a class has no training or no fresh records, or shapes do not fit.

    See Also
    --------
    mia_sklearn.plots.InversionDisplay : The records beside both means.

    Notes
    -----
    Training and fresh records must be drawn alike, at random from one collection for example: what
    else sets them apart is counted as leakage.

    The mean of few records of a class is further from any record than that of many, so that only
    samples of one size compare. Where a class has fewer fresh than training records, the
    training records are sampled instead.

    The interval is Student's, of the paired differences of the classes. Where nothing leaks, both
    means are of records drawn alike, so that each difference is 0 on average, and differences of
    classes are independent; in simulations of skewed records, with 5, 10 and 40 classes, 3 to 5 %
    of 95 % intervals missed 0. Of so few classes a bootstrap would be too narrow.

    Features of a wide range count for more in a correlation: scale tables first, and invert the
    model behind its scaler. A record that is the same everywhere correlates 0 with all.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.utils import shuffle
    >>> from mia_sklearn.disclosure import ModelInversion, inversion_contrast
    >>> X, y = shuffle(*load_digits(return_X_y=True), random_state=0)
    >>> model = LogisticRegression(max_iter=1000).fit(X[:30] / 16, y[:30])
    >>> found = ModelInversion(model, process=lambda X: X.clip(0, 1), alpha=100).invert()
    >>> contrast = inversion_contrast(
    ...     found, X[:30] / 16, y[:30], X[30:] / 16, y[30:], random_state=0
    ... )
    >>> contrast.low > 0.1
    True
    """
    if not isinstance(inverted, Inversion):
        raise ValueError(
            f"inverted must be what ModelInversion.invert returns, got {type(inverted).__name__}."
        )
    check_level(confidence, "confidence")
    if not isinstance(n_draws, Integral) or n_draws < 1:
        raise ValueError(f"n_draws must be a whole number of at least 1, got {n_draws!r}.")
    member_table, y_members = check_records(X_members, y_members, "X_members", "y_members")
    fresh_table, y_fresh = check_records(X_fresh, y_fresh, "X_fresh", "y_fresh")
    check_same_features(member_table, fresh_table, "X_members", "X_fresh")
    members = _by_class(inverted, member_table, y_members, "X_members")
    fresh = _by_class(inverted, fresh_table, y_fresh, "X_fresh")
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
    sizes = [min(len(own), len(other)) for own, other in zip(members, fresh, strict=True)]
    judged = [
        [_held_against(x, records, size, n_draws, rng) for records in (own, other)]
        for x, own, other, size in zip(inverted.x, members, fresh, sizes, strict=True)
    ]
    correlations = np.array([[side[0] for side in sides] for sides in judged])
    means = np.stack([[side[1] for side in sides] for sides in judged])
    value, low, high = _mean_interval(correlations[:, 0] - correlations[:, 1], confidence)
    return InversionContrast(
        value,
        low,
        high,
        confidence,
        labels=inverted.labels,
        n_records=np.array(sizes),
        members=correlations[:, 0],
        fresh=correlations[:, 1],
        x=inverted.x,
        member_means=means[:, 0].reshape(inverted.x.shape),
        fresh_means=means[:, 1].reshape(inverted.x.shape),
    )


def _by_class(inverted: Inversion, table: Any, labels: np.ndarray, name: str) -> list[np.ndarray]:
    """Return each inverted label's records, one row each."""
    size, expected = math.prod(table.shape[1:]), inverted.x[0].size
    if size != expected:
        raise ValueError(
            f"{name} holds records of {size} features, the inverted ones have {expected}."
        )
    places = [np.flatnonzero(labels == label) for label in inverted.labels.tolist()]
    empty = [label for label, rows in zip(inverted.labels, places, strict=True) if not len(rows)]
    if empty:
        raise ValueError(
            f"{name} holds no record of {', '.join(map(str, empty[:5]))}. Invert only the labels "
            "that both tables hold."
        )
    return [numbers(take_rows(table, rows), name).reshape(len(rows), -1) for rows in places]


def _held_against(
    x: np.ndarray, records: np.ndarray, size: int, n_draws: int, rng: np.random.Generator
) -> tuple[float, np.ndarray]:
    """Return the mean correlation of `x` with means of `size` records, and the first mean."""
    if len(records) == size:
        means = records.mean(axis=0, keepdims=True)
    else:
        # Rows of a matrix that picks: one product is faster than as many small means.
        picked = rng.permuted(np.tile(np.arange(len(records)) < size, (n_draws, 1)), axis=1)
        means = picked.astype(np.float64) @ records / size
    return float(_correlations(x.ravel(), means).mean()), means[0]


def _correlations(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of a record with each of some others; 0 with a constant one."""
    x, rows = _centred(x[None])[0], _centred(rows)
    norms = np.linalg.norm(x) * np.linalg.norm(rows, axis=1)
    return np.divide(rows @ x, norms, out=np.zeros(len(rows)), where=norms > 0)


def _centred(rows: np.ndarray) -> np.ndarray:
    """Return rows without their means; zeros for what differs by rounding only."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    centred[np.ptp(rows, axis=1) <= 1e-12 * np.abs(rows).max(axis=1)] = 0.0
    return centred


def _mean_interval(values: np.ndarray, confidence: float) -> tuple[float, float, float]:
    mean = float(values.mean())
    if len(values) == 1:
        return mean, math.nan, math.nan
    error = values.std(ddof=1) / math.sqrt(len(values))
    reach = float(student_t.ppf((1 + confidence) / 2, len(values) - 1) * error)
    return mean, mean - reach, mean + reach
