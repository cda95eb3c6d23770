"""Train reference models, keep what they answer on every record, and go on where it stopped."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import scipy
import sklearn
from joblib import parallel_config
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from . import __version__
from ._answers import predicted_labels
from ._cache import ArrayStore
from ._data import n_rows, positions, take_params, take_rows
from ._estimators import configured, holds_net, is_net, nested, prefers_threads
from ._fingerprint import fingerprint
from ._sampling import training_rows
from .access import BaseAccess, Question
from .signals import log_posteriors

__all__ = ["Job", "Lost", "classes_in", "fit_one", "train", "train_all"]

_VALUES_PER_CHUNK = 2**24
# Of the stored answers; answers of another layout are made anew.
_LAYOUT = 2


class Lost(NamedTuple):
    """A network whose loss became NaN, and the epoch, counted from 1; 0 when it is not known."""

    epoch: int


@dataclass(frozen=True)
class Job:
    """What all reference models of one `fit` share.

    `table` holds the pool, the population and the core, in this order. The records from row
    `first` on may be trained on; the last `n_core` always are, and are not asked about.
    `copies` are tables of perturbed copies of the records, asked about after them. With an
    `access`, models are asked its `question` in place of posteriors. Generators are trained
    without labels (`unlabelled`), for which zeros stand.
    """

    estimator: Any
    table: Any
    labels: np.ndarray
    classes: np.ndarray
    fit_params: dict[str, Any]
    first: int
    n_core: int
    copies: list[Any] = field(default_factory=list)
    unlabelled: bool = False
    access: BaseAccess | None = None
    question: Question | None = None
    question_seed: int = 0
    home: int = field(default_factory=os.getpid)

    @cached_property
    def name(self) -> bytes:
        """What tells these models from those of all other jobs, seeds and copies left aside."""
        return _name(self)

    @cached_property
    def codes(self) -> np.ndarray:
        """Positions of the labels among the classes, which networks train on."""
        codes = positions(self.labels, self.classes)
        unknown = np.flatnonzero(codes[self.first :] < 0)
        if len(unknown):
            label = self.labels.tolist()[self.first + unknown[0]]
            raise ValueError(f"y holds the label {label!r}, which is not one of classes.")
        return codes

    @property
    def n_records(self) -> int:
        """Records that models are asked about."""
        return n_rows(self.table) - self.n_core

    @property
    def n_columns(self) -> int:
        """Numbers in an answer.

        A log-posterior for each class and, of networks, a normalizer; or what is asked for.
        """
        if self.question is not None:
            return self.question.n_columns
        return len(self.classes) + is_net(self.estimator)

    @property
    def n_answers(self) -> int:
        """Records and copies that models are asked about."""
        return self.n_records * (1 + len(self.copies))


def train(job: Job, model: int, counts: np.ndarray, seed: int) -> tuple[int, np.ndarray | Lost]:
    """Train a model and return its number and its answers on all records but the core."""
    rows = training_rows(counts, job.n_core, seed)
    # The process that started the job has limited its libraries already; a thread's share of
    # OpenMP is its own.
    elsewhere = os.getpid() != job.home
    limits = threadpool_limits(1, user_api=None if elsewhere else "openmp")
    with limits, parallel_config(backend="sequential", n_jobs=1):
        try:
            fitted = fit_one(job, rows, seed)
            return model, fitted if isinstance(fitted, Lost) else _answer(fitted, job, seed)
        except Exception as error:
            kinds = (kind for kind in (ValueError, TypeError) if isinstance(error, kind))
            kind = next(kinds, RuntimeError)
            raise kind(f"Reference model {model} could not be trained: {error}") from error


def classes_in(estimator: Any, table: Any, labels: np.ndarray) -> np.ndarray:
    """Return the labels in the order of the columns of what an estimator will answer."""
    if is_net(estimator):
        from .torch._nets import net_classes

        return net_classes(estimator, table, labels)
    return np.unique(labels)


def fit_one(job: Job, rows: np.ndarray, seed: int) -> Any:
    """Return a model trained on some rows of the job's records, or `Lost`."""
    X = take_rows(job.table, job.first + rows)
    y = job.labels[job.first + rows]
    n_trainable = n_rows(job.table) - job.first
    params = take_params(job.fit_params, rows, n_trainable)
    if job.unlabelled:
        return _fit_generator(job.estimator, X, seed, params)
    if is_net(job.estimator):
        from .torch._nets import fit_net

        net = configured(job.estimator, seed)
        codes = job.codes[job.first + rows]
        return fit_net(net, X, codes, classes=job.classes, seed=seed, params=params)
    if (y == y[0]).all():
        return _OneClass(y[:1])
    if not hasattr(job.estimator, "fit"):
        return job.estimator(X, y, seed)
    try:
        with _seeded_within(job.estimator, seed):
            return configured(job.estimator, seed).fit(X, y, **params)
    except ValueError:
        seen, codes = np.unique(y, return_inverse=True)
        if y.dtype.kind not in "iu" or np.array_equal(seen, np.arange(len(seen))):
            raise
        # XGBoost wants the labels 0, 1, ... and refuses training sets that lack one of them.
        return _Renamed(configured(job.estimator, seed).fit(X, codes, **params), seen)


