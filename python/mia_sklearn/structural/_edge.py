"""Training records on the edge of a margin: who lies there, and whether more than by chance."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import binomtest, fisher_exact

from .._models._targets import class_indices
from .._observations._edges import edge_distances, edges_fixed, edges_shown
from ..report._counted import RECORD, Unit

__all__ = ["BESIDE", "Edges", "OnEdge", "edges_of", "on_edge"]

# Chance puts as many more members on the edge in fewer than 1 of 100 audits.
_SURE_AT = 0.01
# How many widths beside the edge are compared with it where there are no other records: few, since
# a coarse tolerance makes them wide. It counts where it holds so many times as many as one of them.
BESIDE, _CLEARLY = 2, 2


class Edges(NamedTuple):
    """How far answers lie from the nearest edge, in widths of it.

    Attributes
    ----------
    train : ndarray of shape (n_train,)
        At most 1 on an edge; NaN where no edge has to do with the record.
    test : ndarray of shape (n_test,) or None
    unit : Unit
        What is counted, in words.
    fixed : bool
        Whether the edge lay where it lies before any answer was seen. One that is looked for among
        answers holds many of them, whosever they are.
    """

    train: np.ndarray
    test: np.ndarray | None
    unit: Unit = RECORD
    fixed: bool = True

    def counted(self) -> str:
        """Return in words how many lie on an edge."""
        told = f"{(self.train < 1).sum():,} of {len(self.train):,} {self.unit.members}"
        if self.test is not None:
            told += f" and {(self.test < 1).sum():,} of {len(self.test):,} {self.unit.others}"
        return f"{told} lie on it"


class OnEdge(NamedTuple):
    """Who lies on the edge of a margin, more members than by chance.

    Attributes
    ----------
    n_members, n_others : int
        Members and others on the edge. Without other records `n_others` are members that lie
        beside the edge, no more than two widths away.
    of_members, of_others : int
        How many were asked about; `of_others` is 0 without other records.
    p_value : float
        Of Fisher's exact test, one-sided; without other records of a binomial test, under which
        each width beside the edge holds as many as the edge.
    gain : float
        How many times as often members lie there as others (as beside it), at least: the lower end
        of an exact 95 % interval, given how many lie there in all.
    """

    n_members: int
    n_others: int
    of_members: int
    of_others: int
    p_value: float
    gain: float


def edges_of(
    model: Any, sides: list[tuple[Any, np.ndarray]], release: str, *, regressor: bool
) -> Edges | None:
    """Return how far a model's answers lie from the edge; None where what is released shows none.

    Parameters
    ----------
    model : fitted estimator
    sides : list of one or two pairs of table and ndarray
        Training records, and others where there are some.
    release : str
    regressor : bool
    """
    by = edges_shown(model)
    if not by or release == "labels" or (by == "weights" and release != "weights"):
        return None
    train, *test = (
        edge_distances(
            model, X, y if regressor else class_indices(model, y), inside=release == "weights"
        )
        for X, y in sides
    )
    return Edges(train, test[0] if test else None, fixed=edges_fixed(model))


def on_edge(edges: Edges | None) -> OnEdge | None:
    """Count who lies on the edge of a margin; None where members surely do not more often."""
    if edges is None or (edges.test is None and not edges.fixed):
        return None
    members, of_members = int((edges.train < 1).sum()), len(edges.train)
    if edges.test is None:
        # Fresh records lie as densely on an edge as close beside it.
        others, of_others = int((edges.train < 1 + BESIDE).sum()) - members, 0
        p_value = 1.0
        if members:
            by_chance = 1 / (1 + BESIDE)
            p_value = binomtest(members, members + others, by_chance, "greater").pvalue
        expected = 1 / BESIDE
    else:
        others, of_others = int((edges.test < 1).sum()), len(edges.test)
        table = [[members, of_members - members], [others, of_others - others]]
        p_value = fisher_exact(table, alternative="greater").pvalue
        expected = of_members / of_others
    if not members or p_value > _SURE_AT:
        return None
    share = binomtest(members, members + others).proportion_ci(0.95, method="exact").low
    gain = share / (1 - share) / expected
    if edges.test is None and gain < _CLEARLY:
        return None
    return OnEdge(members, others, of_members, of_others, float(p_value), float(gain))
