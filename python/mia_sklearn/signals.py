"""From a model's answers to the numbers that attacks read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import logsumexp

from ._models._answers import (
    answer_of,
    as_columns,
    from_decision,
    from_labels,
    name_of,
    predicted_labels,
)
from ._models._kinds import last_step
from ._records._rows import chunks, n_rows, take_rows

__all__ = [
    "SIGNALS",
    "centred_log_posteriors",
    "choose_smoothing",
    "log_posteriors",
    "log_proba_from_proba",
    "rescaled_logit",
    "signal",
    "signal_of_posteriors",
]

# What minus infinity stands for where log-posteriors are coordinates.
LEAST_LOG_POSTERIOR = float(np.log(np.finfo(np.float32).tiny))
_PROBE_ROWS = 64
_BOOSTING = ("lightgbm", "xgboost")
_SMOOTHING_OF_VOTES = 0.03
_SMOOTHING_OF_SMOOTH_MODELS = 1e-12
_SATURATED_SHARE = 1e-3


def log_posteriors(model: Any, X: Any, classes: Any = None) -> np.ndarray:
    """Return a classifier's log-posteriors, from its logits where it gives them.

    `decision_function` is read as logits when their soft-max (two classes: sigmoid) is the
    model's `predict_proba`, checked on the first rows, or when there is no `predict_proba` at
    all (`LinearSVC`). Otherwise `predict_log_proba`, `predict_proba`, and last `predict` answer;
    a class with posterior 0 gets minus infinity.

    Parameters
    ----------
    model : fitted classifier with `classes_`
    X : table of shape (n_records, n_features)
    classes : array-like of shape (n_classes,), default=None
        Columns of the result; `model.classes_` by default. Classes that the model does not know
        get minus infinity, classes of the model that are not listed are left out.

    Returns
    -------
    ndarray of shape (n_records, n_classes), float64

    Raises
    ------
    ValueError
        If the answer has the wrong shape, holds NaN, or its rows do not sum to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from mia_sklearn.signals import log_posteriors
    >>> model = LogisticRegression().fit([[-1.0], [1.0]], [0, 1])
    >>> float(np.exp(log_posteriors(model, [[0.0]]))[0, 1].round(3))
    0.5
    """
    own = np.asarray(model.classes_)
    # Parts, since each is copied: a model may write to what it is given.
    parts = [_answer(model, take_rows(X, rows), own) for rows in chunks(X)]
    answer = np.concatenate(parts) if parts else _answer(model, X, own)
    if answer.shape != (n_rows(X), len(own)):
        raise ValueError(
            f"{name_of(model)} answered with shape {answer.shape}; expected one row per record and "
            f"one column per class: ({n_rows(X)}, {len(own)})."
        )
    if classes is None:
        return answer
    classes = np.asarray(classes)
    if np.array_equal(classes, own):
        return answer
    aligned = np.full((len(answer), len(classes)), -np.inf)
    position = {label: j for j, label in enumerate(classes.tolist())}
    for j, label in enumerate(own.tolist()):
        if label in position:
            aligned[:, position[label]] = answer[:, j]
    return aligned


def _answer(model: Any, X: Any, classes: np.ndarray) -> np.ndarray:
    has_decision = hasattr(model, "decision_function")
    if not hasattr(model, "predict_proba"):
        if has_decision:
            return from_decision(answer_of(model, "decision_function", X), len(classes), model)
        return from_labels(predicted_labels(model, X), classes, model)
    name = name_of(model)
    _check_objective(model)
    if has_decision or hasattr(model, "predict_log_proba"):
        probe = take_rows(X, np.arange(min(_PROBE_ROWS, n_rows(X))))
        expected = as_columns(answer_of(model, "predict_proba", probe), classes, name)
        with np.errstate(divide="ignore"):
            if has_decision and _gives_logits(model, probe, expected):
                return from_decision(answer_of(model, "decision_function", X), len(classes), model)
            if hasattr(model, "predict_log_proba") and _agree(
                as_columns(answer_of(model, "predict_log_proba", probe), classes, name), expected
            ):
                answer = as_columns(answer_of(model, "predict_log_proba", X), classes, name)
                if np.isnan(answer).any():
                    raise ValueError(f"predict_log_proba of {name} returned NaN.")
                return answer
    proba = as_columns(answer_of(model, "predict_proba", X), classes, name)
    if _is_one_vs_rest(model):
        # Where every part says no it answers zeros (older versions NaN): no class before another.
        total = np.nan_to_num(proba).sum(axis=1, keepdims=True)
        proba = np.where(total > 0, proba / np.where(total > 0, total, 1), 1 / proba.shape[1])
    return log_proba_from_proba(proba, model)


def _gives_logits(model: Any, probe: Any, expected: np.ndarray) -> bool:
    try:
        read = from_decision(answer_of(model, "decision_function", probe), expected.shape[1], model)
    except ValueError:
        # Scores of another kind than one per class: the posteriors answer.
        return False
    return _agree(read, expected)


def _check_objective(model: Any) -> None:
    """Refuse boosting that a user's own objective trained: raw scores stand for its posteriors."""
    last = last_step(model)
    library = type(last).__module__.partition(".")[0]
    objective = getattr(last, "objective", None)
    if library in _BOOSTING and (callable(objective) or objective == "binary:logitraw"):
        raise ValueError(
            f"{name_of(last)} with this objective= ({getattr(objective, '__name__', objective)}) "
            "answers raw scores and not posteriors. Pass a function X -> posteriors as model, with "
            "classes=, and as estimator= a function (X, y, seed) that trains and returns "
            "FunctionTarget of one."
        )


