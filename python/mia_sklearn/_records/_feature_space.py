"""The space that records come from, inferred from the data: ranges, sets of values, indicators."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ._numeric import spread
from ._rows import (
    as_table,
    from_pandas,
    is_documents,
    is_frame,
    plain_values,
    take_rows,
    to_pandas,
)

__all__ = ["FeatureSpace", "other_rows"]

# A numeric column with no more distinct values than this is a set of values, not a range.
_FEW_VALUES = 16
_LOOKED_AT = 4096
_FARTHEST = 2.0**62


class FeatureSpace:
    """Draws records from the space that a table's rows come from.

    A numeric column is a range, whole numbers stay whole, and one with few distinct values is the
    set of those; every other column is the set of its values. Neighbouring 0/1 columns that add
    up to 1 in every row are the indicators of one category.

    Parameters
    ----------
    X : array or data frame of shape (n_records, ...)
    missing : bool, default=False
        Whether values may be missing or infinite: the space is then that of the others.

    Attributes
    ----------
    n_choices : int
        Features that can be chosen freely: indicators of one category count once.

    Raises
    ------
    ValueError
        If `X` is sparse, empty, holds texts, or holds a missing value (named) where there may be
        none.
    """

    def __init__(self, X: Any, *, missing: bool = False) -> None:
        X = as_table(X)
        if sparse.issparse(X):
            raise ValueError(
                "X is sparse: a feature space is read from a dense table, X.toarray()."
            )
        if is_documents(X):
            raise ValueError("X holds texts: records are drawn from features only.")
        given, X = X, to_pandas(X)
        if len(X) == 0:
            raise ValueError("X is empty: a feature space is read from records.")
        self._given: Any = take_rows(given, slice(0))
        self.like: Any = X.iloc[:0] if is_frame(X) else np.empty((0, *X.shape[1:]), dtype=X.dtype)
        columns = _columns(X)
        names = list(X.columns) if is_frame(X) else range(len(columns))
        self._parts: list[Any] = [
            _one_column(column, name, is_set=categories, missing=missing)
            for column, name, categories in zip(columns, names, _are_sets(X), strict=True)
        ]
        groups = _indicators(columns, self._parts)
        self._groups = [np.asarray(group) for group in groups]
        grouped = {place for group in groups for place in group}
        self._single = [place for place in range(len(columns)) if place not in grouped]
        self.n_choices = len(self._single) + len(groups)

    def ranges(self) -> list[int]:
        """Return the places of the columns that are ranges of numbers."""
        return [place for place in self._single if isinstance(self._parts[place], _Range)]

    def choices(self) -> list[list[int]]:
        """Return the places of the columns that say one value of a set, a list for each set."""
        values = [[place] for place in self._single if isinstance(self._parts[place], _Values)]
        return [*values, *(group.tolist() for group in self._groups)]

    def uniform(self, n: int, rng: np.random.RandomState) -> Any:
        """Return `n` records drawn uniformly from the whole space, in the kind of its table."""
        columns: list[Any] = [None] * len(self._parts)
        for place in self._single:
            columns[place] = self._parts[place].draw(n, rng)
        for group in self._groups:
            chosen = rng.randint(len(group), size=n)
            for k, place in enumerate(group):
                columns[place] = (chosen == k).astype(float)
        return self._table(columns, n)

    def around(self, x: Any, n: int, scale: float, rng: np.random.RandomState) -> Any:
        """Return `n` copies of a record, a table of one row, with noise that stay within the space.

        `scale` is the standard deviation of the Gaussian noise on ranges, in standard deviations of
        the column, and the probability with which a value of a set is drawn anew.
        """
        own = [column[0] for column in _columns(to_pandas(x))]
        columns: list[Any] = [None] * len(self._parts)
        for place in self._single:
            columns[place] = self._parts[place].shake(own[place], n, scale, rng)
        for group in self._groups:
            kept = np.argmax([own[place] for place in group])
            anew = rng.uniform(size=n) < min(scale, 1.0)
            chosen = np.where(anew, rng.randint(len(group), size=n), kept)
            for k, place in enumerate(group):
                columns[place] = (chosen == k).astype(float)
        return self._table(columns, n)

    def limits(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the least and the greatest value of each column, each of shape (n_features,)."""
        ends = np.array([part.ends() for part in self._parts], dtype=np.float64)
        return ends[:, 0], ends[:, 1]

    def nearest(self, X: np.ndarray) -> np.ndarray:
        """Return the records of the space next to points that have left it, in its table's type."""
        flat = np.asarray(X, dtype=np.float64).reshape(len(X), -1)
        columns: list[Any] = [None] * len(self._parts)
        for place in self._single:
            columns[place] = self._parts[place].nearest(flat[:, place])
        for group in self._groups:
            chosen = flat[:, group].argmax(axis=1)
            for k, place in enumerate(group):
                columns[place] = (chosen == k).astype(float)
        return self._table(columns, len(X))

    def _table(self, columns: list[np.ndarray], n: int) -> Any:
        if is_frame(self.like):
            import pandas as pd

            series = [
                pd.Series(values).astype(self.like.dtypes.iloc[j])
                for j, values in enumerate(columns)
            ]
            frame = pd.concat(series, axis=1)
            frame.columns = self.like.columns
            return from_pandas(frame, self._given)
        return np.stack(columns, axis=1).astype(self.like.dtype).reshape(n, *self.like.shape[1:])


