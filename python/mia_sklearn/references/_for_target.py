"""References beside the first ones: for one target on what it seems to know, or more alike."""

from __future__ import annotations

import time
from copy import copy
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from .._models._kinds import is_generator
from ._cache import store_at
from ._gathered import GatheredPool, gather_pool
from ._lost import warn_of_lost
from ._reference_models import ReferenceModels
from ._sampling import Assignment, assign, parts_of, shape_of_block
from ._train_all import train_all

__all__ = ["assign_for_target", "check_first", "joined", "train_for_target", "train_more"]

_LARGEST_SEED = 2**31 - 1
# No record is taken to be in, or out, for certain.
_LEAST = 1e-4
# The more there are, the more of a training set is drawn as the target's seems to be.
_MOST_PARTS = 3


def train_for_target(
    first: ReferenceModels,
    X: Any,
    y: Any,
    posterior: np.ndarray,
    *,
    n_models: int = 12,
    n_parts: int | None = None,
    core: Any = None,
    fit_params: dict[str, Any] | None = None,
    classes: Any = None,
    groups: Any = None,
) -> list[ReferenceModels]:
    """Train references of each part of the pool, beside what the target seems to have learned.

    Parameters
    ----------
    first : fitted ReferenceModels
        Says what is trained and how, and on which scale answers are read.
    X, y, core, fit_params, classes, groups
        What it was fitted on.
    posterior : ndarray of shape (n_pool,)
        How probably the target trained on each record.
    n_models : int, default=12
        Of all parts together; whole blocks, of which each part has two at least.
    n_parts : int, default=None
        As many as have two blocks each by default, of two to three.

    Returns
    -------
    list of ReferenceModels
        Fitted; of each, the rows that are labelled are those of its part.
    """
    taught = {"core": core, "fit_params": fit_params, "classes": classes, "groups": groups}
    pool = _gathered(first, X, y, **taught)
    records = pool.records
    assignments = assign_for_target(
        posterior,
        first.train_size_ - records.n_core,
        n_models=n_models,
        n_parts=n_parts,
        entropy=_entropy(first),
        groups=pool.groups,
        strata=records.labels[: records.n_asked] if first.stratify else None,
    )
    return _trained(first, pool, assignments)


def train_more(
    first: ReferenceModels,
    X: Any,
    y: Any,
    *,
    n_models: int = 12,
    core: Any = None,
    fit_params: dict[str, Any] | None = None,
    classes: Any = None,
    groups: Any = None,
) -> ReferenceModels:
    """Train references that know as little of any target as the first ones do.

    Parameters
    ----------
    first : fitted ReferenceModels
    X, y, core, fit_params, classes, groups
        What it was fitted on.
    n_models : int, default=12
        Besides the first; whole blocks.

    Returns
    -------
    ReferenceModels
        Fitted, without the first; see `joined`.
    """
    taught = {"core": core, "fit_params": fit_params, "classes": classes, "groups": groups}
    pool = _gathered(first, X, y, **taught)
    records = pool.records
    assignment = assign(
        "block",
        records.n_asked,
        first.train_size_ - records.n_core,
        0,
        n_models=n_models,
        entropy=_entropy(first),
        groups=pool.groups,
        strata=records.labels[: records.n_asked] if first.stratify else None,
    )
    return _trained(first, pool, [assignment])[0]


def joined(first: ReferenceModels, more: ReferenceModels) -> ReferenceModels:
    """Return all as one, in which blocks remain what they are."""
    both = copy(first)
    both._join(more)
    return both


def _gathered(
    first: ReferenceModels,
    X: Any,
    y: Any,
    **taught: Any,
) -> GatheredPool:
    """Return what all references train on, once it is seen to be what the first did."""
    pool = gather_pool(
        first.estimator,
        (X, None if is_generator(first.estimator) else y),
        None,
        stratify=first.stratify,
        access=first.access_,
        **taught,
    )
    _check_given(first, pool)
    return pool


def _entropy(first: ReferenceModels) -> int:
    return int(np.random.default_rng([*first.seeds_, 2]).integers(_LARGEST_SEED))


def _trained(
    first: ReferenceModels, pool: GatheredPool, assignments: list[Assignment]
) -> list[ReferenceModels]:
    """Train references of several draws all at once, and return those of each."""
    start = time.perf_counter()
    membership = np.concatenate([one.membership for one in assignments])
    seeds = np.random.default_rng(_entropy(first)).integers(_LARGEST_SEED, size=len(membership))
    job = pool.job(first.estimator, first.access_, store_at(first.cache))
    answers, lost = train_all(
        first._with_questions(job),
        membership,
        seeds,
        n_jobs=first.n_jobs,
        progress=first.progress,
    )
    parts, stop = [], 0
    for one in assignments:
        own = slice(stop, stop + one.n_models)
        stop = own.stop
        part = copy(first)
        part._take(one)
        part.seeds_ = seeds[own]
        part._leave_out_lost(
            {model - own.start: why for model, why in lost.items() if own.start <= model < stop},
            first=own.start,
        )
        part._keep(answers[own], pool.records.n_asked, first.scale_)
        part.fit_time_ = time.perf_counter() - start
        parts.append(part)
    left_out = {model: lost[model].why for model in sorted(lost)}
    warn_of_lost(left_out, len(seeds), "reference models of the second stage", stacklevel=4)
    return parts


