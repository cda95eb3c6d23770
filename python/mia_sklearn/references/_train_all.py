"""Train all reference models, keep what they answer, and go on where an earlier run stopped."""

from __future__ import annotations

import hashlib
import itertools
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .._models._answers import name_of
from .._models._backend import Backend
from .._models._fingerprint import fingerprint
from .._models._kinds import holds_net, is_net, nested
from .._models._trainable import prefers_threads
from .._process._parallel import at_most, check_n_jobs, settled_warnings
from .._process._progress import progress_bar
from .._records._rows import positions
from ._job import Job
from ._lost import CannotTrain, Lost, second_seed
from ._store import ArrayStore
from ._training import train

__all__ = ["train_all"]

_LOG = logging.getLogger(__name__)

# So many models that fail before any succeeds are no accident.
_FIRST_FEW = 4
_ROUNDING = 1e-2


def train_all(
    job: Job,
    membership: np.ndarray,
    seeds: np.ndarray,
    *,
    store: ArrayStore | None,
    n_jobs: int | None,
    progress: bool,
) -> tuple[np.ndarray, dict[int, Lost]]:
    """Return the answers of all models, and those that were lost, which the store does not hold.

    Answers that the store has are not trained again. They have shape (n_models, n_answers,
    n_columns) and are NaN for a lost model. If none of the first few models can be trained, the
    first of them and its error are raised.
    """
    check_n_jobs(n_jobs)
    options: dict[str, Any] = {"n_jobs": n_jobs, "progress": progress}
    if store is not None:
        return _stored(job, membership, seeds, store, options)
    answers = np.full((len(seeds), job.n_answers, job.n_columns), np.nan, dtype=np.float32)
    run = _Run(job, membership, seeds, answers.__setitem__, **options)
    run.train(range(len(seeds)))
    return answers, run.lost


