"""Release the largest posteriors only."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from ..base import BaseDefense
from ._output import OutputDefense

__all__ = ["TopKPosterior"]


class TopKPosterior(OutputDefense):
    """Release the k largest posteriors of each record only.

    Threat model: protects, a little, against attackers who read posteriors (black-box). The
    label, and with `renormalize=False` the confidence in it, are released as they are.

    Parameters
    ----------
    estimator : classifier with predict_proba
        Cloned, the clone is fitted.
    k : int, default=3
        How many posteriors are released; at most the number of classes, which releases all.
    renormalize : bool, default=True
        True: the others become 0 and the k are scaled to sum to 1. False: the k stay as they
        are and the others share what is left evenly.

    Attributes
    ----------
    estimator_ : fitted classifier
        What is defended; answers as if there were no defense.
    classes_ : ndarray of shape (n_classes,)

    See Also
    --------
    LabelOnly : Releases no confidence at all.

    Notes
    -----
    Of posteriors as large as the k-th those of the first classes are released. The published
    experiments release the k numbers as they are, which is `renormalize=False`; sums other than
    1 would be no posteriors.

    References
    ----------
    .. [1] R. Shokri et al., "Membership Inference Attacks Against Machine Learning Models",
       IEEE S&P 2017, section VIII-A.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from mia_sklearn.defenses import TopKPosterior
    >>> X, y = load_iris(return_X_y=True)
    >>> defended = TopKPosterior(KNeighborsClassifier(15), k=2).fit(X, y)
    >>> int((defended.predict_proba(X) > 0).sum(axis=1).max())
    2
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **OutputDefense._parameter_constraints,
        "k": [Interval(Integral, 1, None, closed="left")],
        "renormalize": ["boolean"],
    }

    def __init__(self, estimator: Any, k: int = 3, *, renormalize: bool = True) -> None:
        self.estimator = estimator
        self.k = k
        self.renormalize = renormalize

    @classmethod
    def as_compared(cls, estimator: Any, n_classes: int) -> BaseDefense | None:
        # Of two posteriors the larger tells the other.
        fits = n_classes > 2 and hasattr(estimator, "predict_proba")
        return cls(estimator, k=min(3, n_classes - 1)) if fits else None

    def _check_classes(self, n_classes: int) -> None:
        if self.k > n_classes:
            raise ValueError(
                f"k={self.k}, but y holds {n_classes} classes: give k of at most that."
            )

    def _released(self, X: Any) -> np.ndarray:
        log_proba = self._answers(X)
        order = np.argsort(-log_proba, axis=1, kind="stable")
        others = order[:, self.k :]
        released = log_proba.copy()
        if self.renormalize:
            np.put_along_axis(released, others, -np.inf, axis=1)
            return released - np.logaddexp.reduce(released, axis=1, keepdims=True)
        if others.shape[1]:
            left = np.exp(np.take_along_axis(log_proba, others, axis=1)).mean(axis=1, keepdims=True)
            with np.errstate(divide="ignore"):
                np.put_along_axis(released, others, np.log(left), axis=1)
        return released
