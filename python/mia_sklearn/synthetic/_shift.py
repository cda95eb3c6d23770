"""Whether training records and control are of one population, column by column."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import chi2_contingency, ks_2samp

from ._columns import Kind
from ._tables import Tables

__all__ = ["Shift", "largest_shift"]

# Of rarer categories all are one: the approximation needs so many expected on either side.
_OF_EACH = 5


class Shift(NamedTuple):
    """The column in which training records and control differ most surely.

    Attributes
    ----------
    name : column name
    p_value : float
        Of the hypothesis that they differ in no column.
    """

    name: Any
    p_value: float


def largest_shift(tables: Tables) -> Shift:
    """Compare the training records with the control, each column on its own.

    Numbers and dates by the test of Kolmogorov and Smirnov, categories and the share of what is
    missing by that of chi-squared; the smallest p-value, times the number of tests.
    """
    found = []
    for place, column in enumerate(tables.columns):
        sides = [side.ranks[:, place] for side in (tables.train, tables.control)]
        known = [cells[cells >= 0] for cells in sides]
        if column.kind is Kind.CATEGORY:
            found.append(Shift(column.name, _of_categories(*sides)))
            continue
        found.append(Shift(column.name, _of_categories(*(cells < 0 for cells in sides))))
        if min(map(len, known)):
            p_value = float(ks_2samp(*known, method="asymp").pvalue)
            found.append(Shift(column.name, p_value))
    name, p_value = min(found, key=lambda each: each.p_value)
    return Shift(name, min(1.0, len(found) * p_value))


def _of_categories(train: np.ndarray, control: np.ndarray) -> float:
    codes = np.unique(np.concatenate([train, control]), return_inverse=True)[1].reshape(-1)
    counts = np.stack(
        [np.bincount(part, minlength=codes.max() + 1) for part in np.split(codes, [len(train)])]
    )
    share = min(len(train), len(control)) / len(codes)
    rare = counts.sum(axis=0) * share < _OF_EACH
    counts = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])
    counts = counts[:, counts.sum(axis=0) > 0]
    if counts.shape[1] < 2:
        return 1.0
    return float(chi2_contingency(counts).pvalue)
