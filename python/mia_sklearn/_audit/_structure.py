"""The target's structure, measured on what an audit asked anyway."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from .._models._kinds import kind_of_estimator
from .._models._targets import class_indices
from ..structural._answers import answers_of_posteriors
from ..structural._measures import Answers
from ..structural._structure import Structure, measure_structure
from ._run import Asked, predicted_classes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["structure_of"]


def structure_of(asked: Asked, observations: pd.DataFrame) -> Structure:
    """Measure the target on all that it was trained on, and on its answers to the audited records.

    The target is asked nothing more.
    """
    pool = asked.pool
    answers = _answers(asked, observations)
    sizes = int(asked.unit_member.sum()), int((~asked.unit_member).sum())
    return measure_structure(
        asked.target,
        pool.given[0],
        pool.y[: pool.n_train] if pool.labelled else None,
        train=None if answers is None else _of_rows(answers, asked.member),
        test=None if answers is None else _of_rows(answers, ~asked.member),
        release=asked.release,
        regressor=kind_of_estimator(asked.target) == "regressor",
        sizes=sizes,
        seed=asked.seed,
    )


def _answers(asked: Asked, observations: pd.DataFrame) -> Answers | None:
    """Return what the target answered about the audited records; None of generators."""
    if not asked.pool.labelled:
        return None
    if asked.access is None:
        label = class_indices(asked.target, asked.y)
        return answers_of_posteriors(asked.answers.astype(np.float64), label)
    predicted = predicted_classes(asked.answers, asked.access)
    if predicted is not None:
        label = class_indices(asked.target, asked.y)
        right = (predicted == label).astype(np.float64)
        return Answers(-right, right, predicted[:, None], label)
    if "logit" not in observations:
        return None
    # Of regressors, less the mean residual; of several outputs, the mean of their logits.
    logit = observations["logit"].to_numpy(np.float64)
    names = [name for name in observations if str(name).startswith(("prediction_", "proba_"))]
    released = observations[names].to_numpy(np.float64) if names else logit[:, None]
    regressor = kind_of_estimator(asked.target) == "regressor"
    return Answers(-logit, -logit if regressor else expit(logit), released, None)


def _of_rows(answers: Answers, rows: np.ndarray) -> Answers:
    label = None if answers.label is None else answers.label[rows]
    return Answers(answers.loss[rows], answers.error[rows], answers.released[rows], label)
