"""What reference models train on and are asked about, checked and joined into one table."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._models._callbacks import as_new_arguments
from .._models._own_records import check_own_records
from .._records._checked import Records, gather
from .._records._groups import check_apart, group_codes
from .._records._index import bearing_index, in_order_of, params_in_order
from .._records._labels import kind_of_labels
from .._records._rows import positions
from .._records._weights import WITHOUT_WEIGHT, rows_without_weight
from ..access import BaseAccess, TrueValueAccess
from ._job import Job
from ._store import BaseStore
from ._training import classes_in

__all__ = ["GatheredPool", "gather_pool"]


class GatheredPool(NamedTuple):
    """The records of one `fit`, and what goes with them."""

    records: Records
    #: Labels of the columns of the models' answers; none of generators.
    classes: np.ndarray
    #: Those of each output, of classifiers with several.
    output_classes: tuple[np.ndarray, ...]
    #: Arguments of the estimator's `fit`, in the order of the records.
    params: dict[str, Any]
    #: Whose the records of pool and population are, as positions in `group_names`.
    groups: np.ndarray | None
    group_names: np.ndarray | None
    unlabelled: bool
    #: What models that predict numbers, or several labels, are asked for; None of others.
    outputs: TrueValueAccess | None
    #: An empty column as that of `y`; None where it is no Series or frame.
    kind_of_labels: Any

    def coded(self, labels: np.ndarray) -> np.ndarray:
        """Return labels as positions of classes; true values as numbers, one row per record."""
        if self.outputs is not None:
            return self.outputs.coded(labels, self.output_classes)
        return labels if self.unlabelled else positions(labels, self.classes)

    def job(self, estimator: Any, access: BaseAccess | None, store: BaseStore | None = None) -> Job:
        """Return what all models share that are trained on these records."""
        records = self.records
        return Job(
            estimator,
            records.table,
            records.labels,
            self.classes,
            self.params,
            records.first,
            records.n_core,
            kind_of_labels=self.kind_of_labels,
            unlabelled=self.unlabelled,
            access=access,
            store=store,
        )


def gather_pool(
    estimator: Any,
    given: tuple[Any, Any],
    population: Any,
    core: Any,
    *,
    fit_params: dict[str, Any] | None,
    classes: Any,
    groups: Any,
    stratify: bool,
    access: BaseAccess | None = None,
) -> GatheredPool:
    """Check the records of a pool, a population and a core, and join them.

    Parameters are as in `ReferenceModels.fit`; `given` holds `X` and `y`, and `access` is what
    models are asked for.

    Raises
    ------
    ValueError
        If they contradict one another.
    """
    X, y = given
    of_outputs = access if isinstance(access, TrueValueAccess) else None
    records = gather(X, y, population, core, of_outputs and of_outputs.as_truth)
    tables = [
        part
        for part in (bearing_index(X, y), _table_of(population), _table_of(core))
        if part is not None
    ]
    groups = in_order_of("groups", groups, *tables)
    trained = tables[1:] if records.n_population else tables
    n_trainable = len(records.labels) - records.first
    params = params_in_order(as_new_arguments(fit_params or {}), n_trainable, *trained)
    _check_weights(params, 0 if records.n_population else records.n_pool)
    check_own_records(estimator, records.table, {len(records.labels), records.n_pool})
    codes, names = _groups_of(records, groups)
    unlabelled = y is None
    if stratify and (unlabelled or groups is not None):
        raise ValueError(
            "stratify=True draws records within classes, which goes without groups and with "
            "labels only: give stratify=False."
        )
    known = np.empty(0)
    of_each: tuple[np.ndarray, ...] = ()
    if of_outputs is not None:
        if stratify or classes is not None:
            raise ValueError(
                "stratify and classes are of classifiers with one output: leave them out."
            )
        of_each = of_outputs.classes_of(records.labels)
    elif not unlabelled:
        known = _classes_of(estimator, records, classes)
    return GatheredPool(
        records,
        known,
        of_each,
        params,
        codes,
        names,
        unlabelled,
        of_outputs,
        kind_of_labels(y),
    )


def _classes_of(estimator: Any, records: Records, given: Any) -> np.ndarray:
    if given is None:
        return classes_in(estimator, records.table, records.labels)
    classes = np.asarray(given)
    trained = records.labels[records.first :]
    unknown = positions(trained, classes) < 0
    if unknown.any():
        # What models answer would be no posteriors without the column of a class.
        first = int(unknown.argmax())
        whose = "population" if records.n_population else "y"
        whose = whose if records.first + first < records.n_asked else "core"
        raise ValueError(
            f"classes lacks {trained.tolist()[first]!r}, a label in {whose}: name all classes "
            "that models train on."
        )
    return classes


def _table_of(extra: Any) -> Any:
    """Return what bears the index of a population or a core, which may be a pair (X, y)."""
    return bearing_index(*extra) if isinstance(extra, (tuple, list)) and len(extra) == 2 else extra


def _check_weights(params: dict[str, Any], n_pool: int) -> None:
    """Raise where a record that is to be told in or out would be neither."""
    for name, values in params.items():
        rows = rows_without_weight(name, values)
        rows = rows[rows < n_pool]
        if len(rows):
            raise ValueError(
                f"fit_params[{name!r}] is 0 for {len(rows)} record(s) of X, the first in row "
                f"{rows[0]}. {WITHOUT_WEIGHT} Leave them out of X, or give them as core=."
            )


def _groups_of(records: Records, groups: Any) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the groups of the pool and the population, which no other part may share."""
    if groups is None:
        return None, None
    n_pool, n_asked = records.n_pool, records.n_asked
    parts = [("pool", n_pool), ("population", records.n_population), ("core", records.n_core)]
    there = [name for name, size in parts if size]
    codes, names = group_codes(
        groups, len(records.labels), f"one value per record of the {', then of the '.join(there)}"
    )
    why = "must be in one of them only: a model would train on some of their records, not on all."
    check_apart(codes[:n_pool], codes[n_pool:n_asked], names, f"in the pool and population {why}")
    check_apart(codes[:n_asked], codes[n_asked:], names, f"in the core and elsewhere {why}")
    return codes[:n_asked], names
