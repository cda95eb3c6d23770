"""Models under attack, as fitted classifiers whatever they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._data import n_rows, positions
from ._estimators import is_module, is_net, may_classify

__all__ = ["FunctionTarget", "as_target", "check_labels", "class_indices", "own_labels"]


class FunctionTarget:
    """A function `X -> posteriors`, or `X -> labels`, as a target, with its queries counted.

    Parameters
    ----------
    function : callable
        Takes a table of records, returns posteriors of shape (n_records, n_classes), or one
        label per record.
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
                "A plain function needs classes=: the labels, in the order of its columns."
            )
        if query_budget is not None and query_budget < 1:
            raise ValueError(f"query_budget must be at least 1, got {query_budget!r}.")
        self.function = function
        self.classes_ = np.asarray(classes)
        if self.classes_.ndim != 1 or len(np.unique(self.classes_)) != len(self.classes_):
            raise ValueError("classes must be a list of different labels.")
        self.query_budget = query_budget
        self.n_queries_ = 0

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict_proba(self, X: Any) -> np.ndarray:
        """Ask the function about records, within the budget."""
        return self._posteriors(self._answers(X), n_rows(X))

    def predict(self, X: Any) -> np.ndarray:
        """Ask the function for labels, or for the most probable ones."""
        answers, n = self._answers(X), n_rows(X)
        if answers.shape != (n,):
            return self.classes_[self._posteriors(answers, n).argmax(axis=1)]
        unknown = np.flatnonzero(positions(answers, self.classes_) < 0)
        if len(unknown):
            raise ValueError(
                f"The function returned the label {answers.tolist()[unknown[0]]!r}, which is not "
                "one of classes."
            )
        return answers

    def _answers(self, X: Any) -> np.ndarray:
        self.check_budget(n_rows(X))
        self.n_queries_ += n_rows(X)
        return np.asarray(self.function(X))

    def _posteriors(self, answers: np.ndarray, n: int) -> np.ndarray:
        if answers.shape != (n, len(self.classes_)):
            labels = (
                " A function that returns labels is asked with access='label'."
                if answers.shape == (n,)
                else ""
            )
            raise ValueError(
                f"The function returned shape {answers.shape}; expected one row per record and "
                f"one column per class: ({n}, {len(self.classes_)}).{labels}"
            )
        return answers.astype(np.float64)

    @property
    def queries_left(self) -> int | None:
        return None if self.query_budget is None else self.query_budget - self.n_queries_

    def check_budget(self, n: int) -> None:
        """Raise if `n` more queries would go over the budget."""
        if self.query_budget is not None and self.n_queries_ + n > self.query_budget:
            raise ValueError(
                f"query_budget allows {self.query_budget} queries; {self.n_queries_} were made "
                f"and {n} more are needed. Raise query_budget, or audit fewer records "
                "(max_records=)."
            )


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
    if is_net(model):
        from .torch import TorchTarget

        return TorchTarget.from_estimator(model, X)
    if is_module(model):
        raise ValueError(
            f"model is a torch module, which does not say what its columns mean: pass "
            f"mia_sklearn.torch.TorchTarget({type(model).__name__.lower()}, classes=...)."
        )
    if not hasattr(model, "predict") and not isinstance(model, FunctionTarget):
        if not callable(model):
            raise ValueError(
                "model must be a fitted classifier or a function X -> posteriors or labels, got "
                f"{type(model).__name__}."
            )
        return FunctionTarget(model, classes, query_budget=query_budget)
    if query_budget is not None:
        raise ValueError("query_budget counts the queries of a plain function; model is not one.")
    if not isinstance(model, FunctionTarget):
        _check_fitted_classifier(model)
    return model


def _check_fitted_classifier(model: Any) -> None:
    name = type(model).__name__
    from sklearn.base import is_regressor

    if hasattr(model, "__sklearn_tags__") and is_regressor(model):
        raise ValueError(f"model must be a classifier; {name} is a regressor.")
    try:
        classes = model.classes_
    except AttributeError:
        classes = None
    if classes is None:
        # An estimator with no classes_ is unfitted, or is no classifier at all.
        if may_classify(model) and hasattr(model, "fit"):
            raise ValueError(f"model is not fitted: call fit on this {name} first.")
        raise ValueError(f"model must be a fitted classifier with classes_, got {name}.")
    if any(np.ndim(label) for label in classes):
        raise ValueError("model answers several outputs; audit one single-output classifier.")
    if hasattr(model, "fit") and (
        hasattr(model, "__sklearn_is_fitted__") or hasattr(model, "steps")
    ):
        check_is_fitted(model)


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
        raise ValueError(
            f"{name} holds labels that the model does not know: {', '.join(unknown[:5])}. It "
            f"knows {', '.join(map(str, np.asarray(target.classes_).tolist()[:8]))}. Drop these "
            "records, or encode the labels as the model's training data did."
        )


def own_labels(target: Any, y: np.ndarray, name: str = "y") -> np.ndarray:
    """Return labels as the target writes them (1 for True or 1.0), or raise as `check_labels`."""
    check_labels(target, y, name)
    return np.asarray(target.classes_)[class_indices(target, y)]
