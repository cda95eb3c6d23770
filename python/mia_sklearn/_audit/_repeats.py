"""Records that occur more than once: a random split makes them neither members nor others."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from .._records._digests import row_digests
from .._records._groups import Grouping
from .._records._rows import concat_rows, is_documents, is_frame

__all__ = ["FEWEST", "Repeats", "TooFewRecords", "find_repeats", "shared_records"]

FEWEST = 10  # units of a side that an audit asks for


class TooFewRecords(ValueError):
    """Too few records or people of a side can be audited."""


class Repeats(NamedTuple):
    """How many records are repeated: of records each copy, of people those of others too.

    Attributes
    ----------
    n_train, n_test : int
        All of them, by side.
    in_test, in_train : int
        Training records that are test records too, and test records that are training ones.
    people_train, people_test : int
        People who have no record of their own, and so are not audited.
    """

    n_train: int = 0
    n_test: int = 0
    in_test: int = 0
    in_train: int = 0
    people_train: int = 0
    people_test: int = 0


def shared_records(
    X_train: Any, X_test: Any, y_train: Any, y_test: Any, units: np.ndarray | None = None
) -> np.ndarray:
    """Tell which records are those of another unit too, on either side.

    Which of two equal records a model has seen nothing can tell. Both sides are treated alike:
    dropping the copies of one side alone would leave it with rarer records than the other.

    Parameters
    ----------
    X_train, X_test : tables of one kind
    y_train, y_test : ndarray
        A part of the record: equal features with another label are another record.
    units : ndarray of int of shape (n_train + n_test,), default=None
        Records of one number are one person's, and do not repeat one another.
    """
    tables = _at_one_precision(X_train, X_test)
    record = Grouping(row_digests(concat_rows(*tables), np.concatenate([y_train, y_test])))
    units = np.arange(len(record.of_row)) if units is None else units
    return (record.least(units) != record.greatest(units))[record.of_row]


def find_repeats(
    X_train: Any, X_test: Any, y_train: np.ndarray, y_test: np.ndarray, people: np.ndarray | None
) -> tuple[np.ndarray, Repeats]:
    """Return which records may be audited, and how many are repeated.

    A person may be who has any record of their own: all of their records are audited then, since
    people are members or not as a whole.

    Raises
    ------
    TooFewRecords
        If too few can be audited on a side.
    """
    train = np.arange(len(y_train) + len(y_test)) < len(y_train)
    shared = shared_records(X_train, X_test, y_train, y_test, people)
    both = shared
    if shared.any():
        both = shared_records(X_train, X_test, y_train, y_test, train.astype(int))
    if both[~train].all():
        raise ValueError(
            "X_test holds no record that is not in X_train too: there are no non-members. Give "
            "records that the model was not trained on."
        )
    units = Grouping(np.arange(len(shared)) if people is None else people)
    alone = ~units.least(shared)
    of_train = train[units.first]
    left = [(int((alone & side).sum()), int(side.sum())) for side in (of_train, ~of_train)]
    if shared.any() or people is not None:
        _check_enough(left, of_people=people is not None)
    lost = [n_all - n for n, n_all in left] if people is not None else [0, 0]
    counts = [int((mask & side).sum()) for mask in (shared, both) for side in (train, ~train)]
    return alone[units.of_row], Repeats(*counts, *lost)


def _check_enough(left: list[tuple[int, int]], *, of_people: bool) -> None:
    """Raise if a side has too few units to be audited.

    Parameters
    ----------
    left : list of (int, int)
        Of `X_train`, then of `X_test`: units that may be audited, and all.
    """
    (n_train, all_train), (n_test, all_test) = left
    if min(n_train, n_test) >= FEWEST:
        return
    if (n_train, n_test) == (all_train, all_test):
        what, why, fix = "people", "", "Give more."
    else:
        what = "people have a record of their own" if of_people else "records occur once"
        why = (
            " Nothing tells whether a model has seen one of several equal records or another, so "
            "that none of them is audited."
        )
        fix = "Give more records, or features in which they differ"
        fix += "." if of_people else "; where equal records are one person's, say so with groups=."
    raise TooFewRecords(
        f"Too few {what}: {n_train:,} of {all_train:,} in X_train and {n_test:,} of {all_test:,} "
        f"in X_test, where {FEWEST} of each are needed.{why} {fix}"
    )


def _at_one_precision(one: Any, other: Any) -> tuple[Any, Any]:
    """Return two tables whose floating-point numbers are no wider than those of either.

    A table of 32-bit numbers beside one of 64 holds the same records, rounded.
    """
    if is_frame(one):
        pairs = zip(one.columns, one.dtypes, other.dtypes, strict=True)
        types = {name: narrow for name, a, b in pairs if (narrow := _narrower(a, b)) is not None}
        if not types or not one.columns.is_unique:
            return one, other
        return one.astype(types), other.astype(types)
    if is_documents(one):
        return one, other
    if not sparse.issparse(one):
        one, other = np.asarray(one), np.asarray(other)
    narrow = _narrower(one.dtype, other.dtype)
    return (one, other) if narrow is None else (one.astype(narrow), other.astype(narrow))


def _narrower(one: Any, other: Any) -> Any:
    """Return the narrower of two different floating-point types, None for other types."""
    if one == other or getattr(one, "kind", "") != "f" or getattr(other, "kind", "") != "f":
        return None
    return min(one, other, key=lambda dtype: dtype.itemsize)
