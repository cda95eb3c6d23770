"""What other records say of a record: how like it those around it are, and how surely it is told.

Membership goes into nothing here, and no model is asked: records and labels alone. A value is the
same whichever model acts as the target, so that a learned attack reads by it how far to trust the
other columns.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np
from sklearn import config_context
from sklearn.neighbors import NearestNeighbors
from sklearn.tree import DecisionTreeClassifier

from .._models._fingerprint import NotDescribableError, fingerprint
from .._models._preprocessing import preprocessing_of
from .._process._parallel import map_on_cores
from .._records._digests import row_digests
from .._records._groups import Grouping
from .._records._rows import take_rows
from .._rust import euclidean_nearest
from ._record_features import record_features, without_texts

__all__ = ["RECORD_COLUMNS", "RecordColumns", "computed_once", "record_columns"]

_LOG = logging.getLogger(__name__)

_SHARES_OVER, _DISTANCES_TO = (1, 3, 5, 10, 20), (1, 5, 20)
_N_NEIGHBORS = max(_SHARES_OVER)
# Records that a node must hold to be asked: leaves of fully grown trees, and of shallower ones.
_LEAVES = (1, 5, 20)
_N_TREES, _TREES_IN_TURN = 100, 10
_SMOOTHING = 0.02
# Records that others are compared with and that trees learn from: the time grows with the number
# of records, not with its square.
_MOST_COMPARED = 10_000
_QUERIES_IN_TURN = 1024
# Up to so many features trees of records, or a scan of all, beat products of matrices.
_FEW_FEATURES = 15
_KEPT: ContextVar[dict[bytes, RecordColumns] | None] = ContextVar("kept", default=None)

#: The columns, in their order.
RECORD_COLUMNS = tuple(
    f"difficulty_{name}"
    for name in (
        *(f"same_{k}" for k in _SHARES_OVER),
        *(f"distance_{k}" for k in _DISTANCES_TO),
        "nearest_same",
        "nearest_other",
        "density",
        *(f"forest_{k}" for k in _LEAVES),
        "forest_gap",
    )
)


class RecordColumns(NamedTuple):
    """What other records say of each.

    Attributes
    ----------
    values : ndarray of shape (n_records, len(RECORD_COLUMNS)), float32, or None
        NaN where nothing can be said. None for records that no distance is read of.
    text : str
        What they were computed from, or why they were left out.
    """

    values: np.ndarray | None
    text: str


class _Pool(NamedTuple):
    """Records in an order of their own, whatever that of the table was."""

    features: np.ndarray
    labels: np.ndarray
    # Which are copies of one another, and whose each is.
    content: np.ndarray
    people: np.ndarray
    # Those that others are compared with, ascending.
    known: np.ndarray


def record_columns(
    X: Any,
    labels: np.ndarray,
    people: np.ndarray | None,
    *,
    first: int,
    seed: int,
    estimator: Any = None,
) -> RecordColumns:
    """Return what each record's neighbours and its out-of-bag trees say of it and its label.

    Parameters
    ----------
    X : table of shape (n_records, ...)
    labels : ndarray of int of shape (n_records,)
    people : ndarray of shape (n_records,) or None
        Whose each record is. A tree answers for nobody one of whose records it learned from, and
        for no copy of one.
    first : int
        Records before this one are compared with those from it on, and not with one another.
    seed : int
        Draws the trees; the order of the records has no say.
    estimator : estimator or callable, default=None
        The steps in front of it make numbers of texts and pictures.
    """
    given = X, labels, people, first, seed
    kept = _KEPT.get()
    if kept is None:
        return _computed(*given, estimator=estimator)
    try:
        name = fingerprint((*given, preprocessing_of(estimator, seed)), "the records")
    except NotDescribableError:
        return _computed(*given, estimator=estimator)
    if name not in kept:
        kept[name] = _computed(*given, estimator=estimator)
    return kept[name]


@contextmanager
def computed_once() -> Iterator[None]:
    """Compute the columns of the same records once meanwhile, whichever models are attacked."""
    token = _KEPT.set({})
    try:
        yield
    finally:
        _KEPT.reset(token)


def _computed(
    X: Any, labels: np.ndarray, people: np.ndarray | None, first: int, seed: int, *, estimator: Any
) -> RecordColumns:
    read = without_texts(X)
    content = row_digests(X if read is None else read)
    order = np.lexsort((labels, content))
    rng = np.random.RandomState(seed)
    known = np.flatnonzero(order >= first)
    if len(known) > _MOST_COMPARED:
        known = np.sort(rng.permutation(known)[:_MOST_COMPARED])
    features, text = record_features(take_rows(X, order), known, estimator, seed)
    if features is None:
        _LOG.info("columns of the records themselves (difficulty_*) are left out: %s", text)
        return RecordColumns(None, f"left out: {text}")
    copies = Grouping(content[order]).of_row
    whose = copies if people is None else Grouping(people[order]).of_row
    pool = _Pool(features, labels[order], copies, whose, known)
    columns = np.empty((len(order), len(RECORD_COLUMNS)), dtype=np.float32)
    columns[order] = np.hstack([_of_neighbors(pool), _of_trees(pool, rng)])
    _LOG.info("columns of the records themselves (difficulty_*) are of: %s", text)
    return RecordColumns(columns, text)


def _of_neighbors(pool: _Pool) -> np.ndarray:
    """Return the columns of the nearest records, the record itself left out."""
    n, size = len(pool.labels), min(_N_NEIGHBORS, len(pool.known) - 1)
    columns = np.empty((n, len(_SHARES_OVER) + len(_DISTANCES_TO) + 3), dtype=np.float32)
    theirs = pool.labels[pool.known]
    nearest = _search(pool.features[pool.known], size + 1) if size > 0 else None

    def ask(start: int) -> None:
        rows = np.arange(start, min(start + _QUERIES_IN_TURN, n))
        same = np.full((len(rows), _N_NEIGHBORS), np.nan)
        distance = np.full((len(rows), _N_NEIGHBORS), np.nan)
        if nearest is not None:
            far, index = nearest(pool.features[rows])
            own = pool.known[index] == rows[:, None]
            # Who is not among the compared, or has many copies, is not in the own list.
            own[~own.any(axis=1), -1] = True
            far, index = far[~own].reshape(-1, size), index[~own].reshape(-1, size)
            distance[:, :size] = far
            same[:, :size] = theirs[index] == pool.labels[rows, None]
        columns[rows] = _told_by_neighbors(same, distance)

    map_on_cores(ask, range(0, n, _QUERIES_IN_TURN))
    return columns


def _search(known: np.ndarray, size: int) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return what finds the nearest records, and how far they are.

    Of few features exactly, the first of those that are as far; of many by scikit-learn's products
    of matrices, which pay there.
    """
    if known.shape[1] <= _FEW_FEATURES:
        return lambda rows: euclidean_nearest(rows, known, size)
    return NearestNeighbors(n_neighbors=size).fit(known).kneighbors


