"""The edge of a margin, on which free support vectors lie."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .._observations._columns import Reader
from ..base import KNOWS_THE_RECORD, BaseAttack

__all__ = ["MarginEdgeAttack"]

# A record with which no edge has to do lies farther away than any other.
_FARTHEST = float(np.finfo(np.float32).max)


class MarginEdgeAttack(BaseAttack):
    """Call a record a member when its answer lies on the edge of the margin.

    Support vector machines are held in place by some records of their training set, and put these
    exactly at the edge of the margin: y f(x) = 1 for classes of sign y, abs(y - f(x)) = epsilon
    for regressors, up to the tolerance at which training stopped. Fresh records lie there by
    chance alone. Source: this project.

    Threat model: black-box. One query per record: decision values or predictions, or posteriors of
    two classes, in which the edge is a value that many records of a class share. Several machines
    in one model (bags, pairs of classes) are told apart by whoever holds the model. No reference
    models, and no record whose membership is known.

    Parameters
    ----------
    columns : sequence of str, default=None
        Names of the columns of plain arrays; without names the first column is `edge`.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)

    See Also
    --------
    mia_sklearn.observe : Gives the column with `view="white-box"`.
    mia_sklearn.attacks.ThresholdAttack : Finds residuals of exactly 0, of trees and the like.

    Notes
    -----
    The column `edge` holds how far an answer lies from the nearest edge, in widths of the edge:
    the tolerance `tol` of the machine. A record within one width is called a member. The score is
    minus the logarithm of 1 + `edge`.

    Members that lie elsewhere are not found: those beyond the margin, which hold nothing in place,
    and those within, whose loss tells of them. The rate at low false alarms is about the share of
    free support vectors.

    References
    ----------
    .. [1] C.-C. Chang and C.-J. Lin, "LIBSVM: A Library for Support Vector Machines", ACM TIST
       2011, section 4.1 (the tolerance) and section 2 (where support vectors lie).

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn.svm import SVC
    >>> from mia_sklearn import observe
    >>> from mia_sklearn.attacks import MarginEdgeAttack
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), SVC(C=100)).fit(X[::2], y[::2])
    >>> observations = observe(model, X, y, view="white-box")
    >>> member = [1, 0] * 284 + [1]
    >>> named = MarginEdgeAttack().fit(observations, member).predict(observations)
    >>> int(named[::2].sum()), int(named[1::2].sum())
    (54, 0)
    """

    threat_model: ClassVar[str] = "black-box"
    requires: ClassVar[tuple[str, ...]] = ("edge",)
    attacker_knows: ClassVar[str] = KNOWS_THE_RECORD
    by_default: ClassVar[tuple[str, ...]] = ("posteriors", "predictions")
    is_quick: ClassVar[bool] = True

    _ranks_without_members: ClassVar[bool] = True

    def __init__(self, *, columns: Any = None) -> None:
        super().__init__(columns=columns)

    def _reads(self) -> tuple[str, ...]:
        return self._required()

    def _array_columns(self) -> tuple[str, str]:
        return "edge", "other"

    def _fit(self, table: Reader, member: np.ndarray) -> None:
        """Learn nothing: where the edge lies, and how wide it is, was known before."""

    def _score(self, table: Reader) -> np.ndarray:
        edge = table.column("edge").astype(np.float64)
        far = np.clip(np.where(np.isnan(edge), _FARTHEST, edge), 0.0, _FARTHEST)
        return np.log(2.0) - np.log1p(far)

    def _calibrate(self, score: np.ndarray, member: np.ndarray) -> None:
        super()._calibrate(score, member)
        # The decision changes at one width, not where a logistic curve would put it.
        self._offset = 0.0
