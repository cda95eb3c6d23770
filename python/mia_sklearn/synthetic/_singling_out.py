"""Singling out: predicates learned from the synthetic table that one record alone satisfies."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gammaln

from ._columns import Kind
from ._predicates import (
    Predicates,
    distinct_rows,
    matches,
    of_combinations,
    of_extremes,
    random_ones,
)
from ._risk import Risk
from ._tables import Tables

__all__ = ["singling_out"]

_N_COLUMNS = 3


def singling_out(tables: Tables, n: int, rng: np.random.Generator) -> list[Risk]:
    """Single out by one column, and by three.

    Parameters
    ----------
    tables : Tables
    n : int
        Predicates of each kind, at most.
    rng : Generator
    """
    ranks = distinct_rows(tables.synthetic.ranks)
    ordered = np.array([column.kind is not Kind.CATEGORY for column in tables.columns])
    several = min(_N_COLUMNS, len(ordered))
    kinds = [("univariate", of_extremes(ranks, ordered, n, rng), 1)]
    if several > 1:
        found = of_combinations(ranks, ordered, several, n, rng)
        kinds.append(("multivariate", found, several))
    risks = []
    for name, predicates, n_columns in kinds:
        if not len(predicates):
            continue
        guessed = random_ones(ranks, ordered, n_columns, len(predicates), rng)
        risks.append(_risk(name, predicates, guessed, tables))
    return risks


def _risk(name: str, predicates: Predicates, guessed: Predicates, tables: Tables) -> Risk:
    n, n_control, m = len(tables.train), len(tables.control), len(predicates)
    sides = [matches(predicates, side.ranks) for side in (tables.train, tables.control)]
    counts = [np.bincount(which, minlength=m) for which, _ in sides]
    success, control = (each.mean() for each in _singled_out(*counts, n, n_control))
    by_guessing = np.bincount(matches(guessed, tables.train.ranks)[0], minlength=m)
    error = _error(sides, counts, n, n_control)
    return Risk(
        "singling_out",
        name,
        m,
        float(success),
        float((by_guessing == 1).mean()),
        m,
        float(control),
        f"Of {m:,} predicates that one synthetic row alone satisfies, {round(success * m):,} are "
        f"true of exactly one of {n:,} training records; of a record that the generator has not "
        f"seen, in a table as large, {control * m:.0f} would be.",
        error,
    )


def _singled_out(
    own: np.ndarray, others: np.ndarray, n: int, n_control: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return of each predicate how surely it singles out a record: of training, of the control.

    The more records, the more have company. A larger control counts with all its parts of the
    size of the training set; a smaller one takes the place of as many training records, at random,
    beside the others. Either way the means are equal in expectation where the generator saw
    neither.

    Parameters
    ----------
    own, others : ndarray of shape (n_predicates,)
        Records that satisfy each: of training, of the control.
    n, n_control : int
        The sizes of both.
    """
    success = (own == 1).astype(float)
    if n_control >= n:
        # One of those that satisfy it is drawn, when n records of the control are.
        return success, others * np.exp(
            _log_choose(n_control - others, n - 1) - _log_choose(n_control, n)
        )
    # None of the training records that satisfy it is among the n - n_control that stay.
    alone = np.exp(_log_choose(n - own, n - n_control) - _log_choose(n, n - n_control))
    return success, n / n_control * (others == 1) * alone


def _error(
    sides: list[tuple[np.ndarray, np.ndarray]], counts: list[np.ndarray], n: int, n_control: int
) -> float:
    """Return the standard error of the risk: the jackknife's, over the records of both tables.

    Predicates depend on one another, since one record may be singled out by many: the record is
    the unit. What leaving it out changes is seen at the predicates that it satisfies alone.
    """
    m = len(counts[0])
    success, control = _singled_out(*counts, n, n_control)
    p, q = success.mean(), control.mean()
    if q >= 1:
        return math.nan

    def of_counts(own: np.ndarray, others: np.ndarray) -> np.ndarray:
        first, second = _singled_out(own, others, n, n_control)
        return (first / (1 - q) - second * (1 - p) / (1 - q) ** 2) / m

    variance, squares, fourths = 0.0, 0.0, 0.0
    now = of_counts(*counts)
    for place, (which, rows) in enumerate(sides):
        # Of a predicate that nobody satisfies nobody can be left out.
        fewer = [np.maximum(each - (k == place), 0) for k, each in enumerate(counts)]
        change = of_counts(*fewer) - now
        size = (n, n_control)[place]
        moved = np.bincount(rows, weights=change[which], minlength=size)
        variance += float((moved**2).sum() - moved.sum() ** 2 / size)
        squares += float((moved**2).sum())
        fourths += float((moved**4).sum())
    # Of a few records that matter the jackknife knows little: two more of them are counted.
    unit = fourths / squares if squares else 1 / m**2
    return math.sqrt(variance + 2 * unit)


def _log_choose(n: np.ndarray | int, k: int) -> np.ndarray:
    """Return the logarithms of binomial coefficients; -infinity where k exceeds n."""
    n = np.asarray(n, dtype=float)
    known = np.maximum(n, k)
    value = gammaln(known + 1) - gammaln(k + 1.0) - gammaln(known - k + 1)
    return np.where(n >= k, value, -np.inf)
