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
_RECORDS_IN_TURN = 4096
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
    laid = np.empty((len(order), len(RECORD_COLUMNS)), dtype=np.float32)
    n_of_trees = len(_LEAVES) + 1
    works = (
        lambda: _of_neighbors(pool, laid[:, :-n_of_trees]),
        lambda: _of_trees(pool, rng, laid[:, -n_of_trees:]),
    )
    with warnings.catch_warnings():
        # Of classes that half of all records have to themselves.
        warnings.filterwarnings("ignore", message="The number of unique classes")
        # Beside one another: where one waits for its last thread, the other goes on.
        map_on_cores(lambda work: work(), works)
    columns = np.empty_like(laid)
    columns[order] = laid
    _LOG.info("columns of the records themselves (difficulty_*) are of: %s", text)
    return RecordColumns(columns, text)


def _of_neighbors(pool: _Pool, columns: np.ndarray) -> None:
    """Write the columns of the nearest records, the record itself left out, into `columns`."""
    n, size = len(pool.labels), min(_N_NEIGHBORS, len(pool.known) - 1)
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


def _of_trees(pool: _Pool, rng: np.random.RandomState, columns: np.ndarray) -> None:
    """Write the out-of-bag log-odds of the true label, for each size of leaves, into `columns`.

    All trees answer for some records in turn, so that nothing but sums is held of all.
    """
    n = len(pool.labels)
    seeds = rng.randint(np.iinfo(np.int32).max, size=_N_TREES).tolist()
    total, count = np.zeros((len(_LEAVES), n)), np.zeros(n)
    known_people = np.unique(pool.people[pool.known])
    is_known = np.zeros(int(pool.people.max()) + 1, dtype=bool)
    is_known[known_people] = True
    for first in range(0, _N_TREES, _TREES_IN_TURN):
        numbers = range(first, first + _TREES_IN_TURN)
        trees = map_on_cores(
            lambda number: _grown(pool, known_people, number, seeds[number]), numbers
        )

        def ask(start: int, trees: list[_Tree] = trees) -> None:
            part = slice(start, start + _RECORDS_IN_TURN)
            answers = np.zeros_like(total[:, part])
            for tree in trees:
                rows, said = tree.out_of_bag(pool, is_known, part)
                answers[:, rows] += said
                count[part][rows] += 1
            total[:, part] += answers

        map_on_cores(ask, range(0, n, _RECORDS_IN_TURN))
    with np.errstate(invalid="ignore", divide="ignore"):
        total /= count
    log_odds = np.log((total + _SMOOTHING) / (1 - total + _SMOOTHING), out=total)
    columns[:, :-1] = log_odds.T
    columns[:, -1] = log_odds[0] - log_odds[-1]


class _Tree(NamedTuple):
    """A tree that has learned from half of the people, those of its own among the compared."""

    number: int
    tree: Any
    classes: np.ndarray
    #: Whom it was not grown without, and of which records it has seen a copy.
    drawn: np.ndarray
    copied: np.ndarray
    #: For each size of leaves, the shares of the labels in each node, or above it.
    shares: list[np.ndarray]

    def out_of_bag(
        self, pool: _Pool, is_known: np.ndarray, part: slice
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return which of some records the tree answers for, and the shares of their labels.

        Of people none of whose records is compared, whom no tree learns from, it answers for every
        second one, as for the others; of many records for every fourth.
        """
        people = pool.people[part]
        every = 2 if len(pool.labels) <= 2 * _MOST_COMPARED else 4
        mine = (people + self.number) % every == 0
        unseen = np.where(is_known[people], ~self.drawn[people], mine)
        rows = np.flatnonzero(unseen & ~self.copied[pool.content[part]])
        answers = np.zeros((len(_LEAVES), len(rows)))
        if not len(rows) or not self.shares:
            return rows[:0], answers[:, :0]
        labels = pool.labels[part][rows]
        place = np.searchsorted(self.classes, labels)
        place[place == len(self.classes)] = 0
        is_there = self.classes[place] == labels
        # Of all nodes and labels at once, so that each size costs one look.
        place += self.tree.apply(pool.features[part][rows]) * len(self.classes)
        for shares, answer in zip(self.shares, answers, strict=True):
            np.take(shares, place, out=answer, mode="clip")
        answers[:, ~is_there] = 0.0
        return rows, answers


def _grown(pool: _Pool, known_people: np.ndarray, number: int, seed: int) -> _Tree:
    """Grow a tree on half of the people whose records are compared.

    It says what it would with larger leaves too: what the smallest node on a record's way holds
    that is large enough.
    """
    rng = np.random.RandomState(seed)
    drawn = np.zeros(int(pool.people.max()) + 1, dtype=bool)
    drawn[known_people[rng.permutation(len(known_people))[: len(known_people) // 2]]] = True
    learned = pool.known[drawn[pool.people[pool.known]]]
    copied = np.zeros(int(pool.content.max()) + 1, dtype=bool)
    copied[pool.content[learned]] = True
    if len(learned) == 0:
        return _Tree(number, None, np.empty(0), drawn, copied, [])
    model = DecisionTreeClassifier(max_features="sqrt", random_state=rng)
    # A hundred checks of the same table take longer than trees of a hundred records.
    with config_context(skip_parameter_validation=True):
        tree = model.fit(pool.features[learned], pool.labels[learned], check_input=False).tree_
    shares = tree.value[:, 0, :]
    shares = shares / shares.sum(axis=1, keepdims=True)
    of_sizes = [shares[_large_enough(tree, size)].ravel() for size in _LEAVES]
    return _Tree(number, tree, model.classes_, drawn, copied, of_sizes)


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
