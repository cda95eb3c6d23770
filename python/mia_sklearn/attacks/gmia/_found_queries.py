"""What a search for enhancing records found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class FoundQueries:
    """What a search found for one record.

    Attributes
    ----------
    queries : table of shape (n_queries, n_features)
        The enhancing records.
    influence : ndarray of shape (n_queries,)
        Share of the pairs of references that answer the record's class with more confidence
        when they trained on the record.
    optimized : ndarray of shape (n_queries,), bool
        Those that were moved along gradients.
    label : label
        The record's class.
    out_signal, in_signal : ndarray of shape (n_queries, n_references), float32
        phi of the record's class at the queries, of references without and with the record.
    out_record, in_record : ndarray of shape (n_references,)
        Posterior of the record's class at the record itself, without and with it.
    best_influence : float
        The largest influence among all candidates, accepted or not.
    note : str
        Why there are no queries, or fewer than asked for; empty otherwise.
    """

    queries: Any
    influence: np.ndarray
    optimized: np.ndarray
    label: Any
    out_signal: np.ndarray
    in_signal: np.ndarray
    out_record: np.ndarray
    in_record: np.ndarray
    best_influence: float
    note: str

    def __len__(self) -> int:
        return len(self.influence)


def laid_side_by_side(
    width: int, n_references: int, parts: Sequence[tuple[np.ndarray, np.ndarray]]
) -> pd.DataFrame:
    """Lay signals at queries, and the references' there, side by side.

    Parameters
    ----------
    width : int
        Places for queries: as many as a search tries, so that all tables have the same columns.
    n_references : int
    parts : sequence of (ndarray of shape (n, n_queries), (n, n_queries, n_references))
        The number of queries may differ from part to part.
    """
    import pandas as pd

    n_rows = sum(len(own) for own, _ in parts)
    signal = np.full((n_rows, width), np.nan, dtype=np.float32)
    references = np.full((n_rows, width, n_references), np.nan, dtype=np.float32)
    start = 0
    for own, others in parts:
        stop, n_queries = start + len(own), own.shape[1]
        signal[start:stop, :n_queries] = own
        references[start:stop, :n_queries] = others
        start = stop
    names = [f"enhancing_{q}" for q in range(width)]
    names += [f"enhancing_{q}_out_{k}" for q in range(width) for k in range(n_references)]
    return pd.DataFrame(np.hstack([signal, references.reshape(n_rows, -1)]), columns=names)


def influence_of(without: np.ndarray, with_it: np.ndarray, code: int) -> np.ndarray:
    """Return the share of references that answer a class with more confidence with the record."""
    return (with_it[..., code] > without[..., code]).mean(axis=0)