def _fit_generator(estimator: Any, X: Any, seed: int, params: dict[str, Any]) -> Any:
    if not hasattr(estimator, "fit"):
        return estimator(X, None, seed)
    with _seeded_within(estimator, seed):
        return configured(estimator, seed).fit(X, **params)


def _seeded_within(estimator: Any, seed: int) -> Any:
    """Seed torch where a network is wrapped in an estimator: nets have no seed of their own."""
    if not holds_net(estimator):
        return nullcontext()
    from .torch._random import seeded

    return seeded(seed)


def _answer(model: Any, job: Job, seed: int) -> np.ndarray:
    n_records = job.n_records
    answers = np.empty((job.n_answers, job.n_columns), dtype=np.float32)
    if job.question is not None:
        answers[:] = job.question.ask(model, np.arange(n_records), seed)
        return answers
    width = max(1, int(np.prod(job.table.shape[1:])))
    step = max(1, _VALUES_PER_CHUNK // width)
    for place, table in enumerate((job.table, *job.copies)):
        own = answers[place * n_records : (place + 1) * n_records]
        for start in range(0, n_records, step):
            rows = slice(start, min(start + step, n_records))
            X = take_rows(table, rows)
            if is_net(job.estimator):
                own[rows] = model.answers(model.output(X))
                if np.isnan(own[rows]).any():
                    raise ValueError("the network answers NaN")
            else:
                own[rows] = log_posteriors(model, X, job.classes)
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


def train_all(
    job: Job,
    membership: np.ndarray,
    seeds: np.ndarray,
    *,
    store: ArrayStore | None,
    n_jobs: int | None,
    progress: bool,
) -> tuple[np.ndarray, dict[int, int]]:
    """Return the answers of all models: those that the store has, and those trained now.

    Parameters
    ----------
    job : Job
    membership : ndarray of shape (n_models, n_trainable)
    seeds : ndarray of shape (n_models,)
    store : ArrayStore or None
    n_jobs : int or None
    progress : bool

    Returns
    -------
    answers : ndarray of shape (n_models, n_answers, n_columns), float32
        NaN throughout for models that were lost.
    lost : dict of int to int
        The models that were lost, and in which epoch; 0 when the store does not tell.
    """
    shape = (len(seeds), job.n_answers, job.n_columns)
    epochs: dict[int, int] = {}

    def train_these(models: Sequence[int], keep: Callable[[int, np.ndarray], None]) -> None:
        def keep_whole(model: int, answer: np.ndarray | Lost) -> None:
            if isinstance(answer, Lost):
                epochs[model] = answer.epoch
                answer = np.full(shape[1:], np.nan, dtype=np.float32)
            keep(model, answer)

        if is_net(job.estimator) and models:
            reason = _train_as_one(
                job, membership, seeds, models, keep_whole, n_jobs=n_jobs, progress=progress
            )
            if reason is None:
                return
            if reason:
                warnings.warn(
                    f"The reference networks are trained one by one, not as one: {reason}.",
                    stacklevel=5,
                )
        prefer = "threads" if prefers_threads(job.estimator) else "processes"
        if n_jobs not in (None, 1) and _stays_here(job.estimator):
            warnings.warn(
                "The network's module is defined in __main__, where other processes cannot find "
                "it: reference models are trained one at a time. Move it to a file of its own.",
                stacklevel=5,
            )
            n_jobs_here: int | None = 1
        else:
            n_jobs_here = n_jobs
        parallel = Parallel(n_jobs=n_jobs_here, prefer=prefer, return_as="generator_unordered")
        tasks = (delayed(train)(job, m, membership[m], int(seeds[m])) for m in models)
        with threadpool_limits(1), _stopping(parallel(tasks)) as results:
            shown = _with_progress(results, len(models), len(seeds)) if progress else results
            for model, answer in shown:
                keep_whole(model, answer)

    if store is None:
        answers = np.empty(shape, dtype=np.float32)
        train_these(range(len(seeds)), answers.__setitem__)
    else:
        answers = _stored(job, membership, seeds, store, train_these)
    # A lost model answers every record with NaN: one record tells.
    lost = np.flatnonzero(np.isnan(answers[:, 0, 0])).tolist()
    return answers, {model: epochs.get(model, 0) for model in lost}


def _train_as_one(job: Job, *what: Any, n_jobs: int | None, progress: bool) -> str | None:
    """Train networks together: None when that is done, else the reason, empty if it is plain."""
    from .torch._gan_references import is_gan, train_references

    if is_gan(job.estimator):
        return train_references(job, *what, progress=progress) or None
    if job.unlabelled:
        return ""
    from .torch._ensemble import train_as_one

    return train_as_one(job, *what, n_jobs=n_jobs, progress=progress) or None


def _stays_here(estimator: Any) -> bool:
    """Tell whether other processes could not read an estimator: skorch sends names of modules."""
    if not holds_net(estimator):
        return False
    modules = [
        part.module for part in nested(estimator) if is_net(part) and hasattr(part, "module")
    ]
    kinds = [module if isinstance(module, type) else type(module) for module in modules]
    return any(kind.__module__ == "__main__" for kind in kinds)


def _stored(
    job: Job,
    membership: np.ndarray,
    seeds: np.ndarray,
    store: ArrayStore,
    train_these: Callable[..., None],
) -> np.ndarray:
    """Return all answers as one file of the store, training what the store lacks."""
    common = job.name
    if job.copies:
        common += fingerprint(job.copies, "n_queries")
    if job.access is not None:
        common += fingerprint(job.access, "signal") + fingerprint(job.question_seed, "signal")
    names = [
        f"model-{_sha256(common, seed.tobytes(), counts.tobytes())}"
        for seed, counts in zip(seeds, membership, strict=True)
    ]
    together = f"outputs-{_sha256(*map(str.encode, names))}"
    stored = store.read(together)
    if stored is not None:
        return stored
    shape = (job.n_answers, job.n_columns)
    missing = [model for model, name in enumerate(names) if store.read(name) is None]
    train_these(missing, lambda model, answer: store.write(names[model], shape, [answer]))
    answers = (np.load(store.path(name), mmap_mode="r") for name in names)
    store.write(together, (len(names), *shape), answers)
    return np.load(store.path(together), mmap_mode="r")


@contextmanager
def _stopping(results: Any) -> Iterator[Iterable]:
    """Cancel what is still to be trained when its consumer stops early."""
    try:
        yield results
    finally:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "[0-9]+ tasks which were still being processed")
            results.close()


def _with_progress(results: Iterable, missing: int, total: int) -> Iterable:
    from tqdm import tqdm

    return tqdm(
        results, total=total, initial=total - missing, desc="reference models", unit="model"
    )


def _sha256(*parts: bytes) -> str:
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part)
    return sha.hexdigest()


def _name(job: Job) -> bytes:
    estimator = job.estimator
    if hasattr(estimator, "fit"):
        # Seeds and cores are set for each model: what the user gave does not matter.
        estimator = configured(estimator, 0)
    parts = {
        "versions": (_LAYOUT, __version__, sklearn.__version__, np.__version__, scipy.__version__),
        "estimator": estimator,
        "X": job.table,
        "y": job.labels,
        "classes": job.classes,
        "fit_params": job.fit_params,
        "roles": (job.first, job.n_core),
    }
    return b"".join(fingerprint(value, name) for name, value in parts.items())
