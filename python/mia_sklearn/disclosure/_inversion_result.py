"""What model inversion found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Inversion"]


@dataclass(frozen=True, eq=False)
class Inversion:
    """What model inversion made of each label.

    Attributes
    ----------
    labels : ndarray of shape (n_labels,)
    x : ndarray of shape (n_labels, ...)
        The record of least cost, for each label.
    cost : ndarray of shape (n_labels,)
        1 minus the model's posterior of the label, plus the auxiliary term.
    iterations : ndarray of int of shape (n_labels,)
        Steps made.
    queries : ndarray of int of shape (n_labels,)
        Records that the model was asked about. With gradients, the records at which they were
        computed.
    stopped : ndarray of str of shape (n_labels,)
        The parameter that ended the search: "gamma" (the cost is low enough), "beta" (no
        progress), "alpha" (no steps left) or "query_budget" (what is here was reached until then).
    method : {"gradient", "directions"}

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn import FunctionTarget
    >>> from mia_sklearn.disclosure import ModelInversion
    >>> def function(X):
    ...     p = 1 / (1 + np.exp(-X[:, 0]))
    ...     return np.column_stack([1 - p, p])
    >>> target = FunctionTarget(function, classes=["no", "yes"])
    >>> inversion = ModelInversion(target, lam=10, gamma=0.1, random_state=0)
    >>> print(inversion.invert(start=[[0.0]]))
    2 labels inverted by random directions: cost 0.042 at most, in 305 queries. Ended by gamma: 2.
    """

    labels: np.ndarray
    x: np.ndarray
    cost: np.ndarray
    iterations: np.ndarray
    queries: np.ndarray
    stopped: np.ndarray
    method: str

    def __str__(self) -> str:
        what = "1 label" if len(self.labels) == 1 else f"{len(self.labels)} labels"
        by = "gradients" if self.method == "gradient" else "random directions"
        rules, counts = np.unique(self.stopped, return_counts=True)
        ended = ", ".join(f"{rule}: {count}" for rule, count in zip(rules, counts, strict=True))
        return (
            f"{what} inverted by {by}: cost {self.cost.max():.3f} at most, in "
            f"{self.queries.sum():,} queries. Ended by {ended}."
        )
