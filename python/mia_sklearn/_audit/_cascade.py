"""The cascade's second stage: references for this target, on half of the records each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from .._observations._cascade import lay_cascade
from .._observations._reference_table import ReferenceTable
from .._observe._ask import ask_copies
from ..attacks import StackedAttack
from ..references._for_target import assign_for_target, train_for_target
from ._people import by_person

if TYPE_CHECKING:
    import pandas as pd

    from ._run import Asked, Planned

#: References that the second stage trains, six on each half.
N_SECOND = 12


def is_cascade(attack: Any) -> bool:
    """Tell whether an attack reads references that are trained for this target."""
    return "cascade" in attack._required()


def check_halves(run: Planned) -> None:
    """Raise where references cannot be drawn on halves of the records, before any is trained."""
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
            f"The attack {names[0]!r} trains references on halves of the audited records: {error}"
        ) from error


def first_stage(run: Asked, shadow: tuple[Any, Any]) -> Any:
    """Return the stacked attack, fitted: that of this audit where it is run as it is by default."""
    attack: Any = StackedAttack()
    if run.of_people:
        attack = by_person(attack, learns=True)
    attack.set_params(random_state=run.seed)
    fitted = (each for each in run.attacks.values() if repr(each) == repr(attack))
    return next(fitted, None) or attack.fit(*shadow)


def scores_of_cascade(
    run: Asked, first: Any, table: ReferenceTable, observations: pd.DataFrame
) -> tuple[dict[str, np.ndarray], int]:
    """Train the second stage, score every record, and count its references.

    Parameters
    ----------
    run : Asked
    first : fitted attack
    table : ReferenceTable
        Of the references that all attacks share.
    observations : DataFrame
        The target's beside these.
    """
    refs = run.references
    assert refs is not None
    log_odds = first.decision_function(observations)
    parts = train_for_target(
        refs, run.X, posterior=expit(log_odds), n_models=N_SECOND, **run.taught
    )
    rows = np.arange(len(run.y))
    seen = lay_cascade(
        table,
        first,
        parts,
        run.answers,
        log_odds,
        query_phi=ask_copies(run.target, refs, rows, run.n_queries) if run.n_queries else None,
        random_state=run.seed,
    )
    scores = {}
    for name, attack in run.attacks.items():
        if is_cascade(attack):
            fitted = attack.fit(seen.shadow, seen.membership)
            scores[name] = fitted.decision_function(seen.observations)
    return scores, sum(part.n_models_ - len(part.lost_) for part in parts)
