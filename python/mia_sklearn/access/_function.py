"""Any number per record, computed by a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from ._base import AskedInChunks, AskedRecords, BaseAccess, Question


class FunctionAccess(BaseAccess):
    """Any number per record: a function of a model and records.

    Threat model: what the function looks at.

    Parameters
    ----------
    function : callable
        Takes a fitted model and a table of records, returns an array of shape (n_records,),
        higher meaning member.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KernelDensity
    >>> from mia_sklearn import observe
    >>> from mia_sklearn.access import FunctionAccess
    >>> X, _ = load_iris(return_X_y=True)
    >>> access = FunctionAccess(lambda model, X: model.score_samples(X))
    >>> observe(KernelDensity().fit(X[::2]), X, access=access).columns.tolist()
    ['logit']
    """

    name: ClassVar[str] = "function"
    threat_model: ClassVar[str] = "generator"

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        self.function = function

    def check(self, model: Any) -> None:
        if not callable(self.function):
            raise ValueError(
                "function must take a model and records and return one number per record, got "
                f"{type(self.function).__name__}."
            )

    def question(self, records: AskedRecords, seed: int) -> Question:
        return AskedInChunks(records.X, self.function)
