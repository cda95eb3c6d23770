"""Copies of records with small changes, of the kind that each feature allows."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ._feature_space import FeatureSpace
from ._numeric import spread
from ._rows import from_pandas, is_frame, n_rows, plain_values, take_rows, to_pandas
from ._text import is_text, thinned

__all__ = ["Perturbation"]

# Models differ in how much noise tells most: of the copies of a record some get little, some much.
_SCALES = 30.0
_LEAST_FLIP, _MOST_FLIP = 0.02, 0.1
# Of the words of a text.
_MOST_LEFT_OUT = 0.5


class Perturbation:
    """Gaussian noise on numbers, other values of binary features and categories.

    Ranges and values are those of the table, columns of few different numbers are sets of values,
    whole numbers stay whole, and 0/1 columns that are the indicators of one category move
    together (see `FeatureSpace`). Words of texts are left out, up to half of them. Missing and
    infinite values stay as they are.

    Parameters
    ----------
    X : array or data frame of shape (n_records, ...)
        The records that copies are made of.
    noise : float
        Largest standard deviation of the noise on numbers, in standard deviations of the column.
        Each copy draws its own, log-uniformly from a thirtieth of it up; all stay between the
        column's least and greatest value.
    flip : float or None
        Probability with which a value of a set becomes another of its values, each alike. None
        stands for what changes one feature of a copy on average, within 2 and 10 %.

    Raises
    ------
    ValueError
        If `X` is sparse.
    """

    def __init__(self, X: Any, noise: float, flip: float | None = None) -> None:
        if sparse.issparse(X):
            raise ValueError(
                'X is sparse: perturb="auto" takes dense records, X.toarray(). A function '
                "(X, random_state) -> X may perturb sparse ones."
            )
        self._given, X = take_rows(X, slice(0)), to_pandas(X)
        # Of each column that holds texts: all of them.
        self._texts: dict[int, Any] = {}
        if is_frame(X):
            self._texts = {j: X.iloc[:, j] for j in range(X.shape[1]) if is_text(X.iloc[:, j])}
            X = X.copy() if self._texts else X
            for place in self._texts:
                X.isetitem(place, 0.0)
        self._records = _Coded(X)
        space = FeatureSpace(X, missing=True)
        usual = float(np.clip(1 / max(1, space.n_choices), _LEAST_FLIP, _MOST_FLIP))
        self.noise, self.flip = noise, usual if flip is None else flip
        values = self._records.values
        self._ranges = np.array(space.ranges(), dtype=np.intp)
        columns = [_finite(values[:, place]) for place in self._ranges]
        self._low = np.array([column.min() for column in columns])
        self._high = np.array([column.max() for column in columns])
        self._spread = np.array([spread(column) for column in columns])
        self._whole = np.array([bool((column == np.rint(column)).all()) for column in columns])
        sets = [
            (place[0], np.unique(_finite(values[:, place[0]])))
            for place in space.choices()
            if len(place) == 1
        ]
        self._sets = [(place, known) for place, known in sets if len(known) > 2]
        binary = [(place, known) for place, known in sets if len(known) == 2]
        self._binary = np.array([place for place, _ in binary], dtype=np.intp)
        self._ends = np.array([known for _, known in binary]).reshape(-1, 2)
        self._groups = [np.array(places) for places in space.choices() if len(places) > 1]

    def __call__(self, rows: np.ndarray, n_copies: int, rng: np.random.Generator) -> Any:
        """Return perturbed copies of some records, those of a record behind each other.

        Parameters
        ----------
        rows : ndarray of int of shape (n_rows,)
        n_copies : int
            Of each.
        rng : Generator

        Returns
        -------
        table like the one given, of `n_rows` times `n_copies` records
        """
        values = np.repeat(self._records.values[rows], n_copies, axis=0)
        if len(self._ranges) and self.noise:
            self._shake(values, rng)
        self._flip_binary(values, rng)
        for place, known in self._sets:
            chosen = _chosen(len(values), self.flip, rng)
            chosen = chosen[np.isfinite(values[chosen, place])]
            code = np.searchsorted(known, values[chosen, place])
            values[chosen, place] = known[_another(code, len(known), rng)]
        for group in self._groups:
            chosen = _chosen(len(values), self.flip, rng)
            chosen = chosen[np.isfinite(values[chosen[:, None], group]).all(axis=1)]
            code = values[chosen[:, None], group].argmax(axis=1)
            values[chosen[:, None], group] = np.eye(len(group))[_another(code, len(group), rng)]
        table = self._records.table(values)
        for place, texts in self._texts.items():
            copies = texts.iloc[np.repeat(rows, n_copies)]
            table.isetitem(place, self._thinned(copies, rng))
        return from_pandas(table, self._given) if is_frame(table) else table

    def _thinned(self, texts: Any, rng: np.random.Generator) -> Any:
        """Leave words out: of each copy another share, as noise is of another size."""
        import pandas as pd

        shares = _MOST_LEFT_OUT * _SCALES ** -rng.uniform(size=len(texts))
        fewer = np.empty(len(texts), dtype=object)
        fewer[:] = [thinned(text, share, rng) for text, share in zip(texts, shares, strict=True)]
        return pd.Series(fewer, dtype=texts.dtype)

    def _shake(self, values: np.ndarray, rng: np.random.Generator) -> None:
        own = values[:, self._ranges]
        scale = self.noise * _SCALES ** -rng.uniform(size=(len(own), 1))
        with np.errstate(over="ignore", invalid="ignore"):
            moved = own + scale * self._spread * rng.standard_normal(own.shape, dtype=np.float32)
        moved[:, self._whole] = np.rint(moved[:, self._whole])
        moved = np.clip(moved, self._low, self._high)
        values[:, self._ranges] = np.where(np.isfinite(own), moved, own)

    def _flip_binary(self, values: np.ndarray, rng: np.random.Generator) -> None:
        chosen = _chosen(len(values) * len(self._binary), self.flip, rng)
        row, feature = np.divmod(chosen, max(1, len(self._binary)))
        place = self._binary[feature]
        low, high = self._ends[feature].T
        own = values[row, place]
        values[row, place] = np.where(own == low, high, np.where(own == high, low, own))


class _Coded:
    """A table as one array of numbers, and back: what is no number is a position in a set."""

    def __init__(self, X: Any) -> None:
        self._shape, self._dtype = X.shape[1:], getattr(X, "dtype", None)
        self._frame: Any = None
        if not is_frame(X):
            if X.dtype.kind != "O":
                self.values = X.reshape(len(X), -1)
                return
            import pandas as pd

            # Numbers among objects are numbers.
            X = pd.DataFrame(X.reshape(len(X), -1)).infer_objects()
        self._frame = X
        #: Of each column that holds no numbers: a row that shows each value, the missing one last.
        self._shown: dict[int, np.ndarray] = {}
        self.values = np.empty(X.shape, dtype=np.float64)
        for place in range(X.shape[1]):
            self.values[:, place] = self._numbers(place, X.iloc[:, place])

    def _numbers(self, place: int, column: Any) -> np.ndarray:
        import pandas as pd

        numbers = plain_values(column)
        if numbers.dtype.kind in "biuf":
            return numbers
        codes, values = pd.factorize(column)
        shown = np.unique(codes, return_index=True)[1]
        missing = codes < 0
        # The code of the missing ones comes first.
        self._shown[place] = np.append(shown[-len(values) :], shown[0])
        return np.where(missing, np.nan, codes)

    def table(self, values: np.ndarray) -> Any:
        if self._frame is None:
            return values.reshape(len(values), *self._shape)
        import pandas as pd

        columns = []
        for place in range(values.shape[1]):
            column = self._frame.iloc[:, place]
            if place in self._shown:
                codes = np.nan_to_num(values[:, place], nan=-1).astype(np.intp)
                columns.append(pd.Series(column.array.take(self._shown[place][codes])))
            else:
                columns.append(pd.Series(values[:, place]).astype(column.dtype))
        table = pd.concat(columns, axis=1)
        table.columns = self._frame.columns
        if self._dtype is not None:
            return table.to_numpy(dtype=object).reshape(n_rows(table), *self._shape)
        return table


def _finite(column: np.ndarray) -> np.ndarray:
    column = column.astype(np.float64)
    return column[np.isfinite(column)]


def _chosen(n: int, probability: float, rng: np.random.Generator) -> np.ndarray:
    """Return which of `n` places are chosen, each with the same probability.

    The gaps between them are geometric: far fewer numbers to draw than one for each place.
    """
    if not probability or not n:
        return np.empty(0, dtype=np.intp)
    expected = n * probability
    size = int(expected + 6 * np.sqrt(expected) + 10)
    chosen = np.cumsum(rng.geometric(probability, size=size)) - 1
    while chosen[-1] < n - 1:
        more = np.cumsum(rng.geometric(probability, size=size)) + chosen[-1]
        chosen = np.concatenate([chosen, more])
    return chosen[chosen < n]


def _another(codes: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return for each position among `n` values another one, each alike."""
    return (codes + rng.integers(1, n, size=len(codes))) % n
