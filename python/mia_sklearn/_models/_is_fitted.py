"""Whether a model is fitted: what it says of itself, or else that it answers."""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from .._records._rows import take_rows
from ._asking import ask
from ._kinds import is_pipeline

__all__ = ["check_fitted"]

_ANSWERS = ("predict", "score_samples", "transform")


def check_fitted(model: Any, X: Any) -> None:
    """Raise where a model is not fitted.

    Scikit-learn takes a model for fitted that has attributes ending with an underscore. Estimators
    of one's own may call theirs otherwise: what answers is fitted, too, unless it says itself that
    it is not.

    Parameters
    ----------
    model : estimator
    X : table
        Some records as it takes them.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    """
    try:
        check_is_fitted(model)
    except NotFittedError:
        if _says_so(model) or not _answers(model, X):
            raise
    except (AttributeError, TypeError):
        # A step that knows nothing of scikit-learn's tags, and so does not say.
        return


def _says_so(model: Any) -> bool:
    """Tell whether a model has a word of its own on this, and not that of its last step."""
    while is_pipeline(model):
        model = model.steps[-1][1]
    return hasattr(model, "__sklearn_is_fitted__")


def _answers(model: Any, X: Any) -> bool:
    method = next((name for name in _ANSWERS if hasattr(model, name)), None)
    if method is None:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ask(model, method, take_rows(X, [0]))
    except Exception:
        return False
    return True
