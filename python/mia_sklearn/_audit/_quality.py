"""How much better the target answers its training records than others, and how surely."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ._run import Asked

__all__ = ["Gap", "absolute_errors", "gap_of"]

# A gap that matters: of errors as their ratio, of accuracies as a difference.
_LARGE_RATIO, _LARGE_SHARE = 1.25, 0.1


class Gap(NamedTuple):
    """What a model has on training records and on others, and by how much the first is better.

    Attributes
    ----------
    size, error : float
        The difference, positive where training records are answered better, and its standard
        error.
    large : bool
        Whether it matters.
    text : str
        With places for what the two sides are called, `{train}` and `{test}`.
    """

    size: float
    error: float
    large: bool
    text: str


def gap_of(run: Asked) -> Gap | None:
    """Compare the accuracy of a classifier, or the errors of a regressor, on both sides.

    Records of one person are right or wrong together, at worst. The error of a share is the
    largest that it can have; that of a mean absolute error is Welch's.

    Returns
    -------
    Gap or None
        None where the target does not predict.
    """
    if run.outputs is not None and run.outputs.of_numbers:
        return _gap_of_errors(run)
    train, test = run.accuracy(member=True), run.accuracy(member=False)
    if train is None or test is None:
        return None
    sizes = np.array([run.unit_member.sum(), (~run.unit_member).sum()])
    # Of several outputs each is right or wrong.
    what = "" if run.outputs is None else "the labels of "
    text = (
        f"is right on {100 * train:.1f} % of {what}{{train}} and on {100 * test:.1f} % of "
        f"{'those of ' if what else ''}{{test}}"
    )
    error = float(np.sqrt((0.25 / sizes).sum()))
    return Gap(train - test, error, train - test > _LARGE_SHARE, text)


def absolute_errors(run: Asked, answers: np.ndarray) -> np.ndarray:
    """Return how far a regressor is off each audited record, on average over its outputs.

    Parameters
    ----------
    run : Asked
    answers : ndarray of shape (..., n_audited, n_outputs)
        Residuals.

    Returns
    -------
    ndarray of shape (..., n_audited)
        Of several outputs in standard deviations of each, which have units of their own.
    """
    true = run.asked_records.labels
    spread = true.std(axis=0) if true.shape[1] > 1 else np.ones(1)
    return np.abs(answers / np.where(spread > 0, spread, 1.0)).mean(axis=-1)


def _gap_of_errors(run: Asked) -> Gap:
    errors = absolute_errors(run, run.answers)
    of_unit = np.bincount(run.units.of_row, weights=errors) / run.units.sizes
    sides = [of_unit[run.unit_member], of_unit[~run.unit_member]]
    train, test = (float(side.mean()) for side in sides)
    error = np.sqrt(sum(side.var(ddof=1) / len(side) for side in sides))
    unit = "" if run.answers.shape[1] == 1 else " standard deviations of its outputs"
    text = f"is off by {train:.4g}{unit}, on average, on {{train}} and by {test:.4g} on {{test}}"
    return Gap(test - train, float(error), test > _LARGE_RATIO * train, text)
