"""References of several audits of the same records, trained together before these begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._prepare import prepare
from ._steps import ask_ahead

__all__ = ["references_ahead"]


def references_ahead(
    model: Any,
    given: tuple[Any, Any, Any, Any],
    estimators: Sequence[Any],
    *,
    n_references: int,
    attacks: Any,
    fit_params: dict[str, Any] | None,
    split: str | None,
    release: str | None,
    confidence: float,
    max_records: int | None,
    random_state: int,
    **options: Any,
) -> list[Any]:
    """Train what audits of models like `model` will ask for, each with an estimator of its own.

    Parameters are those of `audit`, in which `given` are the records; `options` are passed to
    `ReferenceModels`, where `cache` says where the audits will look.

    Returns
    -------
    list
        Those of the estimators whose references were trained.
    """
    planned, n_references = prepare(
        model,
        given,
        n_references=n_references,
        time_budget=None,
        attacks=attacks,
        estimator=estimators[0],
        fit_params=fit_params,
        split=split,
        release=release,
        access=None,
        slices=None,
        groups=None,
        dp=None,
        confidence=confidence,
        max_records=max_records,
        n_queries=None,
        of_function=(None, None),
        comparison=None,
        n_jobs=options["n_jobs"],
        seed=random_state,
    )
    options = {"random_state": planned.seed, **options}
    return ask_ahead(planned, estimators, fit_params, n_references, **options)
