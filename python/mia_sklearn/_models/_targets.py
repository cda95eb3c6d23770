"""Models under attack, as fitted classifiers whatever they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._records._rows import n_rows, positions
from ._answers import as_columns
from ._backend import backend_of
from ._counted import CountedFunction
from ._is_fitted import check_fitted
from ._kinds import (
    booster_library,
    is_module,
    is_pipeline,
    kind_of_estimator,
    last_step,
    may_classify,
)

# What to do about a model with labels of several kinds.
ONE_OF_SEVERAL = (
    "audit one single-output classifier. One output j of several is a function: "
    "model=lambda X: model.predict_proba(X)[:, j] (or [j] of a list), classes=[0, 1], y[:, j] as "
    "labels, and estimator= a function (X, y, seed)."
)
# What wraps a bare booster, and what it is asked with.
_OF_BOOSTERS = {"lightgbm": ("LGBM", "X"), "xgboost": ("XGB", "xgboost.DMatrix(X)")}
_SEMI_SUPERVISED = "sklearn.semi_supervised"
_AS_FUNCTION = (
    " Pass the function model.predict_proba, with classes= in the order of its columns, and "
    "estimator= what trains the references."
)

__all__ = [
    "ONE_OF_SEVERAL",
    "FunctionTarget",
    "as_target",
    "check_labels",
    "class_indices",
    "own_labels",
]


class FunctionTarget(CountedFunction):
    """A function `X -> posteriors`, or `X -> labels`, as a target, with its queries counted.

    Parameters
    ----------
    function : callable
        Takes a table of records, returns posteriors of shape (n_records, n_classes), or one
        label per record. Posteriors may be an array, a tensor, a data frame or dicts; named
        columns are put into the order of `classes`, unnamed ones must be in it; rows that bear
        the index of the records are put into their order. Of two classes one posterior per
        record stands for the second.
    classes : array-like of shape (n_classes,)
        Labels, in the order of the function's columns.
    query_budget : int, default=None
        Most records that may be asked about in all. Going over is an error before the query.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    n_queries_ : int
        Records asked about so far.
    queries_left : int or None
        Records that may still be asked about; None without a budget.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn import FunctionTarget
    >>> target = FunctionTarget(lambda X: np.full((len(X), 2), 0.5), classes=["a", "b"])
    >>> target.predict_proba(np.zeros((3, 1))).shape, target.n_queries_
    ((3, 2), 3)
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        classes: Any,
        *,
        query_budget: int | None = None,
    ) -> None:
        if classes is None:
            raise ValueError(
                "A plain function needs classes=: the labels, in the order of its columns. "
                "One that predicts numbers needs estimator=, an unfitted regressor like the one "
                "behind it; without references it is given as "
                "mia_sklearn.FunctionRegressor(function)."
            )
        super().__init__(function, query_budget)
        self.classes_ = np.asarray(classes)
        if self.classes_.ndim != 1 or len(np.unique(self.classes_)) != len(self.classes_):
            raise ValueError("classes must be a list of different labels.")

    def predict_proba(self, X: Any) -> np.ndarray:
        """Ask the function about records, within the budget.

        Parameters
        ----------
        X : table of shape (n_records, ...)

        Returns
        -------
        ndarray of shape (n_records, n_classes)
            Posteriors.

        Raises
        ------
        ValueError
            If the budget does not suffice, or the function answers anything else.
        """
        return self._posteriors(self._answers(X), n_rows(X))

    def predict(self, X: Any) -> np.ndarray:
        """Ask the function for labels, or for the most probable ones.

        Parameters
        ----------
        X : table of shape (n_records, ...)

        Returns
        -------
        ndarray of shape (n_records,)
            Labels.

        Raises
        ------
        ValueError
            If the budget does not suffice, or a label is none of the classes.
        """
        answers, n = self._answers(X), n_rows(X)
        if not self._are_labels(answers, n):
            return self.classes_[self._posteriors(answers, n).argmax(axis=1)]
        labels = np.asarray(answers)
        unknown = np.flatnonzero(positions(labels, self.classes_) < 0)
        if len(unknown):
            raise ValueError(
                f"The function returned the label {labels.tolist()[unknown[0]]!r}, which is not "
                "one of classes."
            )
        return labels

    def _are_labels(self, answers: Any, n: int) -> bool:
        """Tell labels from the second class's posteriors, numbers between 0 and 1."""
        if hasattr(answers, "detach"):
            answers = answers.detach().cpu()
        one_each = np.asarray(answers)
        if one_each.shape != (n,) or isinstance(one_each[0], dict):
            return False
        if len(self.classes_) != 2 or one_each.dtype.kind != "f":
            return True
        if (positions(one_each, self.classes_) < 0).any():
            return not ((one_each >= 0) & (one_each <= 1)).all()
        # All are labels too. Of the classes 0 and 1 the two mean the same.
        return self.classes_.tolist() != [0, 1]

    def _posteriors(self, answers: Any, n: int) -> np.ndarray:
        if self._are_labels(answers, n):
            raise ValueError(
                f"The function returned shape ({n},); expected posteriors, one column per class: "
                f"({n}, {len(self.classes_)}). A function that returns labels is asked with "
                "access='label', in an audit with release='labels'."
            )
        posteriors = as_columns(answers, self.classes_, "The function")
        if posteriors.shape != (n, len(self.classes_)):
            raise ValueError(
                f"The function returned shape {posteriors.shape}; expected one row per record and "
                f"one column per class: ({n}, {len(self.classes_)})."
            )
        return posteriors


