"""Where invented records get the values of their features from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy import sparse

from .._records._feature_space import FeatureSpace, other_rows
from .._records._rows import (
    as_table,
    from_pandas,
    is_frame,
    n_rows,
    record_shape,
    take_rows,
    to_pandas,
)

__all__ = ["RecordSource", "read_source"]

# Draws that stand for a range or a function: more than any attack could tell from all of it.
_N_DRAWN = 4096


class RecordSource:
    """A table whose columns lend their values to invented records.

    An invented record is kept as the numbers of the rows that it takes its features from. So
    records of all kinds of tables are mixed alike, and keep their types and missing values.

    Parameters
    ----------
    records : array or data frame of shape (n_records, ...)
    whole : bool, default=False
        Whether chains start from whole records of the table.

    Attributes
    ----------
    n_features : int
        Features that are drawn by themselves: indicators of one category count once.
    """

    def __init__(self, records: Any, *, whole: bool = False) -> None:
        self.records, self.whole = to_pandas(records), whole
        self._like = take_rows(records, slice(0))
        space = FeatureSpace(records, missing=True)
        self._choices = space.choices()
        # Ranges come first, then what is one of a set of values.
        self._features = [*([place] for place in space.ranges()), *self._choices]
        self.n_features = len(self._features)
        self._feature_of = np.empty(sum(map(len, self._features)), dtype=np.intp)
        for feature, places in enumerate(self._features):
            self._feature_of[places] = feature
        self._order: np.ndarray | None = None

    def tell_classes(self, codes: np.ndarray, n_classes: int) -> None:
        """Let records of a class take features from records of that class (`codes`) only."""
        self._order = np.argsort(codes, kind="stable")
        self._ends = np.searchsorted(codes[self._order], np.arange(n_classes + 1))

    def draw(self, wanted: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        """Return the rows, (n, n_features), from which new records take each feature."""
        return self._rows(wanted, (len(wanted), self.n_features), rng)

    def start(self, wanted: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        """Draw new records to start from: whole ones where the table holds whole ones."""
        if not self.whole:
            return self.draw(wanted, rng)
        return np.repeat(self._rows(wanted, (len(wanted), 1), rng), self.n_features, axis=1)

    def redraw(
        self, rows: np.ndarray, k: np.ndarray, wanted: np.ndarray, rng: np.random.RandomState
    ) -> np.ndarray:
        """Draw `k` features of each record anew, chosen at random."""
        lots = rng.random_sample(rows.shape)
        chosen = np.empty(rows.shape, dtype=bool)
        for number in np.unique(k):
            same = k == number
            last = np.partition(lots[same], number - 1, axis=1)[:, number - 1]
            chosen[same] = lots[same] <= last[:, None]
        return np.where(chosen, self.draw(wanted, rng), rows)

    def shaken(self, rows: np.ndarray, share: float, rng: np.random.RandomState) -> np.ndarray:
        """Change each feature of whole records with a probability.

        What is one of a set of values becomes another one (binary features flip), numbers are
        drawn from their column.
        """
        mixed = np.repeat(rows[:, None], self.n_features, axis=1)
        columns = _columns_of(self.records)
        n_ranges = self.n_features - len(self._choices)
        anew = rng.uniform(size=(len(rows), n_ranges)) < share
        drawn = rng.randint(n_rows(self.records), size=anew.shape)
        mixed[:, :n_ranges] = np.where(anew, drawn, mixed[:, :n_ranges])
        for feature, places in enumerate(self._choices, start=n_ranges):
            taken = other_rows([columns[place].take(rows) for place in places], share, rng)
            mixed[:, feature] = rows[taken]
        return mixed

    def table(self, rows: np.ndarray) -> Any:
        """Return the records that take their features from these rows."""
        rows = rows[:, self._feature_of]
        if not is_frame(self.records):
            flat = self.records.reshape(len(self.records), -1)
            mixed = flat[rows, np.arange(flat.shape[1])]
            return mixed.reshape(len(rows), *self.records.shape[1:])
        import pandas as pd

        columns = _columns_of(self.records)
        frame = pd.DataFrame({j: column.take(rows[:, j]) for j, column in enumerate(columns)})
        frame.columns = self.records.columns
        return from_pandas(frame, self._like)

    def first(self, n: int) -> Any:
        """Return whole records of the table, the first few."""
        return from_pandas(take_rows(self.records, slice(n)), self._like)

    def _rows(
        self, wanted: np.ndarray, shape: tuple[int, int], rng: np.random.RandomState
    ) -> np.ndarray:
        if self._order is None:
            return rng.randint(n_rows(self.records), size=shape, dtype=np.int32)
        first, after = self._ends[wanted, None], self._ends[wanted + 1, None]
        return self._order[first + (rng.random_sample(shape) * (after - first)).astype(np.intp)]


def _columns_of(records: Any) -> list[Any]:
    if is_frame(records):
        return [records.iloc[:, j].array for j in range(records.shape[1])]
    return list(records.reshape(len(records), -1).T)


def read_source(sampler: Any, *, uniform: bool, rng: np.random.RandomState) -> RecordSource:
    """Read what an attacker knows of the features.

    Parameters
    ----------
    sampler : table, FeatureSpace, description or function
        As in `mia_sklearn.synthesize`.
    uniform : bool
        Draw from a table's ranges and sets of values, evenly.
    rng : RandomState

    Raises
    ------
    ValueError
        If the sampler is none of these, or a description or its table cannot be drawn from.
    """
    if isinstance(sampler, FeatureSpace):
        return RecordSource(sampler.uniform(_N_DRAWN, rng))
    if isinstance(sampler, (Mapping, list, tuple)):
        return RecordSource(_described(sampler, rng))
    drawn = callable(sampler) and not hasattr(sampler, "__array__")
    records = as_table(sampler(_N_DRAWN, rng) if drawn else sampler, "sampler")
    if sparse.issparse(records):
        raise ValueError("sampler is sparse: pass a dense table, sampler.toarray().")
    if n_rows(records) == 0:
        raise ValueError("sampler holds no records: features are drawn from records.")
    if 0 in record_shape(records):
        raise ValueError("sampler has no features.")
    if uniform and not drawn:
        return RecordSource(FeatureSpace(records, missing=True).uniform(_N_DRAWN, rng))
    return RecordSource(records, whole=drawn)


def _described(features: Any, rng: np.random.RandomState) -> Any:
    """Draw a table of records from a description of each feature."""
    if len(features) == 0:
        raise ValueError("sampler describes no feature.")
    if isinstance(features, Mapping):
        import pandas as pd

        return pd.DataFrame({name: _drawn(name, values, rng) for name, values in features.items()})
    return np.column_stack([_drawn(j, values, rng) for j, values in enumerate(features)])


def _drawn(name: Any, values: Any, rng: np.random.RandomState) -> np.ndarray:
    if isinstance(values, tuple):
        return _drawn_from_range(name, values, rng)
    if isinstance(values, (str, Mapping)) or not isinstance(values, Iterable):
        raise ValueError(
            f"sampler must give a range (low, high) or a list of values for feature {name!r}, got "
            f"{values!r}."
        )
    known = sorted(values, key=str) if isinstance(values, (set, frozenset)) else list(values)
    if not known:
        raise ValueError(f"sampler gives no value for feature {name!r}.")
    is_text = any(isinstance(value, str) for value in known)
    return np.array(known, dtype=object if is_text else None)[
        rng.randint(len(known), size=_N_DRAWN)
    ]


def _drawn_from_range(name: Any, ends: tuple[Any, ...], rng: np.random.RandomState) -> np.ndarray:
    if len(ends) != 2 or not all(isinstance(end, Real) for end in ends):
        raise ValueError(
            f"sampler must give the range of feature {name!r} as two numbers (low, high), got "
            f"{ends!r}; values go into a list."
        )
    low, high = ends
    if not -np.inf < low <= high < np.inf:
        raise ValueError(f"sampler gives feature {name!r} a range from {low} to {high}.")
    if isinstance(low, Integral) and isinstance(high, Integral):
        return rng.randint(int(low), int(high) + 1, size=_N_DRAWN)
    return rng.uniform(low, high, size=_N_DRAWN)