def _is_one_vs_rest(model: Any) -> bool:
    """Tell whether posteriors come from a model of each class, and need not sum to 1."""
    last = last_step(model)
    return type(last).__module__ == "sklearn.multiclass" or (
        type(last).__module__.startswith("lightgbm.")
        and getattr(last, "objective", None) in ("multiclassova", "multiclass_ova", "ova", "ovr")
    )


def _agree(log_proba: np.ndarray, proba: np.ndarray) -> bool:
    if log_proba.shape != proba.shape:
        return False
    return np.allclose(np.exp(log_proba), proba, rtol=1e-4, atol=1e-6)


def log_proba_from_proba(proba: Any, model: Any = None) -> np.ndarray:
    """Return the logarithm of posteriors after checking that they are posteriors of a model.

    Parameters
    ----------
    proba : array-like of shape (n_records, n_classes)
    model : estimator, default=None
        Whose they are, for messages.

    Returns
    -------
    ndarray of shape (n_records, n_classes), float64

    Raises
    ------
    ValueError
        If they have another shape, hold NaN, or are no posteriors.
    """
    proba = np.asarray(proba, dtype=np.float64)
    whose = "The model's" if model is None else f"{name_of(model)}'s"
    if proba.ndim != 2:
        raise ValueError(
            f"Posteriors must have shape (n_records, n_classes), got {proba.ndim} dimension(s)."
        )
    if np.isnan(proba).any():
        row = int(np.flatnonzero(np.isnan(proba).any(axis=1))[0])
        raise ValueError(f"{whose} posteriors hold NaN, first in row {row}.")
    off = np.abs(proba.sum(axis=1) - 1) > 1e-3
    off |= (proba < -1e-6).any(axis=1)
    if off.any():
        row = int(np.flatnonzero(off)[0])
        what = (
            f"sums to {proba[row].sum():.6g}"
            if (proba[row] >= -1e-6).all()
            else f"holds {proba[row].min():.6g}"
        )
        raise ValueError(
            f"{whose} posteriors must be non-negative and sum to 1 in each row; row {row} {what}. "
            "Normalise them, or pass a model with predict_proba."
        )
    with np.errstate(divide="ignore"):
        return np.log(np.maximum(proba, 0.0))


