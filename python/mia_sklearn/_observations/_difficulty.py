"""How large a signal is usually of records like a record, by models that have not seen the record.

Membership goes into nothing here. A record is put into one of five parts by a hash of its content,
and the models that say what its signal should be are fitted on the other parts, members and others
alike.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import ndtri
from sklearn.ensemble import RandomForestRegressor
from sklearn.utils import get_tags

from .._models._trainable import configured
from .._process._parallel import map_on_cores
from .._records._digests import row_digests
from .._records._frames import as_frame
from .._records._groups import Grouping
from .._records._own_columns import own_columns

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Difficulty", "Expected", "hash_parts", "with_feature_columns"]

_N_PARTS = 5
_N_TREES, _FEWEST_IN_LEAF, _LEAVES, _SHARE_OF_FEATURES = 40, 3, 1000, 0.4
# What a split looks through, and what a tree learns from: more take longer and tell no more.
_MOST_FEATURES, _MOST_RECORDS = 32, 10_000
# Of the signal's variance: no record's answer is surer than that.
_LEAST_VARIANCE = 0.01


class Expected(NamedTuple):
    """What the signal of records like each record is, in normal scores.

    Attributes
    ----------
    mean, sd : ndarray of shape (n_records,), float64
    score : ndarray of shape (n_records,), float64
        By how many standard deviations the record's own signal lies above; NaN without one.
    """

    mean: np.ndarray
    sd: np.ndarray
    score: np.ndarray


class Difficulty:
    """Moments of the signal given the record, cross-fitted over parts of the records.

    Signals are read by their rank, as the normal score that belongs to it: answers of exactly 0 or
    1 and those of models that are sure of all would else count for more than all others together.

    Parameters
    ----------
    learner : regressor, default=None
        Clones of it learn the signal and its square, together where it takes several outputs. By
        default a random forest.
    rng : RandomState
        Seeds them.
    """

    def __init__(self, learner: Any, rng: np.random.RandomState) -> None:
        self.learner = learner
        self._seeds = rng.randint(np.iinfo(np.int32).max, size=_N_PARTS)

    def fit(self, records: np.ndarray, signal: np.ndarray, parts: np.ndarray) -> Difficulty:
        """Fit one model on all parts but one, for each part.

        Parameters
        ----------
        records : ndarray of shape (n_records, n_columns)
            Features and labels, NaN where one is missing.
        signal : ndarray of shape (n_records,)
            NaN where there is none: such records teach nothing.
        parts : ndarray of int of shape (n_records,)
            See `hash_parts`.
        """
        known = np.flatnonzero(~np.isnan(signal))
        # In an order that does not depend on that of the rows.
        known = known[np.lexsort((signal[known], row_digests(records)[known]))]
        self._ordered = np.sort(signal[known])
        scores = self._normal_scores(signal[known])
        goals = np.column_stack([scores, scores**2])
        self._mean = goals.mean(axis=0) if len(known) else np.full(2, np.nan)
        self._least_variance = _LEAST_VARIANCE * scores.var() if len(known) else 0.0
        # Both count alike for a model that learns them together.
        self._scale = goals.std(axis=0) if len(known) else np.ones(2)
        self._scale[self._scale == 0] = 1.0
        # Trees take missing values for smaller than all others, other regressors take none.
        lowest = np.min(records, axis=0, initial=np.inf, where=~np.isnan(records))
        self._missing = np.where(np.isfinite(lowest), lowest - 1, 0)
        rows, goals = self._filled(records[known]), goals / self._scale

        def fitted(part: int) -> list[Any]:
            others = parts[known] != part
            if not others.any():
                return []
            return self._fitted(rows[others], goals[others], len(known), int(self._seeds[part]))

        self._models = map_on_cores(fitted, range(_N_PARTS))
        return self

    def _fitted(self, X: np.ndarray, goals: np.ndarray, n: int, seed: int) -> list[Any]:
        if self.learner is None:
            forest = RandomForestRegressor(
                _N_TREES,
                min_samples_leaf=max(_FEWEST_IN_LEAF, min(n, _MOST_RECORDS) // _LEAVES),
                max_features=min(ceil(_SHARE_OF_FEATURES * X.shape[1]), _MOST_FEATURES),
                max_samples=min(len(X), _MOST_RECORDS),
                random_state=seed,
            )
            return [forest.fit(X, goals)]
        if get_tags(self.learner).target_tags.multi_output:
            return [configured(self.learner, seed).fit(X, goals)]
        return [configured(self.learner, seed).fit(X, goal) for goal in goals.T]

    def expected(self, records: np.ndarray, signal: np.ndarray, parts: np.ndarray) -> Expected:
        """Return what the signal should be by the models that were not fitted on a record's part.

        Parameters
        ----------
        records, signal, parts
            As `fit` takes them.
        """
        moments = np.tile(self._mean, (len(records), 1))
        rows = self._filled(records)
        for part, models in enumerate(self._models):
            mine = parts == part
            if models and mine.any():
                answers = [np.asarray(model.predict(rows[mine])) for model in models]
                moments[mine] = np.column_stack(answers) * self._scale
        mean = moments[:, 0]
        variance = np.maximum(moments[:, 1] - mean**2, self._least_variance)
        # All answers are one where this is 0.
        sd = np.sqrt(np.where(variance > 0, variance, 1.0))
        return Expected(mean, sd, (self._normal_scores(signal) - mean) / sd)

    def _normal_scores(self, signal: np.ndarray) -> np.ndarray:
        """Return what a normal variable would be at each signal's rank among those of `fit`."""
        below, upto = (np.searchsorted(self._ordered, signal, side) for side in ("left", "right"))
        n = max(1, len(self._ordered))
        share = np.clip((below + upto) / (2 * n), 0.5 / n, 1 - 0.5 / n)
        return np.where(np.isnan(signal), np.nan, ndtri(share))

    def _filled(self, records: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(records), self._missing, records)


def hash_parts(records: np.ndarray, people: np.ndarray | None = None) -> np.ndarray:
    """Return each record's part, 0 to 4, by its content: no other record has a say in it.

    Equal records are in one part, and so are a person's, by one of them.

    Parameters
    ----------
    records : ndarray of shape (n_records, n_columns)
    people : ndarray of shape (n_records,), default=None
        Whose each record is.

    Returns
    -------
    ndarray of int of shape (n_records,)
    """
    digests = row_digests(records)
    if people is not None:
        persons = Grouping(people)
        digests = persons.least(digests)[persons.of_row]
    return (digests % np.uint64(_N_PARTS)).astype(np.intp)


def with_feature_columns(observations: pd.DataFrame, X: Any) -> pd.DataFrame:
    """Return observations with the records themselves beside them, as `feature_*`.

    See `own_columns`.

    Raises
    ------
    ValueError
        If they are of a generator, which predicts nothing of a record.
    """
    import pandas as pd

    if not {"label", "target_0"} & set(observations.columns):
        raise ValueError(
            "features=True goes with models that answer records and their labels; of generators, "
            "mia_sklearn.access.observe_auxiliary lays records side by side."
        )
    values = own_columns(X)
    names = [f"feature_{j}" for j in range(values.shape[1])]
    return pd.concat([observations, as_frame(values, names, observations.index)], axis=1)
