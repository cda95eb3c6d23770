"""Asking a target: for posteriors, or what an access asks for."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._models._kinds import is_generator
from .._observations._neighborhood import perturbed_copies
from .._records._rows import take_rows
from ..access import AskedRecords, BaseAccess, choose_access
from ..access._choice import access_of_outputs
from ..references import ReferenceModels
from ..signals import log_posteriors

if TYPE_CHECKING:
    pass


def asks_otherwise(model: Any, access: Any, references: ReferenceModels | None) -> bool:
    """Tell whether something other than posteriors is asked for."""
    if access is not None or is_generator(model) or access_of_outputs(model) is not None:
        return True
    return references is not None and getattr(references, "access_", None) is not None


def agreed_access(
    access: Any,
    model: Any,
    references: ReferenceModels | None,
    options: dict[str, Any] | None = None,
) -> BaseAccess:
    """Return what a target is asked for: what its references were, if there are some."""
    if references is None:
        return choose_access(access, model, options)
    check_is_fitted(references, "outputs_")
    own = references.access_
    if own is None:
        raise ValueError(
            "The references gave posteriors, and the target is asked for another signal: fit "
            "ReferenceModels(..., signal=...) with the same access."
        )
    if (access is not None and access != own.name) or options:
        asked = choose_access(access, model, options)
        if repr(asked) != repr(own):
            raise ValueError(
                f"The target is asked for {asked!r}, but the references were asked for {own!r}: "
                "leave access out, or fit ReferenceModels(..., signal=...) with it."
            )
    return choose_access(own, model)


def ask_as_references(
    target: Any, references: ReferenceModels, rows: np.ndarray
) -> tuple[np.ndarray, str]:
    """Ask a target about `rows` of the references' pool what they were asked, see `ask_target`."""
    assert references.access_ is not None
    return ask_target(references.access_, target, references.asked_, rows, references.query_seed_)


def ask_target(
    access: BaseAccess, target: Any, records: AskedRecords, rows: np.ndarray, seed: int
) -> tuple[np.ndarray, str]:
    """Return a target's answers, and what makes them worthless, where something does."""
    answers = access.question(records, seed).ask(target, rows, seed)
    return answers, access.doubt(target, records, answers)


def _warned(answers: np.ndarray, doubt: str) -> np.ndarray:
    """Return answers, after a warning where they are worthless."""
    if doubt:
        warnings.warn(doubt, stacklevel=4)
    return answers


def ask_copies(
    target: Any, references: ReferenceModels, rows: np.ndarray, n_queries: int
) -> np.ndarray:
    if n_queries > references.n_queries:
        raise ValueError(
            f"n_queries={n_queries}, but the references answered {references.n_queries} copies: "
            f"fit ReferenceModels(..., n_queries={n_queries})."
        )
    copies = perturbed_copies(
        references.X_, references.labels_, references.n_queries, references.query_seed_
    )
    answers = [
        log_posteriors(target, take_rows(copy, rows), references.classes_).astype(np.float32)
        for copy in copies[:n_queries]
    ]
    return references.signal_of(np.stack(answers), rows)
