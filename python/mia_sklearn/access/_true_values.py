"""What regressors, and classifiers with several outputs, answer: held against the true values."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Protocol

import numpy as np

from .._models._kinds import is_generator
from .._models._predictors import (
    answers_several,
    log_posteriors_of_outputs,
    predicted_numbers,
    predicts_numbers,
)
from .._records._rows import chunks, take_rows
from .._records._targets import as_numbers, as_several_labels, codes_of_outputs, labels_of_outputs
from ..signals import choose_smoothing
from ._base import AskedRecords, BaseAccess, Question

__all__ = ["OutputsAccess", "PredictionAccess", "TrueValueAccess"]

# Residuals below this share of their spread are none, and log-odds end there. No earlier: of some
# thousand others one comes as near as a thousandth, and would be taken for an exact answer.
_ZERO = 1e-6
_TAILS = (0.01, 0.99)
# Angles by one standard deviation of the true values: of alike records, at a cosine distance below
# .2, predictions are within .3 of it. No whole number of the other: none is there and back in both.
_TURNS = (1.0, np.e)
# Numbers that are kept of each output of a classifier.
_PER_OUTPUT = 3


class Scale(Protocol):
    """From what a model answered to the signal that attacks read."""

    @property
    def saturated(self) -> bool:
        """Whether many answers are exactly right, or exactly 0 or 1."""

    @property
    def text(self) -> str:
        """What becomes of answers, in words."""

    def phi(self, answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return the signal of answers of shape (..., n_records, n_answers)."""


