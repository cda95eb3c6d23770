"""An attack on losses that were watched round by round."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from scipy.special import logit
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import HasMethods

from .._observations._columns import Reader
from ..base import BaseAttack

__all__ = ["RoundLossAttack"]

# Beyond it a posterior is 0 or 1 for all purposes, and one record would set a column's scale.
_LARGEST_LOGIT = 40.0


class RoundLossAttack(BaseAttack):
    """Learn how the loss of a member goes over the rounds of a federated training.

    Threat model: federated; the attacker sees a model in every round, as the server or as a
    participant, and knows the membership of some records. A member's loss falls sooner and
    further, and where the attacker raises it, it is pulled back down.

    Parameters
    ----------
    estimator : classifier, default=None
        Learns from the features. By default a logistic regression on standardised ones.
    columns : sequence of str, default=None
        Names of the columns of plain arrays; without names they are one round's rescaled
        logit each, in order.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    estimator_ : fitted classifier

    See Also
    --------
    mia_sklearn.torch.GlobalObserver : Makes its observations, at the server.
    mia_sklearn.torch.LocalObserver : Makes its observations, at a participant.

    Notes
    -----
    Read are the columns `logit@<round>`. Features: each round's rescaled logit; of the losses
    and of the logits, mean, last value and slope; the logit's largest rise and largest fall
    from one round to the next. Rounds that are missing are filled with the nearest earlier one,
    else with the nearest later one. The paper's attacker [1]_ stacks white-box features of
    several rounds instead; this one needs losses alone.

    References
    ----------
    .. [1] M. Nasr, R. Shokri, A. Houmansadr, "Comprehensive Privacy Analysis of Deep Learning",
       IEEE S&P 2019, sections II-C and III.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.attacks import RoundLossAttack
    >>> member = np.arange(200) % 2
    >>> steps = np.random.default_rng(0).normal(0.6 * member[:, None], 1, size=(200, 10))
    >>> attack = RoundLossAttack().fit(np.cumsum(steps, axis=1), member)
    >>> bool(attack.score(np.cumsum(steps, axis=1), member) > 0.75)
    True
    """

    threat_model: ClassVar[str] = "federated"
    requires: ClassVar[tuple[str, ...]] = ("round_logit",)

    _answers_log_odds: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        **BaseAttack._parameter_constraints,
    }

    def __init__(self, estimator: Any = None, *, columns: Any = None) -> None:
        super().__init__(columns=columns)
        self.estimator = estimator

    def _reads(self) -> tuple[str, ...]:
        return self._required()

    def _array_names(self, n_columns: int) -> list[str]:
        return [f"logit@{number}" for number in range(1, n_columns + 1)]

    def _fit(self, table: Reader, member: np.ndarray) -> None:
        features = _features(table["round_logit"])
        seen = ~np.isnan(features).any(axis=1)
        if len(np.unique(member[seen])) < 2:
            raise ValueError(
                "The observations hold no signal: members or non-members lack all rounds."
            )
        if self.estimator is None:
            estimator = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            estimator.set_output(transform="default")
        else:
            estimator = clone(self.estimator)
        self.estimator_ = estimator.fit(features[seen], member[seen])

    def _score(self, table: Reader) -> np.ndarray:
        features = _features(table["round_logit"])
        seen = ~np.isnan(features).any(axis=1)
        score = np.full(len(features), np.nan)
        if seen.any():
            score[seen] = _log_odds(self.estimator_, features[seen])
        return score


def _features(phi: np.ndarray) -> np.ndarray:
    phi = np.clip(_filled(phi.astype(np.float64)), -_LARGEST_LOGIT, _LARGEST_LOGIT)
    with np.errstate(invalid="ignore"):
        loss = np.logaddexp(0, -phi)
    time = np.linspace(-1, 1, phi.shape[1])
    change = np.diff(phi, axis=1, prepend=phi[:, :1])
    summaries = [
        statistic
        for signal in (loss, phi)
        for statistic in (signal.mean(axis=1), signal[:, -1], signal @ time)
    ]
    return np.column_stack([phi, *summaries, change.max(axis=1), change.min(axis=1)])


def _filled(phi: np.ndarray) -> np.ndarray:
    """Fill gaps with the round before, those at the beginning with the first that there is."""
    columns = list(phi.T)
    for _ in range(2):
        for before, here in pairwise(columns):
            here[:] = np.where(np.isnan(here), before, here)
        columns.reverse()
    return phi


def _log_odds(classifier: Any, features: np.ndarray) -> np.ndarray:
    if hasattr(classifier, "decision_function"):
        return classifier.decision_function(features)
    proba = classifier.predict_proba(features)[:, 1]
    return logit(np.clip(proba, 1e-12, 1 - 1e-12))
