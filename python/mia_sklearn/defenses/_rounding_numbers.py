"""Release rounded predictions of a regressor."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval

from ..base import BaseDefense, TrainingSet, fit_clone

__all__ = ["RoundedPrediction"]

# The step by default, in standard deviations: rounding to half of one costs .02 of R2, a twelfth
# of the square.
_SHARE = 0.5
# So that what lies a rounding error below a step is on it.
_ROUNDING = 1e-9


class RoundedPrediction(BaseDefense):
    """Release the predictions of a regressor in whole steps, or with few significant digits.

    Threat model: protects, a little, against attackers who read predictions (black-box): residuals
    below half a step look alike. Those of records that were not trained on are mostly larger, so
    that steps below the model's error hide little.

    Parameters
    ----------
    estimator : regressor
        Cloned, the clone is fitted.
    step : float or array-like of shape (n_outputs,), default=None
        Released numbers are multiples of it, in the units of `y`; above 0. By default half of
        the standard deviation of the training records' `y`, rounded down to 1, 2 or 5 times a
        power of ten, where `digits` is not given.
    digits : int, default=None
        Significant digits of the released numbers, between 1 and 15, in place of steps.

    Attributes
    ----------
    estimator_ : fitted regressor
        What is defended; answers as if there were no defense.
    step_ : ndarray of shape (n_outputs,) or None
        The steps in use. None with `digits`.

    See Also
    --------
    RoundedPosterior : The same for classifiers.

    Notes
    -----
    Rounding to steps of s standard deviations of `y` costs about :math:`s^2 / 12` of R2: that by
    default costs at most .02. It also tells about how far the training records' `y` spread; give a
    step to tell nothing. A half is rounded to the even multiple.

    Source: this project, after the rounded posteriors of [1]_.

    References
    ----------
    .. [1] R. Shokri et al., "Membership Inference Attacks Against Machine Learning Models",
       IEEE S&P 2017, section VIII-A.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from mia_sklearn.defenses import RoundedPrediction
    >>> X, y = load_diabetes(return_X_y=True)
    >>> RoundedPrediction(LinearRegression(), step=25).fit(X, y).predict(X[:3])
    array([200.,  75., 175.])
    >>> RoundedPrediction(LinearRegression(), digits=1).fit(X, y).predict(X[:3])
    array([200.,  70., 200.])
    """

    alters: ClassVar[str] = "answers"
    trains_once: ClassVar[bool] = True
    defends: ClassVar[tuple[str, ...]] = ("regressor",)

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "step": [Interval(Real, 0, None, closed="neither"), "array-like", None],
        "digits": [Interval(Integral, 1, 15, closed="both"), None],
    }

    def __init__(self, estimator: Any, step: Any = None, *, digits: int | None = None) -> None:
        self.estimator = estimator
        self.step = step
        self.digits = digits

    @classmethod
    def as_compared(cls, estimator: Any, n_classes: int) -> BaseDefense | None:
        return cls(estimator)

    def _fit(self, data: TrainingSet) -> None:
        if self.step is not None and self.digits is not None:
            raise ValueError(
                f"step={self.step!r} and digits={self.digits} decide the same thing: give one."
            )
        self.step_ = None if self.digits is not None else self._steps(data)
        self.estimator_ = fit_clone(self.estimator, data)

    def _steps(self, data: TrainingSet) -> np.ndarray:
        if self.step is None:
            return _round_step(_SHARE * data.y.reshape(len(data), -1).std(axis=0))
        steps = np.asarray(self.step, dtype=np.float64).reshape(-1)
        if len(steps) not in (1, data.n_outputs) or not (steps > 0).all() or np.isinf(steps).any():
            raise ValueError(
                f"step must be a number above 0, or one for each of {data.n_outputs} outputs; got "
                f"{self.step!r}."
            )
        return np.broadcast_to(steps, data.n_outputs).copy()

    def predict(self, X: Any) -> np.ndarray:
        """Return the rounded predictions.

        Parameters
        ----------
        X : table of shape (n_records, n_features)

        Returns
        -------
        ndarray of shape (n_records,) or (n_records, n_outputs), float64
        """
        exact = super().predict(X).astype(np.float64)
        if self.step_ is not None:
            return _multiples(exact, self.step_)
        with np.errstate(divide="ignore"):
            first = np.floor(np.log10(np.abs(exact)) + _ROUNDING)
        return _multiples(exact, 10.0 ** np.where(exact == 0, 0, first - self.digits + 1))


def _round_step(step: np.ndarray) -> np.ndarray:
    """Return steps as 1, 2 or 5 times a power of ten, none above what is given; 1 for 0."""
    step = np.where(step > 0, step, 1.0)
    power = 10.0 ** np.floor(np.log10(step) + _ROUNDING)
    leading = step / power + _ROUNDING
    return np.where(leading >= 5, 5, np.where(leading >= 2, 2, 1)) * power


def _multiples(values: np.ndarray, step: np.ndarray) -> np.ndarray:
    whole = np.rint(values / step)
    # 3 tenths are .3 by division and .30000000000000004 by multiplication; adding 0 leaves no -0.
    return np.where(step < 1, whole / (1 / step), whole * step) + 0.0
