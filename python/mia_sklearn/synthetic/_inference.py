"""Inference: what the nearest synthetic row says of a column that the attacker does not know."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._columns import Kind
from ._nearest import nearest
from ._risk import Risk
from ._tables import Tables

__all__ = ["inference"]


def inference(
    tables: Tables,
    secret: Any,
    known: list[Any],
    rows: tuple[np.ndarray, np.ndarray],
    *,
    tolerance: float,
    rng: np.random.Generator,
) -> Risk:
    """Guess a column of records from others, by the nearest synthetic row.

    Parameters
    ----------
    tables : Tables
    secret : column name
    known : list of column names
        What the attacker knows of each record.
    rows : pair of ndarray
        The training records, and those of the control, that are attacked.
    tolerance : float
        How far a guess of a number may lie from the truth, as a share of it; of a date, as a share
        of the dates' span.
    rng : Generator
    """
    place = tables.places([secret])[0]
    own = tables.places(known)
    order = rng.permutation(len(tables.synthetic))
    guessed_from = tables.synthetic.scaled[np.ix_(order, own)]
    answers = tables.synthetic.values[order, place]
    slack = _slack(tables, place, tolerance)
    right = []
    for side, taken in zip((tables.train, tables.control), rows, strict=True):
        found = nearest(side.scaled[np.ix_(taken, own)], guessed_from)[1][:, 0]
        truth = side.values[taken, place]
        right.append(int(_is_right(answers[found], truth, slack(truth)).sum()))
    truth = tables.train.values[rows[0], place]
    n, n_control = map(len, rows)
    within = "" if tables.columns[place].kind is Kind.CATEGORY else f", to within {tolerance:.3g}"
    return Risk(
        "inference",
        str(secret),
        n,
        right[0] / n,
        _by_guessing(answers, truth, slack(truth)),
        n_control,
        right[1] / n_control,
        f"The nearest synthetic row by {len(known)} other columns tells {secret!s} right{within} "
        f"for {right[0]:,} of {n:,} training records, and for {right[1]:,} of {n_control:,} "
        "records of the control.",
    )


def _slack(tables: Tables, place: int, tolerance: float) -> Any:
    """Return what says how far from each true value a guess may lie."""
    kind = tables.columns[place].kind
    if kind is Kind.NUMBER:
        return lambda truth: tolerance * np.abs(truth)
    span = 0.0
    if kind is Kind.DATE:
        known = tables.synthetic.values[:, place]
        span = tolerance * float(np.ptp(known[~np.isnan(known)]))
    return lambda truth: np.full(len(truth), span)


def _is_right(guesses: np.ndarray, truth: np.ndarray, slack: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        near = (guesses == truth) | (np.abs(guesses - truth) <= slack)
    return near | (np.isnan(guesses) & np.isnan(truth))


def _by_guessing(answers: np.ndarray, truth: np.ndarray, slack: np.ndarray) -> float:
    """Return how often an answer that is drawn from the synthetic rows would be right."""
    known = np.sort(answers[~np.isnan(answers)])
    with np.errstate(invalid="ignore"):
        low = np.searchsorted(known, truth - slack, side="left")
        high = np.searchsorted(known, truth + slack, side="right")
    missing = len(answers) - len(known)
    right = np.where(np.isnan(truth), missing, high - low)
    return float(right.mean() / len(answers))