class TrueValueAccess(BaseAccess):
    """What is asked of models whose records have true values: numbers, or several labels.

    Attributes
    ----------
    of_numbers : bool
        Whether true values are numbers.
    """

    sees_targets: ClassVar[bool] = True
    threat_model: ClassVar[str] = "black-box"
    of_numbers: ClassVar[bool]

    @abstractmethod
    def as_truth(self, y: Any, name: str = "y") -> np.ndarray:
        """Return true values, as estimators are given them.

        Parameters
        ----------
        y : array-like of shape (n_records,) or (n_records, n_outputs)
        name : str, default="y"
            What errors call it.

        Returns
        -------
        ndarray of the same shape

        Raises
        ------
        ValueError
            If values are missing, or no true values of such a model.
        """

    @abstractmethod
    def classes_of(self, truth: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the labels of each output.

        Parameters
        ----------
        truth : ndarray
            What `as_truth` returned.

        Returns
        -------
        tuple of ndarray
            Empty of numbers.
        """

    @abstractmethod
    def coded(self, truth: np.ndarray, classes: tuple[np.ndarray, ...]) -> np.ndarray:
        """Return true values as numbers.

        Parameters
        ----------
        truth : ndarray
            What `as_truth` returned.
        classes : tuple of ndarray
            What `classes_of` returned.

        Returns
        -------
        ndarray of shape (n_records, n_outputs), float64
            Labels are positions among the classes of their output, -1 where they are none.
        """

    @abstractmethod
    def predicted(self, answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return what a model predicts, in the same numbers as `coded`.

        Parameters
        ----------
        answers : ndarray of shape (..., n_records, n_answers)
        labels : ndarray of shape (n_records, n_outputs)

        Returns
        -------
        ndarray of shape (..., n_records, n_outputs)
        """

    @abstractmethod
    def scale(self, answers: np.ndarray, trained: np.ndarray) -> Scale:
        """Choose the scale of the signal by the answers of models.

        Parameters
        ----------
        answers : ndarray of shape (n_models, n_records, n_answers)
        trained : ndarray of shape (n_models, n_records)
            1 where a model trained on a record, 0 where it did not, NaN where nothing may be
            learned from its answer.

        Returns
        -------
        object
            With `phi(answers, labels)`, `text` and `saturated`.
        """

    @abstractmethod
    def features(self, answers: np.ndarray, labels: np.ndarray, scale: Scale) -> np.ndarray:
        """Return what tells records apart: coordinates whose directions are close if alike.

        Parameters
        ----------
        answers : ndarray of shape (n_records, n_answers)
        labels : ndarray of shape (n_records, n_outputs)
        scale : object
            What `scale` returned.

        Returns
        -------
        ndarray of shape (n_records, n_features)
        """

    def doubt(self, model: Any, records: AskedRecords, answers: np.ndarray) -> str:
        # What predicts the same for all records is at chance, as it ought to be.
        return ""


class PredictionAccess(TrueValueAccess):
    r"""What a regressor predicts: numbers, one or several for each record.

    The signal of a record is how far the prediction is from the true value, in units that are
    the same for all records: :math:`-|y - f(x)| / s`, where s is the root mean square of the
    residuals of models that did not train on the record, those beyond the 1st and the 99th
    percentile set to it. Where models answer at least half of their own training records
    exactly (residuals below :math:`10^{-6} s`), it is :math:`-\log(\exp(\max(r, 10^{-6})) - 1)`
    with :math:`r = |y - f(x)| / s`, so that exact answers lie well apart from near ones. Of several
    outputs, r is the mean over them.

    Threat model: black-box; one query per record, answered by the prediction in full precision.

    See Also
    --------
    OutputsAccess : The same for classifiers with several outputs.

    Notes
    -----
    Without references s is taken over all records that are asked about: it does not alter the
    order of records where there is one output.

    Source: this project, after the loss threshold of [1]_.

    References
    ----------
    .. [1] S. Yeom et al., "Privacy Risk in Machine Learning: Analyzing the Connection to
       Overfitting", CSF 2018, section 3.2.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> from mia_sklearn import observe
    >>> X, y = load_diabetes(return_X_y=True)
    >>> seen = observe(KNeighborsRegressor(1).fit(X[::2], y[::2]), X, y)
    >>> seen.columns.tolist()
    ['target_0', 'prediction_0', 'logit']
    >>> # Of the 221 training records, and of two others that are as ill as their neighbour.
    >>> int((seen["logit"] == 0).sum())
    223
    """

    name: ClassVar[str] = "predictions"
    of_numbers: ClassVar[bool] = True

    def check(self, model: Any) -> None:
        if is_generator(model) or not (predicts_numbers(model) or not hasattr(model, "fit")):
            raise ValueError(
                f"access={self.name!r} needs a regressor, whose predict answers numbers; got "
                f"{type(model).__name__}."
            )

    def question(self, records: AskedRecords, seed: int) -> Question:
        return _ResidualQuestion(records)

    def as_truth(self, y: Any, name: str = "y") -> np.ndarray:
        return as_numbers(y, name)

    def classes_of(self, truth: np.ndarray) -> tuple[np.ndarray, ...]:
        return ()

    def coded(self, truth: np.ndarray, classes: tuple[np.ndarray, ...]) -> np.ndarray:
        return truth.reshape(len(truth), -1).astype(np.float64)

    def predicted(self, answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return labels - answers

    def scale(self, answers: np.ndarray, trained: np.ndarray) -> Scale:
        # All records where none is known to be out, as of a target alone.
        out = trained == 0 if (trained == 0).any() else np.ones(trained.shape, dtype=bool)
        residuals = answers[out].astype(np.float64)
        low, high = np.quantile(residuals, _TAILS, axis=0)
        spread = np.sqrt(np.square(np.clip(residuals, low, high)).mean(axis=0))
        spread = np.where(spread > 0, spread, 1.0)
        inside = np.abs(answers[trained == 1] / spread).mean(axis=1)
        return ResidualScale(spread, bool(len(inside) and np.median(inside) < _ZERO))

    def features(self, answers: np.ndarray, labels: np.ndarray, scale: Scale) -> np.ndarray:
        spread = labels.std(axis=0)
        centred = self.predicted(answers, labels) - labels.mean(axis=0)
        standardised = centred / np.where(spread > 0, spread, 1.0)
        # A direction for each prediction: numbers side by side would all point the same way.
        turned = np.concatenate([turns * standardised for turns in _TURNS], axis=-1)
        return np.concatenate([np.cos(turned), np.sin(turned)], axis=-1)


class OutputsAccess(TrueValueAccess):
    r"""What a classifier with several outputs answers: posteriors of each, or labels.

    The signal of a record is the mean over the outputs of the rescaled logit of its true label
    (`mia_sklearn.signals.rescaled_logit`); its smoothing is chosen by the references' answers.

    Threat model: black-box; one query per record, answered by the posteriors of all outputs, or by
    labels where the model has no `predict_proba`.

    See Also
    --------
    PredictionAccess : The same for regressors.

    Notes
    -----
    Posteriors of labels that are there or not (multilabel) are read as two classes each.

    Source: this project.

    Examples
    --------
    >>> from sklearn.datasets import make_multilabel_classification
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from mia_sklearn import observe
    >>> X, y = make_multilabel_classification(n_classes=2, random_state=0)
    >>> observe(DecisionTreeClassifier().fit(X[::2], y[::2]), X, y).columns.tolist()
    ['target_0', 'target_1', 'prediction_0', 'prediction_1', 'logit']
    """

    name: ClassVar[str] = "outputs"
    of_numbers: ClassVar[bool] = False

    def check(self, model: Any) -> None:
        if is_generator(model) or predicts_numbers(model):
            raise ValueError(
                f"access={self.name!r} needs a classifier with several outputs; got "
                f"{type(model).__name__}."
            )
        if hasattr(model, "classes_") and not answers_several(model):
            raise ValueError(
                f"access={self.name!r} needs a classifier with several outputs; this "
                f"{type(model).__name__} has one."
            )

    def question(self, records: AskedRecords, seed: int) -> Question:
        return _OutputsQuestion(records)

    def as_truth(self, y: Any, name: str = "y") -> np.ndarray:
        return as_several_labels(y, name)

    def classes_of(self, truth: np.ndarray) -> tuple[np.ndarray, ...]:
        return labels_of_outputs(truth)

    def coded(self, truth: np.ndarray, classes: tuple[np.ndarray, ...]) -> np.ndarray:
        return codes_of_outputs(truth, classes)

    def predicted(self, answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return answers[..., 2::_PER_OUTPUT]

    def scale(self, answers: np.ndarray, trained: np.ndarray) -> Scale:
        some = np.isfinite(trained).any(axis=1)
        known = answers[some] if some.any() else answers
        true, rest = (known[..., k::_PER_OUTPUT] for k in (0, 1))
        smoothing = choose_smoothing(np.stack([true, rest], axis=-1).reshape(-1, 2))
        return OutputsScale(smoothing)

    def features(self, answers: np.ndarray, labels: np.ndarray, scale: Scale) -> np.ndarray:
        # On which side of its label does not matter to how alike two records are answered.
        return _log_odds(answers, max(getattr(scale, "smoothing", 0.0), 1e-12))


class ResidualScale:
    """From residuals to the signal of `PredictionAccess`.

    Parameters
    ----------
    spread : ndarray of shape (n_outputs,)
        The s of each output.
    saturated : bool
        Whether models answer their training records exactly.
    """

    def __init__(self, spread: np.ndarray, saturated: bool) -> None:
        self.spread, self.saturated = spread, saturated

    @property
    def text(self) -> str:
        spread = ", ".join(f"{s:.3g}" for s in self.spread)
        logged = ", and taken as log-odds" if self.saturated else ""
        return f"held against the true values, as residuals divided by {spread}{logged}"

    def phi(self, answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return the signal of residuals of shape (..., n_records, n_outputs)."""
        away = np.abs(np.asarray(answers, dtype=np.float64) / self.spread).mean(axis=-1)
        if not self.saturated:
            return -away
        away = np.maximum(away, _ZERO)
        return -(away + np.log(-np.expm1(-away)))


class OutputsScale:
    """From the answers of all outputs to the signal of `OutputsAccess`.

    Parameters
    ----------
    smoothing : float
        See `mia_sklearn.signals.rescaled_logit`.
    """

    def __init__(self, smoothing: float) -> None:
        self.smoothing = smoothing
        self.saturated = smoothing > 1e-6

    @property
    def text(self) -> str:
        return f"smoothed by {self.smoothing:g}, and their log-odds averaged over the outputs"

    def phi(self, answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return the signal of answers of shape (..., n_records, 3 n_outputs)."""
        return _log_odds(answers, self.smoothing).mean(axis=-1)


def _log_odds(answers: np.ndarray, smoothing: float) -> np.ndarray:
    answers = np.asarray(answers, dtype=np.float64)
    floor = np.log(smoothing)
    true, rest = (np.logaddexp(answers[..., k::_PER_OUTPUT], floor) for k in (0, 1))
    return true - rest


class _ResidualQuestion(Question):
    """By how much a regressor is off the true values."""

    def __init__(self, records: AskedRecords) -> None:
        self.records = records
        self.n_columns = records.labels.shape[1]

    def ask(self, model: Any, rows: np.ndarray, seed: int) -> np.ndarray:
        residuals = np.empty((len(rows), self.n_columns))
        for part in chunks(self.records.X, len(rows)):
            asked = rows[part]
            X = take_rows(self.records.X, asked)
            predicted = predicted_numbers(model, X, self.n_columns)
            # In double precision: of large numbers single precision would hold no small difference.
            residuals[part] = self.records.labels[asked] - predicted
        return residuals


class _OutputsQuestion(Question):
    """What a classifier says of the true label of each output, and which it predicts."""

    def __init__(self, records: AskedRecords) -> None:
        self.records = records
        self.n_columns = _PER_OUTPUT * records.labels.shape[1]

    def ask(self, model: Any, rows: np.ndarray, seed: int) -> np.ndarray:
        answers = np.empty((len(rows), self.n_columns))
        for part in chunks(self.records.X, len(rows)):
            asked = rows[part]
            found = log_posteriors_of_outputs(
                model, take_rows(self.records.X, asked), self.records.output_classes
            )
            labels = self.records.labels[asked].astype(np.intp)
            for j, (posteriors, true) in enumerate(zip(found, labels.T, strict=True)):
                proba = np.exp(posteriors)
                own = np.where(true >= 0, proba[np.arange(len(true)), np.maximum(true, 0)], 0.0)
                # Summed over the others: 1 less the true one's would lose what is small.
                proba[np.arange(len(true)), np.maximum(true, 0)] *= true < 0
                with np.errstate(divide="ignore"):
                    both = np.log(own), np.log(proba.sum(axis=1))
                columns = [*both, posteriors.argmax(axis=1)]
                answers[part, _PER_OUTPUT * j : _PER_OUTPUT * (j + 1)] = np.stack(columns, axis=1)
        return answers
