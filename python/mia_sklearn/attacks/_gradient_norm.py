"""The gradient of a record's own loss: small where the model has learned the record."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import numpy as np

from .._observations._columns import Reader
from ..base import BaseAttack
from ._cut import best_threshold

__all__ = ["GradientNormAttack"]

_TINY = float(np.finfo(np.float32).smallest_subnormal)


class GradientNormAttack(BaseAttack):
    """Call a record a member when the gradient of its loss is small.

    Threat model: white-box. Training drives the gradients of its records towards zero, so that
    the score is minus the logarithm of the gradient's Euclidean norm. Nothing is trained;
    membership must be known for some observations to place the threshold.

    Parameters
    ----------
    layer : str, default=None
        Take the gradient by the parameters of this layer (column `grad_norm.<layer>`); by all
        trainable parameters by default (column `grad_norm`).
    columns : sequence of str, default=None
        Names of the columns of plain arrays; without names the first column is `grad_norm`.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    threshold_ : float
        Gradient norm (over several rounds the geometric mean) below which a record is called a
        member: the largest difference of true and false positive rates on the data of `fit`.

    See Also
    --------
    mia_sklearn.observe : Gives the column with `view="white-box"`.

    Notes
    -----
    Observations of several rounds of training hold the column once a round (`grad_norm@0`,
    `grad_norm@1`, ...): the score is the mean over the rounds.

    References
    ----------
    .. [1] M. Nasr, R. Shokri, A. Houmansadr, "Comprehensive Privacy Analysis of Deep Learning",
       S&P 2019, sections II and IV.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from mia_sklearn import observe
    >>> from mia_sklearn.attacks import GradientNormAttack
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X[::2], y[::2])
    >>> observations = observe(model, X, y, view="white-box")
    >>> member = [1, 0] * 75
    >>> GradientNormAttack().fit(observations, member).predict(observations).shape
    (150,)
    """

    threat_model: ClassVar[str] = "white-box"
    requires: ClassVar[tuple[str, ...]] = ("grad_norm",)
    by_default: ClassVar[tuple[str, ...]] = ("weights",)
    is_quick: ClassVar[bool] = True

    _looks_at: ClassVar[tuple[str, ...] | None] = ("grad_norm",)
    _ranks_without_members: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "layer": [str, None],
        **BaseAttack._parameter_constraints,
    }

    def __init__(self, *, layer: str | None = None, columns: Any = None) -> None:
        super().__init__(columns=columns)
        self.layer = layer

    def _reads(self) -> tuple[str, ...]:
        return self._required()

    def _array_columns(self) -> tuple[str, str]:
        return "grad_norm", "other"

    def _fit(self, table: Reader, member: np.ndarray) -> None:
        wanted = "grad_norm" if self.layer is None else f"grad_norm.{self.layer}"
        names = {place: str(self._names[place]) for place in table.groups["grad_norm"]}
        self._places = [
            place for place, name in names.items() if re.sub(r"@\d+$", "", name) == wanted
        ]
        if not self._places:
            known = sorted({re.sub(r"@\d+$", "", name) for name in names.values()})
            raise ValueError(
                f"layer={self.layer!r} asks for the column {wanted!r}; the observations hold "
                f"{', '.join(known)}."
            )
        self._threshold = best_threshold(self._minus_log_norm(table), member)
        self.threshold_ = float(np.exp(-self._threshold))

    def _score(self, table: Reader) -> np.ndarray:
        return self._minus_log_norm(table) - self._threshold

    def _minus_log_norm(self, table: Reader) -> np.ndarray:
        norms = table.values[:, self._places].astype(np.float64)
        return -np.log(np.maximum(norms, _TINY)).mean(axis=1)

    def _calibrate(self, score: np.ndarray, member: np.ndarray) -> None:
        super()._calibrate(score, member)
        # The decision changes at the threshold, not where a logistic curve would put it.
        self._offset = 0.0
