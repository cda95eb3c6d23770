"""Canaries: records that would be noticed if any were, put among the training records or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._records._checked import check_same_features
from .._records._dtypes import united
from .._records._rows import concat_rows, n_rows, positions

__all__ = ["Canaries", "appended", "mislabelled", "wrong_labels"]

# The middles of a normal distribution's fifths.
_QUINTILES = np.array([-1.282, -0.524, 0.0, 0.524, 1.282])


@dataclass(frozen=True)
class Canaries:
    """All records of an audit, and which of them are canaries.

    Attributes
    ----------
    table : table of shape (n_records, ...)
    labels : ndarray of shape (n_records,) or (n_records, n_outputs)
        Those of canaries as they are trained on.
    before : ndarray like labels, or None
        What stands in a canary's place where one record is replaced by another; None where a
        canary is added or left out.
    rows : ndarray of shape (n_canaries,), int
        Positions of the canaries.
    """

    table: Any
    labels: np.ndarray
    before: np.ndarray | None
    rows: np.ndarray

    def order(self, rng: np.random.RandomState) -> np.ndarray:
        """Return all rows in random order, whoever is included: places tell nothing."""
        return rng.permutation(len(self.labels))

    def training_set(
        self, included: np.ndarray, order: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and labels to train on, in an order.

        Parameters
        ----------
        included : ndarray of shape (n_canaries,), bool
        order : ndarray of shape (n_records,), int
        """
        if self.before is None:
            kept = np.ones(len(self.labels), dtype=bool)
            kept[self.rows[~included]] = False
            order, labels = order[kept[order]], self.labels
        else:
            labels = self.before.copy()
            labels[self.rows[included]] = self.labels[self.rows[included]]
        return order, labels[order]

    def places(self, order: np.ndarray) -> np.ndarray:
        """Return where in the training set each canary would be, as far as the order tells.

        Who knows the order knows of the canaries before one that half of them are included, so
        that its place is known but for that.

        Returns
        -------
        ndarray of shape (n_guesses, n_canaries)
            From 0 to 1, guesses that are as likely as each other.
        """
        is_canary = np.isin(order, self.rows)
        before: np.ndarray = np.cumsum(is_canary) - is_canary
        mean = np.arange(len(order)) - before / 2
        at = np.empty(len(self.labels), dtype=int)
        at[order] = np.arange(len(order))
        at = at[self.rows]
        guesses = mean[at] + np.sqrt(before[at]) / 2 * _QUINTILES[:, None]
        n = len(order) - len(self.rows) / 2
        return np.clip(guesses / n, 0, np.nextafter(1, 0))


def mislabelled(
    table: Any,
    labels: np.ndarray,
    n_canaries: int,
    rng: np.random.RandomState,
    *,
    numbers: bool,
    replace: bool,
) -> Canaries:
    """Make canaries of some of the records, by labels that are not theirs."""
    rows = np.sort(rng.choice(len(labels), n_canaries, replace=False))
    changed = labels.copy()
    changed[rows] = wrong_labels(labels, rows, rng, numbers=numbers)
    return Canaries(table, changed, labels if replace else None, rows)


def wrong_labels(
    labels: np.ndarray, rows: np.ndarray, rng: np.random.RandomState, *, numbers: bool
) -> np.ndarray:
    """Return another class for each row; of numbers the farther end of those that occur.

    The ends lie within any bounds that a mechanism clips to and the records keep.
    """
    if numbers:
        low, high = labels.min(axis=0), labels.max(axis=0)
        middle = low + (high - low) / 2
        return np.where(labels[rows] > middle, low, high).astype(labels.dtype)
    classes = np.unique(labels)
    shift = rng.randint(1, len(classes), size=len(rows))
    return classes[(positions(labels[rows], classes) + shift) % len(classes)]


def appended(table: Any, labels: np.ndarray, own_table: Any, own_labels: np.ndarray) -> Canaries:
    """Return a user's canaries behind the records."""
    check_same_features(table, own_table, "X", "canaries[0]")
    if own_labels.shape[1:] != labels.shape[1:]:
        raise ValueError(
            f"canaries[1] must have one label per record as y, of shape {labels.shape}; got shape "
            f"{own_labels.shape}."
        )
    table, own_table = united(table, own_table, "X", "canaries[0]")
    n = n_rows(table)
    rows = np.arange(n, n + n_rows(own_table))
    joined = np.concatenate([labels, own_labels])
    return Canaries(concat_rows(table, own_table), joined, None, rows)
