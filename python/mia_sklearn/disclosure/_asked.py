"""Records under test, and what is known and answered of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._records._digests import row_digests

__all__ = ["Asked"]

# Share of records under test, beyond what chance explains, that the attacker may know already.
_MOST_KNOWN = 0.1


@dataclass(frozen=True)
class Asked:
    """Records under test, and what is known and answered of them.

    Attributes
    ----------
    name : str
        Of the argument that holds them.
    target : fitted classifier or regressor
    table : table of shape (n_records, n_features)
    labels : ndarray of shape (n_records,), or (n_records, n_outputs) of numbers
        Positions of their classes, or true values.
    others : table of shape (n_records, n_columns)
        What the imputer looks at.
    log_proba : ndarray of shape (n_records, n_values)
        The imputer's.
    usual : ndarray of shape (n_records, n_values)
        phi of their labels with each candidate put in, mean of the references.
    answers : ndarray of shape (n_records, n_values, n_classes)
        Log-posteriors, or predictions, of the target with each candidate put in.
    """

    name: str
    target: Any
    table: Any
    labels: np.ndarray
    others: Any
    log_proba: np.ndarray
    usual: np.ndarray
    answers: np.ndarray

    def check_unknown(self, table: Any, labels: np.ndarray) -> None:
        """Raise if more of the records are among others than those have twins by chance."""
        known = row_digests(table, labels)
        _, place, count = np.unique(known, return_inverse=True, return_counts=True)
        by_chance = (count[place] > 1).mean()
        share = np.isin(row_digests(self.table, self.labels), known).mean()
        if share > by_chance + _MOST_KNOWN:
            raise ValueError(
                f"{share:.0%} of {self.name} are among the records of fit: the attacker would "
                "know their features already. Fit on other records."
            )
