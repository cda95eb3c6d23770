"""Thresholds on one signal of the target's answer."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from .._observations._columns import Reader
from .._records._rows import is_frame, take_rows
from ..base import KNOWS_THE_RECORD, BaseAttack, Variant
from ..signals import SIGNALS, log_posteriors, signal_of_posteriors
from ._cut import best_threshold, published_threshold

__all__ = ["ThresholdAttack", "random_query_threshold"]

_FROM_LOGIT = ("loss", "logit")
_LEAST_OF_EACH = 10


class ThresholdAttack(BaseAttack):
    """Call a record a member when one signal of the target's answer passes a threshold.

    Threat model: black-box. One query per record; no reference models are needed, though
    membership must be known for some observations to learn the threshold from (shadow
    observations, or records whose membership the attacker knows).

    Parameters
    ----------
    signal : str, default="loss"
        One of `mia_sklearn.signals.SIGNALS`: "loss" [1]_, "confidence", "max_confidence",
        "entropy", "normalized_entropy", "modified_entropy" [2]_, "correctness" (the gap
        attack), "logit", "margin".
    per_class : bool, default=False
        One threshold for each true class, learned from the observations of that class. Classes
        with fewer than ten of either kind use the common one.
    threshold : float or "published", default=None
        The threshold, in the signal's own unit and direction (a record with a *loss below* it,
        a *confidence above* it is a member). Learned by default: the largest difference of true
        and false positive rates on the data of `fit`. "published" learns it as the published
        code [2]_ does, see Notes.
    columns : sequence of str, default=None
        Names of the columns of plain arrays.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    threshold_ : float
        In the signal's own unit.
    class_thresholds_ : dict of float to float
        Thresholds by class index; empty unless `per_class`.

    See Also
    --------
    random_query_threshold : The threshold of an attacker who knows no member at all.

    Notes
    -----
    "loss" and "logit" are read from the column `logit`, all others from `label` and `proba_*`.

    Deviations from the published rule [2]_: thresholds lie in the middle between the observed
    values that they part, and classes with few observations use the common threshold. The
    published code takes an observed value itself, that of `fit`'s first best row with members
    before the others, counts records *at* the threshold as members, and gives every class its own
    however few its observations are: ``threshold="published"`` does as much. (Classes that lack
    either kind, for which that code divides 0 by 0, use the common threshold.)

    References
    ----------
    .. [1] S. Yeom et al., "Privacy Risk in Machine Learning: Analyzing the Connection to
       Overfitting", CSF 2018, section 3.2.
    .. [2] L. Song and P. Mittal, "Systematic Evaluation of Privacy Risks of Machine Learning
       Models", USENIX Security 2021, sections 3.1 and 3.2.

    Examples
    --------
    >>> from mia_sklearn.attacks import ThresholdAttack
    >>> attack = ThresholdAttack("logit").fit([[3.0], [2.5], [0.1], [-1.0]], [1, 1, 0, 0])
    >>> attack.predict([[2.8], [0.0]])
    array([1, 0])
    """

    threat_model: ClassVar[str] = "black-box"
    requires: ClassVar[tuple[str, ...]] = ("logit",)
    by_default: ClassVar[tuple[str, ...]] = ("posteriors", "labels", "signal", "predictions")
    # Rates follow from the order of the signal, which takes no references; only where to cut is
    # learned from some, and thresholds for each class.
    attacker_knows: ClassVar[str] = KNOWS_THE_RECORD
    headline: ClassVar[int | None] = 10
    is_quick: ClassVar[bool] = True
    variants: ClassVar[Mapping[str, Variant]] = {
        "gap": Variant({"signal": "correctness"}, ("labels",), KNOWS_THE_RECORD)
    }

    @property
    def _ranks_without_members(self) -> bool:  # type: ignore[override]
        # A threshold for each class sets the classes against each other.
        return not self.per_class

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "signal": [StrOptions(set(SIGNALS))],
        "per_class": ["boolean"],
        "threshold": [
            Interval(Real, None, None, closed="neither"),
            StrOptions({"published"}),
            None,
        ],
        **BaseAttack._parameter_constraints,
    }

    def __init__(
        self,
        signal: str = "loss",
        *,
        per_class: bool = False,
        threshold: float | str | None = None,
        columns: Any = None,
    ) -> None:
        super().__init__(columns=columns)
        self.signal = signal
        self.per_class = per_class
        self.threshold = threshold

    def _required(self) -> tuple[str, ...]:
        needed = ("logit",) if self.signal in _FROM_LOGIT else ("label", "proba")
        return (*needed, "label") if self.per_class and "label" not in needed else needed

    def _sees(self) -> str:
        # Whether the answer is right is told by the label.
        return "label-only" if self.signal == "correctness" else self.threat_model

    def _reads(self) -> tuple[str, ...]:
        return self._required()

    def _array_columns(self) -> tuple[str, str]:
        return ("logit", "out") if self.signal in _FROM_LOGIT else ("label", "proba")

    def _signal(self, table: Reader) -> np.ndarray:
        """Return the signal turned so that higher means member."""
        sign = SIGNALS[self.signal][1]
        if self.signal in _FROM_LOGIT:
            phi = table.column("logit").astype(np.float64)
            with np.errstate(invalid="ignore"):
                return -np.logaddexp(0, -phi) if self.signal == "loss" else phi
        return sign * signal_of_posteriors(self.signal, table["proba"], table.column("label"))

    def _fit(self, table: Reader, member: np.ndarray) -> None:
        score = self._signal(table)
        sign = SIGNALS[self.signal][1]
        published = isinstance(self.threshold, str)
        learn, fewest = (published_threshold, 1) if published else (best_threshold, _LEAST_OF_EACH)
        given = self.threshold is not None and not published
        shown = sign * float(self.threshold) if given else learn(score, member)  # type: ignore[arg-type]
        by_class: dict[float, float] = {}
        if self.per_class and not given:
            label = table.column("label")
            for value in np.unique(label):
                rows = label == value
                positives = member[rows].sum()
                if min(positives, rows.sum() - positives) >= fewest:
                    by_class[float(value)] = learn(score[rows], member[rows])
        self.threshold_ = sign * shown
        self.class_thresholds_ = {label: sign * t for label, t in by_class.items()}
        # Of the published rule the threshold itself is a member's.
        below = _just_below if published else float
        self._threshold = below(shown)
        self._by_class = {label: below(t) for label, t in by_class.items()}

    def _score(self, table: Reader) -> np.ndarray:
        threshold = np.full(len(table), self._threshold)
        for value, own in self._by_class.items():
            threshold[table.column("label") == value] = own
        return self._signal(table) - threshold

    def _calibrate(self, score: np.ndarray, member: np.ndarray) -> None:
        super()._calibrate(score, member)
        # The decision changes at the threshold, not where a logistic curve would put it.
        self._offset = 0.0


def _just_below(threshold: float) -> float:
    # So much that a difference to it is not lost when it is scaled.
    return float(threshold - max(4 * np.spacing(abs(threshold)), 1e-200))


def random_query_threshold(
    model: Any,
    X: Any,
    *,
    signal: str = "max_confidence",
    n_queries: int = 1000,
    top: float = 0.1,
    random_state: Any = None,
) -> float:
    """Find a threshold from the target's answers to random points, knowing no member.

    Random points are non-members: the value that the share `top` of them exceeds separates
    (ML-Leaks, adversary 3).

    Parameters
    ----------
    model : fitted classifier
        The target; it is queried `n_queries` times.
    X : table of shape (n_records, n_features)
        Records that show each feature's range or categories; their membership is not used.
    signal : {"max_confidence", "entropy", "normalized_entropy"}, default="max_confidence"
        A signal that needs no true label.
    n_queries : int, default=1000
    top : float, default=0.1
        Share of the random points on the member side of the threshold.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    float
        The threshold in the signal's own unit, for `ThresholdAttack(signal, threshold=...)`.

    Raises
    ------
    ValueError
        If the signal needs a true label, or `top` is not between 0 and 1.

    References
    ----------
    .. [1] A. Salem et al., "ML-Leaks", NDSS 2019, section V.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from mia_sklearn.attacks import random_query_threshold
    >>> X, y = load_iris(return_X_y=True)
    >>> model = KNeighborsClassifier(1).fit(X, y)
    >>> random_query_threshold(model, X, random_state=0)
    1.0
    """
    allowed = ("max_confidence", "entropy", "normalized_entropy")
    if signal not in allowed:
        raise ValueError(f"signal must be one of {', '.join(allowed)}, got {signal!r}.")
    if not 0 < top < 1:
        raise ValueError(f"top must lie between 0 and 1, got {top!r}.")
    if n_queries < 1:
        raise ValueError(f"n_queries must be at least 1, got {n_queries!r}.")
    rng = check_random_state(random_state)
    points = _random_points(X, n_queries, rng)
    function, sign = SIGNALS[signal]
    answers = log_posteriors(model, points)
    values = sign * function(answers, np.zeros(len(answers), dtype=np.intp))
    return float(sign * np.quantile(values, 1 - top))


def _random_points(X: Any, n: int, rng: np.random.RandomState) -> Any:
    """Draw each feature uniformly from its range, or from its set of categories."""
    if not is_frame(X):
        X = np.asarray(X)
        low, high = X.min(axis=0), X.max(axis=0)
        drawn = low + rng.uniform(size=(n, *X.shape[1:])) * (high - low)
        return np.rint(drawn).astype(X.dtype) if X.dtype.kind in "biu" else drawn.astype(X.dtype)
    import pandas as pd

    points = take_rows(X, rng.randint(len(X), size=n)).reset_index(drop=True)
    for j, name in enumerate(points.columns):
        column = X.iloc[:, j]
        if pd.api.types.is_float_dtype(column):
            drawn = pd.Series(rng.uniform(column.min(), column.max(), n)).astype(column.dtype)
        else:
            values = column.drop_duplicates()
            drawn = values.iloc[rng.randint(len(values), size=n)].reset_index(drop=True)
        points[name] = drawn
    return points
