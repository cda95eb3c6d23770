"""A target's answers, held against what it predicts itself."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata

from .._process._printable import in_words
from .._records._rows import positions, take_rows
from ._answers import answer_of, name_of, predicted_labels
from ._targets import FunctionTarget

__all__ = ["Agreement", "agreement_with_predict", "sample_of_both", "some_rows"]

_ROWS_PER_SIDE = 128
# Answers closer than this are a tie, which predict breaks as it likes.
_TIE = 1e-6
# Ranks this many standard errors below chance are no accident.
_SURELY = 3.0


class Agreement(NamedTuple):
    """How a target's answers agree with its own `predict`.

    Attributes
    ----------
    n : int
        Records looked at.
    share : float
        Share of them whose predicted class is not the one with the largest posterior.
    order : float
        How surely a class's posteriors are larger where it is predicted than where it is not: an
        AUC, averaged over the predicted classes. 1 where the two differ by thresholds or a
        calibration of each class, .5 where they have nothing to do with one another. NaN where
        one class is predicted throughout.
    """

    n: int
    share: float
    order: float


def some_rows(n: int) -> np.ndarray:
    """Return up to 128 of n rows, evenly spaced."""
    return np.linspace(0, n - 1, min(n, _ROWS_PER_SIDE)).astype(np.intp)


def sample_of_both(member: np.ndarray) -> np.ndarray:
    """Return rows of up to 128 members and 128 non-members."""
    sides = (np.flatnonzero(member), np.flatnonzero(~member))
    return np.concatenate([side[some_rows(len(side))] for side in sides])


def agreement_with_predict(
    target: Any, X: Any, log_proba: np.ndarray, rows: np.ndarray
) -> Agreement | None:
    """Hold a target's answers on some records against its `predict`.

    Parameters
    ----------
    target : fitted classifier
    X : table of shape (n_records, ...)
    log_proba : ndarray of shape (n_records, n_classes)
        Its log-posteriors, in the order of its classes.
    rows : ndarray of int
        Which of the records to ask about.

    Returns
    -------
    Agreement, or None where `predict` is nothing else than the answers

    Raises
    ------
    ValueError
        If the answers' columns do not mean what `classes_` says.
    """
    predicted = _predicted(target, take_rows(X, rows))
    if predicted is None:
        return None
    proba = np.exp(log_proba[rows].astype(np.float64))
    own = proba[np.arange(len(rows)), np.maximum(predicted, 0)]
    differs = (predicted < 0) | (own < proba.max(axis=1) - _TIE)
    areas, weights, reversed_class = [], [], -1
    for k in range(proba.shape[1]):
        chosen = predicted == k
        n_chosen, n_others = int(chosen.sum()), int((~chosen).sum())
        if not n_chosen or not n_others:
            continue
        ranks = rankdata(proba[:, k])[chosen].sum()
        area = (ranks - n_chosen * (n_chosen + 1) / 2) / (n_chosen * n_others)
        if area + _SURELY * np.sqrt((1 / n_chosen + 1 / n_others) / 12) < 0.5:
            reversed_class = k
        areas.append(area)
        weights.append(n_chosen)
    agreement = Agreement(
        len(rows),
        float(differs.mean()),
        float(np.average(areas, weights=weights)) if areas else float("nan"),
    )
    if reversed_class >= 0 and not _decision_vouches(target, X, rows, predicted):
        label = np.asarray(target.classes_).tolist()[reversed_class]
        raise ValueError(
            f"The answers of {name_of(target)} do not mean what its classes_ say: on "
            f"{100 * agreement.share:.0f} % of {len(rows)} records its predict gives another class "
            f"than its largest posterior, and it predicts {label!r} where that class's posteriors "
            "are small. Put the columns of predict_proba (or of decision_function, one per class) "
            "into the order of classes_, or pass a function X -> posteriors with classes=."
        )
    return agreement


def _predicted(target: Any, X: Any) -> np.ndarray | None:
    """Return positions of predicted classes, -1 for what is none; None without a `predict`."""
    of_net = getattr(target, "source", None) is not None
    if not of_net and not _answers_otherwise(target):
        return None
    try:
        answer = target.predicted_by_net(X).reshape(-1) if of_net else predicted_labels(target, X)
    except Exception as error:
        why = in_words(error).rstrip(".")
        raise ValueError(
            f"{name_of(target)} answers posteriors but does not predict: {why}. Pass the function "
            "model.predict_proba, with classes= in the order of its columns and estimator=."
        ) from error
    classes = np.asarray(target.classes_)
    readings = [(answer, classes)]
    if of_net:
        # skorch predicts positions of columns, whatever the classes are called.
        readings.append((answer, np.arange(len(classes))))
    # Some libraries turn labels into strings and back.
    readings.append((answer.astype(str), classes.astype(str)))
    for labels, known in readings:
        found = positions(labels, known)
        if (found >= 0).any():
            return found
    raise ValueError(
        f"predict of {name_of(target)} answers {answer.tolist()[0]!r}, which is not one of its "
        f"classes_: {', '.join(map(repr, classes.tolist()[:6]))}."
    )


def _answers_otherwise(target: Any) -> bool:
    """Tell whether a target's answers are not read from its `predict`, nor that from them."""
    if hasattr(target, "predicted_by_net") or isinstance(target, FunctionTarget):
        return False
    return hasattr(target, "predict") and (
        hasattr(target, "predict_proba") or hasattr(target, "decision_function")
    )


def _decision_vouches(target: Any, X: Any, rows: np.ndarray, predicted: np.ndarray) -> bool:
    """Tell whether the decision function predicts as `predict` does, calibration aside.

    Posteriors that point elsewhere are a poor calibration then, and no mistake about columns.
    """
    if not (hasattr(target, "predict_proba") and hasattr(target, "decision_function")):
        return False
    scores = np.asarray(
        answer_of(target, "decision_function", take_rows(X, rows)), dtype=np.float64
    )
    if scores.ndim == 1:
        scores = np.stack([-scores, scores], axis=1)
    return bool(
        scores.shape == (len(rows), len(target.classes_))
        and (scores.argmax(axis=1) == predicted).mean() > 0.9
    )
