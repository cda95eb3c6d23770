"""What a search for enhancing records found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

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