def check_first(first: ReferenceModels, n_models: int, min_auc: float) -> None:
    """Raise where no second stage of so many references can follow these."""
    if n_models < 2:
        raise ValueError(f"n_models must be at least 2, got {n_models!r}.")
    if not 0 <= min_auc <= 1:
        raise ValueError(f"min_auc must be between 0 and 1, got {min_auc!r}.")
    if first.n_population_:
        raise ValueError(
            "A cascade needs references trained on the pool itself, not on a population."
        )
    if not first.n_blocks_:
        raise ValueError(
            f"A cascade needs references drawn in blocks, got sampling={first.sampling!r}: fit "
            'ReferenceModels(..., sampling="block").'
        )


def assign_for_target(
    posterior: np.ndarray,
    train_size: int,
    *,
    n_models: int,
    entropy: int,
    n_parts: int | None = None,
    groups: np.ndarray | None = None,
    strata: np.ndarray | None = None,
) -> list[Assignment]:
    """Draw the training sets of each part's references.

    Within the part in blocks, whatever the posterior of its records is, so that what is learned
    there does not know it; beside it each other record with its posterior, on the condition that
    the sets have the size of the target's.

    Parameters
    ----------
    posterior : ndarray of shape (n_records,)
    train_size : int
        Of these records.
    n_models : int
        Of all parts.
    entropy : int
    n_parts : int, default=None
    groups, strata : ndarray of shape (n_records,), default=None
        As in `assign`.

    Returns
    -------
    list of Assignment
        Labelled are records of the part alone.
    """
    n_records = len(posterior)
    if n_parts is None:
        block_size, _ = shape_of_block(n_records, train_size)
        n_parts = int(np.clip(n_models // (2 * block_size), 2, _MOST_PARTS))
    rng = np.random.default_rng([entropy, 4])
    found = []
    for own in parts_of(n_records, n_parts, rng, groups, strata):
        inside = assign(
            "block",
            len(own),
            max(1, round(train_size * len(own) / n_records)),
            0,
            n_models=-(-n_models // n_parts),
            entropy=int(rng.integers(_LARGEST_SEED)),
            groups=None if groups is None else groups[own],
            strata=None if strata is None else strata[own],
        )
        outside = np.setdiff1d(np.arange(n_records), own)
        membership = np.zeros((inside.n_models, n_records), dtype=np.uint16)
        labelled = np.zeros(membership.shape, dtype=bool)
        membership[:, own], labelled[:, own] = inside.membership, inside.labelled
        for model in membership:
            model[outside] = _drawn(
                posterior[outside],
                train_size - int(model[own].sum()),
                rng,
                None if groups is None else groups[outside],
                None if strata is None else strata[outside],
            )
        found.append(
            Assignment(
                membership,
                labelled,
                inside.block,
                inside.block_size,
                inside.holdout,
                train_size,
            )
        )
    return found


def _check_given(first: ReferenceModels, pool: GatheredPool) -> None:
    """Raise where something else is given than the references were fitted on."""
    n_core = pool.records.n_core
    if n_core != first.n_core_:
        raise ValueError(
            f"core holds {n_core} records, and the references were fitted with {first.n_core_}: "
            "give what they were fitted on."
        )
    known, given = first.groups_, pool.groups
    same = known is given is None
    if known is not None and given is not None:
        same = np.array_equal(known, given)
    if not same:
        raise ValueError("groups must be those that the references were fitted with.")


def _drawn(
    posterior: np.ndarray,
    size: int,
    rng: np.random.Generator,
    groups: np.ndarray | None,
    strata: np.ndarray | None,
) -> np.ndarray:
    """Draw about `size` records, each with its posterior: all of a group or none.

    The posteriors' log-odds are moved, all by the same, until they sum up to the size. Records are
    laid in random order, a stratum after the other, and picked at equal distances of the sum.
    """
    first, of_row, sizes = np.unique(
        np.arange(len(posterior)) if groups is None else groups,
        return_index=True,
        return_inverse=True,
        return_counts=True,
    )[1:]
    log_odds = logit(np.clip(posterior[first], _LEAST, 1 - _LEAST))
    size = min(max(size, 0), len(posterior))
    if size in (0, len(posterior)):
        return np.full(len(posterior), bool(size))
    moved = brentq(lambda by: sizes @ expit(log_odds + by) - size, -60.0, 60.0)
    proba = expit(log_odds + moved)
    order = rng.permutation(len(first))
    if strata is not None:
        order = order[np.argsort(strata[first][order], kind="stable")]
    upto = np.concatenate([[0.0], np.cumsum(proba[order])])
    # A number of picks that is whole stays so, whatever the rounding of its sum.
    if groups is None:
        upto *= size / upto[-1]
    picked = np.diff(np.floor(upto + rng.random())) > 0
    drawn = np.zeros(len(first), dtype=bool)
    drawn[order] = picked
    return drawn[of_row]
