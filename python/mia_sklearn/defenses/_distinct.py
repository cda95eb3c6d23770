"""Train on each record once."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import HasMethods

from .._records._digests import row_digests
from ..base import KINDS, BaseDefense, TrainingSet, fit_clone

__all__ = ["DistinctTraining"]


class DistinctTraining(BaseDefense):
    """Train on each record once, however often it is given.

    Threat model: protects records that are in the training set several times, which models
    memorise more than others, against attackers of any kind. All others stay as exposed as they
    were.

    Parameters
    ----------
    estimator : classifier or regressor
        Cloned, the clone is fitted to the distinct records.

    Attributes
    ----------
    estimator_ : fitted classifier or regressor
        What is released.
    kept_ : ndarray of shape (n_kept,)
        Positions of the records trained on: of equal ones the first.
    n_dropped_ : int
        How many were not.
    classes_ : ndarray of shape (n_classes,)
        Of classifiers.

    Notes
    -----
    Records are equal when all features and the true value are, numbers by value and missing values
    to one another. Records that are equal but for the label are all kept: which label is right is
    not known, and each of them says something else. Near duplicates are kept too. Values passed
    per record, such as `sample_weight`, are those of the record kept; the weights of the others
    are not added to it, since that would train on it as often as before.

    The published studies are of language models, where duplicates are found inside documents.

    References
    ----------
    .. [1] N. Kandpal, E. Wallace and C. Raffel, "Deduplicating Training Data Mitigates Privacy
       Risks in Language Models", ICML 2022.
    .. [2] N. Carlini et al., "Quantifying Memorization Across Neural Language Models", ICLR 2023.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from mia_sklearn.defenses import DistinctTraining
    >>> X, y = [[0.0], [1.0], [1.0], [1.0]], [0, 1, 1, 0]
    >>> model = DistinctTraining(KNeighborsClassifier(1)).fit(X, y)
    >>> model.kept_, model.n_dropped_
    (array([0, 1, 3]), 1)
    """

    alters: ClassVar[str] = "training data"
    trains_once: ClassVar[bool] = True
    defends: ClassVar[tuple[str, ...]] = KINDS

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"])]
    }

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def _fit(self, data: TrainingSet) -> None:
        first = np.unique(row_digests(data.X, data.y), return_index=True)[1]
        self.kept_ = np.sort(first)
        self.n_dropped_ = len(data) - len(self.kept_)
        self.estimator_ = fit_clone(self.estimator, data.take(self.kept_))
