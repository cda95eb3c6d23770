"""Train one reference model and ask it about every record."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from joblib import parallel_config
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ._data import n_rows, take_rows
from ._sampling import training_rows
from .signals import log_posteriors

__all__ = ["Job", "check_trainable", "configured", "prefers_threads", "single_threaded", "train"]

_VALUES_PER_CHUNK = 2**24
# Their work is done outside the interpreter lock.
_THREADED_PACKAGES = (
    "sklearn.ensemble",
    "sklearn.neighbors",
    "sklearn.svm",
    "sklearn.tree",
    "xgboost",
    "lightgbm",
    "catboost",
)


@dataclass(frozen=True)
class Job:
    """What all reference models of one `fit` share.

    `table` holds the pool, the population and the core, in this order. The records from row
    `first` on may be trained on; the last `n_core` always are, and are not asked about.
    `copies` are tables of perturbed copies of the records, asked about after them.
    """

    estimator: Any
    table: Any
    labels: np.ndarray
    classes: np.ndarray
    fit_params: dict[str, Any]
    first: int
    n_core: int
    copies: list[Any] = field(default_factory=list)
    home: int = field(default_factory=os.getpid)


def train(job: Job, model: int, counts: np.ndarray, seed: int) -> tuple[int, np.ndarray]:
    """Train a model and return its number and its log-posteriors on all records but the core."""
    rows = training_rows(counts, job.n_core, seed)
    # The process that started the job has limited its libraries already; a thread's share of
    # OpenMP is its own.
    elsewhere = os.getpid() != job.home
    limits = threadpool_limits(1, user_api=None if elsewhere else "openmp")
    with limits, parallel_config(backend="sequential", n_jobs=1):
        try:
            fitted = _fit(job, rows, seed)
            return model, _answer(fitted, job)
        except Exception as error:
            kind = ValueError if isinstance(error, ValueError) else RuntimeError
            raise kind(f"Reference model {model} could not be trained: {error}") from error


def _fit(job: Job, rows: np.ndarray, seed: int) -> Any:
    X = take_rows(job.table, job.first + rows)
    y = job.labels[job.first + rows]
    if (y == y[0]).all():
        return _OneClass(y[:1])
    if not hasattr(job.estimator, "fit"):
        return job.estimator(X, y, seed)
    n_trainable = n_rows(job.table) - job.first
    params = {
        name: take_rows(value, rows) if _is_per_record(value, n_trainable) else value
        for name, value in job.fit_params.items()
    }
    try:
        return configured(job.estimator, seed).fit(X, y, **params)
    except ValueError:
        seen, codes = np.unique(y, return_inverse=True)
        if y.dtype.kind not in "iu" or np.array_equal(seen, np.arange(len(seen))):
            raise
        # XGBoost wants the labels 0, 1, ... and refuses training sets that lack one of them.
        return _Renamed(configured(job.estimator, seed).fit(X, codes, **params), seen)


def _answer(model: Any, job: Job) -> np.ndarray:
    n_records = n_rows(job.table) - job.n_core
    answers = np.empty((n_records * (1 + len(job.copies)), len(job.classes)), dtype=np.float32)
    width = max(1, int(np.prod(job.table.shape[1:])))
    step = max(1, _VALUES_PER_CHUNK // width)
    for place, table in enumerate((job.table, *job.copies)):
        own = answers[place * n_records : (place + 1) * n_records]
        for start in range(0, n_records, step):
            rows = slice(start, min(start + step, n_records))
            own[rows] = log_posteriors(model, take_rows(table, rows), job.classes)
    return answers


class _OneClass:
    """The answer of a model that saw one class: many classifiers refuse to train on it."""

    def __init__(self, classes: np.ndarray) -> None:
        self.classes_ = classes

    def predict_proba(self, X: Any) -> np.ndarray:
        return np.ones((n_rows(X), 1))


class _Renamed:
    """A model trained on the positions of its classes, answering for the classes themselves."""

    def __init__(self, model: Any, classes: np.ndarray) -> None:
        self.classes_ = classes
        self.predict_proba = model.predict_proba


def _is_per_record(value: Any, n_trainable: int) -> bool:
    is_array = hasattr(value, "shape") or isinstance(value, (list, tuple))
    return is_array and n_rows(value) == n_trainable


def configured(estimator: Any, seed: int) -> Any:
    """Return a clone with its own seeds, which uses one core."""
    estimator = clone(estimator)
    rng = np.random.default_rng(seed)
    for part in _parts(estimator):
        # CatBoost lists only parameters that were given.
        known = part.get_params(deep=False)
        names = known.keys() | set(inspect.signature(type(part)).parameters)
        seeding = _first_of(("random_state", "random_seed"), known, names)
        if seeding:
            part.set_params(**{seeding: int(rng.integers(2**31 - 1))})
        cores = _first_of(("n_jobs", "thread_count"), known, names)
        if cores:
            # None stands for what joblib is told, which is 1; in other libraries for all cores.
            part.set_params(**{cores: None if _is_sklearn(part) else 1})
    return estimator


def _is_sklearn(part: Any) -> bool:
    return type(part).__module__.partition(".")[0] == "sklearn"


def _first_of(aliases: tuple[str, ...], known: Iterable[str], names: Iterable[str]) -> str | None:
    """Return the alias that was given, else the first that can be."""
    return next((name for which in (known, names) for name in aliases if name in which), None)


def _parts(estimator: Any) -> list[Any]:
    """Return the estimator and all estimators nested in its parameters."""
    nested = estimator.get_params(deep=True)
    parts = [nested[name] for name in sorted(nested) if hasattr(nested[name], "get_params")]
    unique = {id(part): part for part in [estimator, *parts] if not isinstance(part, type)}
    return list(unique.values())


def single_threaded() -> Any:
    """Return a context in which this process's numerical libraries use one thread."""
    return threadpool_limits(1)


