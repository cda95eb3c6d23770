"""What the one who inverts a model may see of it: its inside, or its answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from .._models._answers import answer_of
from .._observations._input_gradients import input_gradients

__all__ = ["AnswersView", "GradientView", "View"]

# Numbers that one question to the model holds, about 64 MB.
_VALUES_PER_QUESTION = 2**23


class View(ABC):
    """Asks a target about records, one for each of some labels.

    Parameters
    ----------
    target : fitted classifier, TorchTarget or FunctionTarget
    codes : ndarray of int of shape (n_labels,)
        Positions of the labels in `target.classes_`.
    """

    def __init__(self, target: Any, codes: np.ndarray) -> None:
        self.target = target
        self.codes = codes
        self.columns = getattr(target, "feature_names_in_", None)

    @property
    @abstractmethod
    def queries_per_step(self) -> int:
        """Records asked about for one gradient and the posterior behind it."""

    @abstractmethod
    def posterior_gradients(
        self, x: np.ndarray, rows: np.ndarray, posteriors: np.ndarray
    ) -> np.ndarray:
        """Return the gradients of the posteriors of the labels in `rows`, by their records."""

    def posteriors(self, x: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the posterior of each of the labels in `rows` at its record."""
        return self._ask(x, self.codes[rows])

    def _ask(self, x: np.ndarray, codes: np.ndarray) -> np.ndarray:
        proba = np.asarray(
            answer_of(self.target, "predict_proba", self._records(x)), dtype=np.float64
        )
        own = proba[np.arange(len(codes)), codes]
        if not np.isfinite(own).all():
            raise ValueError("The model answers posteriors that are NaN or infinite.")
        return own

    def _records(self, x: np.ndarray) -> Any:
        """Return records as the table that the model knows."""
        if self.columns is None:
            return x
        import pandas as pd

        return pd.DataFrame(x, columns=self.columns)


class GradientView(View):
    """White-box: the posterior's gradient itself."""

    queries_per_step = 1

    def posterior_gradients(
        self, x: np.ndarray, rows: np.ndarray, posteriors: np.ndarray
    ) -> np.ndarray:
        gradients = input_gradients(self.target, self._records(x), self.codes[rows])
        # The logarithm of a posterior of 0 has no gradient, and the posterior none to speak of.
        gradients[posteriors == 0] = 0.0
        return (gradients.T * posteriors).T


class AnswersView(View):
    """Black-box: the gradient estimated from answers to records in random directions.

    Parameters
    ----------
    generators : list of numpy Generator
        One per label.
    n_directions : int
    radius : float
        Standard deviation of each feature.
    """

    def __init__(
        self,
        target: Any,
        codes: np.ndarray,
        *,
        generators: list[np.random.Generator],
        n_directions: int,
        radius: float,
    ) -> None:
        super().__init__(target, codes)
        self.generators = generators
        self.n_directions = n_directions
        self.radius = radius

    @property
    def queries_per_step(self) -> int:
        return 1 + 2 * self.n_directions

    def posterior_gradients(
        self, x: np.ndarray, rows: np.ndarray, posteriors: np.ndarray
    ) -> np.ndarray:
        n = max(1, _VALUES_PER_QUESTION // (2 * self.n_directions * x[0].size))
        parts = [
            self._estimates(x[start : start + n], rows[start : start + n])
            for start in range(0, len(rows), n)
        ]
        return np.concatenate(parts)

    def _estimates(self, x: np.ndarray, rows: np.ndarray) -> np.ndarray:
        shape = (self.n_directions, *x.shape[1:])
        directions = np.stack([self.generators[row].standard_normal(shape) for row in rows])
        steps = self.radius * np.concatenate([directions, -directions], axis=1)
        nearby = (x[:, None] + steps).reshape(-1, *x.shape[1:])
        codes = np.repeat(self.codes[rows], 2 * self.n_directions)
        answers = self._ask(nearby, codes).reshape(len(rows), 2, self.n_directions)
        slopes = (answers[:, 0] - answers[:, 1]) / (2 * self.radius)
        return np.einsum("lk,lk...->l...", slopes, directions) / self.n_directions
