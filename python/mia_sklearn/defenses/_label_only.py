"""Release labels only."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._models._answers import predicted_labels
from .._records._rows import positions
from ._output import OutputDefense

__all__ = ["LabelOnly"]


class LabelOnly(OutputDefense):
    """Release the predicted label and no confidence: posteriors are 0 or 1.

    Threat model: protects against attackers who read posteriors. What the model gets right on
    its training records and wrong on others stays visible (the gap attack), and so does what
    happens to the label when a record is changed a little (label-only attacks).

    Parameters
    ----------
    estimator : classifier
        Cloned, the clone is fitted. It needs no predict_proba.

    Attributes
    ----------
    estimator_ : fitted classifier
        What is defended; answers as if there were no defense.
    classes_ : ndarray of shape (n_classes,)

    References
    ----------
    .. [1] R. Shokri et al., "Membership Inference Attacks Against Machine Learning Models",
       IEEE S&P 2017, section VIII-A.
    .. [2] C. A. Choquette-Choo et al., "Label-Only Membership Inference Attacks", ICML 2021.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from mia_sklearn.defenses import LabelOnly
    >>> X, y = load_iris(return_X_y=True)
    >>> LabelOnly(RandomForestClassifier(random_state=0)).fit(X, y).predict_proba(X[:1])
    array([[1., 0., 0.]])
    """

    _reads_posteriors = False

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def _released(self, X: Any) -> np.ndarray:
        chosen = positions(predicted_labels(self.estimator_, X), self.classes_)
        return np.where(chosen[:, None] == np.arange(len(self.classes_)), 0.0, -np.inf)