def prefers_threads(estimator: Any) -> bool:
    """Tell whether training runs well in threads, which need no start-up and no copies."""
    while hasattr(estimator, "steps") or hasattr(getattr(estimator, "estimator", None), "fit"):
        estimator = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator.estimator
    return type(estimator).__module__.startswith(_THREADED_PACKAGES)


def check_trainable(estimator: Any, fit_params: dict[str, Any] | None) -> None:
    """Refuse what cannot be trained anew, saying why and what to pass instead."""
    if isinstance(estimator, type):
        raise ValueError(
            f"estimator must be an instance, got the class {estimator.__name__}. "
            f"Pass {estimator.__name__}()."
        )
    if not hasattr(estimator, "fit"):
        if not callable(estimator):
            raise ValueError(
                "estimator must be a classifier or a function (X, y, seed) that returns a "
                f"fitted one, got {type(estimator).__name__}."
            )
        if fit_params:
            raise ValueError(
                "fit_params are passed to an estimator's fit; a function (X, y, seed) trains by "
                "itself. Drop fit_params or pass an estimator."
            )
        return
    if not hasattr(estimator, "get_params") or not _may_classify(estimator):
        raise ValueError(
            "estimator must be a classifier with fit, predict and get_params, got "
            f"{type(estimator).__name__}."
        )
    fresh = clone(estimator)
    for part in _parts(fresh):
        if _stays_fitted(part):
            raise ValueError(
                f"{type(part).__name__} stays fitted when it is cloned, so that every reference "
                "model would know what the target was trained on. Pass an estimator that trains "
                "from scratch as estimator=."
            )


def _may_classify(estimator: Any) -> bool:
    if hasattr(estimator, "__sklearn_tags__"):
        kind = get_tags(estimator).estimator_type
    else:
        kind = getattr(estimator, "_estimator_type", None)
    # An unfitted stack has no predict yet.
    return kind == "classifier" or (kind is None and hasattr(estimator, "predict"))


def _stays_fitted(part: Any) -> bool:
    from sklearn.frozen import FrozenEstimator

    params = part.get_params(deep=False)
    asks_for_it = params.get("prefit") is True or str(params.get("cv")) == "prefit"
    has_learned = any(name.endswith("_") and not name.startswith("__") for name in vars(part))
    if isinstance(part, FrozenEstimator) or asks_for_it or has_learned:
        return True
    owners = [getattr(value, "__self__", None) for value in params.values()]
    if any(hasattr(owner, "get_params") and _stays_fitted(owner) for owner in owners):
        return True
    # A composite of transformers without a state calls itself fitted.
    if len(_parts(part)) > 1 or not hasattr(part, "fit") or not get_tags(part).requires_fit:
        return False
    try:
        check_is_fitted(part)
    except NotFittedError:
        return False
    return True
