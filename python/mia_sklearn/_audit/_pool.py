"""All records of an audit, in one table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._models._known_features import check_features
from .._models._predictors import check_labels_of_outputs
from .._models._targets import own_labels
from .._records._checked import check_records, check_same_features, without_labels
from .._records._digests import table_digest
from .._records._dtypes import asked_with, same_dtypes, united
from .._records._index import bearing_index, in_order_of
from .._records._labels import kind_of_labels
from .._records._rows import concat_rows, has_entries, n_rows, take_rows
from .._records._targets import is_constant
from .._records._weights import WITHOUT_WEIGHT, rows_without_weight
from ._people import people_of
from ._repeats import Repeats, find_repeats

if TYPE_CHECKING:
    import pandas as pd

    from ..access import TrueValueAccess


class Slicing(NamedTuple):
    """Which group each record is in.

    Attributes
    ----------
    values : ndarray of str, one for each record
    names : list of str
        Of the groups, in the order of what they hold: numbers by size, all else as text.
    """

    values: np.ndarray
    names: list[str]


@dataclass
class Pool:
    """All records of an audit: training records, then the test records that may be audited.

    Attributes
    ----------
    member : ndarray of bool
    origin : ndarray of int
        Position in `X_train` or `X_test`.
    index : Series
        What the user's tables call each record: the labels of their index, or positions.
    auditable : ndarray of bool
        Records that occur once; of people, all of those who have a record of their own.
    repeats : Repeats
    people : ndarray of int or None
        Whose each record is, a position in `names`; None where the unit is the record.
    names : ndarray
        What people are called.
    given : tuple of two tables
        `X_train` and `X_test` as they were given: their indexes, and the dtypes that the target
        was fitted on.
    kind_of_labels : Series, frame or None
        An empty column as that of `y_train`, see `kind_of_labels`.
    labelled : bool
        Whether records have labels; zeros stand for them otherwise.
    digests : dict of str to str
        By which others see that they hold the same records: ``train`` and ``test``, as given.
    """

    X: Any
    y: np.ndarray
    member: np.ndarray
    origin: np.ndarray
    index: pd.Series
    auditable: np.ndarray
    repeats: Repeats
    n_train: int
    n_test: int
    given: tuple[Any, Any]
    bearing_index: tuple[Any, Any]
    kind_of_labels: Any = None
    labelled: bool = True
    sliced: dict[str, Slicing] = field(default_factory=dict)
    people: np.ndarray | None = None
    names: np.ndarray = field(default_factory=lambda: np.empty(0))
    digests: dict[str, str] = field(default_factory=dict)

    def asked(self, target: Any) -> Any:
        """Return the target, as it is asked about the pool's records.

        It was fitted on the dtypes of `X_train`, which those of the pool are more general than
        where `X_test` has a missing value in whole numbers, or a category more.
        """
        fitted_on = take_rows(self.given[0], slice(1))
        united_with = take_rows(self.X, slice(1))
        return target if same_dtypes(fitted_on, united_with) else asked_with(target, fitted_on)

    def in_order(self, name: str, values: Any) -> Any:
        """Return values, one for each record given, in the order of the pool.

        They hold those of the training records, then those of the test records; where they and
        both tables bear an index, they go with its labels.

        Raises
        ------
        ValueError
            If their labels are not those of the records, or there are more or fewer.
        """
        expected = self.n_train + self.n_test
        if not hasattr(values, "shape"):
            values = np.asarray(values)
        values = in_order_of(name, values, *self.bearing_index)
        if n_rows(values) != expected:
            raise ValueError(
                f"{name} has {n_rows(values)} values; expected one per training record, then one "
                f"per test record: {expected}."
            )
        place = np.where(self.member, self.origin, self.n_train + self.origin)
        taken = take_rows(values, place)
        return taken.reset_index(drop=True) if hasattr(taken, "iloc") else taken

    def true_values(self, rows: Any = slice(None)) -> dict[str, np.ndarray]:
        """Return what is true of records: "label", or "label_0", ... of several outputs."""
        if not self.labelled:
            return {}
        y = self.y[rows]
        if y.ndim == 1:
            return {"label": y}
        return {f"label_{j}": np.array(column.tolist()) for j, column in enumerate(y.T)}

    @property
    def output_names(self) -> list[str]:
        """What the columns of `y_train` are called; empty of one output, and without names."""
        names = list(getattr(self.kind_of_labels, "columns", ())) if self.y.ndim == 2 else []
        return names if all(isinstance(name, str) for name in names) else []

    def output_name(self, j: int) -> str:
        """Return what an output is called: its name, or its number."""
        return self.output_names[j] if self.output_names else str(j)

    def sliced_rows(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {name: slicing.values[rows] for name, slicing in self.sliced.items()}


def make_pool(
    target: Any,
    X_train: Any,
    y_train: Any,
    X_test: Any,
    y_test: Any,
    *,
    labelled: bool = True,
    groups: Any = None,
    outputs: TrueValueAccess | None = None,
) -> Pool:
    as_truth = outputs and outputs.as_truth
    tables: Any = []
    labels = []
    for suffix, given, given_labels in (("train", X_train, y_train), ("test", X_test, y_test)):
        if labelled:
            X, y = check_records(given, given_labels, f"X_{suffix}", f"y_{suffix}", as_truth)
            if outputs is None:
                y = own_labels(target, y, f"y_{suffix}")
            elif not outputs.of_numbers:
                check_labels_of_outputs(target, y, f"y_{suffix}")
        else:
            X, y = without_labels(given, f"X_{suffix}")
        check_features(target, X, f"X_{suffix}")
        tables.append(X)
        labels.append(y)
    check_same_features(tables[0], tables[1], "X_train", "X_test")
    given = tables[0], tables[1]
    indexed = bearing_index(X_train, y_train), bearing_index(X_test, y_test)
    tables = united(*given, "X_train", "X_test")
    if outputs is not None and labels[0][0].size == labels[1][0].size == 1:
        # Of one column, whether it is a table or not.
        labels[1] = labels[1].reshape(len(labels[1]), *labels[0].shape[1:])
    if labels[0].shape[1:] != labels[1].shape[1:]:
        raise ValueError(
            "y_train and y_test must have as many outputs each, got shapes "
            f"{labels[0].shape} and {labels[1].shape}."
        )
    if labelled and is_constant(labels[0]):
        only = repr(labels[0].tolist()[0])
        raise ValueError(
            f"y_train holds one class only, {only}: nothing was learned that could be told apart."
            if as_truth is None
            else f"y_train is {only} for all records: nothing was learned."
        )
    n_train, n_test = len(labels[0]), len(labels[1])
    people, names = None, np.empty(0)
    if groups is not None:
        people, names = people_of(groups, *indexed)
    # As they were given: numbers that a table of lower precision holds are the same only before
    # both tables are of one dtype.
    auditable, repeats = find_repeats(given[0], given[1], labels[0], labels[1], people)
    # Copies among the test records train nothing and are not audited.
    kept = np.flatnonzero(auditable | (np.arange(n_train + n_test) < n_train))
    member = kept < n_train
    test = kept[~member] - n_train
    return Pool(
        X=concat_rows(tables[0], take_rows(tables[1], test)),
        y=np.concatenate([labels[0], labels[1][test]]),
        member=member,
        origin=np.where(member, kept, kept - n_train),
        index=_index_of((X_train, n_train), (X_test, n_test)).iloc[kept],
        auditable=auditable[kept],
        repeats=repeats,
        n_train=n_train,
        n_test=n_test,
        given=given,
        bearing_index=indexed,
        kind_of_labels=kind_of_labels(y_train),
        labelled=labelled,
        people=None if people is None else people[kept],
        names=names,
        digests={
            side: table_digest(X, y)
            for side, X, y in zip(("train", "test"), given, labels, strict=True)
        },
    )


def _index_of(*tables: tuple[Any, int]) -> pd.Series:
    """Return the labels of tables' indexes, of several levels as tuples; positions without one."""
    import pandas as pd

    parts = []
    for table, n in tables:
        labels = table.index.to_flat_index() if hasattr(table, "iloc") else pd.RangeIndex(n)
        # Times, categories, periods and the like are objects: two tables differ in their types.
        plain = labels.dtype.kind in "iuf" or isinstance(labels.dtype, pd.StringDtype)
        parts.append(pd.Series(labels, dtype=labels.dtype if plain else object))
    return pd.concat(parts, ignore_index=True)


