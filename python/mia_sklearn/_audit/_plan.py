"""Which records an audit looks at, and which the references train on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._records._groups import Grouping, cut_nearest
from ._pool import Pool
from ._repeats import FEWEST

_MOST_BLOCKS = 8


@dataclass
class Plan:
    """Which records are audited, and which members every reference trains on.

    Attributes
    ----------
    audited, core : ndarray of int
        Positions in the pool.
    n_trained : int
        Records that the target trained on.
    n_spared, n_dropped : int
        Members and non-members that might have been audited, and were not. References train on
        these members, and not on these non-members.
    limited : bool
        Whether `max_records` is what kept them out.
    """

    audited: np.ndarray
    core: np.ndarray
    n_trained: int
    n_spared: int
    n_dropped: int
    limited: bool


def make_plan(pool: Pool, max_records: int | None, seed: int) -> Plan:
    rng = np.random.default_rng([seed, 2])
    members = np.flatnonzero(pool.member & pool.auditable)
    others = np.flatnonzero(~pool.member)
    n_members = min(len(members), (_MOST_BLOCKS - 1) * len(others))
    n_others = len(others)
    limited = False
    if max_records is not None and n_members + n_others > max_records:
        limited = True
        # As many of both as there are; what one side lacks, the other gives.
        half = max_records // 2
        n_others = min(n_others, max(half, max_records - n_members))
        n_members = max_records - n_others
    audited_members = _draw_records(members, pool.people, n_members, rng)
    audited_others = _draw_records(others, pool.people, n_others, rng)
    _check_people(pool, audited_members, audited_others, limited=limited)
    return Plan(
        audited=np.concatenate([audited_members, audited_others]),
        core=np.setdiff1d(np.flatnonzero(pool.member), audited_members),
        n_trained=pool.n_train,
        n_spared=len(members) - len(audited_members),
        n_dropped=len(others) - len(audited_others),
        limited=limited,
    )


def _draw_records(
    rows: np.ndarray, people: np.ndarray | None, wanted: int, rng: np.random.Generator
) -> np.ndarray:
    """Return some of the rows at random, in order: all of a person or none."""
    units = Grouping(np.arange(len(rows)) if people is None else people[rows])
    order = rng.permutation(len(units))
    chosen = order[: max(1, cut_nearest(units.sizes[order], wanted))]
    return rows[np.isin(units.of_row, chosen)]


def _check_people(pool: Pool, members: np.ndarray, others: np.ndarray, *, limited: bool) -> None:
    """Raise where whole people, who have many records, make few units of the records drawn."""
    if pool.people is None:
        return
    n_members, n_others = (len(np.unique(pool.people[rows])) for rows in (members, others))
    if min(n_members, n_others) < FEWEST:
        fix = "Raise max_records" if limited else "Give more test records"
        raise ValueError(
            f"These records are those of {n_members:,} people in X_train and of {n_others:,} in "
            f"X_test, where {FEWEST} of each are needed: "
            f"groups are audited with all of their records. {fix}."
        )
