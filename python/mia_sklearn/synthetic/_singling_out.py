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
_N_DRAWS = 200


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
    # More of them would be about the same rows.
    n = min(n, len(ranks))
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
        risks.append(_risk(name, predicates, guessed, tables, rng))
    return risks


def _risk(
    name: str,
    predicates: Predicates,
    guessed: Predicates,
    tables: Tables,
    rng: np.random.Generator,
) -> Risk:
    n, n_control, m = len(tables.train), len(tables.control), len(predicates)
    sides = [matches(predicates, side.ranks) for side in (tables.train, tables.control)]
    counts = [np.bincount(which, minlength=m) for which, _ in sides]
    own, others = counts
    success, control = (each.mean() for each in _singled_out(own, others, n, n_control))
    by_guessing = np.bincount(matches(guessed, tables.train.ranks)[0], minlength=m)
    error = _error(sides, n, n_control, n_predicates=m, rng=rng)
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
        known = np.arange(others.max(initial=0) + 1)
        drawn = known * np.exp(_log_choose(n_control - known, n - 1) - _log_choose(n_control, n))
        return success, drawn[others]
    # None of the training records that satisfy it is among the n - n_control that stay.
    known = np.arange(own.max(initial=0) + 1)
    alone = np.exp(_log_choose(n - known, n - n_control) - _log_choose(n, n - n_control))
    return success, n / n_control * (others == 1) * alone[own]


def _error(
    sides: list[tuple[np.ndarray, np.ndarray]],
    n: int,
    n_control: int,
    *,
    n_predicates: int,
    rng: np.random.Generator,
) -> float:
    """Return the standard error of the risk: its spread where records change sides at random.

    Predicates depend on one another, since one record may be singled out by many: the record is
    the unit. Where the generator saw neither side, which record is on which is a coincidence.
    """
    which = np.concatenate([found for found, _ in sides])
    rows = np.concatenate([sides[0][1], sides[1][1] + n])
    both = np.bincount(which, minlength=n_predicates)
    above, others = np.empty(_N_DRAWS), 0.0
    trained_on = np.arange(n + n_control) < n
    for draw in range(_N_DRAWS):
        own = np.bincount(which[rng.permutation(trained_on)[rows]], minlength=n_predicates)
        success, control = (each.mean() for each in _singled_out(own, both - own, n, n_control))
        above[draw] = success - control
        others += control / _N_DRAWS
    # Few records that matter make few different draws: two more of them are counted.
    alone = np.bincount(rows[both[which] == 1], minlength=1).astype(float)
    unit = (alone**4).sum() / (alone**2).sum() if alone.any() else 1.0
    spread = math.sqrt(float(above.var()) + 2 * unit / n_predicates**2)
    return spread / max(1 - others, 1 / n_predicates)


def _log_choose(n: np.ndarray | int, k: int) -> np.ndarray:
    """Return the logarithms of binomial coefficients; -infinity where k exceeds n."""
    n = np.asarray(n, dtype=float)
    known = np.maximum(n, k)
    value = gammaln(known + 1) - gammaln(k + 1.0) - gammaln(known - k + 1)
    return np.where(n >= k, value, -np.inf)
