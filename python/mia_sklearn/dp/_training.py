"""Training what is audited, and asking it about canaries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._models._answers import name_of
from .._models._backend import backend_of
from .._models._fitted import fit_copy
from .._models._kinds import last_step
from .._models._predictors import as_predictor, predicted_numbers, predicts_numbers
from .._models._targets import as_target
from .._models._trainable import configured
from .._process._printable import in_words
from .._records._labels import labels_like
from .._records._rows import positions, take_rows
from ..signals import log_posteriors, rescaled_logit

__all__ = ["Mechanism"]

# What stands for infinite: bounds read the order of scores alone.
_LARGEST = 1e30


@dataclass(frozen=True)
class Mechanism:
    """What is audited: how it is trained, and how its answers are read.

    Attributes
    ----------
    estimator : estimator, or function (X, y, seed) that returns a fitted model
    kind_of_labels : Series, frame or None
        See `_records._labels.kind_of_labels`.
    classes : ndarray or None
        All labels; None of numbers.
    """

    estimator: Any
    kind_of_labels: Any
    classes: np.ndarray | None

    @property
    def numbers(self) -> bool:
        """Whether it predicts numbers."""
        return self.classes is None

    @property
    def name(self) -> str:
        """What it is called in reports: its class, of a pipeline its last step's."""
        if not hasattr(self.estimator, "fit"):
            return getattr(self.estimator, "__name__", type(self.estimator).__name__)
        return name_of(last_step(self.estimator))

    def train(self, table: Any, rows: np.ndarray, labels: np.ndarray, seed: int) -> Any:
        """Return a model trained on some rows.

        Raises
        ------
        ValueError
            If it cannot be, saying what of canaries may be the cause.
        """
        return self.trained(lambda X, y: self._fit(X, y, seed), table, rows, labels)

    def trained(
        self, fit: Callable[[Any, Any], Any], table: Any, rows: np.ndarray, labels: np.ndarray
    ) -> Any:
        """Call `fit` with records and labels, and tell of canaries where it raises."""
        try:
            return fit(take_rows(table, rows), labels)
        except (ImportError, MemoryError):
            raise
        except Exception as error:
            raise ValueError(
                f"{self.name} could not be trained on the records with the canaries among them: "
                f"{in_words(error).rstrip('.')}. Where it refuses the canaries, give "
                "canaries=(X, y) with records that it takes."
            ) from error

    def _fit(self, X: Any, y: np.ndarray, seed: int) -> Any:
        if not hasattr(self.estimator, "fit"):
            return self.estimator(X, labels_like(y, self.kind_of_labels, X), seed)
        backend = backend_of(self.estimator)
        if backend is not None:
            net = configured(self.estimator, seed)
            return backend.train_net(net, X, y, classes=self.classes, seed=seed)
        return fit_copy(self.estimator, X, labels_like(y, self.kind_of_labels, X), {}, seed)

    def fit_of_records(self, model: Any, X: Any, y: np.ndarray) -> np.ndarray:
        """Return how well a model fits each record: higher means that it was trained on it.

        The log-odds of the record's label, as trained on; of numbers minus the distance to it.
        """
        if self.classes is None:
            true = y.reshape(len(y), -1).astype(np.float64)
            predicted = predicted_numbers(as_predictor(model, X=X), X, true.shape[1])
            return _finite(-np.linalg.norm(predicted - true, axis=1))
        if predicts_numbers(model):
            raise ValueError(
                f"{self.name} returned a regressor, {name_of(last_step(model))}, and of a function "
                "audit_dp takes y for labels: give the unfitted regressor itself as estimator."
            )
        answers = log_posteriors(as_target(model, X=X), X, self.classes)
        with np.errstate(invalid="ignore"):
            return _finite(rescaled_logit(answers, positions(y, self.classes)))


def _finite(scores: np.ndarray) -> np.ndarray:
    if np.isnan(scores).any():
        raise ValueError("The model answers NaN about canaries, which nothing can be read from.")
    return np.clip(scores, -_LARGEST, _LARGEST)
