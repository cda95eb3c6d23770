"""From what an audit is asked for to what it will do, checked before anything is trained."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .._comparisons._comparison import read_comparison
from .._models._answers import name_of
from .._models._counted import CountedFunction
from .._observations._edges import edges_shown
from .._observations._inside import has_gradients
from .._records._rows import as_table
from ..attacks._registry import headline_of
from ..stats import TradeOff
from ._budget import MOST_REFERENCES, TimeBudget, begun, check_time_budget
from ._cascade import check_parts
from ._choice import Means, access_of, choose_attacks, draws_records, released
from ._options import (
    check_asked_for,
    check_options,
    check_references_suffice,
    on_people,
    posterior_queries,
    records_without_labels,
    target_of,
    what_to_train,
)
from ._people import split_off
from ._plan import make_plan
from ._pool import Pool, check_weights, make_pool
from ._repeats import TooFewRecords
from ._run import Planned
from ._slices import check_slices, slice_columns
from ._steps import answers_to
from ._triage import N_REFERENCES

if TYPE_CHECKING:
    import pandas as pd

    from ..access import BaseAccess

__all__ = ["prepare"]

_LOG = logging.getLogger(__name__)


def prepare(
    model: Any,
    given: tuple[Any, ...],
    *,
    n_references: int | None,
    time_budget: float | None,
    attacks: Any,
    estimator: Any,
    fit_params: dict[str, Any] | None,
    split: str | None,
    release: str | None,
    access: Any,
    slices: Any,
    groups: Any,
    dp: TradeOff | None,
    confidence: float,
    max_records: int | None,
    n_queries: int | None,
    of_function: tuple[Any, int | None],
    comparison: pd.DataFrame | None,
    n_jobs: int | None,
    seed: int,
) -> tuple[Planned, int]:
    """Check what was asked for, and lay out what is to be done; count the references."""
    start = begun()
    X_train, y_train, X_test, y_test = given
    generates = draws_records(model, release)
    if generates:
        X_test = records_without_labels(y_train, X_test)
    else:
        check_asked_for(model, X_test, y_train, y_test)
    groups, X_train, X_test = split_off(groups, model, X_train, X_test)
    release, outputs = released(model, release, y_train, estimator)
    access = access_of(model, access, release, n_queries, outputs)
    n_queries = posterior_queries(access, n_queries)
    n_references = _how_many(n_references, access, time_budget)
    check_options(
        split=split,
        confidence=confidence,
        n_references=n_references,
        max_records=max_records,
        n_queries=n_queries,
        n_jobs=n_jobs,
    )
    compared = None if comparison is None else read_comparison(comparison)
    given = (X_train, y_train, X_test, y_test)
    target = model if generates else target_of(model, given, of_function, outputs)
    trainable, search_note = what_to_train(target, estimator, fit_params, n_references, outputs)
    gradients = not generates and has_gradients(target)
    about = (n_references > 0, gradients, groups is not None, n_queries > 0)
    means = Means(release, access, *about, "" if generates else edges_shown(target))
    chosen = choose_attacks(attacks, means)
    about_pool = {"labelled": not generates, "groups": groups, "outputs": outputs}
    pool = _make_pool(target, given, slices, asked=access is None, **about_pool)
    check_weights(fit_params, pool)
    planned = Planned(
        target=pool.asked(target),
        attacks=chosen if groups is None else on_people(chosen, means),
        headline=headline_of(chosen),
        means=means,
        pool=pool,
        plan=make_plan(pool, max_records, seed),
        split=split,
        dp=dp,
        release=release,
        access=access,
        confidence=float(confidence),
        seed=seed,
        n_queries=n_queries,
        trainable=trainable,
        fit_params=tuple(fit_params or ()),
        search_note=search_note,
        comparison=compared,
    )
    _check(planned, target, n_references)
    if time_budget is not None:
        options: dict[str, Any] = {"start": start, "asked": attacks, "n_jobs": n_jobs}
        budget = TimeBudget(planned, time_budget, n_references, **options)
        planned, n_references = replace(planned, budget=budget), budget.rungs[-1]
    _log_plan(planned, n_references)
    return planned, n_references


def _how_many(n_references: int | None, access: BaseAccess | None, time_budget: Any) -> int:
    """Return how many references are trained; the most, where the clock chooses."""
    if n_references is None:
        usual = N_REFERENCES if time_budget is None else MOST_REFERENCES
        n_references = usual if access is None or access.gains_by_references else 0
    check_time_budget(time_budget, n_references)
    return n_references


def _check(planned: Planned, target: Any, n_references: int) -> None:
    """Raise where what is planned cannot be done, before anything is trained."""
    if n_references:
        check_references_suffice(planned, n_references)
        check_parts(planned)
    if isinstance(target, CountedFunction):
        target.check_budget(len(planned.y) * planned.queries_per_record)


def _log_plan(planned: Planned, n_references: int) -> None:
    n_members = int(planned.member.sum())
    _LOG.info(
        "audit of %s: %d members and %d non-members, %d reference models of %d records, seed %d",
        *(name_of(planned.target), n_members, len(planned.member) - n_members),
        *(n_references, planned.plan.n_trained, planned.seed),
    )
    _LOG.info(
        "the verdict is that of %s; attacks: %s; the model is released as %s",
        *(planned.headline, ", ".join(planned.attacks), planned.release),
    )


def _make_pool(
    target: Any, given: tuple[Any, ...], slices: Any, *, asked: bool, **options: Any
) -> Pool:
    try:
        pool = make_pool(target, *given, **options)
        pool.sliced = slice_columns(slices, pool)
        check_slices(pool)
        return pool
    except TooFewRecords:
        if asked:
            # Records that the model cannot read, missing throughout perhaps, are said first.
            answers_to(target, as_table(given[0]), as_table(given[2]))
        raise
