"""The target's structure, measured on what an audit asked anyway."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._models._targets import class_indices
from ..report._counted import PERSON, RECORD
from ..structural._answers import answers_of_posteriors, mean_residual
from ..structural._edge import Edges
from ..structural._measures import Answers
from ..structural._structure import Structure, measure_structure
from ._run import Asked, predicted_classes

if TYPE_CHECKING:
    from ..access import TrueValueAccess

__all__ = ["structure_of"]


def structure_of(asked: Asked) -> Structure:
    """Measure the target on all that it was trained on, and on its answers to the audited records.

    The target is asked nothing more.
    """
    pool = asked.pool
    answers = _answers(asked)
    sizes = int(asked.unit_member.sum()), int((~asked.unit_member).sum())
    return measure_structure(
        asked.target,
        pool.given[0],
        pool.y[: pool.n_train] if pool.labelled else None,
        train=None if answers is None else _of_rows(answers, asked.member),
        test=None if answers is None else _of_rows(answers, ~asked.member),
        release=asked.release,
        regressor=asked.outputs is not None and asked.outputs.of_numbers,
        sizes=sizes,
        measured=asked.references is not None,
        edges=_edges(asked),
        seed=asked.seed,
    )


def _edges(asked: Asked) -> Edges | None:
    if asked.edges is None:
        return None
    # A person lies on the edge with any record.
    nearest = np.full(len(asked.units), np.nan)
    np.fmin.at(nearest, asked.units.of_row, asked.edges)
    member = asked.unit_member
    return Edges(nearest[member], nearest[~member], PERSON if asked.of_people else RECORD)


def _answers(asked: Asked) -> Answers | None:
    """Return what the target answered about the audited records; None of generators."""
    if not asked.pool.labelled:
        return None
    if asked.outputs is not None:
        return _of_outputs(asked, asked.outputs)
    label = class_indices(asked.target, asked.y)
    if asked.access is None:
        return answers_of_posteriors(asked.answers.astype(np.float64), label)
    predicted = predicted_classes(asked.answers, asked.access)
    if predicted is None:
        return None
    right = (predicted == label).astype(np.float64)
    return Answers(-right, right, predicted[:, None], label)


def _of_outputs(asked: Asked, outputs: TrueValueAccess) -> Answers:
    """Return the residuals of a regressor, or what a classifier says of several labels."""
    if outputs.of_numbers:
        truth = asked.y.astype(np.float64).reshape(len(asked.y), -1)
        known = asked.pool.y[: asked.pool.n_train].astype(np.float64).reshape(-1, truth.shape[1])
        away = mean_residual(asked.answers, known)
        return Answers(away, away, truth - asked.answers, None)
    true, rest, predicted = (asked.answers[:, k::3].astype(np.float64) for k in range(3))
    # Of answers that are exactly 1 logits are infinite, in one direction or the other.
    phi = np.clip(true - rest, -1e3, 1e3).mean(axis=1)
    confidence = np.exp(true)
    released = np.column_stack([confidence, predicted])
    return Answers(-phi, confidence.mean(axis=1), released, None)


def _of_rows(answers: Answers, rows: np.ndarray) -> Answers:
    label = None if answers.label is None else answers.label[rows]
    return Answers(answers.loss[rows], answers.error[rows], answers.released[rows], label)
