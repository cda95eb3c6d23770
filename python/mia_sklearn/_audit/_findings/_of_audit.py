"""Whether the audit measured what it should."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._models._kinds import last_step
from ...report import BaseFinder, Finding

if TYPE_CHECKING:
    from ._context import Context


class Shift(BaseFinder):
    code = "SHIFT"
    severities = ("serious",)
    summary = "train and test differ without the model: the attack may be measuring that"

    def find(self, context: Context) -> Finding | None:
        shift = context.run.shift
        if shift is None or not shift.low > 0.5:
            return None
        return self.found(
            "Train and test records differ without the model",
            f"A classifier that never saw the model tells them apart with AUC {shift.value:.3f} "
            f"({shift.low:.3f} to {shift.high:.3f}). Any attack may be measuring that difference "
            "instead of what the model remembers, and p-values and epsilon do not hold.",
            "Audit with a random split of one set of records: train a copy of the model on a "
            "random part, and give the rest as test records.",
        )


class ReferenceControl(BaseFinder):
    code = "REFERENCE_CONTROL"
    severities = ("serious",)
    summary = "references, which know nothing of it, find the target's members"

    def find(self, context: Context) -> Finding | None:
        numbers = _failed(context, "references")
        if numbers is None:
            return None
        return self.found(
            "Reference models appear to know who was in the target's training set",
            "They cannot: their training sets were drawn independently. The records themselves "
            f"tell train from test.{numbers}",
            "Audit with a random split of one set of records.",
        )


class PipelineControl(BaseFinder):
    code = "PIPELINE_CONTROL"
    severities = ("serious",)
    summary = "the attack does worse or better on an unseen reference than it should"

    def find(self, context: Context) -> Finding | None:
        numbers = _failed(context, "pipeline")
        if numbers is None:
            return None
        return self.found(
            "The attack does not carry over from references to a target",
            "Attacking a reference as if it were the target gives another AUC than "
            "cross-validation on shadow observations. The attack's numbers cannot be trusted."
            f"{numbers}",
            "Use more references or more records; if that does not help, report it as an error.",
        )


class Search(BaseFinder):
    code = "SEARCH"
    severities = ("info",)
    summary = "references train the search's best estimator and do not search again"

    def find(self, context: Context) -> Finding | None:
        note = context.run.search_note
        if not note:
            return None
        return self.found(
            "The references do not repeat the search",
            f"{note}. What the search itself gives away is not audited.",
            "Give estimator= the search object to repeat it for every reference.",
        )


class HeldAside(BaseFinder):
    """skorch's default keeps a fifth of the training records for validation."""

    code = "HELD_ASIDE"
    severities = ("warning",)
    summary = "the network kept part of `X_train` for its own validation (`train_split`)"

    def find(self, context: Context) -> Finding | None:
        target = context.run.target
        model = last_step(getattr(target, "source", None) or target)
        split = getattr(model, "train_split", None)
        if not hasattr(split, "cv"):
            return None
        return self.found(
            "The network did not learn from all of X_train",
            f"Its train_split ({type(split).__name__}) keeps part of the records that fit is given "
            "for validation. They count as members here although no step was made on them, so "
            "rates among those that were learned are higher than these.",
            "Train with train_split=None, or give as X_train what the network made its steps on "
            "and predefined_split(validation) as train_split.",
        )


def _failed(context: Context, name: str) -> str | None:
    """Return the numbers of a control that failed; None if it did not."""
    for control in context.controls:
        if control.control == name and control.passed is False:
            return f" (AUC {control.value:.3f}, p = {control.p_value:.2g}.)"
    return None
