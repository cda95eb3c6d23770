"""Whether the target answers a record alike, whatever is asked with it and before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .._models._agreement import sample_of_both
from .._models._answers import predicted_labels
from .._models._targets import class_indices
from .._records._rows import take_rows
from ..signals import log_posteriors, rescaled_logit
from ._run import predicted_classes

if TYPE_CHECKING:
    from ._run import Planned

__all__ = ["depends_on_call"]

# The log-odds of the true class are compared where single precision holds them, to its rounding
# in a batch of another size, also on a GPU.
_LARGEST, _ROUNDING = 9.0, 0.02
# Differences on more than this share of records are no rounding.
_SHARE = 0.02
# Means this many standard errors from 0 are no noise.
_SURELY = 4.5
_FEWEST = 8


def depends_on_call(planned: Planned, answers: np.ndarray) -> str:
    """Ask about some records again, both sides in one call, and say how that alters the answers.

    Answers with noise of their own are left alone: each is what an attacker gets. An answer that
    depends on the other records of its call (statistics of the batch), or on the calls before it,
    tells the two sides apart by how they were asked, whoever was trained on.

    Parameters
    ----------
    planned : Planned
    answers : ndarray of shape (n_audited, n_answers)
        The target's answers, to one call for each side.

    Returns
    -------
    str
        In words; empty where answers do not depend on the call, or where a query budget leaves
        nothing to ask with.
    """
    rows = sample_of_both(planned.member)
    rows = np.random.default_rng(planned.seed).permutation(rows)
    left = getattr(planned.target, "queries_left", None)
    needed = planned.n_queries * len(planned.y)
    if left is not None and left < needed + 2 * len(rows):
        return ""
    signal = _signal_of(planned, answers[rows], rows)
    if signal is None:
        return ""
    before, again = signal(answers[rows]), signal(_ask_again(planned, rows))
    change = again - before
    differs = float((np.abs(change) > _ROUNDING).mean())
    if differs <= _SHARE:
        return ""
    once_more = signal(_ask_again(planned, rows))
    asked = f"Asked again about {len(rows):,} records, members and others in one call, "
    if (np.abs(once_more - again) <= _ROUNDING).all():
        return (
            f"{asked}it gives another answer to {100 * differs:.0f} % of them, and the same one "
            "when that call is repeated: its answers depend on which records are asked together."
        )
    if _more_than_noise([before, again, once_more], planned.member[rows]):
        return (
            f"{asked}it gives another answer to {100 * differs:.0f} % of them, shifted as noise "
            "alone is not: its answers depend on the calls before, or on which records are asked "
            "together."
        )
    return ""


def _ask_again(planned: Planned, rows: np.ndarray) -> np.ndarray:
    """Return the target's answers to some of the audited records, asked in one call."""
    if planned.outputs is not None:
        question = planned.outputs.question(planned.asked_records, planned.seed)
        return question.ask(planned.target, rows, planned.seed)
    X = take_rows(planned.X, rows)
    if planned.access is None:
        return log_posteriors(planned.target, X)
    found = class_indices(planned.target, predicted_labels(planned.target, X))
    return np.stack([found, found], axis=1)


def _signal_of(
    planned: Planned, answers: np.ndarray, rows: np.ndarray
) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return what attacks read from answers; None where they tell nothing of single records."""
    labels = planned.asked_records.labels[rows]
    if planned.outputs is not None:
        unknown = np.full((1, len(rows)), np.nan)
        scale = planned.outputs.scale(answers[None], unknown)
        return lambda given: np.clip(scale.phi(given, labels), -_LARGEST, _LARGEST)
    if planned.access is not None:
        access = planned.access
        if predicted_classes(answers, access) is None:
            return None
        return lambda given: (predicted_classes(given, access) == labels).astype(np.float64)
    return lambda given: np.clip(
        rescaled_logit(given.astype(np.float64), labels, smoothing=1e-12), -_LARGEST, _LARGEST
    )


def _more_than_noise(answers: list[np.ndarray], member: np.ndarray) -> bool:
    """Tell whether answers, or how sure they are, move from call to call, or unlike by side."""
    if min(member.sum(), (~member).sum()) < _FEWEST:
        return False
    for before, again, once_more in (answers, [np.abs(answer) for answer in answers]):
        change = again - before
        moved = (
            _in_errors(change),
            _in_errors(once_more - again),
            _in_errors(change[member], change[~member]),
        )
        if max(map(abs, moved)) > _SURELY:
            return True
    return False


def _in_errors(change: np.ndarray, other: np.ndarray | None = None) -> float:
    """Return a mean, or the difference of two, in standard errors."""
    others = np.zeros(2) if other is None else other
    error = np.sqrt(change.var() / len(change) + others.var() / len(others))
    return float((change.mean() - others.mean()) / error) if error > 0 else 0.0
