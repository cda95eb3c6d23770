"""Train one reference model and ask it about every record."""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import Any

import numpy as np
from joblib import parallel_config
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .._models._answers import predicted_labels
from .._models._trainable import configured, holds_net, is_net
from .._process._parallel import end_with_parent
from .._process._printable import told
from .._process._terminal import guarded
from .._records._rows import chunks, n_rows, take_params, take_rows
from ..signals import log_posteriors
from ._job import Job
from ._lost import CannotTrain, Lost, lost_to, second_seed
from ._sampling import training_rows

__all__ = ["Job", "classes_in", "fit_one", "train"]


def train(job: Job, model: int, counts: np.ndarray, seed: int) -> tuple[int, np.ndarray | Lost]:
    """Train a model and return its number and its answers on all records but the core.

    One that cannot be trained is given a second seed. Its training set stays what it was: the
    sets that do train are then drawn as a target's was, which could be trained as well.
    """
    # The process that started the job has limited its libraries already; a thread's share of
    # OpenMP is its own.
    elsewhere = os.getpid() != job.home
    end_with_parent(job.home)
    limits = threadpool_limits(1, user_api=None if elsewhere else "openmp")
    guard = guarded() if elsewhere and job.guarded else nullcontext()
    with guard, limits, parallel_config(backend="sequential", n_jobs=1):
        answer = _try(job, model, counts, seed)
        if isinstance(answer, Lost):
            again = _try(job, model, counts, second_seed(seed))
            answer = answer if isinstance(again, Lost) else again
    return model, answer


def _try(job: Job, model: int, counts: np.ndarray, seed: int) -> np.ndarray | Lost:
    try:
        fitted = fit_one(job, training_rows(counts, job.n_core, seed), seed)
        return fitted if isinstance(fitted, Lost) else _answer(fitted, job, seed)
    except MemoryError as error:
        # Nothing that the model did: the next ones would find as little.
        raise CannotTrain(
            f"Reference model {model} could not be trained: {told(error) or 'out of memory'}. Give "
            "n_jobs=1, or fewer records."
        ) from error
    except (Exception, SystemExit) as error:
        return lost_to(error)


def classes_in(estimator: Any, table: Any, labels: np.ndarray) -> np.ndarray:
    """Return the labels in the order of the columns of what an estimator will answer."""
    if is_net(estimator):
        from ..torch._training._nets import net_classes

        return net_classes(estimator, table, labels)
    return np.unique(labels)


def fit_one(job: Job, rows: np.ndarray, seed: int) -> Any:
    """Return a model trained on some rows of the job's records, or `Lost`."""
    X, params = _own(job, rows)
    y = job.labels[job.first + rows]
    if job.unlabelled:
        return _fit_generator(job.estimator, X, seed, params)
    if is_net(job.estimator):
        from ..torch._training._nets import fit_net

        net = configured(job.estimator, seed)
        codes = job.codes[job.first + rows]
        return fit_net(net, X, codes, classes=job.classes, seed=seed, params=params)
    if (y == y[0]).all():
        return _OneClass(y[:1])
    if not hasattr(job.estimator, "fit"):
        return job.estimator(X, y, seed)
    seen, codes = np.unique(y, return_inverse=True)
    try:
        with _seeded_within(job.estimator, seed):
            return configured(job.estimator, seed).fit(X, y, **params)
    except ValueError:
        y = seen[codes]
        if y.dtype.kind not in "iu" or np.array_equal(seen, np.arange(len(seen))):
            raise
        # XGBoost wants the labels 0, 1, ... and refuses training sets that lack one of them.
        X, params = _own(job, rows)
        return _Renamed(configured(job.estimator, seed).fit(X, codes, **params), seen)


def _own(job: Job, rows: np.ndarray) -> tuple[Any, dict[str, Any]]:
    """Return records to train on and what goes with them, all of which a model may ruin."""
    n_trainable = n_rows(job.table) - job.first
    X = take_rows(job.table, job.first + rows)
    return X, take_params(job.fit_params, rows, n_trainable)


def _fit_generator(estimator: Any, X: Any, seed: int, params: dict[str, Any]) -> Any:
    if not hasattr(estimator, "fit"):
        return estimator(X, None, seed)
    with _seeded_within(estimator, seed):
        return configured(estimator, seed).fit(X, **params)


def _seeded_within(estimator: Any, seed: int) -> Any:
    """Seed torch where a network is wrapped in an estimator: nets have no seed of their own."""
    if not holds_net(estimator):
        return nullcontext()
    from ..torch._training._random import seeded

    return seeded(seed)


def _answer(model: Any, job: Job, seed: int) -> np.ndarray:
    n_records = job.n_records
    answers = np.empty((job.n_answers, job.n_columns), dtype=np.float32)
    if job.question is not None:
        answers[:] = job.question.ask(model, np.arange(n_records), seed)
        return answers
    for place, table in enumerate((job.table, *job.copies)):
        own = answers[place * n_records : (place + 1) * n_records]
        for rows in chunks(table, n_records):
            X = take_rows(table, rows)
            own[rows] = (
                model.answers(model.output(X))
                if is_net(job.estimator)
                else log_posteriors(model, X, job.classes)
            )
            if np.isnan(own[rows]).any():
                raise ValueError("it answers NaN")
    return answers


class _OneClass:
    """The answer of a model that saw one class: many classifiers refuse to train on it."""

    def __init__(self, classes: np.ndarray) -> None:
        self.classes_ = classes

    def predict(self, X: Any) -> np.ndarray:
        return np.repeat(self.classes_, n_rows(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        return np.ones((n_rows(X), 1))


class _Renamed:
    """A model trained on the positions of its classes, answering for the classes themselves."""

    def __init__(self, model: Any, classes: np.ndarray) -> None:
        self.classes_ = classes
        self._model = model

    def predict(self, X: Any) -> np.ndarray:
        return self.classes_[predicted_labels(self._model, X).astype(np.intp)]

    def predict_proba(self, X: Any) -> np.ndarray:
        return self._model.predict_proba(X)
