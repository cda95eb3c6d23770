"""Scores of membership from a synthetic table alone: one function each, higher means member."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from ._nearest import nearest, nearest_others

__all__ = ["HEADLINE", "SCORES", "Surroundings", "surroundings"]

# Neighbours that are looked up: those farther away have no weight in any score.
_NEIGHBORS = 20
# Chosen, with the width, on five other data sets than those of the benchmarks.
_LOCAL_ROWS, _LOCAL_WIDTH = 5, 0.1
_RATIO_ROWS, _DENSITY_WIDTH = 5, 0.2


@dataclass(frozen=True)
class Surroundings:
    """What lies around some records: synthetic rows, and records that the generator has not seen.

    Attributes
    ----------
    to_synthetic : ndarray of shape (n_records, k)
        Distances to the nearest synthetic rows, rising.
    synthetic_rows : ndarray of shape (n_records, k)
        Which rows those are.
    to_reference : ndarray of shape (n_records, k)
        Distances to the nearest reference records.
    of_synthetic : ndarray of shape (n_synthetic, k)
        Distances of each synthetic row to the nearest reference records.
    usual : float
        How far a reference record is from the nearest other, in the median.
    """

    to_synthetic: np.ndarray
    synthetic_rows: np.ndarray
    to_reference: np.ndarray
    of_synthetic: np.ndarray
    usual: float


def surroundings(records: np.ndarray, synthetic: np.ndarray, reference: np.ndarray) -> Surroundings:
    """Look up what lies around records; all tables are scaled, see `Table`."""
    many = min(_NEIGHBORS, len(reference))
    to_synthetic, synthetic_rows = nearest(records, synthetic, min(_NEIGHBORS, len(synthetic)))
    gaps = nearest_others(reference, np.arange(len(reference)))
    usual = np.median(gaps) or gaps.mean() or 1.0
    return Surroundings(
        to_synthetic,
        synthetic_rows,
        nearest(records, reference, many)[0],
        nearest(synthetic, reference, many)[0],
        float(usual),
    )


def local(around: Surroundings) -> np.ndarray:
    """Tell how much of the nearest synthetic rows lies nearer than any reference record does.

    Each of the five nearest rows counts by the record's distance from it, in tenths of the row's
    distance from the nearest reference record.
    """
    rows = around.synthetic_rows[:, :_LOCAL_ROWS]
    # Rows that are reference records themselves, as coarse tables have them, keep some width.
    width = _LOCAL_WIDTH * (around.of_synthetic[rows, 0] + 1e-3 * around.usual)
    return logsumexp(-around.to_synthetic[:, :_LOCAL_ROWS] / width, axis=1)


def nearest_row(around: Surroundings) -> np.ndarray:
    """Tell how near the nearest synthetic row is."""
    return -around.to_synthetic[:, 0]


def closer_than_reference(around: Surroundings) -> np.ndarray:
    """Tell how much nearer the nearest synthetic row is than the nearest reference record."""
    return around.to_reference[:, 0] - around.to_synthetic[:, 0]


def density_ratio(around: Surroundings) -> np.ndarray:
    """Compare the density of synthetic rows with that of reference records (DOMIAS)."""
    width = _DENSITY_WIDTH * around.usual
    return _log_density(around.to_synthetic, width) - _log_density(around.to_reference, width)


def likelihood_ratio(around: Surroundings) -> np.ndarray:
    """Tell how much likelier the record makes the synthetic rows next to it (Gen-LRA).

    The density of reference records at each of the five nearest rows, with the record among them
    and without it.
    """
    width = _DENSITY_WIDTH * around.usual
    rows = around.synthetic_rows[:, :_RATIO_ROWS]
    without = _log_density(around.of_synthetic, width)[rows]
    own = -around.to_synthetic[:, :_RATIO_ROWS] / width
    return np.logaddexp(0.0, own - without).sum(axis=1)


def _log_density(distances: np.ndarray, width: float) -> np.ndarray:
    return logsumexp(-distances / width, axis=1)


HEADLINE = "local"
SCORES: dict[str, Callable[[Surroundings], np.ndarray]] = {
    HEADLINE: local,
    "nearest": nearest_row,
    "dcr_difference": closer_than_reference,
    "density_ratio": density_ratio,
    "gen_lra": likelihood_ratio,
}
