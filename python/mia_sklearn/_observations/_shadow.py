"""References that act as targets, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

from .._records._frames import as_frame
from ._reference_table import ReferenceTable

if TYPE_CHECKING:
    import pandas as pd

    from ._references import References


def shadow_observations(
    references: References,
    *,
    max_rows: int = 100_000,
    random_state: Any = None,
    neighbors: int = 0,
    n_queries: int = 0,
    record_columns: bool = True,
    models: np.ndarray | None = None,
    without: np.ndarray | None = None,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Let references act as targets; see `ReferenceModels.shadow_observations`.

    Parameters
    ----------
    models : ndarray of int, default=None
        References that act; all by default.
    without : ndarray of int, default=None
        References that stay absent throughout, besides each acting one's block.
    """
    import pandas as pd

    rng = check_random_state(random_state)
    table = ReferenceTable(
        references, neighbors=neighbors, n_queries=n_queries, record_columns=record_columns
    )
    acting = np.arange(references.n_models_) if models is None else np.asarray(models)
    acting = acting[~np.isin(acting, list(references.lost_))]
    if max_rows < len(acting):
        acting = rng.choice(acting, size=max_rows, replace=False)
    share = np.full(len(acting), max_rows // len(acting))
    share[: max_rows % len(acting)] += 1
    chosen = []
    for model, size in zip(acting, share, strict=True):
        rows = np.flatnonzero(references.labelled_[model])
        if len(rows) > size and references.groups_ is not None:
            rows = _whole_groups(rows, references.groups_[rows], size, rng)
        elif len(rows) > size:
            rows = np.sort(rng.permutation(rows)[:size])
        chosen.append(rows)
    starts = np.cumsum([0, *(len(rows) for rows in chosen)])
    values = np.empty((starts[-1], len(table.columns())), dtype=np.float32)
    membership = np.empty(starts[-1], dtype=np.int64)
    for model, rows, start in zip(acting, chosen, starts[:-1], strict=True):
        stop = start + len(rows)
        own = references.block_[model]
        absent = np.flatnonzero(references.block_ == own) if own >= 0 else np.array([model])
        if without is not None:
            absent = np.union1d(absent, without)
        query_phi = None
        if n_queries:
            query_phi = np.stack(
                [references.query_phi(query)[model, rows] for query in range(n_queries)]
            )
        table.fill(
            values[start:stop],
            references.outputs_[model, rows],
            rows,
            without=absent,
            pool_phi=table.phi[model],
            query_phi=query_phi,
            acting=int(model),
        )
        membership[start:stop] = references.membership_[model, rows] > 0
    index = pd.MultiIndex.from_arrays(
        [np.repeat(acting, np.diff(starts)), np.concatenate(chosen)], names=["model", "row"]
    )
    return as_frame(values, table.columns(), index), membership


def _whole_groups(rows: np.ndarray, codes: np.ndarray, size: int, rng: Any) -> np.ndarray:
    """Return the rows of groups drawn at random, at most `size` but of one group at least."""
    drawn = rng.permutation(np.unique(codes))
    upto = np.cumsum(np.bincount(codes)[drawn])
    kept = drawn[: max(1, np.searchsorted(upto, size, side="right"))]
    return rows[np.isin(codes, kept)]
