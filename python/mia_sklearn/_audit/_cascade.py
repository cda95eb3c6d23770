"""The cascade's second stage: references for this target, or more of those that all share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from .._observations._cascade import auc_on_references, has_second_stage, lay_cascade, lay_plain
from .._observations._reference_table import ReferenceTable
from .._observe._ask import ask_copies
from ..attacks import StackedAttack
from ..references._for_target import assign_for_target, joined, train_for_target, train_more
from ._people import by_person, of_single_records
from ._run import SecondStage

if TYPE_CHECKING:
    import pandas as pd

    from ..references import ReferenceModels
    from ._run import Asked, Planned

#: References that the second stage trains, on all parts of the records together.
N_SECOND = 12


def is_cascade(attack: Any) -> bool:
    """Tell whether an attack reads references that are trained for this target."""
    return "cascade" in attack._required()


def stages_of(attacks: dict[str, Any]) -> list[bool]:
    """Return whether neighbours are read, in each second stage that these attacks need."""
    return sorted({_with_neighbors(attack) for attack in attacks.values() if is_cascade(attack)})


def check_parts(run: Planned) -> None:
    """Raise where references cannot be drawn on parts of the records, before any is trained."""
    names = [name for name, attack in run.attacks.items() if is_cascade(attack)]
    if not names:
        return
    plan, groups = run.plan, run.pool.people
    try:
        assign_for_target(
            np.full(len(run.y), run.member.mean()),
            plan.n_trained - len(plan.core),
            n_models=N_SECOND,
            entropy=run.seed,
            groups=None if groups is None else groups[plan.audited],
            strata=run.y if run.stratified else None,
        )
    except ValueError as error:
        raise ValueError(
            f"The attack {names[0]!r} trains references on parts of the audited records: {error}"
        ) from error


def first_stages(run: Asked, shadow: tuple[Any, Any]) -> dict[bool, Any]:
    """Return the first stage of each cascade: the stacked attack, fitted, with neighbours or not.

    It is that of this audit where it is run as it is by default.
    """
    found = {}
    for with_neighbors in stages_of(run.attacks):
        attack: Any = StackedAttack(pool_features=with_neighbors)
        if run.of_people:
            attack = by_person(attack, learns=True)
        attack.set_params(random_state=run.seed)
        fitted = (each for each in run.attacks.values() if repr(each) == repr(attack))
        found[with_neighbors] = next(fitted, None) or attack.fit(*shadow)
    return found


def first_stage_of(attack: Any, first: dict[bool, Any]) -> Any:
    """Return a cascade's first stage, of those fitted."""
    return first[_with_neighbors(attack)]


def scores_of_cascade(
    run: Asked,
    first: dict[bool, Any],
    table: ReferenceTable,
    seen: pd.DataFrame,
    shadow: tuple[Any, Any],
) -> tuple[dict[str, np.ndarray], SecondStage]:
    """Train the second stage, score every record, and say what it took.

    Where the first stage finds too little of references, its attack gets as many more references
    in place of a second stage.

    Parameters
    ----------
    run : Asked
    first : dict of bool to fitted attack
        See `first_stages`.
    table : ReferenceTable
        Of the references that all attacks share.
    seen : DataFrame
        The target's observations beside these.
    shadow : tuple (DataFrame, ndarray)
        Observations of these as targets, and their membership.
    """
    refs = run.references
    assert refs is not None
    copies = None
    if run.n_queries:
        copies = ask_copies(run.target, refs, np.arange(len(run.y)), run.n_queries)
    aucs = {near: auc_on_references(attack, refs, *shadow) for near, attack in first.items()}
    options: dict[str, Any] = {"query_phi": copies, "random_state": run.seed}
    taught = {"n_models": N_SECOND, **run.taught}
    scores: dict[str, np.ndarray] = {}
    for_target: list[ReferenceModels] = []
    more: list[ReferenceModels] = []
    for (near, worth), names in _stages(run, aucs).items():
        options["first_stage_auc"] = aucs[near]
        own = table
        if table.neighborhood is not None and not near:
            of_records = table.of_records is not None
            own = ReferenceTable(refs, n_queries=run.n_queries, record_columns=of_records)
        if worth:
            posterior = expit(first[near].decision_function(seen))
            trained = train_for_target(refs, run.X, posterior=posterior, **taught)
            laid = lay_cascade(own, first[near], trained, run.answers, seen, **options)
            for_target += trained
        else:
            more = more or [train_more(refs, run.X, **taught)]
            laid = lay_plain(own, joined(refs, more[0]), run.answers, **options)
        for name in names:
            fitted = run.attacks[name].fit(laid.shadow, laid.membership)
            scores[name] = fitted.decision_function(laid.observations)
    return scores, _told(max(aucs.values()), for_target, more)


def _stages(run: Asked, aucs: dict[bool, float]) -> dict[tuple[bool, bool], list[str]]:
    """Return the cascades, by whether they read neighbours and have a second stage."""
    found: dict[tuple[bool, bool], list[str]] = {}
    for name, attack in run.attacks.items():
        if is_cascade(attack):
            near = _with_neighbors(attack)
            least = getattr(of_single_records(attack), "min_auc", 0.0)
            found.setdefault((near, has_second_stage(aucs[near], least)), []).append(name)
    return found


def _told(
    auc: float, for_target: list[ReferenceModels], more: list[ReferenceModels]
) -> SecondStage:
    lost: dict[int, str] = {}
    n_models = 0
    for trained in (*for_target, *more):
        lost |= {n_models + model: why for model, why in trained.lost_.items()}
        n_models += trained.n_models_
    return SecondStage(auc, n_models, _n_left(for_target), _n_left(more), lost)


def _n_left(trained: list[ReferenceModels]) -> int:
    return sum(one.n_models_ - len(one.lost_) for one in trained)


def _with_neighbors(attack: Any) -> bool:
    return "neighbor" in attack._required()
