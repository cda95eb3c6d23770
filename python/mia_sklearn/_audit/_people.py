"""Audits of people with several records: who they are, and attacks on all of their records."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._models._known_features import known_names, n_known_features
from .._observations._inside_columns import looks_inside
from .._records._groups import Grouping, check_apart, group_codes, identifiers
from .._records._index import in_order_of
from .._records._rows import as_table, column_names, column_of, n_rows, without_column
from ..attacks import GroupAttack

__all__ = [
    "by_person",
    "fitted_on_target",
    "of_people",
    "of_single_records",
    "people_of",
    "split_off",
]


def split_off(groups: Any, model: Any, X_train: Any, X_test: Any) -> tuple[Any, Any, Any]:
    """Return the values of a column that is named, and the records without it.

    The column stays where the model was fitted on it. Values that are given are returned as
    they are.
    """
    if not isinstance(groups, str):
        return groups, X_train, X_test
    for name, X in (("X_train", X_train), ("X_test", X_test)):
        names = column_names(as_table(X, name))
        if groups not in names:
            columns = ", ".join(map(str, names[:20])) or "no names"
            raise ValueError(
                f"groups names the column {groups!r}, which {name} does not have; it has "
                f"{columns}. Give one value per record for anything else."
            )
    sides = [identifiers(column_of(X, groups), groups) for X in (X_train, X_test)]
    values = np.concatenate([np.asarray(side).astype(object) for side in sides])
    if is_feature(groups, model, X_train.shape[1]):
        return values, X_train, X_test
    return values, without_column(X_train, groups), without_column(X_test, groups)


def is_feature(column: str, model: Any, n_columns: int) -> bool:
    """Tell whether a model was fitted on a column of a table of `n_columns`."""
    features = known_names(model)
    if features is not None:
        return column in features
    return n_known_features(model) == n_columns


def people_of(groups: Any, X_train: Any, X_test: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the person of each record given by number, and what people are called.

    Raises
    ------
    ValueError
        If there is not one value per record, or a person has records on both sides.
    """
    n_train, n_test = n_rows(X_train), n_rows(X_test)
    groups = in_order_of("groups", groups, X_train, X_test)
    expected = "one value per training record, then per test one"
    codes, names = group_codes(groups, n_train + n_test, expected)
    check_apart(
        codes[:n_train],
        codes[n_train:],
        names,
        "have records in X_train and in X_test both, so that they are neither members nor "
        "non-members. Leave their test records out, and split by person next time "
        "(sklearn.model_selection.GroupShuffleSplit).",
    )
    return codes, names


def by_person(attack: Any, *, learns: bool) -> Any:
    """Let an attack score people, unless it does.

    Parameters
    ----------
    attack : attack
    learns : bool
        Whether it is fitted on observations of known membership other than the target's.
    """
    if attack._of_people:
        return attack
    return GroupAttack(attack, aggregate="sum" if learns else "mean")


def of_single_records(attack: Any) -> Any:
    """Return the attack that scores single records."""
    return attack.inner if attack._of_people else attack


def fitted_on_target(attack: Any) -> bool:
    """Tell whether an attack is fitted on the target's own observations, references or not."""
    return looks_inside(attack) or of_single_records(attack).learns_from_target


def of_people(
    signal: np.ndarray, out: np.ndarray, people: Grouping
) -> tuple[np.ndarray, np.ndarray]:
    """Return each person's signal, and that of references that trained on none of their records.

    A reference trained on all records of a person or on none, and the columns of one person's
    records are of the same references. The mean of the signal over a person's records is then
    one more signal, and a model that trained on none of them answers like the references.
    """
    return people.mean(signal), people.mean(out)