def as_target(
    model: Any, classes: Any = None, query_budget: int | None = None, *, X: Any = None
) -> Any:
    """Return a fitted classifier as it is, a plain function and a network wrapped.

    Parameters
    ----------
    model, classes, query_budget
        As in `observe`.
    X : table, default=None
        Some records, which show what a network returns.

    Raises
    ------
    ValueError
        If the model is not fitted, or is no classifier.
    """
    if isinstance(model, type):
        raise ValueError(f"model must be a fitted classifier, got the class {model.__name__}.")
    if kind_of_estimator(model) == "regressor":
        raise ValueError(f"model must be a classifier; {type(model).__name__} is a regressor.")
    backend = backend_of(model)
    if backend is not None:
        return backend.as_target(model, X)
    if is_module(model):
        raise ValueError(
            f"model is a torch module, which does not say what its columns mean: pass "
            f"mia_sklearn.torch.TorchTarget({type(model).__name__.lower()}, classes=...)."
        )
    library = booster_library(model)
    if library:
        short, asked = _OF_BOOSTERS[library]
        wrapper, regressor = f"{short}Classifier", f"{short}Regressor"
        raise ValueError(
            f"model is a bare Booster of {library}, which does not tell its classes or how it was "
            f"trained. Audit the {wrapper} that holds it; or pass the function lambda X: "
            f"model.predict({asked}) with classes= in the order of its columns (of two classes it "
            f"returns the second's posteriors) and estimator={wrapper}(...) with the parameters "
            f"that it was trained with. Of one that predicts numbers, audit the {regressor}; or "
            f"mia_sklearn.FunctionRegressor(lambda X: model.predict({asked})) with "
            f"estimator={regressor}(...)."
        )
    if hasattr(model, "cv_results_") and getattr(model, "refit", True) is False:
        raise ValueError(
            f"This {type(model).__name__} holds no model, since refit=False: train "
            "model.estimator with model.best_params_, and pass that."
        )
    if not hasattr(model, "predict") and not hasattr(model, "predict_proba"):
        if not callable(model):
            raise ValueError(
                "model must be a fitted classifier or a function X -> posteriors or labels, got "
                f"{type(model).__name__}."
            )
        return FunctionTarget(model, classes, query_budget=query_budget)
    if query_budget is not None:
        raise ValueError("query_budget counts the queries of a plain function; model is not one.")
    if not isinstance(model, FunctionTarget):
        _check_fitted_classifier(model, X)
    return model


def _check_fitted_classifier(model: Any, X: Any) -> None:
    name = type(model).__name__
    try:
        classes = model.classes_
    except AttributeError:
        # A scikit-learn estimator without them is unfitted, or is no classifier at all.
        classes = None
    except Exception as error:
        raise ValueError(f"classes_ of {name} cannot be read: {error}{_AS_FUNCTION}") from error
    if classes is None:
        if may_classify(model) and hasattr(model, "fit") and not hasattr(model, "n_features_in_"):
            raise ValueError(
                f"model is not fitted: call fit on this {name} first. If it is, it lacks "
                f"classes_.{_AS_FUNCTION}"
            )
        way_out = _AS_FUNCTION if hasattr(model, "predict_proba") else ""
        raise ValueError(f"model must be a fitted classifier with classes_, got {name}.{way_out}")
    if any(np.ndim(label) for label in classes) or getattr(model, "multilabel_", False):
        raise ValueError(f"model answers several outputs; {ONE_OF_SEVERAL}")
    if hasattr(model, "fit") and (hasattr(model, "__sklearn_is_fitted__") or is_pipeline(model)):
        check_fitted(model, X)


def class_indices(target: Any, y: np.ndarray) -> np.ndarray:
    """Return the position of each label in the target's classes."""
    return positions(y, np.asarray(target.classes_))


def check_labels(target: Any, y: np.ndarray, name: str = "y") -> None:
    """Raise if `y` holds labels that the target does not know."""
    known = set(np.asarray(target.classes_).tolist())
    unknown = sorted({str(label) for label in y.tolist() if label not in known})
    if unknown:
        classes = np.asarray(target.classes_)
        if set(unknown) <= set(map(str, classes.tolist())):
            kind = classes.dtype.name if classes.dtype.kind in "biuf" else "str"
            strange = y[positions(y, classes) < 0].tolist()[0]
            raise ValueError(
                f"{name} holds labels of another type than the model knows: {y.dtype} such as "
                f"{strange!r} in place of {classes.tolist()[0]!r}. Give them in the "
                f"model's type, np.asarray({name}).astype({kind!r})."
            )
        if unknown == ["-1"] and type(last_step(target)).__module__.startswith(_SEMI_SUPERVISED):
            raise ValueError(
                f"{name} marks records without a label by -1, to which the model's answers cannot "
                f"be compared: leave them out of X_train and {name}, and give them to the "
                "references by estimator= a function (X, y, seed) that adds them and trains."
            )
        raise ValueError(
            f"{name} holds labels that the model does not know: {', '.join(unknown[:5])}. It "
            f"knows {', '.join(map(str, np.asarray(target.classes_).tolist()[:8]))}. Drop these "
            "records, or encode the labels as the model's training data did."
        )


def own_labels(target: Any, y: np.ndarray, name: str = "y") -> np.ndarray:
    """Return labels as the target writes them (1 for True or 1.0), or raise as `check_labels`."""
    check_labels(target, y, name)
    return np.asarray(target.classes_)[class_indices(target, y)]
