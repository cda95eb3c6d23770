"""Linkability: do two halves of a record, known apart, lead to the same synthetic row?"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._nearest import nearest
from ._risk import Risk
from ._tables import Table, Tables

__all__ = ["halves_of", "linkability"]


def halves_of(tables: Tables, names: list[Any]) -> tuple[list[Any], list[Any]]:
    """Split columns into two halves that tell records apart about equally well.

    Columns are dealt to both sides in the order of how many values they have in the synthetic
    table, as evenly as may be.
    """
    places = tables.places(names)
    n_values = [len(np.unique(tables.synthetic.ranks[:, place])) for place in places]
    order = np.argsort(-np.array(n_values), kind="stable")
    dealt = [names[row] for row in order]
    first = [name for turn, name in enumerate(dealt) if turn % 4 in (0, 3)]
    return first, [name for name in dealt if name not in first]


def linkability(
    tables: Tables,
    halves: tuple[list[Any], list[Any]],
    rows: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
) -> Risk:
    """Link the halves of records by the synthetic rows that are nearest to each.

    Parameters
    ----------
    tables : Tables
    halves : pair of lists of column names
    rows : pair of ndarray
        The training records, and those of the control, that are attacked.
    rng : Generator
    """
    # Of rows that are equally near each is as likely, for either half on its own: where many are,
    # one order for both would link everybody.
    orders = [rng.permutation(len(tables.synthetic)) for _ in halves]
    places = [tables.places(half) for half in halves]
    linked = [
        _linked(side, taken, tables.synthetic, places, orders)
        for side, taken in zip((tables.train, tables.control), rows, strict=True)
    ]
    own, others = (int(each.sum()) for each in linked)
    n, n_control = map(len, rows)
    first, second = (", ".join(map(str, half)) for half in halves)
    return Risk(
        "linkability",
        "",
        n,
        own / n,
        1 / len(tables.synthetic),
        n_control,
        others / n_control,
        f"Of {n:,} training records, {own:,} have the same nearest synthetic row by the columns "
        f"({first}) as by ({second}); of {n_control:,} records of the control {others:,}.",
    )


def _linked(
    side: Table,
    taken: np.ndarray,
    synthetic: Table,
    places: list[np.ndarray],
    orders: list[np.ndarray],
) -> np.ndarray:
    found = [
        order[nearest(side.scaled[np.ix_(taken, own)], synthetic.scaled[np.ix_(order, own)])[1]]
        for own, order in zip(places, orders, strict=True)
    ]
    return (found[0] == found[1])[:, 0]
