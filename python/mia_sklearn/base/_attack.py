"""What all attacks share."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    _get_feature_names,
    check_array,
    check_is_fitted,
    validate_data,
)

from .._observations._columns import Reader, describe_missing, group_columns
from .._process._docs import Documented

__all__ = ["KNOWS_THE_RECORD", "THREAT_MODELS", "BaseAttack", "Variant"]

#: What an attacker can see.
THREAT_MODELS = ("label-only", "black-box", "white-box", "federated", "generator")

#: The least that any attacker knows.
KNOWS_THE_RECORD = "the record and its true label"

_NEWTON_STEPS = 50


class Variant(NamedTuple):
    """A second name of an attack: with these parameters it is an attack of its own.

    Attributes
    ----------
    parameters : dict
    by_default, attacker_knows : tuple of str, str
        As `BaseAttack` has them.
    """

    parameters: Mapping[str, Any]
    by_default: tuple[str, ...] = ()
    attacker_knows: str = ""


class BaseAttack(Documented, ClassifierMixin, BaseEstimator, metaclass=ABCMeta):
    """Base of all attacks: a binary classifier over observations.

    A subclass states `threat_model` and `requires`, and implements `_fit` and `_score`.
    Everything a scikit-learn classifier answers is derived from the score, whose order is kept.
    What else an audit, a report and the documents must know of an attack stands in its class too:
    the attributes below, each with a value that fits most attacks.

    Parameters
    ----------
    columns : sequence of str, default=None
        Names of the columns when observations are given as plain arrays. Ignored for data
        frames, which bring their own. Without names an array is read as `[signal, out...]`, or as
        `[label, proba...]` by attacks on posteriors.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The two labels; `classes_[1]` is "member".
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only after `fit` on a data frame.
    """

    #: What the attacker can see, one of `THREAT_MODELS`.
    threat_model: ClassVar[str]
    #: Column groups without which the attack cannot work.
    requires: ClassVar[tuple[str, ...]]
    #: What the attacker knows, in words; empty where `requires` tells: the record and its label,
    #: and, unless the attack looks inside the model, what references tell.
    attacker_knows: ClassVar[str] = ""
    #: Why the report lists the attack as not run, where it could be.
    not_run: ClassVar[str] = "not asked for"
    #: On what answers `audit(attacks="auto")` runs it, if it can be run at all: "posteriors",
    #: "labels" (of perturbed copies: how many keep theirs), "signal" (one number per record and
    #: nothing else, of generators) or "weights". Read of our own attacks alone: that a package is
    #: installed changes no audit.
    by_default: ClassVar[tuple[str, ...]] = ()
    #: Strength as the attack that makes the verdict: of those that run the largest one does. None
    #: where it does so only if no other can. Read of our own attacks alone.
    headline: ClassVar[int | None] = None
    #: Whether it learns from the target's own answers to the audited records, and from no
    #: membership: an audit fits it on those, and "auto" runs it where there are no references.
    learns_from_target: ClassVar[bool] = False
    #: Whether it takes seconds at most beside any reference models: where a time budget is short,
    #: such attacks alone are run.
    is_quick: ClassVar[bool] = False
    #: Second names, each with parameters. Read of our own attacks alone.
    variants: ClassVar[Mapping[str, Variant]] = {}

    # White-box columns that are read where there are some; None: all.
    _looks_at: ClassVar[tuple[str, ...] | None] = None

    # Whether the records that have next to no neighbours are looked for beside the attack.
    _marks_vulnerable: ClassVar[bool] = False

    # Whether people are scored, by an attack on single records: `inner`.
    _of_people: ClassVar[bool] = False

    # Whether the order of the scores is the same whatever membership `fit` is told.
    _ranks_without_members: ClassVar[bool] = False

    # Whether the score is the log-odds at the membership rate of `fit` already.
    _answers_log_odds: ClassVar[bool] = False

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"columns": ["array-like", None]}

    @abstractmethod
    def __init__(self, *, columns: Any = None) -> None:
        self.columns = columns

    def fit(self, X: Any, y: Any) -> BaseAttack:
        """Learn from observations whose membership is known.

        Parameters
        ----------
        X : data frame or array-like of shape (n_observations, n_columns)
            Observations, NaN where a place is empty.
        y : array-like of shape (n_observations,)
            Membership: any two labels, the larger one meaning "member".

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the observations lack columns that the attack needs, or `y` has not two classes.
        """
        self._check_parameters()
        X, y = validate_data(
            self, X, y, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan"
        )
        check_classification_targets(y)
        if type_of_target(y, input_name="y") != "binary":
            raise ValueError(
                "Only binary classification is supported. The type of the target is "
                f"{type_of_target(y)}: y holds membership, member or not."
            )
        self.classes_, member = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y has one class only, {self.classes_.tolist()[0]!r}: {type(self).__name__} "
                "learns from members and non-members."
            )
        self._names, self._groups = self._read_columns(X.shape[1])
        table = Reader(X, self._groups, self._names)
        member = member.astype(bool)
        self._fit(table, member)
        if self._answers_log_odds:
            self._slope, self._offset = 1.0, 0.0
            self._blank = float(np.log(member.mean() / (1 - member.mean())))
            return self
        score = self._score(table)
        if np.isnan(score).all():
            raise ValueError("The observations hold no signal: every row lacks what is read.")
        self._blank = float(np.nanmedian(score))
        self._calibrate(np.where(np.isnan(score), self._blank, score), member)
        return self

    def _check_parameters(self) -> None:
        validate_parameter_constraints(
            self._parameter_constraints, self.get_params(deep=False), type(self).__name__
        )

    def _read_columns(self, n_columns: int) -> tuple[list[str], dict[str, np.ndarray]]:
        names = getattr(self, "feature_names_in_", self.columns)
        if names is None:
            names = self._array_names(n_columns)
        names = [str(name) for name in names]
        if len(names) != n_columns:
            raise ValueError(
                f"columns names {len(names)} columns, but the observations have {n_columns}."
            )
        groups = group_columns(names)
        missing = [group for group in self._required() if group not in groups]
        if missing:
            raise ValueError(
                f"{describe_missing(type(self).__name__, missing)} "
                f"Got n_features = {n_columns}: {', '.join(names[:8])}"
                f"{', ...' if n_columns > 8 else ''}."
            )
        return names, groups

    def _required(self) -> tuple[str, ...]:
        """Return the column groups that these parameters need."""
        return self.requires

    def _prefers(self) -> tuple[str, ...]:
        """Return the column groups that an audit adds for it, where the records allow them."""
        return ()

    def _sees(self) -> str:
        """Return what the attacker must see with these parameters, one of `THREAT_MODELS`."""
        return self.threat_model

    def _reads(self) -> tuple[str, ...] | None:
        """Return the column groups that are read where there are some; None: all of `fit`."""
        return None

    def _array_names(self, n_columns: int) -> list[str]:
        """Return the names of an unnamed array's columns."""
        first, rest = self._array_columns()
        return [first] + [f"{rest}_{k}" for k in range(n_columns - 1)]

    def _array_columns(self) -> tuple[str, str]:
        """Return the groups of the first and of the other columns of an unnamed array."""
        return "logit", "out"

    @abstractmethod
    def _fit(self, table: Reader, member: np.ndarray) -> None:
        """Learn what the score needs."""

    @abstractmethod
    def _score(self, table: Reader) -> np.ndarray:
        """Return the raw score of each row; higher means member."""

    def _calibrate(self, score: np.ndarray, member: np.ndarray) -> None:
        """Learn the increasing map from the score to the log-odds of membership."""
        self._slope, self._offset = platt(score, member)

    def score_observations(self, X: Any) -> np.ndarray:
        """Return the attack's own score, uncalibrated; higher means member.

        Parameters
        ----------
        X : data frame or array-like of shape (n_observations, n_columns)

        Returns
        -------
        ndarray of shape (n_observations,), float64
            Rows whose signal is missing get a score that says nothing.
        """
        score = np.asarray(self._score(self._read(X)), dtype=np.float64)
        return np.where(np.isnan(score), self._blank, score)

    def _read(self, X: Any) -> Reader:
        """Return checked observations for reading by the columns of `fit`."""
        check_is_fitted(self)
        options = {"dtype": [np.float64, np.float32], "ensure_all_finite": "allow-nan"}
        names = _get_feature_names(X)
        seen = getattr(self, "feature_names_in_", None)
        if names is None or seen is None or np.array_equal(names, seen):
            X = validate_data(self, X, reset=False, **options)
            return Reader(X, self._groups, self._names)
        # A table with other columns beside, or in another order, tells the same.
        self._check_names(set(names))
        there = np.flatnonzero(np.isin(seen, names))
        known = check_array(X[seen[there].tolist()], input_name="X", **options)
        values = np.full((len(known), len(seen)), np.nan, dtype=known.dtype)
        values[:, there] = known
        return Reader(values, self._groups, self._names)

    def _check_names(self, names: set[str]) -> None:
        """Raise if a table lacks a column that is read."""
        reads = self._reads()
        places = np.arange(self.n_features_in_)
        if reads is not None:
            places = np.concatenate([self._groups[g] for g in reads if g in self._groups])
        missing = [self._names[place] for place in places if self._names[place] not in names]
        if missing:
            named = "\n".join(f"- {name}" for name in missing[:5])
            raise ValueError(
                "The feature names should match those that were passed during fit.\n"
                f"Feature names seen at fit time, yet now missing:\n{named}\n"
                + ("- ...\n" if len(missing) > 5 else "")
                + f"{type(self).__name__} reads them: observe the records as those of fit were."
            )

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the log-odds of membership.

        A strictly increasing function of the attack's score, calibrated at the membership rate
        seen in `fit`. Ranking metrics read it: a probability saturates at 1 where low
        false-positive rates are decided.

        Parameters
        ----------
        X : data frame or array-like of shape (n_observations, n_columns)

        Returns
        -------
        ndarray of shape (n_observations,), float64
        """
        score = self.score_observations(X)
        return self._slope * score + self._offset

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities of non-membership and of membership.

        Parameters
        ----------
        X : data frame or array-like of shape (n_observations, n_columns)

        Returns
        -------
        ndarray of shape (n_observations, 2), float64
        """
        member = expit(self.decision_function(X))
        return np.stack([1 - member, member], axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """Return the more probable of the two labels.

        Parameters
        ----------
        X : data frame or array-like of shape (n_observations, n_columns)

        Returns
        -------
        ndarray of shape (n_observations,)
        """
        member = self.decision_function(X) > 0
        return self.classes_[member.astype(int)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True
        tags.input_tags.allow_nan = True
        return tags


def platt(score: np.ndarray, member: np.ndarray) -> tuple[float, float]:
    """Fit log-odds = slope * score + offset with slope > 0, by Newton's method.

    The slope is kept positive, so that a score that points the wrong way on the data of `fit`
    is reported as it is and not silently turned round. Scores are clipped at robust limits for
    the fit alone: a few extreme ones would set the slope for all.
    """
    low, middle, high = np.quantile(score, [0.005, 0.5, 0.995])
    scale = high - low if high > low else 1.0
    z = (np.clip(score, low, high) - middle) / scale
    # Platt's targets: smoothed, so that separable scores keep a finite slope.
    positives, negatives = member.sum(), (~member).sum()
    goal = np.where(member, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    rate = np.log(positives / negatives)
    slope, offset = 0.0, float(rate)
    for _ in range(_NEWTON_STEPS):
        proba = expit(slope * z + offset)
        weight = np.maximum(proba * (1 - proba), 1e-12)
        gradient = np.array([((goal - proba) * z).sum(), (goal - proba).sum()])
        hessian = np.array(
            [
                [(weight * z * z).sum() + 1e-6, (weight * z).sum()],
                [(weight * z).sum(), weight.sum()],
            ]
        )
        step = np.linalg.solve(hessian, gradient)
        step *= 5.0 / max(5.0, np.abs(step).max())
        slope, offset = slope + step[0], offset + step[1]
        if np.abs(step).max() < 1e-9:
            break
    if slope < 1e-3:
        slope, offset = 1e-3, float(rate)
    return float(slope / scale), float(offset - slope * middle / scale)
