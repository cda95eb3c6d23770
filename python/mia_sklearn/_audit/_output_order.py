"""Whether the columns of y_train are in the order of the model's outputs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.optimize import linear_sum_assignment

from ._run import Asked, OutputOrder

__all__ = ["output_order"]

# What another order must explain more of each moved output, of 1 in all, and how surely: in
# standard errors. More records than these do not make it surer than it has to be.
_BETTER, _SURE, _MOST = 0.25, 3.3, 5000


def output_order(run: Asked) -> OutputOrder | None:
    """Return the order of the columns of y_train in which they fit the model far better, if any.

    The order is chosen on one half of the training records, and must hold on the other. Columns
    change places in cycles, each of which must gain by itself: what a model hardly predicts may
    lie in any order.
    """
    if run.outputs is None or run.asked_records.labels.shape[1] < 2:
        return None
    true, predicted, chance = _sides(run)
    if not np.isfinite(predicted).all():
        return None
    numbers = run.outputs.of_numbers

    def lost(rows: slice, j: int, k: int) -> np.ndarray:
        """Return what answer k is off column j, record by record; 1 is what guessing is off."""
        one, other = true[rows, j], predicted[rows, k]
        away = np.square(one - other) if numbers else (one != other).astype(np.float64)
        return away / chance[j]

    n_outputs = true.shape[1]
    chosen, held = slice(0, None, 2), slice(1, None, 2)
    costs = [[lost(chosen, j, k).mean() for k in range(n_outputs)] for j in range(n_outputs)]
    _, best = linear_sum_assignment(costs)
    answer = np.arange(n_outputs)
    for cycle in _cycles(best):
        gain = np.mean([lost(held, j, j) - lost(held, j, best[j]) for j in cycle], axis=0)
        if gain.mean() >= _BETTER and gain.mean() > _SURE * gain.std() / np.sqrt(len(gain)):
            answer[cycle] = best[cycle]
    moved = np.flatnonzero(answer != np.arange(n_outputs)).tolist()
    if not moved:
        return None
    as_given, fits = (
        1 - float(np.mean([lost(slice(None), j, k[j]).mean() for j in moved]))
        for k in (range(n_outputs), answer.tolist())
    )
    if fits <= 0:
        return None
    # Where each answer finds its column.
    columns = np.argsort(answer).tolist()
    return OutputOrder(columns, fits, as_given)


def _sides(run: Asked) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return true and predicted values of training records, and what guessing is off of each."""
    assert run.outputs is not None
    rows = np.flatnonzero(run.member)[:_MOST]
    records = run.asked_records
    true = records.labels[rows]
    predicted = run.outputs.predicted(run.answers[rows], true).astype(np.float64)
    if run.outputs.of_numbers:
        chance = true.var(axis=0)
    else:
        # Positions among the labels of one output are brought to those among the labels of all.
        known: dict[object, int] = {}
        places = [
            np.array([known.setdefault(label, len(known)) for label in of.tolist()])
            for of in records.output_classes
        ]
        true, predicted = (
            np.column_stack(
                [place[codes.astype(np.intp)] for place, codes in zip(places, side.T, strict=True)]
            )
            for side in (true, predicted)
        )
        chance = np.array([_disagreement(column) for column in true.T])
    return true, predicted, np.where(chance > 0, chance, np.inf)


def _disagreement(labels: np.ndarray) -> float:
    """Return how often two records have different labels."""
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(1 - np.square(shares).sum())


def _cycles(order: np.ndarray) -> Iterator[list[int]]:
    """Yield the places that change with one another."""
    left = set(np.flatnonzero(order != np.arange(len(order))).tolist())
    while left:
        cycle = [left.pop()]
        while (after := int(order[cycle[-1]])) in left:
            left.remove(after)
            cycle.append(after)
        yield cycle
