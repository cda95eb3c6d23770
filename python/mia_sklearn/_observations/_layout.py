"""Answers laid out as the table that attacks read, alone or beside those of references."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .._records._frames import as_frame
from .._records._groups import group_codes
from ..access import BaseAccess, TrueValueAccess
from ..signals import rescaled_logit
from ._columns import GROUP_COLUMNS, answer_columns, fill_answers, group_values
from ._reference_table import ReferenceTable

if TYPE_CHECKING:
    import pandas as pd


_SMOOTHING = 1e-12
_RECORDS_IN_TURN = 2**16


def lay_beside_references(
    table: ReferenceTable,
    answers: np.ndarray,
    rows: np.ndarray,
    *,
    without: np.ndarray | None = None,
    query_phi: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return a model's answers on `rows` of the pool beside those of the references."""
    pool_phi = signal_on_pool(table, answers, rows)
    return _laid(table, answers, rows, without=without, pool_phi=pool_phi, query_phi=query_phi)


def signal_on_pool(
    table: ReferenceTable, answers: np.ndarray, rows: np.ndarray
) -> np.ndarray | None:
    """Return a model's signal on the whole pool where neighbours are read, None elsewhere."""
    if not table.neighborhood:
        return None
    pool_phi = np.empty(len(rows))
    pool_phi[rows] = table.references.signal_of(answers, rows)
    return pool_phi


def laid_in_turns(
    table: ReferenceTable,
    answers: np.ndarray,
    rows: np.ndarray,
    *,
    without: np.ndarray | None = None,
    pool_phi: np.ndarray | None = None,
    query_phi: np.ndarray | None = None,
) -> Iterator[tuple[slice, pd.DataFrame]]:
    """Yield the same some records at a time, so that the table of all is never there.

    People are scored by all of their records, which come at once.

    Parameters
    ----------
    pool_phi : ndarray of shape (n_pool,), default=None
        The model's signal on the whole pool, where neighbours are read.

    Yields
    ------
    slice
        Which of `rows` these are.
    DataFrame
    """
    size = len(rows) if table.references.groups_ is not None else _RECORDS_IN_TURN
    for start in range(0, len(rows), max(1, size)):
        part = slice(start, start + size)
        copies = None if query_phi is None else query_phi[:, part]
        given = {"without": without, "pool_phi": pool_phi, "query_phi": copies}
        yield part, _laid(table, answers[part], rows[part], **given)


def _laid(
    table: ReferenceTable, answers: np.ndarray, rows: np.ndarray, **options: Any
) -> pd.DataFrame:
    import pandas as pd

    values = np.empty((len(rows), len(table.columns())), dtype=np.float32)
    table.fill(values, answers, rows, **options)
    return as_frame(values, table.columns(), pd.Index(rows, name="row"))


def lay_alone(
    answers: np.ndarray, labels: np.ndarray, n_classes: int, access: BaseAccess | None = None
) -> pd.DataFrame:
    """Return a target's answers, log-posteriors or what an access asks for, as observations."""
    import pandas as pd

    names = answer_columns(n_classes, access, labels)
    values = np.empty((len(labels), len(names)), dtype=np.float32)
    if isinstance(access, TrueValueAccess):
        unknown = np.full((1, len(answers)), np.nan)
        signal = access.scale(answers[None], unknown).phi(answers, labels)
    else:
        signal = rescaled_logit(answers, labels, _SMOOTHING) if access is None else answers[:, 0]
    fill_answers(values, answers, signal, labels, access)
    return as_frame(values, names, pd.RangeIndex(len(labels), name="row"))


def with_inside_columns(
    observations: pd.DataFrame, inside: tuple[list[str], np.ndarray]
) -> pd.DataFrame:
    """Return observations with white-box columns of the same records beside them."""
    import pandas as pd

    names, values = inside
    return pd.concat([observations, as_frame(values, names, observations.index)], axis=1)


def with_groups(observations: pd.DataFrame, groups: Any) -> pd.DataFrame:
    """Return observations without references, and beside them whose records they are."""
    if groups is None:
        return observations
    codes, _ = group_codes(groups, len(observations), "one value per record of X")
    return with_inside_columns(
        observations, (list(GROUP_COLUMNS), group_values(codes).astype(np.float32))
    )
