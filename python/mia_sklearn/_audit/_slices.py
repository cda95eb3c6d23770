"""Groups of records that a report looks at apart."""

from __future__ import annotations

from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from .._process._printable import valid
from .._records._groups import Grouping, coded, identifiers, names_in_words
from .._records._rows import column_names, column_of
from ._pool import Pool, Slicing

_MOST_VALUES = 12
_MISSING = "missing"


def slice_columns(slices: Any, pool: Any) -> dict[str, Slicing]:
    """Return each slicing of the pool.

    Parameters
    ----------
    slices : None, str, list of str, or dict of str to array-like
        Names of columns ("label" is the class, "label_0" or the name of a column of `y_train` one
        of several outputs), or values of the training records followed by
        those of the test records. Records of equal values, as `coded` has it, are one slice.
    pool : Pool

    Returns
    -------
    dict of str to Slicing

    Raises
    ------
    ValueError
        If a column does not exist, values have the wrong length, or the labels of another index.
    """
    if slices is None:
        return {}
    given: dict[str, Any] = {}
    if isinstance(slices, dict):
        for name, values in slices.items():
            called = f"slices[{name!r}]"
            given[str(name)] = pool.in_order(called, identifiers(values, called))
    else:
        for name in _names(slices):
            given[str(name)] = identifiers(_column(name, pool), f"slices: {name!r}")
    return {valid(name): _as_groups(name, np.asarray(values)) for name, values in given.items()}


def _names(slices: Any) -> list[Any]:
    if isinstance(slices, str):
        return [slices]
    names = slices.tolist() if hasattr(slices, "tolist") else slices
    if not isinstance(names, (list, tuple)) or any(isinstance(name, list) for name in names):
        raise ValueError(
            "slices must be the name of a column, a list of names, or a dict from a name to one "
            f"value per record, got a {type(slices).__name__}."
        )
    return list(names)


def _column(name: Any, pool: Any) -> Any:
    columns = column_names(pool.X)
    if name in columns:
        return column_of(pool.X, name)
    labels = pool.true_values()
    if name in labels:
        return labels[name]
    if name in pool.output_names:
        return labels[f"label_{pool.output_names.index(name)}"]
    available = [
        *labels,
        *pool.output_names,
        *map(str, columns),
    ]
    raise ValueError(
        f"slices names the column {name!r}, which the records do not have; they have "
        f"{', '.join(available[:20])}. Give a dict of values for anything else."
    )


def _as_groups(name: str, values: np.ndarray) -> Slicing:
    import pandas as pd

    there = ~pd.isna(values)
    codes, found = coded(values[there], f"slices: {name!r}")
    names = [_in_words(value) for value in found.tolist()]
    of_numbers = all(isinstance(value, (Real, Decimal)) for value in found)
    order = np.argsort(found if of_numbers else names, kind="stable")
    if of_numbers and len(found) > _MOST_VALUES:
        codes, names = _quarters(name, found.astype(np.float64)[codes])
        order = np.arange(len(names))
    if len(names) > 4 * _MOST_VALUES:
        raise ValueError(
            f"slices: {name!r} has {len(names)} values, too many to report apart. Group them "
            "and give the groups as a dict."
        )
    written = [names[place] for place in order] + [_MISSING] * (not there.all())
    if len(set(written)) < len(written):
        twice = next(text for text in written if written.count(text) > 1)
        raise ValueError(
            f"slices: {name!r} has different values that a report would both call {twice!r} (one "
            f"that is missing is called {_MISSING!r} there): give them names that differ."
        )
    text = np.full(len(values), _MISSING, dtype=object)
    text[there] = np.array(names, dtype=object)[codes]
    return Slicing(text, written)


def _in_words(value: Any) -> str:
    # A name may hold what no table and no file can, and the report is to be written.
    return valid(str(value))


def _quarters(name: str, values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return which quarter each number lies in, and what the quarters are called.

    The outer ones have no end: the least and the greatest number are somebody's.
    """
    import pandas as pd

    if not np.isfinite(values).all():
        raise ValueError(
            f"slices: {name!r} holds infinite values, and numbers are cut at their quartiles: "
            "give groups in place of them, as a dict."
        )
    quarters = pd.qcut(values, 4, duplicates="drop")
    inner = list(quarters.categories)
    names = list(map(str, inner))
    names[0], names[-1] = f"up to {inner[0].right:g}", f"over {inner[-1].left:g}"
    return quarters.codes, names if len(inner) > 1 else ["all"]


def check_slices(pool: Pool) -> None:
    """Raise if the records of one person lie in different slices."""
    if pool.people is None:
        return
    people = Grouping(pool.people)
    for name, slicing in pool.sliced.items():
        mixed = people.mixed(slicing.values)
        if mixed.any():
            whose = pool.names[pool.people[people.first[mixed]]]
            raise ValueError(
                f"slices: {name!r} has several values for {names_in_words(whose)}, and the report "
                "is about people. Give a slice that is the same for all records of a person."
            )
