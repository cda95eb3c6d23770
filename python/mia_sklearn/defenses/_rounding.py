"""Release posteriors with few digits."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from ._output import OutputDefense

__all__ = ["RoundedPosterior"]

# So that .3 is 3 tenths and not 2.
_ROUNDING = 1e-9


class RoundedPosterior(OutputDefense):
    """Release posteriors with few decimal digits.

    Threat model: protects, a little, against attackers who read posteriors (black-box).

    Parameters
    ----------
    estimator : classifier with predict_proba
        Cloned, the clone is fitted.
    decimals : int, default=1
        Digits after the decimal point, at most 12. 0 releases the label alone.

    Attributes
    ----------
    estimator_ : fitted classifier
        What is defended; answers as if there were no defense.
    classes_ : ndarray of shape (n_classes,)

    Notes
    -----
    Posteriors are rounded by largest remainders: each is rounded down, and the units that are
    missing to 1 go to those that lost most. The released numbers have the digits promised and
    sum to 1, and no smaller posterior becomes a larger one; the published experiments round each
    number by itself.

    References
    ----------
    .. [1] R. Shokri et al., "Membership Inference Attacks Against Machine Learning Models",
       IEEE S&P 2017, section VIII-A.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from mia_sklearn.defenses import RoundedPosterior
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000)
    >>> RoundedPosterior(model, decimals=1).fit(X, y).predict_proba(X[:1])
    array([[1., 0., 0.]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **OutputDefense._parameter_constraints,
        "decimals": [Interval(Integral, 0, 12, closed="both")],
    }

    def __init__(self, estimator: Any, decimals: int = 1) -> None:
        self.estimator = estimator
        self.decimals = decimals

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the posteriors that are released.

        Parameters
        ----------
        X : table of shape (n_records, n_features)

        Returns
        -------
        ndarray of shape (n_records, n_classes), float64
        """
        # Logarithms and back cost the last bit.
        return np.round(super().predict_proba(X), self.decimals)

    def _released(self, X: Any) -> np.ndarray:
        units = 10**self.decimals
        proba = np.exp(self._answers(X))
        scaled = units * proba / proba.sum(axis=1, keepdims=True)
        whole = np.floor(scaled + _ROUNDING)
        missing = np.rint(units - whole.sum(axis=1)).astype(int)
        # Of equal remainders the larger posterior comes first, so that order is kept.
        remainder = np.round(scaled - whole, 9)
        order = np.lexsort((-scaled, -remainder), axis=1)
        place = np.empty_like(order)
        np.put_along_axis(place, order, np.arange(proba.shape[1])[None, :], axis=1)
        whole += place < missing[:, None]
        with np.errstate(divide="ignore"):
            return np.log(whole / units)
