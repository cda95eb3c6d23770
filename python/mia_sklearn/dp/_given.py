"""What an audit of differential privacy is given, checked before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from .._models._answers import name_of
from .._models._kinds import is_generator, is_net, last_step, nested
from .._models._predictors import answers_several, predicts_numbers
from .._models._trainable import check_trainable
from .._records._checked import as_labels, check_records
from .._records._labels import kind_of_labels
from .._records._rows import n_rows
from .._records._targets import as_numbers, is_constant
from ._canaries import Canaries, appended, mislabelled
from ._claim import FAMILIES, Claim, has_a_curve
from ._training import Mechanism

__all__ = ["Options", "fixed_seeds", "given", "made_canaries", "takes_gradients"]

_N_CANARIES = 1000
_FEWEST = 8
_KNOWN = {
    "method": ("auto", "one-run", "refits"),
    "iterates": ("last", "every"),
    "family": ("auto", *FAMILIES),
    "neighbours": ("add", "replace"),
}
_KINDS = ("auto", "mislabelled", "gradient")


@dataclass(frozen=True)
class Options:
    """How an audit is made; as the parameters of `audit_dp`."""

    method: str
    canaries: Any
    iterates: str
    n_references: int
    family: str
    neighbours: str
    confidence: float
    max_refits: int

    def may_refit(self, estimator: Any, n_canaries: int | None) -> bool:
        """Tell whether an audit by "auto" may be one by refits."""
        plain = (self.canaries, self.iterates, self.n_references) == ("auto", "last", 0)
        one_run = n_canaries is not None or takes_gradients(estimator)
        return self.method == "auto" and plain and not one_run

    def check(self, estimator: Any, n_canaries: int | None) -> None:
        """Refuse what is no option, or none of this estimator.

        Raises
        ------
        ValueError
            Names the parameter.
        """
        for name, known in _KNOWN.items():
            if getattr(self, name) not in known:
                told = ", ".join(map(repr, known))
                raise ValueError(f"{name} must be one of {told}, got {getattr(self, name)!r}.")
        for name, least in (("n_references", 0), ("max_refits", 20)):
            value = getattr(self, name)
            if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} must be a whole number of at least {least}: {value!r}.")
        if self.n_references == 1:
            raise ValueError(
                "n_references=1 would leave about half of the canaries without a reference that "
                "lacked them, and scores of two kinds: give 0, or 2 or more."
            )
        confidence = self.confidence
        if not isinstance(confidence, Real) or not 0 < confidence < 1:
            raise ValueError(f"confidence must lie strictly between 0 and 1, got {confidence!r}.")
        if isinstance(self.canaries, str) and self.canaries not in _KINDS:
            told = ", ".join(map(repr, _KINDS))
            raise ValueError(
                f"canaries must be one of {told}, or a pair (X, y), got {self.canaries!r}."
            )
        if self.method == "refits":
            self._check_refits(n_canaries)
        if self.kind(estimator) == "gradient":
            self._check_gradients(estimator)
        if self.iterates == "every" and not (is_net(estimator) or takes_gradients(estimator)):
            raise ValueError(
                "iterates='every' looks at networks after each epoch, and "
                f"{name_of(last_step(estimator))} is none: leave iterates='last'."
            )
        if self.neighbours == "replace" and self.kind(estimator) == "yours":
            raise ValueError(
                "canaries of your own are added or left out, and replace no record: give "
                "neighbours='add' if the claim counts so, or canaries='mislabelled'."
            )

    def _check_refits(self, n_canaries: int | None) -> None:
        usual = {"canaries": "auto", "iterates": "last", "n_references": 0}
        changed = [name for name, value in usual.items() if getattr(self, name) is not value]
        changed += ["n_canaries"] if n_canaries is not None else []
        if changed:
            raise ValueError(
                f"{changed[0]} is of one run: method='refits' looks at one canary, of its own "
                "choice, in the released model. Leave it out, or give method='one-run'."
            )

    def _check_gradients(self, estimator: Any) -> None:
        if not takes_gradients(estimator):
            raise ValueError(
                "canaries='gradient' needs a training that they can be put into, that of "
                f"mia_sklearn.defenses.DPSGD, and {name_of(last_step(estimator))} has none: use "
                "canaries='mislabelled'."
            )
        for name, only in (("neighbours", "add"), ("iterates", "last"), ("n_references", 0)):
            if getattr(self, name) != only:
                raise ValueError(
                    f"canaries='gradient' are read off each step, with {name}={only!r}; got "
                    f"{getattr(self, name)!r}. Give canaries='mislabelled' for that."
                )

    def kind(self, estimator: Any) -> str:
        """Return which canaries are meant: "mislabelled", "gradient" or "yours"."""
        if not isinstance(self.canaries, str):
            return "yours"
        if self.canaries != "auto":
            return self.canaries
        plain = (self.neighbours, self.iterates, self.n_references) == ("add", "last", 0)
        fits = plain and self.method != "refits" and takes_gradients(estimator)
        return "gradient" if fits else "mislabelled"

    def deciding(self, estimator: Any, claim: Claim) -> str:
        """Return the family whose bound decides.

        Raises
        ------
        ValueError
            If Gaussian noise could not have what is claimed.
        """
        if self.family == "gaussian" and claim.delta == 0:
            raise ValueError(
                "family='gaussian' needs a delta above 0 in the claim: with delta=0 Gaussian noise "
                "has no epsilon. Use family='pure'."
            )
        if self.family == "gaussian" and claim.curve is not None:
            raise ValueError(
                "family='gaussian' reads a Gaussian curve into a pair, and claimed has a curve of "
                "its own, which takes less for granted: leave family out, or give "
                "claimed=(epsilon, delta)."
            )
        if self.family == "curve" and not has_a_curve(estimator, claim):
            raise ValueError(
                "family='curve' needs a whole curve in the claim: give an accountant or a TradeOff "
                "as claimed, or leave it to DPSGD (claimed=None)."
            )
        if self.family != "auto":
            return self.family
        gradients = takes_gradients(estimator)
        if claim.curve is not None or (gradients and has_a_curve(estimator, claim)):
            return "curve"
        return "gaussian" if gradients and claim.delta > 0 else "pure"


def takes_gradients(estimator: Any) -> bool:
    """Tell whether canaries with gradients of their own can be put into an estimator's training."""
    return bool(getattr(last_step(estimator), "takes_canaries", False))


