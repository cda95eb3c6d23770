"""What a search found of one measure on each of its splits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    pass


class Split(NamedTuple):
    """Scores of candidates, one column per split of a cross-validation."""

    values: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        return self.values.mean(axis=1)

    @property
    def sd(self) -> np.ndarray:
        if self.values.shape[1] < 2:
            return np.full(len(self.values), np.nan)
        return self.values.std(axis=1, ddof=1)


def split_scores(cv_results: Mapping[str, Any], name: str) -> Split:
    """Return a score of all candidates on all splits.

    Raises
    ------
    ValueError
        If there is no such score; names those that there are.
    """
    columns: list[np.ndarray] = []
    while (key := f"split{len(columns)}_test_{name}") in cv_results:
        columns.append(np.asarray(cv_results[key], dtype=np.float64))
    if not columns:
        first = "split0_test_"
        there = [str(key).removeprefix(first) for key in cv_results if str(key).startswith(first)]
        raise ValueError(
            f"The results of the search hold no score {name!r}; they hold "
            f"{', '.join(map(repr, there)) or 'none'}. Name the keys of scoring=."
        )
    return Split(np.stack(columns, axis=1))
