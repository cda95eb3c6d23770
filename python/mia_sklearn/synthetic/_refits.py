"""What a generator makes of other halves of the records: a baseline for each record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._models._generators import check_samples, draw, is_function
from .._models._trainable import configured
from .._records._rows import concat_rows, take_rows
from ._scores import HEADLINE, SCORES, surroundings
from ._tables import Tables, check_tables

__all__ = ["beside_refits", "check_generator"]

# Pairs of halves: each record is in one of the two.
_PAIRS = 4
# How much of what is usual of a record is taken off: few refits tell it roughly.
_TRUSTED = 0.5


def check_generator(generator: Any) -> None:
    """Raise unless a generator can be fitted again, and asked for samples."""
    if is_function(generator):
        return
    if isinstance(generator, type) or not hasattr(generator, "fit"):
        raise ValueError(
            "generator must be an unfitted estimator with fit and sample, or a function "
            f"(X, random_state) that returns a synthetic table; got {generator!r:.60}."
        )
    check_samples(generator)


def beside_refits(
    tables: Tables,
    given: tuple[Any, Any],
    control_rows: np.ndarray,
    generator: Any,
    seed: int,
) -> np.ndarray:
    """Compare the score of the synthetic table with those of tables of other halves.

    Generators are fitted on random halves of the training records and of those of the control
    that are asked about, and draw as many rows. Each record is in one half of each pair, so that
    the mean over all is what is usual of the record: some lie where rows lie whoever was there.

    Parameters
    ----------
    tables : Tables
    given : tuple of tables
        The training records and the control, as they were given.
    control_rows : ndarray of int
        The records of the control that are asked about.
    generator : object
    seed : int

    Returns
    -------
    ndarray of shape (n_train + len(control_rows),)
    """
    sides = (tables.train, tables.control)
    X_train, X_control = (take_rows(X, side.rows) for X, side in zip(given, sides, strict=True))
    pool = concat_rows(X_train, take_rows(X_control, control_rows))
    n = len(tables.train) + len(control_rows)
    made = _maker(generator, len(tables.synthetic))
    rng = np.random.default_rng([seed, 2])
    usual = np.zeros(n)
    for _ in range(_PAIRS):
        for half in np.array_split(rng.permutation(n), 2):
            table = made(take_rows(pool, np.sort(half)), int(rng.integers(2**31 - 1)))
            usual += _nearness(_read(table, X_train, X_control), control_rows)
    return _nearness(tables, control_rows) - _TRUSTED * usual / (2 * _PAIRS)


def _maker(generator: Any, n: int) -> Callable[[Any, int], Any]:
    if is_function(generator):
        return generator

    def made(X: Any, seed: int) -> Any:
        return draw(configured(generator, seed).fit(X), n, seed + 1, X)

    return made


def _read(table: Any, X_train: Any, X_control: Any) -> Tables:
    try:
        return check_tables(table, X_train, X_control, least_rows=1)
    except ValueError as error:
        raise ValueError(
            f"A table of the generator, fitted on half of the records, cannot be read: {error}"
        ) from error


def _nearness(tables: Tables, control_rows: np.ndarray) -> np.ndarray:
    records = np.concatenate([tables.train.scaled, tables.control.scaled[control_rows]])
    reference = np.delete(tables.control.scaled, control_rows, axis=0)
    score = SCORES[HEADLINE](surroundings(records, tables.synthetic.scaled, reference))
    # The logarithm of something like a distance; the score of a copy is 0 to 1.6.
    return -np.log(2.1 - np.minimum(score, 2.0))