def rescaled_logit(log_proba: np.ndarray, label: np.ndarray, smoothing: float = 0.0) -> np.ndarray:
    r"""Return phi, the log-odds of the true class.

    .. math:: \phi = \log(p_y + e) - \log(\sum_{c \ne y} p_c + e)

    Loss is softplus(-phi) and confidence sigmoid(phi) when e = 0.

    Parameters
    ----------
    log_proba : ndarray of shape (..., n_records, n_classes)
        Log-posteriors, natural logarithm.
    label : ndarray of shape (n_records,), integer
        Column of each record's true class; -1 where the model does not know the class, whose
        posterior is then 0.
    smoothing : float, default=0
        The mass e added to both sides. Averages of votes need some: they cannot tell 0 from
        less than one vote.

    Returns
    -------
    ndarray of shape (..., n_records), float64

    References
    ----------
    .. [1] N. Carlini et al., "Membership Inference Attacks From First Principles", IEEE S&P
       2022, section VI-A.
    """
    log_proba = np.asarray(log_proba, dtype=np.float64)
    label = np.asarray(label)
    n_classes = log_proba.shape[-1]
    index = np.broadcast_to(
        np.maximum(label, 0)[..., None].astype(np.intp), (*log_proba.shape[:-1], 1)
    )
    known = label >= 0
    answer = np.take_along_axis(log_proba, index, axis=-1)[..., 0]
    true = np.where(known, answer, -np.inf)
    if n_classes == 2 and known.all():
        other = np.take_along_axis(log_proba, 1 - index, axis=-1)[..., 0]
    else:
        rest = log_proba.copy()
        np.put_along_axis(rest, index, np.where(known, -np.inf, answer)[..., None], axis=-1)
        with np.errstate(divide="ignore"):
            other = logsumexp(rest, axis=-1)
    if smoothing > 0:
        floor = np.log(smoothing)
        true, other = np.logaddexp(true, floor), np.logaddexp(other, floor)
    return true - other


def choose_smoothing(log_proba: np.ndarray) -> float:
    """Choose the smoothing e of `rescaled_logit` from the answers of reference models alone.

    Models that answer exactly 0 or 1 on more than 1 record in 1,000 (votes, leaves) get 0.03,
    all others 1e-12, which leaves their answers as they are but for infinities.

    Parameters
    ----------
    log_proba : ndarray of shape (n_models, n_records, n_classes) or (n_records, n_classes)
        Log-posteriors of models that are not under audit.

    Returns
    -------
    float
        The smoothing e.
    """
    # Float32 answers below half a unit in the last place of 1 count as exactly 1.
    saturated = (log_proba.max(axis=-1) > -1e-12).mean()
    zero = np.isneginf(log_proba).any(axis=-1).mean()
    return (
        _SMOOTHING_OF_VOTES
        if min(saturated, zero) > _SATURATED_SHARE
        else (_SMOOTHING_OF_SMOOTH_MODELS)
    )


def centred_log_posteriors(log_proba: np.ndarray, smoothing: float = 0.0) -> np.ndarray:
    """Return log-posteriors less their mean over the classes: logits up to what soft-max ignores.

    Parameters
    ----------
    log_proba : ndarray of shape (n_records, n_classes)
        Log-posteriors.
    smoothing : float, default=0.0
        Added to each posterior, so that votes of 0 and 1 stay apart from one another by a
        distance that means something.

    Returns
    -------
    ndarray of shape (n_records, n_classes), float64

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.signals import centred_log_posteriors
    >>> centred_log_posteriors(np.log([[0.8, 0.2]])).round(3)
    array([[ 0.693, -0.693]])
    """
    log_proba = np.maximum(np.asarray(log_proba, dtype=np.float64), LEAST_LOG_POSTERIOR)
    if smoothing:
        log_proba = np.logaddexp(log_proba, np.log(smoothing))
    return log_proba - log_proba.mean(axis=1, keepdims=True)


def _entropy(log_proba: np.ndarray, label: np.ndarray) -> np.ndarray:
    proba = np.exp(log_proba)
    return -np.where(proba > 0, proba * np.where(proba > 0, log_proba, 0.0), 0.0).sum(axis=1)


def _normalized_entropy(log_proba: np.ndarray, label: np.ndarray) -> np.ndarray:
    return _entropy(log_proba, label) / np.log(log_proba.shape[1])


def _modified_entropy(log_proba: np.ndarray, label: np.ndarray) -> np.ndarray:
    proba = np.exp(log_proba)
    mass_of_others = np.clip(1 - proba, 0, 1)
    tiny = np.finfo(np.float64).tiny
    terms = -proba * np.log(np.maximum(mass_of_others, tiny))
    rows = np.arange(len(proba))
    true = np.maximum(label, 0)
    own = -mass_of_others[rows, true] * np.maximum(log_proba[rows, true], np.log(tiny))
    result = terms.sum(axis=1) - terms[rows, true] + own
    return np.where(label < 0, -np.log(tiny), result)


