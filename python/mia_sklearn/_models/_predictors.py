"""Models that answer numbers, or labels of several kinds at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._records._rows import n_rows, positions
from ._answers import answer_of, name_of
from ._backend import backend_of
from ._counted import CountedFunction
from ._is_fitted import check_fitted
from ._kinds import is_module, kind_of_estimator, last_step

__all__ = [
    "FunctionRegressor",
    "answers_several",
    "as_predictor",
    "check_classifies",
    "check_labels_of_outputs",
    "log_posteriors_of_outputs",
    "predicted_numbers",
    "predicts_numbers",
]


class FunctionRegressor(CountedFunction):
    """A function `X -> numbers` as a regressor under audit, with its queries counted.

    Parameters
    ----------
    function : callable
        Takes a table of records, returns one number per record, or one row of numbers. Rows that
        bear the index of the records are put into their order.
    query_budget : int, default=None
        Most records that may be asked about in all. Going over is an error before the query.

    Attributes
    ----------
    n_queries_ : int
        Records asked about so far.
    queries_left : int or None
        Records that may still be asked about; None without a budget.

    See Also
    --------
    FunctionTarget : A function that returns posteriors or labels.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn import FunctionRegressor
    >>> target = FunctionRegressor(lambda X: X.sum(axis=1))
    >>> target.predict(np.ones((2, 3))).tolist(), target.n_queries_
    ([3.0, 3.0], 2)
    """

    _estimator_type = "regressor"

    def __init__(self, function: Callable[[Any], Any], *, query_budget: int | None = None) -> None:
        if not callable(function):
            raise ValueError(
                f"function must take records and return numbers, got {type(function).__name__}."
            )
        super().__init__(function, query_budget)

    def predict(self, X: Any) -> np.ndarray:
        """Ask the function about records, within the budget.

        Parameters
        ----------
        X : table of shape (n_records, ...)

        Returns
        -------
        ndarray of shape (n_records,) or (n_records, n_outputs)

        Raises
        ------
        ValueError
            If the budget does not suffice.
        """
        return self._answers(X)


def predicts_numbers(model: Any) -> bool:
    """Tell whether a model is a regressor, as far as it says what it is."""
    return not isinstance(model, type) and kind_of_estimator(model) == "regressor"


def check_classifies(estimator: Any, who: str, way_out: str) -> None:
    """Raise if an estimator is a regressor, of which `who` cannot make anything.

    Raises
    ------
    ValueError
        Names the class and `way_out`.
    """
    if predicts_numbers(estimator):
        raise ValueError(
            f"{who} asks classifiers, and {type(estimator).__name__} is a regressor: {way_out}."
        )


def answers_several(model: Any, y: Any = None) -> bool:
    """Tell whether a classifier has several outputs: by its classes, or by the labels.

    Parameters
    ----------
    model : estimator
        Fitted or not.
    y : array-like, default=None
        Labels that it was, or is to be, trained on.
    """
    if isinstance(model, type) or kind_of_estimator(model) not in ("classifier", None):
        return False
    if not (hasattr(model, "fit") or hasattr(model, "predict")):
        return False
    shape: tuple[int, ...] = getattr(y, "shape", ())
    columns = shape[1] if len(shape) == 2 and shape[1] > 1 else 0
    try:
        classes = model.classes_
    except Exception:
        classes = None
    if classes is None:
        return columns > 0
    last = last_step(model)
    if getattr(last, "multilabel_", False) or any(map(np.ndim, classes)):
        return True
    # Some number the labels that are there or not, where others have two classes for each.
    kind = getattr(getattr(last, "_label_binarizer", None), "y_type_", "")
    return kind.startswith("multilabel")


def as_predictor(model: Any, query_budget: int | None = None, *, X: Any) -> Any:
    """Return a fitted regressor, or a classifier with several outputs; a plain function wrapped.

    Parameters
    ----------
    model, query_budget
        As in `observe`.
    X : table
        Some records, about which a fitted model answers.

    Raises
    ------
    ValueError
        If the model is not fitted, or does not predict.
    """
    if isinstance(model, type):
        raise ValueError(f"model must be a fitted model, got the class {model.__name__}.")
    if is_module(model):
        raise ValueError(
            "model is a torch module: pass mia_sklearn.FunctionRegressor of a function X -> "
            "numbers that asks it, and estimator= an unfitted skorch regressor like it."
        )
    if hasattr(model, "cv_results_") and getattr(model, "refit", True) is False:
        raise ValueError(
            f"This {type(model).__name__} holds no model, since refit=False: train "
            "model.estimator with model.best_params_, and pass that."
        )
    if not hasattr(model, "predict"):
        if hasattr(model, "fit") or not callable(model):
            raise ValueError(
                "model must be fitted and have predict, or be a function X -> numbers, got "
                f"{type(model).__name__}."
            )
        return FunctionRegressor(model, query_budget=query_budget)
    if query_budget is not None:
        raise ValueError(
            "query_budget counts the queries of a plain function, and model is not one; of a "
            "FunctionRegressor it is an argument: FunctionRegressor(function, query_budget=...)."
        )
    backend = backend_of(model) if predicts_numbers(model) else None
    if backend is not None:
        return backend.as_target(model, None)
    if hasattr(model, "fit") and (
        hasattr(model, "__sklearn_is_fitted__") or hasattr(model, "__sklearn_tags__")
    ):
        check_fitted(model, X)
    return model


def predicted_numbers(model: Any, X: Any, n_outputs: int) -> np.ndarray:
    """Return what a regressor predicts, one row per record and one column per output.

    Raises
    ------
    ValueError
        If the answer has another shape, or holds anything but finite numbers.
    """
    answer = answer_of(model, "predict", X)
    if hasattr(answer, "detach"):
        answer = answer.detach().cpu()
    try:
        if np.iscomplexobj(answer):
            raise TypeError("complex numbers have no place on a line")
        values = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"predict of {name_of(model)} answers with what are no numbers: {error}"
        ) from error
    n = n_rows(X)
    if values.shape not in ((n, n_outputs), *(((n,),) if n_outputs == 1 else ())):
        expected = f"({n},)" if n_outputs == 1 else f"({n}, {n_outputs})"
        more = ""
        if values.ndim == 2 and values.shape[1] > n_outputs == 1:
            # Quantiles, or a variance beside the mean.
            more = (
                " Audit one of the numbers that it answers: "
                "mia_sklearn.FunctionRegressor(lambda X: model.predict(X)[:, 0]), with estimator= "
                "a function (X, y, seed) that trains such a model and returns the same of it."
            )
        raise ValueError(
            f"predict of {name_of(model)} answered with shape {values.shape}; expected what y "
            f"has, {n_outputs} number{'s' * (n_outputs > 1)} per record: {expected}.{more}"
        )
    values = values.reshape(n, n_outputs)
    wrong = ~np.isfinite(values).all(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"predict of {name_of(model)} answers {values[row].tolist()!r} for record {row}, which "
            "is no finite number. Leave such records out, or have the model answer them "
            "(out_of_bounds='clip' of IsotonicRegression, a larger radius, an imputer in front)."
        )
    return values


def check_labels_of_outputs(model: Any, y: np.ndarray, name: str = "y") -> None:
    """Raise if the labels of an output are not those that a classifier knows of it.

    Parameters
    ----------
    model : fitted classifier with several outputs
    y : ndarray of shape (n_records, n_outputs)
    name : str
        What the error calls the labels.
    """
    try:
        n_outputs = len(model.classes_)
    except AttributeError:
        return  # It does not tell.
    if n_outputs != y.shape[1]:
        raise ValueError(
            f"{name} has {y.shape[1]} columns; the model has {n_outputs} outputs: give one column "
            "for each, in their order."
        )
    nothing = tuple(np.empty(0) for _ in range(n_outputs))
    own = [set(known.tolist()) for known in _own_classes(model, nothing)]
    given = [set(column.tolist()) for column in y.T]
    for j, (there, known) in enumerate(zip(given, own, strict=True)):
        unknown = sorted(there - known, key=str)
        if unknown and any(there <= of and not given[k] <= of for k, of in enumerate(own)):
            raise ValueError(
                f"{name} has labels in column {j} that the model knows of another output, "
                f"{', '.join(map(repr, unknown[:5]))}: give the columns in the order of the "
                "model's outputs."
            )
        if unknown:
            raise ValueError(
                f"{name} has labels that the model does not know of output {j}: "
                f"{', '.join(map(repr, unknown[:5]))}. It knows "
                f"{', '.join(map(repr, sorted(known, key=str)[:10]))}. Drop these records; "
                "or, where labels are there or not, train OneVsRestClassifier, which knows both of "
                "each."
            )


def log_posteriors_of_outputs(
    model: Any, X: Any, classes: tuple[np.ndarray, ...]
) -> list[np.ndarray]:
    """Return the log-posteriors of each output of a classifier.

    Parameters
    ----------
    model : fitted classifier with several outputs
    X : table of shape (n_records, ...)
    classes : tuple of ndarray
        The labels of each output, in the order of the result's columns. Labels that the model
        does not know get minus infinity.

    Returns
    -------
    list of ndarray of shape (n_records, n_classes)

    Raises
    ------
    ValueError
        If the answers have another shape, or are no posteriors.
    """
    if not hasattr(model, "predict_proba"):
        return _from_predicted(model, X, classes)
    answer = answer_of(model, "predict_proba", X)
    own = _own_classes(model, classes)
    name = name_of(model)
    if not isinstance(answer, list):
        # Of labels that are there or not, the posterior that each is.
        there = np.asarray(answer, dtype=np.float64)
        if there.shape != (n_rows(X), len(classes)):
            raise ValueError(
                f"predict_proba of {name} answered with shape {there.shape}; expected one column "
                f"for each of {len(classes)} outputs, or a list of posteriors."
            )
        answer = [np.stack([1 - column, column], axis=1) for column in there.T]
    if len(answer) != len(classes):
        raise ValueError(
            f"predict_proba of {name} answered for {len(answer)} outputs; y has {len(classes)}."
        )
    found = []
    for j, (given, mine, wanted) in enumerate(zip(answer, own, classes, strict=True)):
        posteriors = np.asarray(given, dtype=np.float64)
        if posteriors.shape != (n_rows(X), len(mine)) or np.isnan(posteriors).any():
            raise ValueError(
                f"predict_proba of {name} answered for output {j} with shape {posteriors.shape} or "
                f"with NaN; expected ({n_rows(X)}, {len(mine)}) posteriors."
            )
        aligned = np.zeros((len(posteriors), len(wanted)))
        places = positions(np.asarray(mine), wanted)
        aligned[:, places[places >= 0]] = posteriors[:, places >= 0]
        with np.errstate(divide="ignore"):
            found.append(np.log(np.clip(aligned, 0.0, 1.0)))
    return found


def _own_classes(model: Any, classes: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    """Return the labels of each output as the model knows them; [0, 1] where it has indicators."""
    try:
        own = model.classes_
    except AttributeError:
        own = ()
    if len(own) == len(classes) and all(np.ndim(labels) for labels in own):
        return [np.asarray(labels) for labels in own]
    return [np.array([0, 1]) for _ in classes]


def _from_predicted(model: Any, X: Any, classes: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    predicted = np.asarray(answer_of(model, "predict", X))
    if predicted.shape != (n_rows(X), len(classes)):
        raise ValueError(
            f"predict of {name_of(model)} answered with shape {predicted.shape}; expected one "
            f"label for each of {len(classes)} outputs."
        )
    found = []
    for column, wanted in zip(predicted.T, classes, strict=True):
        places = positions(np.array(column.tolist()), wanted)
        found.append(np.where(places[:, None] == np.arange(len(wanted)), 0.0, -np.inf))
    return found
