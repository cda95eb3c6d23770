"""Which records an audit looks at, and which the references train on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ._data import concat_rows, has_entries, is_frame, n_rows, row_digests, take_rows
from ._groups import Grouping, cut_nearest
from ._records import check_records, check_same_features, without_labels
from ._targets import check_labels

if TYPE_CHECKING:
    from ._agreement import Agreement
    from ._comparison import Comparison
    from .access import BaseAccess
    from .metrics import Estimate
    from .references import ReferenceModels
    from .vulnerability import VulnerableRecords

_MOST_BLOCKS = 8


@dataclass
class Pool:
    """All records of an audit: training records, then test records that are not among them.

    Attributes
    ----------
    member : ndarray of bool
    origin : ndarray of int
        Position in `X_train` or `X_test`.
    n_overlap : int
        Test records that are training records too, and were left out.
    n_duplicates : int
        Training records that occur more than once, counted without the first.
    people : ndarray of int or None
        Whose each record is, a position in `names`; None where the unit is the record.
    names : ndarray
        What people are called.
    labelled : bool
        Whether records have labels; zeros stand for them otherwise.
    """

    X: Any
    y: np.ndarray
    member: np.ndarray
    origin: np.ndarray
    n_train: int
    n_test: int
    n_overlap: int
    n_duplicates: int
    labelled: bool = True
    sliced: dict[str, np.ndarray] = field(default_factory=dict)
    people: np.ndarray | None = None
    names: np.ndarray = field(default_factory=lambda: np.empty(0))

    def sliced_rows(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {name: values[rows] for name, values in self.sliced.items()}


@dataclass
class Plan:
    """Which records are audited, and which members every reference trains on.

    Attributes
    ----------
    audited, core : ndarray of int
        Positions in the pool.
    n_trained : int
        Records that the target trained on.
    n_dropped : int
        Non-members that are neither audited nor trained on.
    """

    audited: np.ndarray
    core: np.ndarray
    n_trained: int
    n_dropped: int


@dataclass
class Run:
    """What one audit knows while it goes on.

    Attributes
    ----------
    target : fitted classifier
    attacks : dict of str to attack
        By name, in the order in which they run.
    headline : str
        The attack that makes the verdict.
    trainable : estimator, callable or None
        What the references train.
    references : ReferenceModels or None
    vulnerable : VulnerableRecords or None
        What found the vulnerable records, where the attack on them is run.
    comparison : Comparison or None
        What defenses did, where they were compared.
    shift : Estimate or None
        AUC with which train and test are told apart without the model.
    access : BaseAccess or None
        What the target is asked for; None for posteriors.
    doubt : str
        What makes the target's answers worthless, where something does.
    agreement : Agreement or None
        How its posteriors agree with its own `predict`; None where that is nothing else.
    answers : ndarray of shape (n_audited, n_answers), float32
        The target's answers: its log-posteriors, or what the access asks for.
    seconds : dict of str to float
        Time spent by phase.
    """

    target: Any
    attacks: dict[str, Any]
    headline: str
    pool: Pool
    plan: Plan
    split: str | None
    release: str
    confidence: float
    seed: int
    n_queries: int = 0
    trainable: Any = None
    search_note: str = ""
    references: ReferenceModels | None = None
    vulnerable: VulnerableRecords | None = None
    comparison: Comparison | None = None
    shift: Estimate | None = None
    access: BaseAccess | None = None
    doubt: str = ""
    agreement: Agreement | None = None
    answers: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[phase] = round(time.perf_counter() - start, 4)

    @property
    def X(self) -> Any:
        """The audited records."""
        return take_rows(self.pool.X, self.plan.audited)

    @property
    def y(self) -> np.ndarray:
        return self.pool.y[self.plan.audited]

    @property
    def member(self) -> np.ndarray:
        return self.pool.member[self.plan.audited]

    @cached_property
    def units(self) -> Grouping:
        """The audited records by person; each by itself where the unit is the record."""
        audited = self.plan.audited
        people = self.pool.people
        return Grouping(np.arange(len(audited)) if people is None else people[audited])

    @property
    def unit_member(self) -> np.ndarray:
        """Membership of each unit."""
        return self.member[self.units.first]

    @property
    def of_people(self) -> bool:
        """Whether the unit is a person with all of their records."""
        return self.pool.people is not None

    @property
    def queries_per_record(self) -> int:
        """What the target is asked for each record, the record itself included."""
        return 1 + getattr(self.access, "n_queries", self.n_queries)

    @property
    def classes(self) -> np.ndarray:
        """The target's labels; none where it is a generator."""
        return np.asarray(self.target.classes_) if self.pool.labelled else np.empty(0)

    def accuracy(self, member: bool) -> float | None:
        """Return how often the target is right on audited members, or on non-members.

        None where it does not predict.
        """
        predicted = predicted_classes(self.answers, self.access)
        if predicted is None:
            return None
        right = self.classes[predicted] == self.y
        return float(right[self.member == member].mean())


