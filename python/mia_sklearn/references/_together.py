"""References of several estimators on the same training sets, trained before each is audited.

Where estimators hold the same model, as most defenses of one model do, each training set is worked
on once for all of them: what they hold is trained once, and asked once. Answers go to the stores
where the references of each by itself will look for them, under the names by which they look.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from joblib import effective_n_jobs
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .._models._alike import once_for_all
from .._models._fingerprint import NotDescribableError, fingerprint
from .._models._kinds import holds_net, may_classify, nested
from .._models._predictors import predicts_numbers
from .._models._trainable import configured, may_draw_globally, prefers_threads
from .._process._engine import arrived, away, handed_out, preference, sent_once
from .._process._memory import available_memory
from .._process._parallel import at_most, settled_warnings
from .._process._progress import progress_bar
from ._cache import store_at
from ._held_store import HeldStore
from ._job import Job
from ._lost import Lost
from ._reference_models import ReferenceModels
from ._train_all import common_name, name_of_work, names_of_models
from ._training import packed, train

__all__ = ["train_together"]

_LOG = logging.getLogger(__name__)
# Of the memory that is free, what answers may take that nobody has asked for yet.
_SHARE_OF_MEMORY = 1 / 4
# So many models that fail before any succeeds are no accident: an audit will say so.
_FIRST_FEW = 4


def train_together(
    first: ReferenceModels, estimators: Sequence[Any], X: Any, y: Any, **taught: Any
) -> list[Any]:
    """Train references of those estimators that hold the same models as others of them.

    Parameters
    ----------
    first : ReferenceModels
        How references are trained of each; its `cache` gets what they answer.
    estimators : sequence
    X, y, **taught
        As in `ReferenceModels.fit`.

    Returns
    -------
    list
        The estimators whose references were trained. What is not there any more, or could not be
        trained, is for the references of each by itself to train.
    """
    done: list[Any] = []
    families = _families(estimators)
    if not families:
        return done
    _, _, job, membership = first._begin(X, y, **taught)
    for family in families:
        jobs = [replace(job, estimator=each, store=store_at(first.cache)) for each in family]
        if not _is_held(jobs, len(membership)):
            continue
        _LOG.info("training references of %d models together", len(family))
        together = _Together(jobs, membership, first.seeds_)
        together.train(n_jobs=first.n_jobs, progress=first.progress)
        done += family
    return done


def _families(estimators: Sequence[Any]) -> list[list[Any]]:
    """Return groups of several estimators that hold the same models, if seeded alike."""
    groups: list[tuple[list[Any], set[bytes]]] = []
    for estimator in estimators:
        names = _names_within(estimator, 0)
        alike = [group for group in groups if names & group[1]]
        groups = [group for group in groups if not names & group[1]]
        members = [each for group in alike for each in group[0]] + [estimator]
        groups.append((members, names.union(*(group[1] for group in alike))))
    return [members for members, _ in groups if len(members) > 1]


def _names_within(estimator: Any, seed: int) -> set[bytes]:
    """Return the names of all models in an estimator, itself included, as a seed makes them.

    None of what may draw from a generator of all threads, and of networks, which train as one.
    """
    if not hasattr(estimator, "fit") or holds_net(estimator) or may_draw_globally(estimator):
        return set()
    parts = nested(configured(estimator, seed))
    models = [part for part in parts if may_classify(part) or predicts_numbers(part)]
    try:
        return {fingerprint(model, "estimator") for model in models}
    except NotDescribableError:
        return set()


def _is_held(jobs: Sequence[Job], n_models: int) -> bool:
    """Tell whether there is room for all answers where they will lie."""
    free = available_memory()
    if free is None or not any(isinstance(job.store, HeldStore) for job in jobs):
        return True
    needed = 4 * n_models * sum(job.n_answers * job.n_columns for job in jobs)
    return needed < _SHARE_OF_MEMORY * free


@dataclass
class _Jobs:
    """What all tasks share; as one thing, since Dask takes lists apart."""

    all: list[Job]


class _Kind(NamedTuple):
    """The references of one estimator.

    Attributes
    ----------
    job : Job
    work : str
        The name of its training.
    names : list of str
        Those of its models' answers in the store.
    """

    job: Job
    work: str
    names: list[str]

    def lacks(self, model: int) -> bool:
        """Tell whether the store does not hold what a model answers."""
        return self.store.read(self.names[model], self.job.may_be_answers) is None

    def keep(self, model: int, answer: np.ndarray) -> None:
        if self.job.may_be_answers(answer):
            self.store.write(self.names[model], answer.shape, [answer])

    @property
    def store(self) -> Any:
        return self.job.store


class _Together:
    """Trains, of each training set, the references of several estimators in one task."""

    def __init__(self, jobs: Sequence[Job], membership: np.ndarray, seeds: np.ndarray) -> None:
        self.membership, self.seeds = membership, seeds
        self.kinds = []
        for job in jobs:
            common = common_name(job)
            names = names_of_models(common, membership, seeds)
            self.kinds.append(_Kind(job, name_of_work(common), names))
        self._n_lost, self._n_done = [0] * len(jobs), [0] * len(jobs)

    def train(self, *, n_jobs: int | None, progress: bool) -> None:
        # In one order, or two runs would wait for each other.
        by_name = sorted(self.kinds, key=lambda kind: kind.work)
        with ExitStack() as begun:
            for kind in by_name:
                begun.enter_context(kind.store.alone(kind.work))
            models = range(len(self.seeds))
            missing = {m: [kind.lacks(m) for kind in self.kinds] for m in models}
            missing = {m: lacking for m, lacking in missing.items() if any(lacking)}
            if missing:
                with away():
                    self._hand_out(missing, at_most(n_jobs, len(missing)), progress)

    def _hand_out(self, missing: dict[int, list[bool]], n_jobs: int | None, progress: bool) -> None:
        jobs = [kind.job for kind in self.kinds]
        in_threads = all(prefers_threads(job.estimator) for job in jobs)
        prefer = preference(threads=in_threads)
        sent = sent_once(_Jobs(jobs), n_jobs, prefer)

        def arguments(model: int) -> tuple[Any, ...]:
            names = [
                kind.names[model] if lacking and not self._is_hopeless(place) else ""
                for place, (kind, lacking) in enumerate(
                    zip(self.kinds, missing[model], strict=True)
                )
            ]
            return sent, model, packed(self.membership[model]), int(self.seeds[model]), names

        options: dict[str, Any] = {"prefer": prefer, "in_threads": True}
        handed = handed_out(_train_each, deque(missing), arguments, n_jobs, **options)
        with settled_warnings(), threadpool_limits(1), handed as results:
            shown = progress_bar(
                results,
                total=len(missing),
                desc=f"references of {len(jobs)} models",
                unit="training set",
                disable=not progress,
                at_once=effective_n_jobs(n_jobs),
            )
            for model, answers in shown:
                for place, answer in answers.items():
                    if isinstance(answer, Lost):
                        self._n_lost[place] += 1
                        continue
                    self._n_done[place] += 1
                    if answer is not None:
                        self.kinds[place].keep(model, answer)

    def _is_hopeless(self, place: int) -> bool:
        return self._n_lost[place] >= _FIRST_FEW and not self._n_done[place]


def _train_each(
    sent: Any, model: int, counts: bytes, seed: int, names: list[str]
) -> tuple[int, dict[int, np.ndarray | Lost | None]]:
    """Return what models of several kinds answer, by place; of those without a name nothing."""
    jobs: list[Job] = arrived(sent).all
    within = Counter(name for job in jobs for name in _names_within(job.estimator, seed))
    with once_for_all({name for name, n in within.items() if n > 1}):
        return model, {
            place: train(job, model, counts, seed, name)[1]
            for place, (job, name) in enumerate(zip(jobs, names, strict=True))
            if name
        }