def _told_by_neighbors(same: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Return the columns of records whose nearest are so far, and of the same label or not."""
    nearest = np.full((len(same), 2), np.nan)
    for side in (0, 1):
        alike = same == 1 - side
        first = np.take_along_axis(distance, alike.argmax(axis=1)[:, None], axis=1)[:, 0]
        nearest[:, side] = np.where(alike.any(axis=1), first, np.nan)
    density = np.nansum(same / (1 + distance), axis=1)
    shares = [_mean_of_known(same[:, :k]) for k in _SHARES_OVER]
    return np.column_stack(
        [*shares, *(distance[:, k - 1] for k in _DISTANCES_TO), nearest, density]
    )


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(axis=1) / known.sum(axis=1)


def _of_trees(pool: _Pool, rng: np.random.RandomState) -> np.ndarray:
    """Return the out-of-bag log-odds of the true label, for each size of leaves."""
    seeds = rng.randint(np.iinfo(np.int32).max, size=_N_TREES)
    turns = np.split(seeds, range(_TREES_IN_TURN, _N_TREES, _TREES_IN_TURN))

    def grow(turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        total, count = np.zeros((len(_LEAVES), len(pool.labels))), np.zeros(len(pool.labels))
        for seed in turn.tolist():
            rows, answers = _out_of_bag(pool, seed)
            total[:, rows] += answers
            count[rows] += 1
        return total, count

    with warnings.catch_warnings():
        # Of classes that half of all records have to themselves.
        warnings.filterwarnings("ignore", message="The number of unique classes")
        parts = map_on_cores(grow, turns)
    total, count = (sum(part[j] for part in parts) for j in (0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = total / count
    log_odds = np.log((share + _SMOOTHING) / (1 - share + _SMOOTHING))
    return np.vstack([log_odds, log_odds[0] - log_odds[-1]]).T


def _out_of_bag(pool: _Pool, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Grow a tree on half of the people; return who had no part in it, and their label's shares.

    A tree says what it would with larger leaves too: what the smallest node on a record's way
    holds that is large enough. Half of all are drawn, though no more than the compared ones of
    them are learned from, so that as many trees answer for the others.
    """
    rng = np.random.RandomState(seed)
    n_people = int(pool.people.max()) + 1
    drawn = np.zeros(n_people, dtype=bool)
    drawn[rng.permutation(n_people)[: n_people // 2]] = True
    learned = pool.known[drawn[pool.people[pool.known]]]
    if len(learned) == 0:
        return learned, np.empty((len(_LEAVES), 0))
    copied = np.zeros(int(pool.content.max()) + 1, dtype=bool)
    copied[pool.content[learned]] = True
    rows = np.flatnonzero(~drawn[pool.people] & ~copied[pool.content])
    model = DecisionTreeClassifier(max_features="sqrt", random_state=rng)
    # A hundred checks of the same table take longer than trees of a hundred records.
    with config_context(skip_parameter_validation=True):
        tree = model.fit(pool.features[learned], pool.labels[learned], check_input=False).tree_
    if len(rows) == 0:
        return rows, np.empty((len(_LEAVES), 0))
    shares = tree.value[:, 0, :]
    shares = shares / shares.sum(axis=1, keepdims=True)
    place = np.searchsorted(model.classes_, pool.labels[rows])
    place[place == len(model.classes_)] = 0
    is_there = model.classes_[place] == pool.labels[rows]
    # Of all nodes and labels at once, so that each size costs one look.
    place += tree.apply(pool.features[rows]) * shares.shape[1]
    answers = np.empty((len(_LEAVES), len(rows)))
    for size, answer in zip(_LEAVES, answers, strict=True):
        np.take(shares[_large_enough(tree, size)], place, out=answer, mode="clip")
    answers[:, ~is_there] = 0.0
    return rows, answers


def _large_enough(tree: Any, size: int) -> np.ndarray:
    """Return for each node itself, or the nearest node above it that holds so many records."""
    nodes = np.arange(tree.node_count)
    above = np.zeros(tree.node_count, dtype=np.intp)
    inner = np.flatnonzero(tree.children_left >= 0)
    for children in (tree.children_left, tree.children_right):
        above[children[inner]] = inner
    found = np.where((tree.n_node_samples >= size) | (nodes == 0), nodes, above)
    while not np.array_equal(found[found], found):
        found = found[found]
    return found
