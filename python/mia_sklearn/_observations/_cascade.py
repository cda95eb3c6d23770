"""What a cascade sees: a record beside references that were trained for this target."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from ._layout import lay_beside_references
from ._record_columns import RECORD_COLUMNS
from ._reference_table import ReferenceTable
from ._references import References
from ._shadow import shadow_observations

if TYPE_CHECKING:
    import pandas as pd

_LOG = logging.getLogger(__name__)

#: What the first stage says of a record.
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
    first_stage_auc : float
        What the first stage finds of references that act as targets. Where that is less than asked
        for there is no second stage: all references know nothing of the target, and
        `cascade_log_odds` is NaN.
    """

    shadow: pd.DataFrame
    membership: np.ndarray
    observations: pd.DataFrame
    first_stage_auc: float


def auc_on_references(
    attack: Any, references: References, shadow: pd.DataFrame, membership: np.ndarray
) -> float:
    """Return the AUC of an attack on references that act as targets.

    It learns from one half of the people, or records, and is asked about the other, in turn. The
    target and its members have no part in it.

    Parameters
    ----------
    attack : attack
        Cloned.
    references : fitted ReferenceModels
    shadow, membership
        What these say as targets, see `ReferenceModels.shadow_observations`.
    """
    rows = shadow.index.get_level_values("row").to_numpy()
    unit = rows if references.groups_ is None else references.groups_[rows]
    rng = np.random.default_rng([*references.seeds_, 3])
    half = (rng.permutation(int(unit.max()) + 1) % 2)[unit]
    found = []
    for asked in (half == 0, half == 1):
        fitted = clone(attack).fit(shadow[~asked], membership[~asked])
        found.append(roc_auc_score(membership[asked], fitted.decision_function(shadow[asked])))
    return float(np.mean(found))


def has_second_stage(first_stage_auc: float, min_auc: float) -> bool:
    """Tell whether references for this target are worth it, and log what was decided."""
    worth = first_stage_auc >= min_auc
    what = "a second stage for this target" if worth else "the stacked attack, with as many more"
    _LOG.info(
        "the first stage's AUC on references is %.3f (min_auc=%g): %s",
        first_stage_auc,
        min_auc,
        what,
    )
    return worth


def lay_plain(
    table: ReferenceTable,
    references: References,
    answers: np.ndarray,
    *,
    first_stage_auc: float,
    query_phi: np.ndarray | None = None,
    random_state: Any = None,
) -> CascadeObservations:
    """Lay a target's answers beside references none of which was trained for it.

    Parameters
    ----------
    table : ReferenceTable
        Of the first stage.
    references : References
        Those of the first stage and as many more as a second stage has.
    answers, first_stage_auc, query_phi, random_state
        As in `lay_cascade`.
    """
    options: dict[str, Any] = {
        "neighbors": table.neighborhood.n_neighbors if table.neighborhood else 0,
        "n_queries": table.n_queries,
        "record_columns": table.of_records is not None,
    }
    shadow, membership = shadow_observations(references, random_state=random_state, **options)
    seen = lay_beside_references(
        ReferenceTable(references, **options),
        answers,
        np.arange(references.n_pool_),
        query_phi=query_phi,
    )
    for told in (shadow, seen):
        told[LOG_ODDS] = np.float32(np.nan)
    return CascadeObservations(shadow, membership, seen, first_stage_auc)


def lay_cascade(
    table: ReferenceTable,
    attack: Any,
    parts: Sequence[References],
    answers: np.ndarray,
    seen: pd.DataFrame,
    *,
    first_stage_auc: float,
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
    seen : DataFrame
        The target's observations in the first stage.
    first_stage_auc : float
        See `auc_on_references`.
    query_phi : ndarray of shape (n_queries, n_pool), default=None
        The target's signal at perturbed copies.
    max_rows, random_state
        As in `ReferenceModels.shadow_observations`.
    """
    import pandas as pd

    told = _told(table, attack, seen)
    shadows, memberships, targets = [], [], []
    for part in parts:
        own = np.flatnonzero(part.labelled_.any(axis=0))
        queries = None if query_phi is None else query_phi[:, own]
        beside = lay_beside_references(
            ReferenceTable(part, n_queries=table.n_queries, record_columns=False),
            answers[own],
            own,
            query_phi=queries,
        )
        targets.append(pd.concat([beside, told.iloc[own]], axis=1))
        shadow, membership = shadow_observations(
            part,
            max_rows=max(1, max_rows // len(parts)),
            random_state=random_state,
            n_queries=table.n_queries,
            record_columns=False,
        )
        acting = _told_of_acting(table, attack, part, shadow.index)
        shadows.append(pd.concat([shadow, acting], axis=1))
        memberships.append(membership)
    observations = pd.concat(targets)
    return CascadeObservations(
        pd.concat(shadows, keys=range(len(parts)), names=["part"]),
        np.concatenate(memberships),
        observations.iloc[np.argsort(observations.index.to_numpy())],
        first_stage_auc,
    )


def _told(table: ReferenceTable, attack: Any, seen: pd.DataFrame) -> pd.DataFrame:
    """Return what the first stage tells the second of some observations."""
    kept = table.neighborhood.columns() if table.neighborhood else []
    # What records say of one another is the same in both stages.
    kept += RECORD_COLUMNS if table.of_records is not None else ()
    return seen[kept].assign(**{LOG_ODDS: attack.decision_function(seen).astype(np.float32)})


def _told_of_acting(
    table: ReferenceTable, attack: Any, part: References, index: Any
) -> pd.DataFrame:
    """Return what the first stage tells of the second stage's references that act."""
    import pandas as pd

    acting, rows = (index.get_level_values(name).to_numpy() for name in ("model", "row"))
    told = []
    for model in np.unique(acting):
        places = np.flatnonzero(acting == model)
        own = rows[places]
        # What happened to neighbours is told by answers to the whole pool.
        asked = np.arange(part.n_pool_) if table.neighborhood else own
        queries = None
        if table.n_queries:
            each = range(table.n_queries)
            queries = np.stack([part.query_phi(query)[model, asked] for query in each])
        seen = lay_beside_references(table, part.outputs_[model, asked], asked, query_phi=queries)
        told.append(_told(table, attack, seen.loc[own]).set_axis(places))
    return pd.concat(told).sort_index().set_axis(index)
