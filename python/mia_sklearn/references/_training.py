"""Train one reference model and ask it about every record."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
from joblib import parallel_config
from sklearn import get_config
from sklearn.pipeline import Pipeline

from .._models._backend import backend_of
from .._models._fitted import constant, fit_afresh, fit_copy
from .._models._kinds import is_net
from .._models._random import seeded_alone, seeded_within
from .._models._trainable import configured
from .._process._engine import arrived
from .._process._parallel import end_with_parent, one_thread, one_thread_each, this_process
from .._process._printable import told
from .._process._terminal import guarded
from .._records._labels import labels_like
from .._records._rows import chunks, n_rows, take_params, take_rows
from ..signals import log_posteriors
from ._job import Job, makers_of
from ._lost import CannotTrain, Lost, lost_to, second_seed
from ._sampling import training_rows

__all__ = ["answer_of", "attempted", "classes_in", "fit_one", "of_job", "packed", "train"]

# What trained models elsewhere and was found to be like here.
_found_alike: list[dict[str, str]] = []


def train(
    sent: Any, model: int, counts: bytes, seed: int, name: str = ""
) -> tuple[int, np.ndarray | Lost | None]:
    """Train a model and return its number and its answers on all records but the core.

    One that cannot be trained is given a second seed. Its training set stays what it was: the
    sets that do train are then drawn as a target's was, which could be trained as well. A worker
    that sees the job's store keeps the answers there, under `name` where there is one, and returns
    None in their place.

    Parameters
    ----------
    sent : Job, or what stands for one
    model : int
    counts : bytes
        How often the model trains on each record, `packed`.
    seed : int
    name : str, default=""
    """
    with of_job(sent) as (job, elsewhere):
        store = job.store if name and elsewhere else None
        if store is None or not store.is_here():
            return model, _answers(job, model, counts, seed)
        # A worker that was given up, or that has answered in vain, may have kept them.
        if store.read(name, job.may_be_answers) is not None:
            return model, None
        answer = _answers(job, model, counts, seed)
        if isinstance(answer, Lost) or not job.may_be_answers(answer):
            return model, answer
        return model, None if store.write(name, answer.shape, [answer]) else answer


def _answers(job: Job, model: int, counts: bytes, seed: int) -> np.ndarray | Lost:
    times = _unpacked(counts, n_rows(job.table) - job.n_core - job.first)
    # What cannot be trained is told in the words of the job itself.
    for one in (job.quick, job):
        answer = Lost("") if one is None else _try(one, model, times, seed)
        if not isinstance(answer, Lost):
            return answer
    again = _try(job, model, times, second_seed(seed))
    return answer if isinstance(again, Lost) else again


@contextmanager
def of_job(sent: Any) -> Iterator[tuple[Job, bool]]:
    """Enter a task: yield its job, and whether that began in another process."""
    job = arrived(sent)
    elsewhere = job.home != this_process()
    if elsewhere:
        _check_likeness(job)
    end_with_parent(job.home)
    # The process that started the job has limited its libraries already; a thread's share of
    # OpenMP is its own.
    limits = one_thread() if elsewhere else one_thread_each()
    guard = guarded() if elsewhere and job.guarded else nullcontext()
    # Forests answer in shared memory, which joblib refuses to whoever prefers processes.
    alone = parallel_config(backend="sequential", n_jobs=1, prefer=None)
    with guard, limits, alone:
        yield job, elsewhere


def packed(counts: np.ndarray) -> bytes:
    """Return how often a model trains on each record, one bit each where that is once or never."""
    n_bits = max(1, int(counts.max()).bit_length())
    return np.packbits([counts >> bit & 1 for bit in range(n_bits)], axis=1).tobytes()


def _unpacked(content: bytes, n_records: int) -> np.ndarray:
    bits = np.frombuffer(content, dtype=np.uint8).reshape(-1, -(-n_records // 8))
    bits = np.unpackbits(bits, axis=1, count=n_records)
    counts = np.zeros(n_records, dtype=np.uint16)
    for place, one in enumerate(bits):
        counts += one.astype(np.uint16) << place
    return counts


def _check_likeness(job: Job) -> None:
    """Raise where models would be trained here by other code than where the job began."""
    if job.makers in _found_alike:
        return
    own = makers_of(job.estimator)
    others = [
        f"{name} {own.get(name) or 'of another kind'} in place of {asked}"
        for name, asked in job.makers.items()
        if asked and own.get(name) != asked
    ]
    if others:
        raise CannotTrain(
            f"A worker on {platform.node()!r} has {', '.join(others)}: its models would not be "
            "like the others. Install the same versions and the same code on all workers."
        )
    _found_alike.append(job.makers)


def _try(job: Job, model: int, counts: np.ndarray, seed: int) -> np.ndarray | Lost:
    def work() -> np.ndarray | Lost:
        with seeded_alone(seed) if job.draws_globally else nullcontext():
            fitted = fit_one(job, training_rows(counts, job.n_core, seed), seed)
            return fitted if isinstance(fitted, Lost) else answer_of(fitted, job, seed)

    return attempted(model, work)


def attempted(model: int, work: Callable[[], Any]) -> Any:
    """Return what comes of work on a model, or `Lost` where it fails."""
    try:
        return work()
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
    backend = backend_of(estimator)
    return np.unique(labels) if backend is None else backend.net_classes(estimator, table, labels)


def fit_one(job: Job, rows: np.ndarray, seed: int) -> Any:
    """Return a model trained on some rows of the job's records, or `Lost`."""
    n_trainable = n_rows(job.table) - job.first

    def draw() -> tuple[Any, np.ndarray, dict[str, Any]]:
        X = take_rows(job.table, job.first + rows)
        return X, job.labels[job.first + rows], take_params(job.fit_params, rows, n_trainable)

    if job.unlabelled:
        X, _, params = draw()
        return _fit_generator(job.estimator, X, seed, params)
    backend = job.backend
    if backend is not None:
        X, _, params = draw()
        net, y = configured(job.estimator, seed), job.learned[job.first + rows]
        return backend.fit_net(net, X, y, classes=job.classes, seed=seed, params=params)
    if not hasattr(job.estimator, "fit"):
        X, y, _ = draw()
        one = not job.of_outputs and (y == y[0]).all()
        return constant(X, y) if one else job.estimator(X, y, seed)
    if job.of_outputs:
        X, y, params = draw()
        return fit_copy(job.estimator, X, labels_like(y, job.kind_of_labels, X), params, seed)
    return fit_afresh(job.estimator, draw, seed=seed, kind=job.kind_of_labels)


def _fit_generator(estimator: Any, X: Any, seed: int, params: dict[str, Any]) -> Any:
    if not hasattr(estimator, "fit"):
        return estimator(X, None, seed)
    with seeded_within(estimator, seed):
        return configured(estimator, seed).fit(X, **params)


def answer_of(model: Any, job: Job, seed: int) -> np.ndarray:
    """Return what a trained model answers on all records but the core, and on their copies."""
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
                else log_posteriors(*_last_step(model, X), job.classes)
            )
            if np.isnan(own[rows]).any():
                raise ValueError("it answers NaN")
    return answers


def _last_step(model: Any, X: Any) -> tuple[Any, Any]:
    """Return what a Pipeline of scikit-learn asks in the end, and about what.

    Before models are asked about all records, they are asked about a few, in two ways.
    """
    if type(model) is not Pipeline or get_config()["enable_metadata_routing"]:
        return model, X
    for _, step in model.steps[:-1]:
        X = X if step in (None, "passthrough") else step.transform(X)
    return model.steps[-1][1], X