def predicted_classes(answers: np.ndarray, access: BaseAccess | None) -> np.ndarray | None:
    """Return the positions of the classes that answers predict; None where they do not tell.

    Parameters
    ----------
    answers : ndarray of shape (..., n_records, n_answers)
    access : BaseAccess or None
        What was asked for; None for log-posteriors.
    """
    if access is None:
        return answers.argmax(axis=-1)
    if not access.sees_labels:
        return None
    # NaN throughout for networks that diverged.
    return np.nan_to_num(answers[..., 1], nan=-1).astype(np.intp)


def make_pool(
    target: Any, X_train: Any, y_train: Any, X_test: Any, y_test: Any, *, labelled: bool = True
) -> Pool:
    tables, labels = [], []
    for suffix, given, given_labels in (("train", X_train, y_train), ("test", X_test, y_test)):
        if labelled:
            X, y = check_records(given, given_labels, f"X_{suffix}", f"y_{suffix}")
            check_labels(target, y, f"y_{suffix}")
        else:
            X, y = without_labels(given, f"X_{suffix}")
        check_features(target, X, f"X_{suffix}")
        tables.append(X)
        labels.append(y)
    check_same_features(tables[0], tables[1], "X_train", "X_test")
    if labelled and len(np.unique(labels[0])) < 2:
        raise ValueError(
            f"y_train holds one class only, {labels[0][0]!r}: nothing was learned that could be "
            "told apart."
        )
    digests = [row_digests(X, y) for X, y in zip(tables, labels, strict=True)]
    fresh = np.flatnonzero(~np.isin(digests[1], digests[0]))
    if len(fresh) == 0:
        raise ValueError(
            "X_test holds no record that is not in X_train too: there are no non-members. Give "
            "records that the model was not trained on."
        )
    n_train, n_test = len(labels[0]), len(labels[1])
    test = take_rows(tables[1], fresh)
    return Pool(
        X=concat_rows(tables[0], test),
        y=np.concatenate([labels[0], labels[1][fresh]]),
        member=np.arange(n_train + len(fresh)) < n_train,
        origin=np.concatenate([np.arange(n_train), fresh]),
        n_train=n_train,
        n_test=n_test,
        n_overlap=n_test - len(fresh),
        n_duplicates=n_train - len(np.unique(digests[0])),
        labelled=labelled,
    )


def check_features(model: Any, X: Any, name: str) -> None:
    """Raise if a table has other columns than the model was fitted on."""
    expected = getattr(model, "feature_names_in_", None)
    if expected is not None and is_frame(X):
        missing = [str(column) for column in expected if column not in set(X.columns)]
        extra = [str(column) for column in X.columns if column not in set(expected)]
        if missing or extra:
            parts = [f"missing: {', '.join(missing[:5])}"] if missing else []
            parts += [f"not known to it: {', '.join(extra[:5])}"] if extra else []
            raise ValueError(
                f"{name} has other columns than the model was fitted on ({'; '.join(parts)}). "
                "Give the columns of its training data."
            )
        if list(expected) != list(X.columns):
            raise ValueError(
                f"{name} has the model's columns in another order; use "
                f"{name}[model.feature_names_in_]."
            )
    n_features = getattr(model, "n_features_in_", None)
    if n_features is not None and len(X.shape) == 2 and X.shape[1] != n_features:
        raise ValueError(
            f"{name} has {X.shape[1]} features, but the model was fitted on {n_features}."
        )


def make_plan(pool: Pool, max_records: int | None, seed: int) -> Plan:
    rng = np.random.default_rng([seed, 2])
    members = np.flatnonzero(pool.member)
    others = np.flatnonzero(~pool.member)
    n_members = min(len(members), (_MOST_BLOCKS - 1) * len(others))
    n_others = len(others)
    if max_records is not None and n_members + n_others > max_records:
        share = max_records / (n_members + n_others)
        n_members = max(1, round(share * n_members))
        n_others = max(1, max_records - n_members)
    audited_members = _draw_records(members, pool.people, n_members, rng)
    audited_others = _draw_records(others, pool.people, n_others, rng)
    return Plan(
        audited=np.concatenate([audited_members, audited_others]),
        core=np.setdiff1d(members, audited_members),
        n_trained=len(members),
        n_dropped=len(others) - len(audited_others),
    )


def _draw_records(
    rows: np.ndarray, people: np.ndarray | None, wanted: int, rng: np.random.Generator
) -> np.ndarray:
    """Return some of the rows at random, in order: all of a person or none."""
    units = Grouping(np.arange(len(rows)) if people is None else people[rows])
    order = rng.permutation(len(units))
    chosen = order[: max(1, cut_nearest(units.sizes[order], wanted))]
    return rows[np.isin(units.of_row, chosen)]


def in_pool_order(name: str, value: Any, pool: Pool, order: np.ndarray) -> Any:
    if not has_entries(name, value):
        return value
    length = n_rows(value)
    if length == pool.n_train + pool.n_test:
        place_given = np.where(pool.member, pool.origin, pool.n_train + pool.origin)
        values = value if hasattr(value, "shape") else np.asarray(value)
        return take_rows(values, place_given[order])
    if length in (pool.n_train, pool.n_test):
        raise ValueError(
            f"fit_params[{name!r}] has {length} entries; references train on test records too: "
            f"give {pool.n_train} + {pool.n_test} entries, those of X_train first."
        )
    return value
