"""What a cascade sees: a record beside references that were trained for this target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ._layout import lay_beside_references
from ._reference_table import ReferenceTable
from ._references import References
from ._shadow import shadow_observations

if TYPE_CHECKING:
    import pandas as pd

#: What the first stage says of a record, whatever the second stage's references are.
LOG_ODDS = "cascade_log_odds"


class CascadeObservations(NamedTuple):
    """What the second stage of a cascade learns from, and what it scores.

    Attributes
    ----------
    shadow : DataFrame
        Observations of the second stage's references, each acting as the target.
    membership : ndarray of shape (n_shadow,), int
        1 where the acting reference trained on the record.
    observations : DataFrame
        Those of the target, one row per record of the pool.
    """

    shadow: pd.DataFrame
    membership: np.ndarray
    observations: pd.DataFrame


def lay_cascade(
    table: ReferenceTable,
    attack: Any,
    parts: Sequence[References],
    answers: np.ndarray,
    log_odds: np.ndarray,
    *,
    query_phi: np.ndarray | None = None,
    max_rows: int = 100_000,
    random_state: Any = None,
) -> CascadeObservations:
    """Lay a target's answers, and the second stage's, beside that stage's references.

    Parameters
    ----------
    table : ReferenceTable
        Of the first stage.
    attack : fitted attack
        That of the first stage.
    parts : sequence of References
        The second stage's, of each part of the pool.
    answers : ndarray of shape (n_pool, n_answers)
        The target's.
    log_odds : ndarray of shape (n_pool,)
        What `attack` says of the target's.
    query_phi : ndarray of shape (n_queries, n_pool), default=None
        The target's signal at perturbed copies.
    max_rows, random_state
        As in `ReferenceModels.shadow_observations`.
    """
    import pandas as pd

    shadows, memberships, seen = [], [], []
    for part in parts:
        own = np.flatnonzero(part.labelled_.any(axis=0))
        queries = None if query_phi is None else query_phi[:, own]
        beside = lay_beside_references(
            ReferenceTable(part, n_queries=table.n_queries), answers[own], own, query_phi=queries
        )
        seen.append(beside.assign(**{LOG_ODDS: log_odds[own].astype(np.float32)}))
        shadow, membership = shadow_observations(
            part,
            max_rows=max(1, max_rows // len(parts)),
            random_state=random_state,
            n_queries=table.n_queries,
        )
        shadows.append(shadow.assign(**{LOG_ODDS: _of_acting(table, attack, part, shadow.index)}))
        memberships.append(membership)
    observations = pd.concat(seen)
    return CascadeObservations(
        pd.concat(shadows, keys=range(len(parts)), names=["part"]),
        np.concatenate(memberships),
        observations.iloc[np.argsort(observations.index.to_numpy())],
    )


def _of_acting(table: ReferenceTable, attack: Any, part: References, index: Any) -> np.ndarray:
    """Return what the first stage says of the second stage's references that act."""
    acting, rows = (index.get_level_values(name).to_numpy() for name in ("model", "row"))
    log_odds = np.empty(len(index), dtype=np.float32)
    for model in np.unique(acting):
        places = np.flatnonzero(acting == model)
        own = rows[places]
        queries = None
        if table.n_queries:
            each = range(table.n_queries)
            queries = np.stack([part.query_phi(query)[model, own] for query in each])
        seen = lay_beside_references(table, part.outputs_[model, own], own, query_phi=queries)
        log_odds[places] = attack.decision_function(seen)
    return log_odds