def given(estimator: Any, X: Any, y: Any) -> tuple[Mechanism, Any, np.ndarray]:
    """Return what is audited, with its records and labels.

    Raises
    ------
    ValueError
        If the estimator cannot be trained anew, or the records cannot be used.
    """
    check_trainable(estimator, None)
    name = name_of(last_step(estimator))
    if is_generator(estimator):
        raise ValueError(
            f"{name} is trained without labels, and canaries are read by theirs: audit_dp takes "
            "classifiers and regressors."
        )
    numbers = predicts_numbers(estimator)
    if not numbers and answers_several(estimator, y):
        raise ValueError(f"{name} has several outputs, and audit_dp looks at one: train one.")
    table, labels = check_records(X, y, as_truth=as_numbers if numbers else as_labels)
    if is_constant(labels):
        what = "is the same for all records" if numbers else "holds one class only"
        raise ValueError(
            f"y {what}, {labels[0].tolist()!r}: no record can be given a label that is not its own."
        )
    classes = None if numbers else np.unique(labels)
    return Mechanism(estimator, kind_of_labels(y), classes), table, labels


def made_canaries(
    mechanism: Mechanism,
    table: Any,
    labels: np.ndarray,
    n_canaries: int | None,
    *,
    options: Options,
    rng: np.random.RandomState,
) -> Canaries:
    """Return the canaries of one run.

    Raises
    ------
    ValueError
        If there cannot be so many, or a user's are no records like the others.
    """
    n = n_rows(table)
    if options.kind(mechanism.estimator) == "yours":
        return _yours(mechanism, table, labels, n_canaries, options.canaries)
    if n_canaries is None:
        n_canaries = min(_N_CANARIES, n // 4)
    elif not isinstance(n_canaries, Integral) or isinstance(n_canaries, bool):
        raise ValueError(f"n_canaries must be a whole number, got {n_canaries!r}.")
    if n_canaries > n:
        raise ValueError(
            f"n_canaries={n_canaries:,} is more than the {n:,} records of X, of which canaries are "
            "made: give fewer, or your own by canaries=(X, y)."
        )
    _check_enough(n_canaries)
    return mislabelled(
        table,
        labels,
        int(n_canaries),
        rng,
        numbers=mechanism.numbers,
        replace=options.neighbours == "replace",
    )


def _yours(
    mechanism: Mechanism, table: Any, labels: np.ndarray, n_canaries: int | None, pair: Any
) -> Canaries:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise ValueError(f"canaries must be a pair (X, y), got {type(pair).__name__}.")
    as_truth = as_numbers if mechanism.numbers else as_labels
    own, own_labels = check_records(pair[0], pair[1], "canaries[0]", "canaries[1]", as_truth)
    if n_canaries not in (None, len(own_labels)):
        raise ValueError(
            f"n_canaries={n_canaries} and canaries= of {len(own_labels):,} records: leave "
            "n_canaries out."
        )
    _check_enough(len(own_labels))
    known = mechanism.classes
    if known is not None and not np.isin(own_labels, known).all():
        unknown = own_labels[~np.isin(own_labels, known)].tolist()[0]
        raise ValueError(
            f"canaries[1] holds {unknown!r}, which is no label of y: give canaries of known "
            "classes, since a model must not be told of one by a canary."
        )
    return appended(table, labels, own, own_labels)


def _check_enough(n_canaries: int) -> None:
    if n_canaries < _FEWEST:
        raise ValueError(
            f"n_canaries={n_canaries} is too few, give {_FEWEST} or more: the coins of fewer may "
            "well all fall on one side."
        )


def fixed_seeds(estimator: Any) -> list[str]:
    """Return the parameters of an estimator that hold a seed, with their values."""
    if not hasattr(estimator, "get_params"):
        return []
    return [
        f"random_state={part.get_params(deep=False)['random_state']!r} of {name_of(part)}"
        for part in nested(estimator)
        if isinstance(part.get_params(deep=False).get("random_state"), Integral)
    ]
