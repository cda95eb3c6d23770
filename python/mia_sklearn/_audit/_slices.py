"""Groups of records that a report looks at apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._process._printable import valid
from .._records._groups import Grouping, names_in_words
from .._records._rows import column_names, column_of

if TYPE_CHECKING:
    from ._pool import Pool

_MOST_VALUES = 12


def slice_columns(slices: Any, pool: Any) -> dict[str, np.ndarray]:
    """Return each slicing as one text per record of the pool.

    Parameters
    ----------
    slices : None, str, list of str, or dict of str to array-like
        Names of columns ("label" is the class), or values of the training records followed by
        those of the test records.
    pool : Pool

    Returns
    -------
    dict of str to ndarray of str

    Raises
    ------
    ValueError
        If a column does not exist, values have the wrong length, or the labels of another index.
    """
    if slices is None:
        return {}
    if isinstance(slices, str):
        slices = [slices]
    given: dict[str, Any] = {}
    if isinstance(slices, dict):
        for name, values in slices.items():
            given[str(name)] = np.asarray(pool.in_order(f"slices[{name!r}]", values))
    else:
        for name in slices:
            given[str(name)] = _column(name, pool)
    return {valid(name): _as_groups(name, values) for name, values in given.items()}


def _column(name: str, pool: Any) -> np.ndarray:
    columns = column_names(pool.X)
    if name in columns:
        return column_of(pool.X, name)
    if name == "label" and pool.labelled:
        return pool.y
    available = [
        *(["label"] if pool.labelled else []),
        *map(str, columns),
    ]
    raise ValueError(
        f"slices names the column {name!r}, which the records do not have; they have "
        f"{', '.join(available[:20])}. Give a dict of values for anything else."
    )


def _as_groups(name: str, values: np.ndarray) -> np.ndarray:
    import pandas as pd

    if values.dtype.kind in "UO":
        # A name may hold what no table and no file can, and the report is to be written.
        texts = (valid(value) if isinstance(value, str) else value for value in values.tolist())
        values = np.fromiter(texts, dtype=object, count=len(values))
    series = pd.Series(values)
    if pd.api.types.is_numeric_dtype(series) and series.nunique() > _MOST_VALUES:
        series = pd.qcut(series, 4, duplicates="drop")
    text = series.astype(object).where(series.notna(), "missing").astype(str)
    if text.nunique() > 4 * _MOST_VALUES:
        raise ValueError(
            f"slices: {name!r} has {text.nunique()} values, too many to report apart. Group them "
            "and give the groups as a dict."
        )
    return text.to_numpy(dtype=object)


def check_slices(pool: Pool) -> None:
    """Raise if the records of one person lie in different slices."""
    if pool.people is None:
        return
    people = Grouping(pool.people)
    for name, values in pool.sliced.items():
        mixed = people.mixed(values)
        if mixed.any():
            whose = pool.names[pool.people[people.first[mixed]]]
            raise ValueError(
                f"slices: {name!r} has several values for {names_in_words(whose)}, and the report "
                "is about people. Give a slice that is the same for all records of a person."
            )
