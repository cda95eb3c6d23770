"""What a model returns, as an array with one row per record and one column per class."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import log_softmax

from .._records._index import in_order_asked, row_labels
from .._records._rows import n_rows, positions
from ._asking import ask
from ._kinds import last_step

__all__ = [
    "answer_of",
    "as_columns",
    "from_decision",
    "from_labels",
    "is_of_pairs",
    "name_of",
    "predicted_labels",
]

# Attributes of what merely hands on the answers of one fitted part.
_HANDED_ON = ("best_estimator_", "estimator_", "final_estimator_")


def name_of(model: Any) -> str:
    """Return what a model is called in messages: its class, or a function's own name."""
    if type(model).__name__ != "FunctionTarget":
        return type(model).__name__
    return getattr(model.function, "__name__", type(model.function).__name__)


def answer_of(model: Any, method: str, X: Any) -> Any:
    """Return what a model's method answers about a copy of records, in their order."""
    answer = ask(model, method, X)
    return in_order_asked(f"{method} of {name_of(model)}", answer, row_labels(X))


def as_columns(answer: Any, classes: np.ndarray, model: str) -> np.ndarray:
    """Return posteriors of any kind as an array whose columns are in the order of `classes`.

    Parameters
    ----------
    answer : array, tensor, sparse matrix, data frame, list of dicts
        Columns of a frame and keys of dicts that are the classes are put into their order.
        Of two classes the second one's posteriors may stand alone.
    classes : ndarray of shape (n_classes,)
    model : str
        What the model is called in messages.

    Returns
    -------
    ndarray of shape (n_records, n_classes), float64

    Raises
    ------
    ValueError
        If the answer holds no such columns.
    """
    if isinstance(answer, (list, tuple)) and len(answer) == 2 and _is_dicts(answer[1]):
        # All outputs of an ONNX session: labels, then posteriors.
        answer = answer[1]
    if hasattr(answer, "detach"):
        answer = answer.detach().cpu()
    elif sparse.issparse(answer):
        answer = answer.toarray()
    elif hasattr(answer, "columns") and hasattr(answer, "to_numpy"):
        answer = _by_name(answer, classes, model)
    elif _is_dicts(answer):
        answer = _by_key(answer, classes, model)
    try:
        columns = np.asarray(answer)
        columns = columns.astype(np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{model} answered with what are no posteriors: {error}") from error
    if columns.ndim == 3:
        raise ValueError(
            f"{model} answers several outputs; audit one of them, by a function of X that returns "
            "its columns, with classes= and estimator=."
        )
    if len(classes) == 2 and (columns.ndim == 1 or columns.shape[1:] == (1,)):
        second = columns.reshape(-1)
        # Outside of [0, 1] both columns show it.
        return np.stack([1 - second, second], axis=1)
    return columns


def _is_dicts(answer: Any) -> bool:
    return isinstance(answer, (list, tuple)) and len(answer) > 0 and isinstance(answer[0], dict)


def _by_name(frame: Any, classes: np.ndarray, model: str) -> Any:
    names, labels = list(frame.columns), classes.tolist()
    values = frame.to_numpy()
    places = _places(names, labels)
    if places is not None and list(names) == list(range(len(names))) and places != sorted(places):
        # Numbered columns may be the classes 0, 1, ..., or have no names at all.
        places = None
    elif places is None and names in (
        list(range(len(names))),
        [f"column_{k}" for k in range(len(names))],
    ):
        return values
    if places is None:
        raise ValueError(
            f"{model} answered with a data frame whose columns are {_listed(names)}, and the "
            f"classes are {_listed(labels)}: name the columns by the classes, or return an array."
        )
    return values[:, places]


def _by_key(rows: Any, classes: np.ndarray, model: str) -> np.ndarray:
    labels = classes.tolist()
    keys = list(rows[0])
    places = _places(keys, labels)
    if places is None or any(list(row) != keys for row in rows):
        raise ValueError(
            f"{model} answered with dicts whose keys are {_listed(keys)}; they must be the classes "
            f"{_listed(labels)}."
        )
    return np.array([list(row.values()) for row in rows])[:, places]


def _places(names: list[Any], labels: list[Any]) -> list[int] | None:
    """Return where each label stands among the names; None unless they are the same."""
    for kind in (lambda value: value, str):
        ours, theirs = [kind(label) for label in labels], [kind(name) for name in names]
        if sorted(map(str, ours)) == sorted(map(str, theirs)) and set(ours) == set(theirs):
            return [theirs.index(label) for label in ours]
    return None


def _listed(values: list[Any]) -> str:
    return ", ".join(map(repr, values[:6])) + (", ..." if len(values) > 6 else "")


def is_of_pairs(model: Any) -> bool:
    """Tell whether a model says that its decision function has a column per pair of classes."""
    while True:
        model = last_step(model)
        inner = next((name for name in _HANDED_ON if hasattr(model, name)), None)
        if inner is None or hasattr(model, "decision_function_shape"):
            return getattr(model, "decision_function_shape", None) == "ovo"
        model = getattr(model, inner)


def from_decision(decision: Any, n_classes: int, model: Any = None) -> np.ndarray:
    """Return the log-posteriors that the scores of a decision function stand for.

    Raises
    ------
    ValueError
        If there is not one score per class (of two classes one in all), or they are NaN.
    """
    if hasattr(decision, "detach"):
        decision = decision.detach().cpu()
    decision = np.asarray(decision, dtype=np.float64)
    if np.isnan(decision).any():
        raise ValueError(f"The decision function of {name_of(model)} returned NaN.")
    if n_classes == 2 and (decision.ndim == 1 or decision.shape[1:] == (1,)):
        margin = decision.reshape(-1)
        return np.stack([-np.logaddexp(0, margin), -np.logaddexp(0, -margin)], axis=1)
    n_pairs = n_classes * (n_classes - 1) // 2
    n_columns = decision.shape[1] if decision.ndim == 2 else 0
    if n_classes > 2 and n_columns == n_pairs and is_of_pairs(model):
        decision = _votes_of_pairs(decision, n_classes)
    elif n_columns != n_classes:
        ways = ""
        if n_classes > 3 and n_columns == n_pairs:
            ways = (
                f" {n_pairs} columns are those of pairs of classes: train with "
                "decision_function_shape='ovr', or give the model a predict_proba."
            )
        raise ValueError(
            f"The decision function of {name_of(model)} answered with shape {decision.shape}; "
            f"expected one row per record and one column per class, of which there are "
            f"{n_classes}.{ways}"
        )
    return log_softmax(decision, axis=1)


def _votes_of_pairs(pairs: np.ndarray, n_classes: int) -> np.ndarray:
    """Return a score per class, as scikit-learn's one-against-rest form of pairs has it.

    Votes decide; the sums of the pairs' scores, brought below a third, break ties.
    """
    votes = np.zeros((len(pairs), n_classes))
    sums = np.zeros_like(votes)
    for pair, (one, other) in zip(pairs.T, combinations(range(n_classes), 2), strict=True):
        votes[:, one] += pair >= 0
        votes[:, other] += pair < 0
        sums[:, one] += pair
        sums[:, other] -= pair
    return votes + sums / (3 * (np.abs(sums) + 1))


def predicted_labels(model: Any, X: Any) -> np.ndarray:
    """Return what a model predicts, one label per record, whatever the shape of its answer.

    Raises
    ------
    ValueError
        If there is not one label per record.
    """
    predicted = np.asarray(answer_of(model, "predict", X))
    if predicted.size != n_rows(X):
        raise ValueError(
            f"predict of {name_of(model)} answered with shape {predicted.shape}, not one label for "
            f"each of {n_rows(X)} records. If these are posteriors, pass the function "
            "model.predict with classes=."
        )
    return predicted.reshape(-1)


def from_labels(predicted: np.ndarray, classes: np.ndarray, model: Any = None) -> np.ndarray:
    """Return log-posteriors of 0 for predicted labels, minus infinity for all others.

    Raises
    ------
    ValueError
        If a label is none of the classes.
    """
    found = positions(predicted, classes)
    if (found < 0).any():
        label = predicted.tolist()[int(found.argmin())]
        raise ValueError(
            f"predict of {name_of(model)} answers {label!r}, which is not one of its classes_: "
            f"{_listed(classes.tolist())}."
        )
    return np.where(found[:, None] == np.arange(len(classes)), 0.0, -np.inf)