class _Range:
    """A column of numbers between two ends."""

    def __init__(self, values: np.ndarray) -> None:
        self.low, self.high = float(values.min()), float(values.max())
        self.spread = spread(values)
        self.whole = bool((values == np.rint(values)).all())

    def draw(self, n: int, rng: np.random.RandomState) -> np.ndarray:
        if max(-self.low, self.high) >= _FARTHEST:
            # Beyond whole numbers of a machine, and perhaps beyond what a difference can be.
            share = rng.uniform(size=n)
            return self.low * (1 - share) + self.high * share
        if self.whole:
            return rng.randint(int(self.low), int(self.high) + 1, size=n).astype(float)
        return rng.uniform(self.low, self.high, size=n)

    def shake(self, value: Any, n: int, scale: float, rng: np.random.RandomState) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            return self.nearest(float(value) + scale * self.spread * rng.normal(size=n))

    def nearest(self, values: np.ndarray) -> np.ndarray:
        inside = np.clip(values, self.low, self.high)
        return np.rint(inside) if self.whole else inside

    def ends(self) -> tuple[float, float]:
        return self.low, self.high


class _Values:
    """A column that takes some values only."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def draw(self, n: int, rng: np.random.RandomState) -> np.ndarray:
        return self.values[rng.randint(len(self.values), size=n)]

    def shake(self, value: Any, n: int, scale: float, rng: np.random.RandomState) -> np.ndarray:
        drawn = self.draw(n, rng)
        kept = np.full(n, value, dtype=drawn.dtype)
        return np.where(rng.uniform(size=n) < min(scale, 1.0), drawn, kept)

    def nearest(self, values: np.ndarray) -> np.ndarray:
        return self.values[np.abs(values[:, None] - self.values).argmin(axis=1)]

    def ends(self) -> tuple[float, float]:
        return float(self.values[0]), float(self.values[-1])


def _columns(X: Any) -> list[np.ndarray]:
    if is_frame(X):
        return [plain_values(X.iloc[:, j]) for j in range(X.shape[1])]
    return list(np.asarray(X).reshape(len(X), -1).T)


def _are_sets(X: Any) -> list[bool]:
    """Tell of each column whether its type says that it holds categories, numbers or not."""
    if is_frame(X):
        return [dtype.name == "category" for dtype in X.dtypes]
    return [False] * int(np.prod(X.shape[1:]))


def _one_column(values: np.ndarray, name: Any, *, is_set: bool, missing: bool) -> _Range | _Values:
    if values.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: column {name!r}.")
    if values.dtype.kind not in "biuf":
        import pandas as pd

        gone = pd.isna(values)
        values = np.asarray(values, dtype=object)
        strange = [value for value in values.tolist() if isinstance(value, (dict, list, set))]
        if strange:
            raise TypeError(
                f"Column {name!r} holds {strange[0]!r}: an argument must be a string or a number."
            )
        if gone.any() and not missing:
            raise ValueError(_missing(name))
        # In order of their names, so that draws do not depend on the order of the rows.
        return _Values(np.array(sorted(set(values[~gone].tolist()), key=str), dtype=object))
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        if not missing:
            raise ValueError(_missing(name))
        values = values[np.isfinite(values)]
        if len(values) == 0:
            return _Values(values)
    most = len(values) if is_set else _FEW_VALUES
    if len(np.unique(values[:_LOOKED_AT])) <= most:
        every = np.unique(values)
        if len(every) <= most:
            return _Values(every)
    return _Range(values.astype(np.float64))


def _missing(name: Any) -> str:
    return (
        f"Column {name!r} holds missing or infinite values: fill them, records are drawn from the "
        "values that are there."
    )


def _indicators(columns: list[np.ndarray], parts: list[Any]) -> list[list[int]]:
    """Return the runs of neighbouring 0/1 columns that add up to 1 in every row."""
    binary = [isinstance(part, _Values) and part.values.tolist() == [0, 1] for part in parts]
    groups, start = [], 0
    while start < len(columns):
        total = np.zeros(len(columns[0]))
        stop = start
        while stop < len(columns) and binary[stop]:
            total += columns[stop].astype(np.float64)
            stop += 1
            # Where an indicator is missing there is nothing to add up.
            known = total[np.isfinite(total)]
            if len(known) == 0 or known.max() > 1:
                break
            if known.min() == 1:
                groups.append(list(range(start, stop)))
                break
        start = stop if groups and groups[-1][0] == start else start + 1
    return groups


def other_rows(columns: list[Any], flip: float, rng: np.random.RandomState) -> np.ndarray:
    """Return for each record a row whose value it takes: its own, or one with another value.

    Parameters
    ----------
    columns : list of arrays of shape (n_records,)
        A column of a set's values, or the indicators of one category.
    flip : float
        Probability of another value, any of those that the column holds.
    rng : RandomState

    Returns
    -------
    ndarray of shape (n_records,)
        Where a value is missing, the record's own row.
    """
    import pandas as pd

    rows = np.arange(len(columns[0]))
    known = np.ones(len(rows), dtype=bool)
    for column in columns:
        known &= ~np.asarray(pd.isna(column))
        if getattr(column.dtype, "kind", "O") == "f":
            known &= np.isfinite(np.asarray(column))
    here = rows[known]
    if len(columns) > 1:
        values = np.stack([np.asarray(column)[here] for column in columns], axis=1).argmax(axis=1)
    else:
        values = pd.Series(columns[0]).iloc[here]
    codes, different = pd.factorize(values)
    if len(different) > 1:
        moves = rng.uniform(size=len(here)) < flip
        steps = rng.randint(1, len(different), size=len(here))
        first = here[np.unique(codes, return_index=True)[1]]
        rows[here[moves]] = first[(codes + steps) % len(different)][moves]
    return rows
