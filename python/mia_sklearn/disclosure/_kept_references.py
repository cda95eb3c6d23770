"""Reference models that are kept, to answer for records with other values put in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.utils.multiclass import type_of_target

from .._models._predictors import as_predictor, predicted_numbers, predicts_numbers
from .._models._targets import as_target
from .._records._rows import n_rows, positions, take_rows
from .._records._targets import is_constant
from ..access import PredictionAccess
from ..references import ReferenceModels
from ..references._job import Job
from ..references._kept_models import keep_trained
from ..references._sampling import assign, training_rows
from ..references._training import classes_in
from ..signals import choose_smoothing, log_posteriors, rescaled_logit

__all__ = ["KeptClassifiers", "KeptReferences", "KeptRegressors", "kind_of_references"]

_LARGEST_SEED = 2**31 - 1
_SMOOTHING_SAMPLE = 1000


class KeptReferences(ABC):
    """Models trained on the attacker's records as `ReferenceModels` would train them.

    Parameters
    ----------
    settings : ReferenceModels
        How many, of which kind, on which share of the records.
    table : table of shape (n_records, n_features)
    labels : ndarray of shape (n_records,) or (n_records, n_outputs)
        As estimators are given them.
    entropy : int
        Draws their training sets and seeds.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Empty for regressors.
    membership : ndarray of shape (n_references, n_records)
        How often each trained on each record.
    smoothing : float
        Of the rescaled logit, chosen from their answers; 0 for regressors.
    """

    classes: np.ndarray
    smoothing: float
    #: How records' labels are checked, see `check_records`.
    as_truth: Any = None
    #: Of a target's answers. Single precision holds no small residual of large numbers.
    precision: Any = np.float32

    def __init__(
        self, settings: ReferenceModels, table: Any, labels: np.ndarray, entropy: int
    ) -> None:
        self.membership = assign(
            settings.sampling,
            n_rows(table),
            settings.train_size,
            0,
            n_models=settings.n_models,
            entropy=entropy,
        ).membership
        draws = np.random.default_rng(entropy)
        seeds = draws.integers(_LARGEST_SEED, size=len(self.membership))
        rows = [
            training_rows(counts, 0, int(seed))
            for counts, seed in zip(self.membership, seeds, strict=True)
        ]
        self._models, _ = keep_trained(
            self._job(settings.estimator, table, labels),
            rows,
            seeds,
            n_jobs=settings.n_jobs,
            progress=settings.progress,
        )
        self._choose_scale(table, labels)

    @staticmethod
    @abstractmethod
    def check(labels: np.ndarray) -> None:
        """Raise if models learn nothing from the attacker's labels."""

    @abstractmethod
    def _job(self, estimator: Any, table: Any, labels: np.ndarray) -> Job:
        """Return what the models learn; note the classes."""

    @abstractmethod
    def _choose_scale(self, table: Any, labels: np.ndarray) -> None:
        """Choose how answers are read, from the models' own."""

    @abstractmethod
    def known(self, labels: np.ndarray, name: str) -> np.ndarray:
        """Return labels as answers are held against them, or raise naming the argument."""

    @abstractmethod
    def target(self, model: Any, table: Any) -> Any:
        """Return a fitted model of the references' kind, or raise."""

    @abstractmethod
    def asked(self, target: Any, table: Any) -> np.ndarray:
        """Return a target's answers, (n_records, n_columns)."""

    @abstractmethod
    def told(self, answers: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Return phi of answers of shape (n, n_records, n_columns): (n, n_records)."""

    @abstractmethod
    def _all_asked(self, table: Any) -> np.ndarray:
        """Return the answers of all references, (n_references, n_records, n_columns)."""

    def phi(self, tables: Iterable[Any], known: np.ndarray) -> np.ndarray:
        """Return phi of all references, (n_references, n_records, n_tables): one per candidate."""
        return np.stack([self.told(self._all_asked(table), known) for table in tables], axis=2)


class KeptClassifiers(KeptReferences):
    """Classifiers, whose phi is the log-odds of the record's label."""

    @staticmethod
    def check(labels: np.ndarray) -> None:
        if len(np.unique(labels)) < 2:
            raise ValueError("y_aux must hold at least two classes, got one class.")

    def _job(self, estimator: Any, table: Any, labels: np.ndarray) -> Job:
        self.classes = classes_in(estimator, table, labels)
        return Job(estimator, table, labels, self.classes, {}, 0, 0)

    def _choose_scale(self, table: Any, labels: np.ndarray) -> None:
        self.smoothing = choose_smoothing(
            self._all_asked(take_rows(table, slice(_SMOOTHING_SAMPLE)))
        )

    def known(self, labels: np.ndarray, name: str) -> np.ndarray:
        codes = positions(labels, self.classes)
        if (codes < 0).any():
            row = int(np.argmax(codes < 0))
            raise ValueError(
                f"{name} holds the label {labels.tolist()[row]!r} in row {row}, which is none "
                f"of those of fit: {self.classes.tolist()}."
            )
        return codes

    def target(self, model: Any, table: Any) -> Any:
        return as_target(model, self.classes, X=table)

    def asked(self, target: Any, table: Any) -> np.ndarray:
        return log_posteriors(target, table, self.classes)

    def told(self, answers: np.ndarray, known: np.ndarray) -> np.ndarray:
        return rescaled_logit(answers, known, self.smoothing)

    def _all_asked(self, table: Any) -> np.ndarray:
        return self._models.log_posteriors(table)


class KeptRegressors(KeptReferences):
    """Regressors, whose phi is how close they come, see `mia_sklearn.access.PredictionAccess`."""

    as_truth = PredictionAccess().as_truth
    precision = np.float64
    smoothing = 0.0

    @staticmethod
    def check(labels: np.ndarray) -> None:
        if is_constant(labels):
            raise ValueError(
                f"y_aux is {labels[0].tolist()!r} for all records: nothing can be learned."
            )

    def _job(self, estimator: Any, table: Any, labels: np.ndarray) -> Job:
        self.classes, self._access = np.empty(0), PredictionAccess()
        self.n_outputs = labels[:1].size
        return Job(estimator, table, labels, self.classes, {}, 0, 0, access=self._access)

    def _choose_scale(self, table: Any, labels: np.ndarray) -> None:
        truth = self.known(labels, "y_aux")
        residuals = truth - self._all_asked(table)
        self._scale = self._access.scale(residuals, (self.membership > 0).astype(float))

    def known(self, labels: np.ndarray, name: str) -> np.ndarray:
        truth = self._access.coded(labels, ())
        if truth.shape[1] != self.n_outputs:
            raise ValueError(
                f"{name} has {truth.shape[1]} numbers per record; y of fit had {self.n_outputs}."
            )
        return truth

    def target(self, model: Any, table: Any) -> Any:
        self._access.check(model)
        return as_predictor(model, X=table)

    def asked(self, target: Any, table: Any) -> np.ndarray:
        return predicted_numbers(target, table, self.n_outputs)

    def told(self, answers: np.ndarray, known: np.ndarray) -> np.ndarray:
        return self._scale.phi(known - answers, known)

    def _all_asked(self, table: Any) -> np.ndarray:
        return np.stack([self.asked(model, table) for model in self._models.models])


def kind_of_references(estimator: Any, y: Any) -> type[KeptReferences]:
    """Return what keeps models of an estimator's kind; of a function's by what they learn."""
    if hasattr(estimator, "fit"):
        of_numbers = predicts_numbers(estimator)
    else:
        of_numbers = type_of_target(y).startswith("continuous")
    return KeptRegressors if of_numbers else KeptClassifiers
