"""Two sets of records that differ in one canary, and what models of either answer about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._records._rows import concat_rows, is_frame, take_rows
from ..stats import ks_distance
from ._canaries import Canaries, wrong_labels
from ._training import Mechanism

__all__ = ["Neighbours", "candidates", "choose"]

# How far beyond the range of others a canary lies, in ranges.
_BEYOND = 3.0
_N_ASKED = 50


class Neighbours:
    """Trains on a set with a canary or without it, and scores what came out.

    Parameters
    ----------
    mechanism : Mechanism
    canaries : Canaries
        Of which there is one.

    Attributes
    ----------
    members, scores : list
        Of all fits so far.
    """

    def __init__(self, mechanism: Mechanism, canaries: Canaries) -> None:
        self.mechanism, self.canaries = mechanism, canaries
        self.members: list[bool] = []
        self.scores: list[float] = []

    def __call__(self, member: bool, seed: int) -> float:
        """Return the score of one more fit, high or low where the canary was in."""
        model = self.fit(member, seed)
        canary = self.canaries.rows
        score = float(
            self.mechanism.fit_of_records(
                model, take_rows(self.canaries.table, canary), self.canaries.labels[canary]
            )[0]
        )
        self.members.append(bool(member))
        self.scores.append(score)
        return score

    def fit(self, member: bool, seed: int, order: int | None = None) -> Any:
        """Return a model of either set, in an order that the seed draws too by default."""
        rng = np.random.RandomState(seed if order is None else order)
        drawn = self.canaries.order(rng)
        rows, labels = self.canaries.training_set(np.array([bool(member)]), drawn)
        return self.mechanism.train(self.canaries.table, rows, labels, seed)

    def of_one_set(self, seeds: list[int]) -> list[Any]:
        """Return models of the set without the canary, in one order."""
        return [self.fit(False, seed, order=0) for seed in seeds]

    def are_equal(self, models: list[Any]) -> tuple[bool, bool]:
        """Tell whether models are one, which tells records apart, and whether by two values alone.

        Who answers bare labels answers the same with much noise, too.
        """
        first = np.arange(min(_N_ASKED, len(self.canaries.labels)))
        X, y = take_rows(self.canaries.table, first), self.canaries.labels[first]
        one, *others = (self.mechanism.fit_of_records(model, X, y) for model in models)
        n_values = len(np.unique(one))
        return n_values > 1 and all(np.array_equal(one, other) for other in others), n_values <= 2


def candidates(
    mechanism: Mechanism,
    table: Any,
    labels: np.ndarray,
    rng: np.random.RandomState,
    *,
    replace: bool,
) -> dict[str, Canaries]:
    """Return canaries that might be noticed most, by name.

    One record with a label that is not its own; and, of numbers, one that lies beyond all others
    in each feature, where a mechanism must clip it.
    """
    row = np.array([rng.randint(len(labels))])
    changed = labels.copy()
    changed[row] = wrong_labels(labels, row, rng, numbers=mechanism.numbers)
    found = {"mislabelled": Canaries(table, changed, labels if replace else None, row)}
    far = _beyond(table, row)
    if far is None:
        return found
    # It stands behind the others: the record that it was made of goes where one is replaced.
    joined, n = concat_rows(table, far), len(labels)
    both = np.concatenate([labels, changed[row]])
    found["beyond"] = _Swapped(joined, both, None, np.array([n]), int(row[0]) if replace else -1)
    return found


@dataclass(frozen=True)
class _Swapped(Canaries):
    """A canary with features of its own, in the place of a record; of none where that is -1."""

    replaced: int

    def training_set(
        self, included: np.ndarray, order: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        rows, labels = super().training_set(included, order)
        kept = rows != self.replaced if included[0] else np.ones(len(rows), dtype=bool)
        return rows[kept], labels[kept]


def _beyond(table: Any, row: np.ndarray) -> Any:
    """Return a record beyond the range of each feature; None where they are no numbers."""
    if is_frame(table):
        if not all(dtype.kind in "iuf" for dtype in table.dtypes):
            return None
        far = take_rows(table, row)
        for name in table.columns:
            low, high = table[name].min(), table[name].max()
            far[name] = np.array([high + _BEYOND * (high - low)]).astype(table[name].dtype)
        return far
    if not isinstance(table, np.ndarray) or table.dtype.kind not in "iuf" or table.ndim != 2:
        return None
    low, high = np.nanmin(table, axis=0), np.nanmax(table, axis=0)
    return (high + _BEYOND * (high - low))[None].astype(table.dtype)


def choose(
    mechanism: Mechanism, found: dict[str, Canaries], rng: np.random.RandomState, n_tries: int
) -> tuple[str, Neighbours, int]:
    """Return the candidate whose fits differ most, by some that are used for nothing else.

    Parameters
    ----------
    mechanism : Mechanism
    found : dict of Canaries
    rng : RandomState
    n_tries : int
        Fits on either set.

    Returns
    -------
    str
        Its name.
    Neighbours
    int
        How many fits that took.
    """
    if len(found) == 1:
        ((name, only),) = found.items()
        return name, Neighbours(mechanism, only), 0
    apart = {}
    for name, canaries in found.items():
        tried = Neighbours(mechanism, canaries)
        sides = [
            [tried(member, int(rng.randint(2**31 - 1))) for _ in range(n_tries)]
            for member in (True, False)
        ]
        # Not by means: where clipping is left out one side may be the wider one.
        apart[name] = ks_distance(*sides)
    name = max(apart, key=lambda each: apart[each])
    return name, Neighbours(mechanism, found[name]), 2 * n_tries * len(found)