def check_weights(fit_params: dict[str, Any] | None, pool: Pool) -> None:
    """Raise where records have no weight in training, and so are in no training set."""
    for name, value in (fit_params or {}).items():
        rows = rows_without_weight(name, in_pool_order(name, value, pool, np.arange(len(pool.y))))
        found = []
        for side, member in (("X_train", True), ("X_test", False)):
            own = pool.origin[rows[pool.member[rows] == member]]
            if len(own):
                found.append(f"{len(own)} record(s) of {side}, the first in row {own[0]}")
        if found:
            raise ValueError(
                f"fit_params[{name!r}] is 0 for {', and for '.join(found)}. {WITHOUT_WEIGHT} Leave "
                "them out of X_train and y_train; give them as X_test, with the weight that they "
                "would have had in training."
            )


def in_pool_order(name: str, value: Any, pool: Pool, order: np.ndarray) -> Any:
    if not has_entries(name, value):
        return value
    length = n_rows(value)
    if length in (pool.n_train, pool.n_test):
        raise ValueError(
            f"fit_params[{name!r}] has {length} entries; references train on test records too: "
            f"give {pool.n_train} + {pool.n_test} entries, those of X_train first."
        )
    # Longer ones may bear the labels of these records among others.
    is_series = hasattr(value, "iloc") and not hasattr(value, "columns")
    if length == pool.n_train + pool.n_test or (is_series and length > pool.n_train):
        return take_rows(pool.in_order(f"fit_params[{name!r}]", value), order)
    return value
