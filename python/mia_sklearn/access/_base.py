"""What every access shares: the records, the question about them, and who may be asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from .._models._asking import beside_other_work
from .._records._index import in_order_asked, row_labels
from .._records._rows import chunks, take_rows

__all__ = ["AskedInChunks", "AskedRecords", "BaseAccess", "Question"]

# Signals that differ by no more than this share are equal but for rounding.
_CONSTANT = 1e-6


class AskedRecords(NamedTuple):
    """The records of a pool, which every model is asked about in the same way.

    Attributes
    ----------
    X : table of shape (n_records, n_features)
    labels : ndarray of int of shape (n_records,)
        Column of each record's class; zeros where there are no labels.
    classes : ndarray of shape (n_classes,)
        Labels, in the order of the columns; empty where there are none.
    reference_data : table of shape (n_others, n_features), or None
        Other records of the same kind that the attacker holds; None for the records themselves.
    output_classes : tuple of ndarray
        The labels of each output, of classifiers with several: `labels` are of shape (n_records,
        n_outputs) then, as they are of regressors.
    """

    X: Any
    labels: np.ndarray
    classes: np.ndarray
    reference_data: Any = None
    output_classes: tuple[np.ndarray, ...] = ()


class Question(ABC):
    """One question about the records of a pool, put to many models.

    Attributes
    ----------
    n_columns : int
        Numbers in an answer: the signal, and where labels are seen the predicted class; or what
        the signal is made of.
    """

    n_columns: int = 1

    @abstractmethod
    def ask(self, model: Any, rows: np.ndarray, seed: int) -> np.ndarray:
        """Return a model's answers.

        Parameters
        ----------
        model : fitted estimator
        rows : ndarray of int of shape (n_rows,)
            Which records of the pool. No answer depends on which others are among them.
        seed : int
            Draws what the model is asked to draw.

        Returns
        -------
        ndarray of shape (n_rows, n_columns), float64
            The signal, higher meaning member, and the position of the predicted class.
        """


class BaseAccess(BaseEstimator, ABC):
    """What an attacker asks for.

    Attributes
    ----------
    name : str
        As `observe(access=)` takes it.
    threat_model : str
        What the attacker needs to see.
    sees_labels : bool
        Whether answers tell the predicted class beside the signal.
    sees_targets : bool
        Whether records have true values, one or several, and answers tell the predicted ones.
    of_generators : bool
        Whether it is asked of generators alone, which know no labels.
    """

    name: ClassVar[str]
    threat_model: ClassVar[str]
    sees_labels: ClassVar[bool] = False
    sees_targets: ClassVar[bool] = False
    of_generators: ClassVar[bool] = False
    #: Releases of a model that leave an attacker this access, where no other is named.
    releases: ClassVar[tuple[str, ...]] = ()
    #: Whether it has a parameter `n_queries`: copies of each record that models are asked about.
    queries_copies: ClassVar[bool] = False
    #: Whether the answers of references beside the target's tell more than the target's alone.
    gains_by_references: ClassVar[bool] = True

    @abstractmethod
    def check(self, model: Any) -> None:
        """Raise if a model cannot be asked for this.

        Parameters
        ----------
        model : estimator
            Fitted or not.

        Raises
        ------
        ValueError
            Names the method that it lacks, or the parameter that is wrong.
        """

    @abstractmethod
    def question(self, records: AskedRecords, seed: int) -> Question:
        """Return the question that is put to every model.

        Parameters
        ----------
        records : AskedRecords
        seed : int
            Draws all that does not depend on the model.

        Returns
        -------
        Question
        """

    def doubt(self, model: Any, records: AskedRecords, answers: np.ndarray) -> str:
        """Tell what makes a model's answers worthless, if anything does.

        Parameters
        ----------
        model : fitted estimator
        records : AskedRecords
        answers : ndarray of shape (n_rows, n_columns)
            What `Question.ask` has returned.

        Returns
        -------
        str
            As a sentence; empty where all is well.
        """
        signal = answers[:, 0]
        if len(signal) < 2 or np.ptp(signal) > _CONSTANT * (1 + np.abs(signal).max()):
            return ""
        return (
            f"{type(model).__name__} gives all {len(signal):,} records the same signal "
            f"(access={self.name!r}): it tells none from another."
        )


class AskedInChunks(Question):
    """A function of a model and records, asked about bounded parts of them."""

    def __init__(self, X: Any, function: Callable[[Any, Any], Any]) -> None:
        self.X = X
        self.function = function

    def ask(self, model: Any, rows: np.ndarray, seed: int) -> np.ndarray:
        parts = []
        for part in chunks(self.X, len(rows)):
            asked = rows[part]
            X = take_rows(self.X, asked)
            labels = row_labels(X)
            with beside_other_work(model):
                answer = in_order_asked("The signal", self.function(model, X), labels)
            values = np.asarray(answer, dtype=np.float64)
            if values.shape != asked.shape:
                raise ValueError(
                    f"The signal has shape {values.shape}; expected one number per record: "
                    f"({len(asked)},)."
                )
            parts.append(values)
        signal = np.concatenate(parts)
        if np.isnan(signal).any():
            raise ValueError(f"The signal is NaN, first for record {np.isnan(signal).argmax()}.")
        return signal[:, None]
