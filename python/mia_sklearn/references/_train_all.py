"""Train all reference models, keep what they answer, and go on where an earlier run stopped."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from functools import partial
from pickle import PicklingError
from typing import Any, Protocol

import numpy as np
from joblib import effective_n_jobs, parallel_config
from sklearn.exceptions import DataConversionWarning
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .._models._answers import name_of
from .._models._backend import Backend, networks
from .._models._fingerprint import fingerprint
from .._models._kinds import holds_net, is_net, nested
from .._models._trainable import prefers_threads
from .._process._engine import (
    away,
    cluster,
    handed_out,
    has_lost_workers,
    preference,
    sent_once,
    wait_for_workers,
    what_workers_lack,
)
from .._process._parallel import at_most, check_n_jobs, settled_warnings
from .._process._progress import progress_bar
from ._job import Job
from ._lost import CannotTrain, Lost, second_seed
from ._store import BaseStore
from ._training import packed, train

__all__ = ["Pace", "common_name", "name_of_work", "names_of_models", "train_all"]

_LOG = logging.getLogger(__name__)

# So many models that fail before any succeeds are no accident.
_FIRST_FEW = 4
# So often workers may end without any model being done meanwhile.
_VAIN_TRIES = 3


def train_all(
    job: Job,
    membership: np.ndarray,
    seeds: np.ndarray,
    *,
    n_jobs: int | None,
    progress: bool,
    pace: Pace | None = None,
) -> tuple[np.ndarray, dict[int, Lost]]:
    """Return the answers of all models, and those that were lost, which the store does not hold.

    Answers that the job's store has are not trained again. They have shape (n_models, n_answers,
    n_columns) and are NaN for a lost model. If none of the first few models can be trained, the
    first of them and its error are raised. Where a `pace` is set, they are of the first models
    alone, as many as it says.
    """
    check_n_jobs(n_jobs)
    options: dict[str, Any] = {"n_jobs": n_jobs, "progress": progress}
    if job.store is not None:
        return _stored(job, membership, seeds, job.store, options, pace=pace)
    # Of models that a pace leaves out, no memory is touched.
    answers = np.empty((len(seeds), job.n_answers, job.n_columns), dtype=np.float32)
    run = _Run(job, membership, seeds, answers.__setitem__, **options)
    answers = answers[: run.train_first(range(len(seeds)), pace)]
    answers[list(run.lost)] = np.nan
    return answers, run.lost


class Pace(Protocol):
    """Says how many models to train, when it is seen how long they take."""

    #: How many there are to be, as far as is known yet.
    aim: int

    def next(self, n: int, n_trained: int) -> int:
        """Return how many models to have next; no more than there are ends it, with so many.

        Parameters
        ----------
        n : int
            How many there are, the first ones of all.
        n_trained : int
            How many of these were trained since it was last asked, and not kept from before.
        """


class _Run:
    """Trains models and hands over what they answer; remembers which ones were lost.

    `keep` gets a model's number and its answers, those that no worker has kept in the job's store
    under the model's name. `n_done` is how many models have been trained before.
    """

    def __init__(
        self,
        job: Job,
        membership: np.ndarray,
        seeds: np.ndarray,
        keep: Callable[[int, np.ndarray], object],
        *,
        n_jobs: int | None,
        progress: bool,
        n_done: int = 0,
        names: Sequence[str] | None = None,
    ) -> None:
        self.job, self.membership, self.seeds, self.keep = job, membership, seeds, keep
        self.n_jobs, self.progress, self.n_done = n_jobs, progress, n_done
        self.names = names
        self.aim = self.upto = len(seeds)
        self.paced = False
        self.lost: dict[int, Lost] = {}
        self._finished: set[int] = set()

    def train_first(self, missing: Sequence[int], pace: Pace | None) -> int:
        """Train those that are missing of as many models as `pace` says, and return how many.

        Of all where there is none.
        """
        if pace is None:
            self.train(missing)
            return len(self.seeds)
        self.paced = True
        n, n_finished = 0, 0
        while (upto := pace.next(n, len(self._finished) - n_finished)) > n:
            n_finished, self.aim, self.upto = len(self._finished), pace.aim, upto
            models = [model for model in missing if n <= model < upto]
            if models:
                self.train(models)
            n = upto
        self.lost = {model: why for model, why in self.lost.items() if model < upto}
        return upto

    def train(self, models: Sequence[int]) -> None:
        """Train models: networks that can be as one, all others one by one."""
        # Also of networks within other models.
        backend = networks() if holds_net(self.job.estimator) else None
        if backend is not None and models:
            reason = self._train_as_one(backend, models)
            if reason is None:
                self._check_hope()
                return
            if reason and self.job.backend is None:
                # Of what stands around a network, which its user would not change for this.
                _LOG.info("the reference networks are trained one by one: %s", reason)
            elif reason and not self._finished:
                warnings.warn(
                    f"The reference networks are trained one by one, not as one: {reason}.",
                    stacklevel=6,
                )
        with away():
            self._train_one_by_one(models)
        self._check_hope()

    def _done(self, model: int, answer: np.ndarray | Lost | None) -> None:
        _LOG.debug(
            "reference model %d is %s", model, "lost" if isinstance(answer, Lost) else "done"
        )
        self._finished.add(model)
        if isinstance(answer, Lost):
            self.lost[model] = answer
            return
        self.n_done += 1
        if answer is not None:
            self.keep(model, answer)

    def _is_hopeless(self) -> bool:
        return not self.n_done and len(self.lost) >= min(_FIRST_FEW, len(self.seeds))

    def _check_hope(self) -> None:
        if self._is_hopeless():
            first, lost = next(iter(self.lost.items()))
            n_others = len(self.lost) - 1
            raise lost.error(
                first, f" (and so could none of the {n_others} others that were tried.)"
            )

    def _train_one_by_one(self, models: Sequence[int]) -> None:
        job, n_jobs = self.job, at_most(self.n_jobs, len(models))
        prefer = preference(threads=prefers_threads(job.estimator))
        engine: Any = nullcontext()
        if effective_n_jobs(n_jobs) != 1 and _stays_here(job.estimator):
            warnings.warn(
                "The network's module is defined in __main__, where other processes cannot find "
                "it: reference models are trained one at a time. Move it to a file of its own.",
                stacklevel=7,
            )
            engine = parallel_config(backend="sequential")
        at_once = effective_n_jobs(n_jobs)
        _LOG.info(
            "training %d reference models one by one, %d at a time, in %s: %s",
            len(models),
            at_once,
            prefer,
            name_of(job.estimator),
        )
        left, n_vain = list(models), 0
        with engine:
            while left:
                try:
                    return self._hand_out(left, n_jobs, prefer)
                except Exception as error:
                    if isinstance(error, CannotTrain) and cluster():
                        raise CannotTrain(f"On {cluster()}: {error}") from error
                    lacking = what_workers_lack(error)
                    if lacking:
                        raise CannotTrain(_lacking(lacking)) from error
                    if not has_lost_workers(error):
                        raise
                    n_before, left = len(left), [m for m in left if m not in self._finished]
                    n_vain = n_vain + 1 if len(left) == n_before else 0
                    if n_vain == _VAIN_TRIES:
                        raise self._ended("Workers of the cluster") from error
                    _LOG.warning("workers of the cluster ended; %d models are left", len(left))
                    wait_for_workers(at_once)
        return None

    def _hand_out(self, models: Sequence[int], n_jobs: int | None, prefer: str | None) -> None:
        """Train models one by one on the engine that joblib was told to use."""
        at_once, left = effective_n_jobs(n_jobs), deque(models)
        sent, names = sent_once(self.job, n_jobs, prefer), self.names

        def arguments(m: int) -> tuple[Any, ...]:
            name = names[m] if names else ""
            return sent, m, packed(self.membership[m]), int(self.seeds[m]), name

        begun = handed_out(
            train,
            left,
            arguments,
            n_jobs,
            prefer=prefer,
            in_threads=not self.job.draws_globally,
        )
        with settled_warnings(), threadpool_limits(1), begun as results:
            shown = progress_bar(
                results,
                total=self.aim,
                initial=self.upto - len(models),
                desc="reference models",
                unit="model",
                disable=not self.progress,
                at_once=at_once,
                foretold=not self.paced,
            )
            # Of labels in a frame, as the target was given them too.
            warnings.simplefilter("ignore", DataConversionWarning)
            try:
                for model, answer in shown:
                    self._done(model, answer)
                    if self._is_hopeless():
                        left.clear()
            except BrokenProcessPool as error:
                raise self._ended("A process") from error
            except PicklingError as error:
                raise CannotTrain(
                    f"{name_of(self.job.estimator)} cannot be sent to another process: give "
                    "n_jobs=1, or train in threads, by joblib.parallel_config(backend='threading')."
                ) from error

    def _ended(self, who: str) -> CannotTrain:
        return CannotTrain(
            f"{who} that trained reference models came to an end: training "
            f"{name_of(self.job.estimator)} ended it, or memory ran out. Give n_jobs=1, or fewer "
            "records."
        )

    def _train_as_one(self, backend: Backend, models: Sequence[int]) -> str | None:
        """Train networks together: None when that is done, else the reason, empty if plain."""
        together = partial(
            backend.fit_many, self.job, self.membership, n_jobs=self.n_jobs, progress=self.progress
        )
        lost: dict[int, Lost] = {}

        def keep_first(model: int, answer: np.ndarray | Lost) -> None:
            if isinstance(answer, Lost):
                lost[model] = answer
            else:
                self._done(model, answer)

        reason = together(self.seeds[: self.upto], models, keep_first)
        if reason is None and lost:
            if len(lost) < len(self.seeds):
                seeds = np.array([second_seed(int(seed)) for seed in self.seeds])
                first, lost = lost, {}
                if together(seeds, sorted(first), keep_first) is not None:
                    lost = first
            for model in sorted(lost):
                self._done(model, lost[model])
        return reason


def _lacking(package: str) -> str:
    engine = cluster()
    return (
        f"A worker{' of ' * bool(engine)}{engine} cannot import {package!r}: install it on all "
        f"workers{' and on the scheduler' * (engine == 'Dask')}, in the version that is installed "
        "here."
    )


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
    store: BaseStore,
    options: dict[str, Any],
    *,
    pace: Pace | None,
) -> tuple[np.ndarray, dict[int, Lost]]:
    """Return all answers as one file of the store, training what the store lacks.

    What cannot be written, to a full disk, stays in memory. Models that were lost are not
    stored: what kept them from being trained may be gone next time.
    """
    common = common_name(job)
    names = names_of_models(common, membership, seeds)
    shape = (job.n_answers, job.n_columns)

    def may_be(answers: np.ndarray) -> bool:
        return answers.shape == shape and job.may_be_answers(answers)

    def together() -> np.ndarray | None:
        of_all = (len(names), *shape)
        name = _name_of_all(names)
        return store.read(name, lambda a: a.shape == of_all and job.may_be_answers(a))

    everything = together() if store.maps and pace is None else None
    if everything is not None:
        return everything, {}
    in_memory: dict[int, np.ndarray] = {}

    def keep(model: int, answer: np.ndarray) -> None:
        # What would not be believed when it is read, of classes beyond the job's, is not stored.
        if not may_be(answer) or not store.write(names[model], shape, [answer]):
            in_memory[model] = answer

    # Runs that differ in the number of models only have the first ones in common.
    with store.alone(name_of_work(common)):
        missing = [m for m, name in enumerate(names) if store.read(name, may_be) is None]
        n_kept = len(names) - len(missing)
        _LOG.info("%d of %d reference models are in the cache %s", n_kept, len(names), store.where)
        run = _Run(job, membership, seeds, keep, n_done=n_kept, names=names, **options)
        names = names[: run.train_first(missing, pace)]
    parts = {model: answer for model, answer in in_memory.items() if model < len(names)}
    vanished = []
    for model in set(range(len(names))) - run.lost.keys() - parts.keys():
        part = store.read(names[model], may_be)
        if part is None:
            vanished.append(model)
        else:
            parts[model] = part
    if vanished:
        # Somebody has emptied the folder meanwhile.
        run.keep, run.names = parts.__setitem__, None
        run.train(sorted(vanished))
    answers = (parts[model] for model in sorted(parts))
    of_all = (len(names), *shape)
    is_whole = store.maps and not run.lost and not in_memory
    if is_whole and store.write(_name_of_all(names), of_all, answers):
        everything = together()
        if everything is not None:
            return everything, {}
    everything = np.full(of_all, np.nan, dtype=np.float32)
    for model, part in parts.items():
        everything[model] = part
    return everything, run.lost


def common_name(job: Job) -> bytes:
    """Return a digest of all that shapes the answers of all models alike."""
    common = job.name
    if job.copies:
        common += fingerprint(job.copies, "n_queries")
    if job.access is not None:
        common += fingerprint(job.access, "signal") + fingerprint(job.question_seed, "signal")
    return common


def names_of_models(common: bytes, membership: np.ndarray, seeds: np.ndarray) -> list[str]:
    """Return the name of each model's answers, by all that shapes them."""
    return [
        f"model-{_sha256(common, seed.tobytes(), counts.tobytes())}"
        for seed, counts in zip(seeds, membership, strict=True)
    ]


def name_of_work(common: bytes) -> str:
    """Return what the training of such models is called, which one run does at a time."""
    return f"training-{_sha256(common)}"


def _name_of_all(names: Sequence[str]) -> str:
    return f"outputs-{_sha256(*map(str.encode, names))}"


def _sha256(*parts: bytes) -> str:
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part)
    return sha.hexdigest()
