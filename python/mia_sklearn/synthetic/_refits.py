"""What a generator makes of other halves of the records: a baseline for each record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._models._generators import check_samples, draw, is_function
from .._models._trainable import configured
from .._records._rows import concat_rows, take_rows
from ..stats._likelihood import GaussianRatio, Moments
from ._nearest import nearest
from ._tables import Tables, check_tables

__all__ = ["check_generator", "likelihood_beside_refits"]

# Pairs of halves: each record is in one of the two.
_PAIRS = 4
# Distances below this share of the median are alike: copies are at 0, whose logarithm is no number.
_SAME = 1e-3


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


def likelihood_beside_refits(
    tables: Tables,
    given: tuple[Any, Any, Any],
    control_rows: np.ndarray,
    generator: Any,
    seed: int,
) -> np.ndarray:
    """Compare how near the synthetic table comes to records with how near other tables come.

    Generators are fitted on random halves of the training records and of those of the control
    that are asked about, and draw as many rows. The score of a record is the log-likelihood
    ratio of its distance among tables made with it and without it.

    Parameters
    ----------
    tables : Tables
    given : tuple of tables
        The synthetic table, the training records and the control, as they were given.
    control_rows : ndarray of int
        The records of the control that are asked about.
    generator : object
    seed : int

    Returns
    -------
    ndarray of shape (n_train + len(control_rows),)
    """
    X_train, X_control = given[1:]
    pool = concat_rows(X_train, take_rows(X_control, control_rows))
    n = len(tables.train) + len(control_rows)
    made = _maker(generator, len(tables.synthetic))
    rng = np.random.default_rng([seed, 2])
    signal = _nearness(tables, control_rows)
    seen, unseen = (np.full((n, 2 * _PAIRS), np.nan) for _ in range(2))
    for pair in range(_PAIRS):
        order = rng.permutation(n)
        for which, half in enumerate((order[: n // 2], order[n // 2 :])):
            table = made(take_rows(pool, np.sort(half)), int(rng.integers(2**31 - 1)))
            answers = _nearness(check_tables(table, X_train, X_control), control_rows)
            inside = np.isin(np.arange(n), half)
            place = 2 * pair + which
            seen[inside, place] = answers[inside]
            unseen[~inside, place] = answers[~inside]
    out, in_ = Moments(signal, unseen), Moments(signal, seen)
    return GaussianRatio().fit(out, in_).score(signal, out, in_)


def _maker(generator: Any, n: int) -> Callable[[Any, int], Any]:
    if is_function(generator):
        return generator

    def made(X: Any, seed: int) -> Any:
        return draw(configured(generator, seed).fit(X), n, seed + 1, X)

    return made


def _nearness(tables: Tables, control_rows: np.ndarray) -> np.ndarray:
    records = np.concatenate([tables.train.scaled, tables.control.scaled[control_rows]])
    far = nearest(records, tables.synthetic.scaled)[0][:, 0]
    return -np.log(np.maximum(far, _SAME * (np.median(far) or 1.0)))