def _margin(log_proba: np.ndarray, label: np.ndarray) -> np.ndarray:
    rows = np.arange(len(log_proba))
    # Log-posteriors differ from logits by a constant per record, which the margin cancels.
    floor = np.maximum(log_proba, np.log(np.finfo(np.float64).tiny))
    true = floor[rows, np.maximum(label, 0)]
    rest = floor.copy()
    rest[rows, np.maximum(label, 0)] = -np.inf
    return true - rest.max(axis=1)


def _correctness(log_proba: np.ndarray, label: np.ndarray) -> np.ndarray:
    return (log_proba.argmax(axis=1) == label).astype(np.float64)


def _loss(log_proba: np.ndarray, label: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, -rescaled_logit(log_proba, label, _SMOOTHING_OF_SMOOTH_MODELS))


def _confidence(log_proba: np.ndarray, label: np.ndarray) -> np.ndarray:
    true = np.exp(log_proba[np.arange(len(log_proba)), np.maximum(label, 0)])
    return np.where(label < 0, 0.0, true)


def _logit(log_proba: np.ndarray, label: np.ndarray) -> np.ndarray:
    return rescaled_logit(log_proba, label, _SMOOTHING_OF_SMOOTH_MODELS)


def _max_confidence(log_proba: np.ndarray, label: np.ndarray) -> np.ndarray:
    return np.exp(log_proba.max(axis=1))


# name -> (function of log-posteriors and label, +1 where higher means member, else -1)
SIGNALS: dict[str, tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], int]] = {
    "loss": (_loss, -1),
    "confidence": (_confidence, 1),
    "max_confidence": (_max_confidence, 1),
    "entropy": (_entropy, -1),
    "normalized_entropy": (_normalized_entropy, -1),
    "modified_entropy": (_modified_entropy, -1),
    "correctness": (_correctness, 1),
    "logit": (_logit, 1),
    "margin": (_margin, 1),
}


def signal(name: str, log_proba: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Compute a signal as its definition says, in its own direction.

    Parameters
    ----------
    name : {"loss", "confidence", "max_confidence", "entropy", "normalized_entropy", \
            "modified_entropy", "correctness", "logit", "margin"}
    log_proba : ndarray of shape (n_records, n_classes)
        Log-posteriors, natural logarithm.
    label : ndarray of shape (n_records,), integer
        Column of the true class, -1 for a class that the model does not know.

    Returns
    -------
    ndarray of shape (n_records,), float64
        Loss and entropies in nats; "normalized_entropy" is divided by log(n_classes).

    Raises
    ------
    ValueError
        If the signal is unknown.

    References
    ----------
    .. [1] S. Yeom et al., "Privacy Risk in Machine Learning", CSF 2018 (loss).
    .. [2] L. Song and P. Mittal, "Systematic Evaluation of Privacy Risks of Machine Learning
       Models", USENIX Security 2021, section 3 (modified entropy).

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.signals import signal
    >>> signal("loss", np.log([[0.5, 0.5]]), np.array([1])).round(4)
    array([0.6931])
    """
    if name not in SIGNALS:
        raise ValueError(f"Unknown signal {name!r}; choose one of {', '.join(SIGNALS)}.")
    return SIGNALS[name][0](np.asarray(log_proba, dtype=np.float64), np.asarray(label))


def signal_of_posteriors(name: str, proba: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Compute a signal of observed posteriors and class indices.

    Parameters
    ----------
    name : str
        One of `SIGNALS`.
    proba : ndarray of shape (n_records, n_classes)
    label : ndarray of shape (n_records,)
        Class indices.

    Returns
    -------
    ndarray of shape (n_records,), float64
        NaN where posteriors are missing.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        log_proba = np.log(np.maximum(proba, 0.0, dtype=np.float64))
    known = (label >= 0) & (label < log_proba.shape[1])
    index = np.where(known, label, -1).astype(np.intp)
    score = signal(name, log_proba, index)
    return np.where(np.isnan(log_proba).any(axis=1), np.nan, score)
