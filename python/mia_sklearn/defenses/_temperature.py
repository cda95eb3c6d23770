"""Release posteriors that are closer to each other."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from ._output import OutputDefense

__all__ = ["TemperaturePosterior"]


class TemperaturePosterior(OutputDefense):
    r"""Release posteriors raised to the power 1/t and scaled to sum to 1.

    Threat model: protects, a little, against attackers who read posteriors (black-box) and do
    not know t. The map can be undone: an attacker whose reference models are defended alike
    loses nothing but digits.

    Parameters
    ----------
    estimator : classifier with predict_proba
        Cloned, the clone is fitted.
    t : float, default=5.0
        Temperature, above 0. Above 1 posteriors become more even, 1 leaves them, below 1 they
        become surer.

    Attributes
    ----------
    estimator_ : fitted classifier
        What is defended; answers as if there were no defense.
    classes_ : ndarray of shape (n_classes,)

    Notes
    -----
    :math:`p_c^{1/t} / \sum_k p_k^{1/t}` is the soft-max of the logits divided by t; logits are
    read where the estimator gives them, so that nothing is lost in the tails.

    References
    ----------
    .. [1] R. Shokri et al., "Membership Inference Attacks Against Machine Learning Models",
       IEEE S&P 2017, section VIII-A.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from mia_sklearn.defenses import TemperaturePosterior
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X, y)
    >>> defended = TemperaturePosterior(model, t=20).fit(X, y)
    >>> bool(defended.predict_proba(X).max() < model.predict_proba(X).max())
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **OutputDefense._parameter_constraints,
        "t": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, estimator: Any, t: float = 5.0) -> None:
        self.estimator = estimator
        self.t = t

    def _released(self, X: Any) -> np.ndarray:
        scaled = self._answers(X) / self.t
        return scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True)
