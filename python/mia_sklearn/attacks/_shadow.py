"""Shadow-model attack."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from scipy.special import logit
from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods, Interval

from .._observations._columns import Reader
from .._process._parallel import map_on_cores
from ..base import BaseAttack
from ._boosted import SmallBooster
from ._log_odds import log_odds

__all__ = ["ShadowAttack"]

_LEAST_OF_EACH = 10


class ShadowAttack(BaseAttack):
    """Learn from shadow models what a member's posterior looks like.

    Threat model: black-box; the attacker trains shadow (reference) models like the target, on
    records like the target's. One attack classifier for each true class reads the posterior
    (Shokri et al.); with `per_class=False, top_k=3` one classifier reads the three largest
    posteriors (ML-Leaks, adversary 1).

    Parameters
    ----------
    estimator : classifier, default=None
        The attack classifier. By default a small histogram gradient booster.
    per_class : bool, default=True
        One classifier for each true class. Classes with fewer than ten observations of either
        kind share one that is fitted on all.
    top_k : int, default=None
        Read only the `top_k` largest posteriors, in descending order; all, in the order of the
        classes, by default.
    random_state : int, RandomState instance or None, default=None
        Seed of the default estimator.
    columns : sequence of str, default=None
        Names of the columns of plain arrays.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    estimators_ : dict
        Fitted classifiers by class index; the key None is the common one.

    Notes
    -----
    Deviation from the papers: their attack classifier is a network of 64 hidden units; pass
    `estimator=MLPClassifier(64)` for it. For adversary 2 (data transfer) fit on shadow
    observations of another data set, after `mia_sklearn.top_posteriors` gave both tables the
    same columns.

    References
    ----------
    .. [1] R. Shokri et al., "Membership Inference Attacks Against Machine Learning Models",
       IEEE S&P 2017, sections V-B to V-D.
    .. [2] A. Salem et al., "ML-Leaks", NDSS 2019, sections III and IV.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.attacks import ShadowAttack
    >>> rng = np.random.default_rng(0)
    >>> member = np.arange(400) % 2
    >>> sure = np.clip(rng.normal(0.6 + 0.3 * member, 0.1), 0.01, 0.99)
    >>> table = np.column_stack([np.zeros(400), sure, 1 - sure])
    >>> attack = ShadowAttack(random_state=0).fit(table, member)
    >>> attack.score(table, member) > 0.85
    True
    """

    threat_model: ClassVar[str] = "black-box"
    requires: ClassVar[tuple[str, ...]] = ("label", "proba")
    by_default: ClassVar[tuple[str, ...]] = ("posteriors",)
    headline: ClassVar[int | None] = 20

    _answers_log_odds: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "per_class": ["boolean"],
        "top_k": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
        **BaseAttack._parameter_constraints,
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        per_class: bool = True,
        top_k: int | None = None,
        random_state: Any = None,
        columns: Any = None,
    ) -> None:
        super().__init__(columns=columns)
        self.estimator = estimator
        self.per_class = per_class
        self.top_k = top_k
        self.random_state = random_state

    def _required(self) -> tuple[str, ...]:
        return self.requires if self.per_class else ("proba",)

    def _reads(self) -> tuple[str, ...]:
        return self._required()

    def _array_columns(self) -> tuple[str, str]:
        return "label", "proba"

    def _features(self, table: Reader) -> np.ndarray:
        proba = np.nan_to_num(table["proba"])
        if self.top_k is None:
            return proba
        return -np.sort(-proba, axis=1)[:, : self.top_k]

    def _fit(self, table: Reader, member: np.ndarray) -> None:
        features = self._features(table)
        self._rate = float(logit(member.mean()))
        labels = table.column("label") if self.per_class else np.full(len(table), np.nan)
        shared = ~np.isfinite(labels)
        jobs: list[tuple[float | None, np.ndarray]] = []
        for label in np.unique(labels[~shared]):
            rows = np.flatnonzero(labels == label)
            positives = member[rows].sum()
            if min(positives, len(rows) - positives) < _LEAST_OF_EACH:
                shared[rows] = True
            else:
                jobs.append((float(label), rows))
        if shared.any():
            jobs.append((None, np.arange(len(table))))
        fitted = map_on_cores(
            lambda job: self._classifier().fit(features[job[1]], member[job[1]]), jobs
        )
        self.estimators_ = {label: model for (label, _), model in zip(jobs, fitted, strict=True)}

    def _classifier(self) -> Any:
        if self.estimator is not None:
            return clone(self.estimator)
        return SmallBooster(max_leaf_nodes=12, min_samples_leaf=50, random_state=self.random_state)

    def _score(self, table: Reader) -> np.ndarray:
        features = self._features(table)
        score = np.full(len(table), self._rate)
        common = self.estimators_.get(None)
        labels = table.column("label") if self.per_class else np.full(len(table), np.nan)
        jobs = []
        left = np.ones(len(table), dtype=bool)
        for label, classifier in self.estimators_.items():
            rows = labels == label
            if label is not None and rows.any():
                jobs.append((rows, classifier))
                left &= ~rows
        if common is not None and left.any():
            jobs.append((left, common))
        answers = map_on_cores(lambda job: log_odds(job[1], features[job[0]]), jobs)
        for (rows, _), answer in zip(jobs, answers, strict=True):
            score[rows] = answer
        return score
