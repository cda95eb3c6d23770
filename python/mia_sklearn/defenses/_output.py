"""What all defenses of a model's answers share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import HasMethods

from .._models._kinds import is_net, last_step
from ..base import BaseDefense, TrainingSet, fit_clone
from ..signals import log_posteriors

__all__ = ["OutputDefense", "check_answers_posteriors"]


class OutputDefense(BaseDefense):
    """Base of defenses that train as always and release altered posteriors.

    A subclass implements `_released`. Labels are those of the largest released posterior, of
    several as large the first. There is no `decision_function`, which would release what the
    posteriors no longer do.
    """

    alters: ClassVar[str] = "answers"
    trains_once: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"estimator": [HasMethods(["fit"])]}

    estimator: Any

    # Whether the estimator's posteriors are read, or its labels alone.
    _reads_posteriors: ClassVar[bool] = True

    @classmethod
    def as_compared(cls, estimator: Any, n_classes: int) -> BaseDefense | None:
        fits = hasattr(estimator, "predict_proba") or not cls._reads_posteriors
        return cls(estimator) if fits else None

    def _fit(self, data: TrainingSet) -> None:
        self._train_as_always(data)

    def _train_as_always(self, data: TrainingSet) -> None:
        if self._reads_posteriors:
            check_answers_posteriors(self.estimator, type(self).__name__)
        self._check_classes(len(self.classes_))
        self.estimator_ = fit_clone(self.estimator, data)
        # Only now do some composites know what they can answer.
        if self._reads_posteriors:
            check_answers_posteriors(self.estimator_, type(self).__name__)

    def _check_classes(self, n_classes: int) -> None:
        """Raise if a parameter does not fit the number of classes."""

    @abstractmethod
    def _released(self, X: Any) -> np.ndarray:
        """Return the log-posteriors to release."""

    def _answers(self, X: Any) -> np.ndarray:
        """Return the log-posteriors that `estimator_` answers."""
        return log_posteriors(self.estimator_, X, self.classes_)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithms of the posteriors that are released.

        Parameters
        ----------
        X : table of shape (n_records, n_features)

        Returns
        -------
        ndarray of shape (n_records, n_classes), float64
        """
        return self._released(self._asked(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the posteriors that are released.

        Parameters
        ----------
        X : table of shape (n_records, n_features)

        Returns
        -------
        ndarray of shape (n_records, n_classes), float64
        """
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: Any) -> np.ndarray:
        """Return the labels of the largest released posteriors.

        Parameters
        ----------
        X : table of shape (n_records, n_features)

        Returns
        -------
        ndarray of shape (n_records,)
        """
        best = self.predict_log_proba(X).argmax(axis=1)
        return self.classes_[best]

    @property
    def decision_function(self) -> Any:
        """Not available: it would release what the posteriors no longer do."""
        raise AttributeError(
            f"{type(self).__name__} releases posteriors and labels: use predict_log_proba."
        )


def check_answers_posteriors(estimator: Any, who: str) -> None:
    """Raise if an estimator has no posteriors, so far as it can tell before it is fitted."""
    last = last_step(estimator)
    # Some composites learn only in `fit` what they can answer.
    may_learn = hasattr(last, "get_params") and any(
        hasattr(value, "fit") for value in last.get_params().values()
    )
    fitted = estimator is not last or hasattr(last, "classes_")
    if is_net(last) or hasattr(last, "predict_proba") or (may_learn and not fitted):
        return
    name = type(last).__name__
    raise ValueError(
        f"{who} reads posteriors, and {name} has no predict_proba. Wrap it: "
        f"{who}(CalibratedClassifierCV({name}(...)))."
    )
