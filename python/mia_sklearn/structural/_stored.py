"""Training records that a fitted model keeps, found by their values."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from .._records._digests import row_digests
from .._records._numeric import as_matrix
from ._parts import Part, fitted_parts

__all__ = ["Stored", "stored_records"]

_AT_A_TIME = 5_000_000  # numbers of which digests are made
_MOST_ENTRIES, _MOST_LOOKED_AT, _DEEPEST = 1000, 5000, 4
_DENSE = 50_000_000
# Rows of small whole numbers may be equal by chance; so many of them are not.
_FEWEST_WHOLE = 3
# An entry for each training record, as scikit-learn and libraries like it call it: what the model
# answered without it, where it was laid, which group it was put in.
_ANSWERS = {
    *("oob_decision_function_", "oob_prediction_", "embedding_", "labels_", "transduction_"),
    *("label_distributions_", "inlier_mask_", "negative_outlier_factor_", "x_scores_"),
    *("y_scores_", "_x_scores", "_y_scores", "affinity_matrix_", "dissimilarity_matrix_"),
    *("reachability_", "core_distances_", "dist_", "row_labels_", "probabilities_"),
    *("labeled_iter_", "dist_matrix_"),
}
# What it groups are features.
_OF_FEATURES = ("FeatureAgglomeration",)
# In which nothing is held.
_PLAIN = (str, bytes, int, float, complex, type, ModuleType, FunctionType, type(None))
_TREES = ("KDTree", "KDTree64", "KDTree32", "BallTree", "BallTree64", "BallTree32")


class Stored(NamedTuple):
    """What a model keeps of its training records.

    Attributes
    ----------
    part, attribute : str
        Class of the part, and its attribute.
    kind : {"records", "answers"}
        Rows of the training records themselves; an entry for each of them.
    n_rows : int
        Rows that are training records, or entries.
    share : float
        Of the training records looked at, how many are there.
    """

    part: str
    attribute: str
    kind: str
    n_rows: int
    share: float


def stored_records(model: Any, X: Any, n_train: int, seed: int = 0) -> list[Stored]:
    """Find the attributes in which a fitted model keeps records that it was trained on.

    Parameters
    ----------
    model : fitted estimator
    X : table of shape (n_records, ...)
        Training records, or some of them, as they were given to the model.
    n_train : int
        How many there are in all.
    seed : int

    Returns
    -------
    list of Stored
        Those that keep most come first.
    """
    found: dict[tuple[str, str, str], Stored] = {}
    known: dict[int, _Known | None] = {}
    kept = []  # No identity is given out twice while what has it is kept.
    for part in fitted_parts(model, X):
        kept.append(part)
        if id(part.seen) not in known:
            known[id(part.seen)] = _known(part.seen, seed)
        for each in _in_part(part, known[id(part.seen)], n_train):
            key = each.part, each.attribute, each.kind
            if key not in found or found[key].n_rows < each.n_rows:
                found[key] = each
    return sorted(found.values(), key=lambda each: (each.kind != "records", -each.n_rows))


def _in_part(part: Part, known: _Known | None, n_train: int) -> Iterator[Stored]:
    for name, value in _arrays(part.part):
        length = value.shape[0]
        if name in _ANSWERS and length == n_train and part.name not in _OF_FEATURES:
            yield Stored(part.name, name, "answers", length, 1.0)
        if known is not None:
            n_rows, share = known.held_by(value)
            if n_rows:
                yield Stored(part.name, name, "records", n_rows, share)


def _arrays(holder: Any) -> Iterator[tuple[str, Any]]:
    """Yield the arrays that an estimator holds, each with the name of its attribute."""
    for name, value in list(getattr(holder, "__dict__", {}).items()):
        for array in _arrays_in(value):
            yield name, array


def _arrays_in(value: Any) -> Iterator[Any]:
    """Yield the arrays within an attribute, whatever containers and objects they lie in.

    What is fitted is left out, since it is looked at by itself.
    """
    queue = deque([(value, 0)])
    met: dict[int, Any] = {}
    while queue and len(met) < _MOST_LOOKED_AT:
        held, depth = queue.popleft()
        if depth > _DEEPEST or id(held) in met or isinstance(held, _PLAIN):
            continue
        # Kept, so that no identity is given out twice.
        met[id(held)] = held
        if type(held).__name__ in _TREES:
            held = np.asarray(held.data)
        if sparse.issparse(held) or isinstance(held, np.ndarray):
            if held.ndim in (1, 2) and held.shape[0] and held.dtype.kind in "biuf":
                yield held
        elif hasattr(held, "iloc"):
            numbers = as_matrix(held if hasattr(held, "columns") else held.to_frame())
            yield from () if numbers is None else (numbers,)
        elif isinstance(held, (list, tuple, dict)):
            entries = held.values() if isinstance(held, dict) else held
            queue.extend((entry, depth + 1) for entry in islice(entries, _MOST_ENTRIES))
        elif not any(hasattr(held, name) for name in ("fit", "predict", "transform")):
            queue.append((getattr(held, "__dict__", None), depth + 1))


class _Known:
    """Records as a part saw them: those that can be recognised, and others like them.

    Recognised are records that occur once, and neither constant ones nor such with a single entry
    that is not zero, which many things equal. The others have each feature of another record, so
    that they tell how many would be found by coincidence.
    """

    def __init__(self, values: Any, seed: int) -> None:
        self.values = values
        self.width = values.shape[1]
        self.order = np.random.default_rng(seed)
        self._digests: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.distinct = _distinct(values)
        self.is_whole = _are_whole(values)
        self.others = _others(values, self.order)

    def digests(self, dtype: str) -> tuple[np.ndarray, np.ndarray]:
        """Return digests of the records and of the others, NaN where they cannot be recognised."""
        if dtype not in self._digests:
            own, others = (
                _digests(table.astype(np.float32) if dtype == "float32" else table)
                for table in (self.values, self.others)
            )
            once = np.unique(own, return_counts=True, return_index=True)
            single = np.zeros(len(own), dtype=bool)
            single[once[1][once[2] == 1]] = True
            self._digests[dtype] = own[single & self.distinct], np.setdiff1d(others, own)
        return self._digests[dtype]

    def held_by(self, array: Any) -> tuple[int, float]:
        """Return how many records an array holds as its rows, and which share of those sought."""
        best = (0, 0.0)
        for rows in self._as_rows(array):
            own, others = self.digests("float32" if rows.dtype == np.float32 else "")
            held = _digests(rows)
            n_found = int(np.isin(own, held).sum())
            by_chance = int(np.isin(others, held).sum())
            enough = n_found >= _FEWEST_WHOLE or (n_found and not self.is_whole)
            if self.width == 1:
                # A single number is soon met: most of the array must be such.
                numbers = np.isfinite(np.asarray(rows, dtype=np.float64)).sum()
                enough = n_found >= max(_FEWEST_WHOLE, numbers / 2) and not self.is_whole
            if enough and n_found > 3 * by_chance:
                best = max(best, (n_found, n_found / len(own)))
        return best

    def _as_rows(self, array: Any) -> Iterator[Any]:
        """Yield an array as rows as wide as the records: all of it, or what it begins or ends with.

        A chain's parts see the records and earlier answers behind them; the last of a stack,
        answers and the records behind.
        """
        if array.ndim == 1:
            if self.width > 1 or array.dtype.kind != "f":
                return
            array = array.reshape(-1, 1)
        wide = array.shape[1] - self.width
        if wide < 0 or (self.width == 1 and wide):
            return
        if sparse.issparse(self.values):
            array = sparse.csr_matrix(array)
        elif sparse.issparse(array):
            if array.shape[0] * array.shape[1] > _DENSE:
                return
            array = array.toarray()
        yield array[:, : self.width]
        if wide:
            yield array[:, wide:]


def _digests(rows: Any) -> np.ndarray:
    """Return a digest of each row; column by column, as they are made, it is far quicker."""
    if sparse.issparse(rows):
        return row_digests(rows)
    n = max(1, _AT_A_TIME // max(1, rows.shape[1]))
    parts = [rows[start : start + n] for start in range(0, len(rows), n)]
    return np.concatenate([row_digests(np.asfortranarray(part)) for part in parts])


def _known(seen: Any, seed: int) -> _Known | None:
    values = as_matrix(seen)
    if values is None or not values.shape[1] or values.shape[0] < 2:
        return None
    return _Known(values, seed)


def _distinct(values: Any) -> np.ndarray:
    """Tell which records are neither constant nor zero but for one entry; of one feature, all."""
    if values.shape[1] == 1:
        return np.ones(values.shape[0], dtype=bool)
    if sparse.issparse(values):
        return np.diff(values.indptr) > 1
    with np.errstate(invalid="ignore"):
        constant = (values == values[:, :1]).all(axis=1)
        return ~constant & ((values != 0).sum(axis=1) > 1)


def _are_whole(values: Any) -> bool:
    data = np.asarray(values.data if sparse.issparse(values) else values)
    if data.dtype.kind in "biu":
        return True
    with np.errstate(invalid="ignore"):
        finite = data[np.isfinite(data)]
        return bool((finite == np.floor(finite)).all())


def _others(values: Any, rng: np.random.Generator) -> Any:
    """Return as many records, each feature of which is that of another one."""
    n = values.shape[0]
    if sparse.issparse(values):
        columns = values.tocsc(copy=True)
        for j in range(columns.shape[1]):
            part = slice(columns.indptr[j], columns.indptr[j + 1])
            columns.indices[part] = rng.choice(n, part.stop - part.start, replace=False)
        columns.has_sorted_indices = False
        return columns.tocsr()
    columns = np.ascontiguousarray(values.T)
    return np.stack([rng.permutation(column) for column in columns]).T
