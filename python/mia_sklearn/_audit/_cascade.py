"""The cascade's second stage: references for this target, on a part of the records each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from .._observations._cascade import LOG_ODDS, lay_cascade
from .._observations._reference_table import ReferenceTable
from .._observe._ask import ask_copies
from ..attacks import StackedAttack
from ..metrics import roc_auc
from ..references._for_target import assign_for_target, train_for_target
from ._people import by_person

if TYPE_CHECKING:
    import pandas as pd

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
    """Return a cascade's first stage, of those fitted; any other attack as it is."""
    return first[_with_neighbors(attack)] if is_cascade(attack) else attack


def scores_of_cascade(
    run: Asked, first: dict[bool, Any], table: ReferenceTable, seen: pd.DataFrame
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Train the second stage, score every record, and say what it took.

    Told is what the first stage finds of references that it has not learned from, those of the
    second: whether it was worth these is told by references alone.

    Parameters
    ----------
    run : Asked
    first : dict of bool to fitted attack
        See `first_stages`.
    table : ReferenceTable
        Of the references that all attacks share.
    seen : DataFrame
        The target's observations beside these.
    """
    refs = run.references
    assert refs is not None
    copies = None
    if run.n_queries:
        copies = ask_copies(run.target, refs, np.arange(len(run.y)), run.n_queries)
    scores, n_trained, found = {}, 0, []
    for with_neighbors, attack in first.items():
        parts = train_for_target(
            refs,
            run.X,
            posterior=expit(attack.decision_function(seen)),
            n_models=N_SECOND,
            **run.taught,
        )
        n_trained += sum(part.n_models_ - len(part.lost_) for part in parts)
        own = table
        if table.neighborhood is not None and not with_neighbors:
            told = table.of_records is not None
            own = ReferenceTable(refs, n_queries=run.n_queries, record_columns=told)
        options: dict[str, Any] = {"query_phi": copies, "random_state": run.seed}
        laid = lay_cascade(own, attack, parts, run.answers, seen, **options)
        found.append(roc_auc(laid.membership, laid.shadow[LOG_ODDS].to_numpy()).value)
        for name, cascade in run.attacks.items():
            if is_cascade(cascade) and _with_neighbors(cascade) == with_neighbors:
                fitted = cascade.fit(laid.shadow, laid.membership)
                scores[name] = fitted.decision_function(laid.observations)
    return scores, {"n_references_for_target": n_trained, "first_stage_auc": max(found)}


def _with_neighbors(attack: Any) -> bool:
    return "neighbor" in attack._required()