class _Run:
    """Trains models and hands over what they answer; remembers which ones were lost.

    `keep` gets a model's number and its answers, `n_done` is how many models have been trained
    before.
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
    ) -> None:
        self.job, self.membership, self.seeds, self.keep = job, membership, seeds, keep
        self.n_jobs, self.progress, self.n_done = n_jobs, progress, n_done
        self.lost: dict[int, Lost] = {}

    def train(self, models: Sequence[int]) -> None:
        """Train models: networks that can be as one, all others one by one."""
        backend = self.job.backend
        if backend is not None and models:
            reason = self._train_as_one(backend, models)
            if reason is None:
                self._check_hope()
                return
            if reason:
                warnings.warn(
                    f"The reference networks are trained one by one, not as one: {reason}.",
                    stacklevel=5,
                )
        self._train_one_by_one(models)
        self._check_hope()

    def _done(self, model: int, answer: np.ndarray | Lost) -> None:
        _LOG.debug(
            "reference model %d is %s", model, "lost" if isinstance(answer, Lost) else "done"
        )
        if not isinstance(answer, Lost):
            self.n_done += 1
            self.keep(model, answer)
            return
        self.lost[model] = answer

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
        prefer = "threads" if prefers_threads(job.estimator) else "processes"
        if n_jobs not in (None, 1) and _stays_here(job.estimator):
            warnings.warn(
                "The network's module is defined in __main__, where other processes cannot find "
                "it: reference models are trained one at a time. Move it to a file of its own.",
                stacklevel=6,
            )
            n_jobs = 1
        _LOG.info(
            "training %d reference models one by one, %d at a time, in %s: %s",
            len(models),
            effective_n_jobs(n_jobs),
            prefer,
            name_of(job.estimator),
        )
        parallel = Parallel(n_jobs=n_jobs, prefer=prefer, return_as="generator_unordered")
        tasks = (
            delayed(train)(job, m, self.membership[m], int(self.seeds[m]))
            for m in itertools.takewhile(lambda _: not self._is_hopeless(), models)
        )
        with settled_warnings(), threadpool_limits(1), _stopping(parallel(tasks)) as results:
            shown = progress_bar(
                results,
                total=len(self.seeds),
                initial=len(self.seeds) - len(models),
                desc="reference models",
                unit="model",
                disable=not self.progress,
                at_once=effective_n_jobs(n_jobs),
            )
            # Of labels in a frame, as the target was given them too.
            warnings.simplefilter("ignore", DataConversionWarning)
            try:
                for model, answer in shown:
                    self._done(model, answer)
            except BrokenProcessPool as error:
                raise CannotTrain(
                    "A process that trained reference models came to an end: training "
                    f"{name_of(job.estimator)} ended it, or memory ran out. Give n_jobs=1, or "
                    "fewer records."
                ) from error

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

        reason = together(self.seeds, models, keep_first)
        if reason is None and lost:
            if len(lost) < len(self.seeds):
                seeds = np.array([second_seed(int(seed)) for seed in self.seeds])
                again, lost = sorted(lost), {}
                together(seeds, again, keep_first)
            for model in sorted(lost):
                self._done(model, lost[model])
        return reason


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
    options: dict[str, Any],
) -> tuple[np.ndarray, dict[int, Lost]]:
    """Return all answers as one file of the store, training what the store lacks.

    What cannot be written, to a full disk, stays in memory. Models that were lost are not
    stored: what kept them from being trained may be gone next time.
    """
    common = _common_name(job)
    names = _names(common, membership, seeds)
    shape = (job.n_answers, job.n_columns)
    of_all = (len(names), *shape)

    def may_be(answers: np.ndarray) -> bool:
        return answers.shape == shape and _may_be_answers(answers, job)

    def may_be_all(answers: np.ndarray) -> bool:
        return answers.shape == of_all and _may_be_answers(answers, job)

    together = f"outputs-{_sha256(*map(str.encode, names))}"
    everything = store.read(together, may_be_all)
    if everything is not None:
        return everything, {}
    in_memory: dict[int, np.ndarray] = {}

    def keep(model: int, answer: np.ndarray) -> None:
        # What would not be believed when it is read, of classes beyond the job's, is not stored.
        if not may_be(answer) or not store.write(names[model], shape, [answer]):
            in_memory[model] = answer

    # Runs that differ in the number of models only have the first ones in common.
    with store.alone(f"training-{_sha256(common)}"):
        missing = [m for m, name in enumerate(names) if store.read(name, may_be) is None]
        n_kept = len(names) - len(missing)
        _LOG.info("%d of %d reference models are in the cache %s", n_kept, len(names), store.folder)
        run = _Run(job, membership, seeds, keep, n_done=n_kept, **options)
        run.train(missing)
    parts, vanished = dict(in_memory), []
    for model in set(range(len(names))) - run.lost.keys() - in_memory.keys():
        part = store.read(names[model], may_be)
        if part is None:
            vanished.append(model)
        else:
            parts[model] = part
    if vanished:
        # Somebody has emptied the folder meanwhile.
        run.keep = parts.__setitem__
        run.train(sorted(vanished))
    answers = (parts[model] for model in sorted(parts))
    is_whole = not run.lost and not in_memory
    if is_whole and store.write(together, of_all, answers):
        everything = store.read(together, may_be_all)
        if everything is not None:
            return everything, {}
    everything = np.full(of_all, np.nan, dtype=np.float32)
    for model, part in parts.items():
        everything[model] = part
    return everything, run.lost


def _common_name(job: Job) -> bytes:
    """Return a digest of all that shapes the answers of all models alike."""
    common = job.name
    if job.copies:
        common += fingerprint(job.copies, "n_queries")
    if job.access is not None:
        common += fingerprint(job.access, "signal") + fingerprint(job.question_seed, "signal")
    return common


def _names(common: bytes, membership: np.ndarray, seeds: np.ndarray) -> list[str]:
    """Return the name of each model's answers, by all that shapes them."""
    return [
        f"model-{_sha256(common, seed.tobytes(), counts.tobytes())}"
        for seed, counts in zip(seeds, membership, strict=True)
    ]


def _may_be_answers(answers: np.ndarray, job: Job) -> bool:
    """Tell whether numbers can be what models answered: posteriors sum to 1."""
    if job.question is not None:
        return True
    own = answers.reshape(-1, job.n_answers, job.n_columns)
    # Models that know classes which are not asked about leave less to the others.
    more = (positions(job.labels, job.classes) < 0).any()
    least = -np.inf if more else 1 - _ROUNDING
    with np.errstate(over="ignore"):
        totals = [np.exp(one[:, : len(job.classes)]).sum(axis=1) for one in own]
    may_be = all(((total >= least) & (total <= 1 + _ROUNDING)).all() for total in totals)
    return may_be and not np.isnan(own).any()


@contextmanager
def _stopping(results: Any) -> Iterator[Iterable]:
    """Cancel what is still to be trained when its consumer stops early."""
    try:
        yield results
    finally:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "[0-9]+ tasks (which were still|have been succ)")
            results.close()


def _sha256(*parts: bytes) -> str:
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part)
    return sha.hexdigest()
