"""What the attacks showed of members."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..._models._counted import CountedFunction
from ...report import BaseFinder, Finding
from ...report._counted import PERSON, capital
from ...report._exposed import too_few_references
from ...report._leak import INFERRED_AT, LISTED_AT, two_counts
from ...report._wording import interval, percent, times
from ...stats._listing import list_members
from .._advice import advice_for

if TYPE_CHECKING:
    import pandas as pd

    from .._run import Run
    from ._context import Context

_REMEDY = (
    "Make the model remember less: stronger regularisation, larger leaves, fewer trees grown to "
    "purity, early stopping, more data; release labels or fewer digits; or train with differential "
    "privacy. `mia_sklearn.selection.compare_defenses` measures what each buys and costs."
)
_REMEDY_OF_LABELS = _REMEDY.replace("release labels or fewer digits; or ", "or ")
_REMEDY_OF_OUTPUTS = _REMEDY.replace("release labels or fewer digits", "release fewer digits")
_REMEDY_OF_NUMBERS = _REMEDY.replace("release labels or fewer", "release predictions with fewer")
_REMEDY_OF_GENERATORS = (
    "Make the generator remember less: fewer components, a wider bandwidth, fewer epochs, more "
    "data; release samples only, and as few as serve; or train with differential privacy. Then "
    "audit again."
)


class SingledOut(BaseFinder):
    code = "SINGLED_OUT"
    severities = ("serious", "warning")
    summary = "some members are recognised at 1 % false alarms or fewer"

    def find(self, context: Context) -> Finding | None:
        leak, unit = context.leak, context.unit
        if leak.degree != "singled":
            return None
        rate = leak.rate
        assert rate is not None
        n_listed = None if too_few_references(context.info) else _listed(context.records)
        whose = "people" if unit is PERSON else "people's records"
        return self.found(
            f"Some {whose} can be recognised as {unit.members}",
            f"Someone with this access can name {int(rate.n_identified):,} of "
            f"{int(rate.n_members):,} {unit.members} while wrongly naming "
            f"{int(rate.n_false_alarms):,} of {int(rate.n_nonmembers):,} others: surely "
            f"{times(rate.low / rate.at)} times as many as by guessing. For a "
            "person among them, the model gives away that they are in the data, and with it "
            "whatever being in the data says about them. " + two_counts(leak, n_listed, unit),
            _remedy(context.run),
            leak.severity,
        )


class TellsApart(BaseFinder):
    code = "TELLS_APART"
    severities = ("serious", "warning")
    summary = (
        "members are told from others better than by chance, though none is shown to be singled out"
    )

    def find(self, context: Context) -> Finding | None:
        leak, unit = context.leak, context.unit
        if leak.degree != "apart":
            return None
        auc = leak.auc
        assert auc is not None
        picked = (
            f"{100 * auc.estimate:.1f} % of the time "
            f"({100 * auc.low:.1f} to {100 * auc.high:.1f} %)"
        )
        little = "much of their" if leak.severity == "serious" else "a little"
        return self.found(
            f"{capital(unit.members)} can be told from others better than by chance",
            f"Given one {unit.member} and one other, the attack picks the right one {picked}. That "
            f"a single {unit.one} is recognised at 1 % false alarms or fewer is not shown, so what "
            f"a person in the data surely loses is {little} deniability.",
            "Decide whether this is acceptable for these people and this use; audit again if it "
            f"is not. {_remedy(context.run)}",
            leak.severity,
        )


class NotShown(BaseFinder):
    code = "NOT_SHOWN"
    severities = ("info",)
    summary = "the attacks that were run did not tell members from others"

    def find(self, context: Context) -> Finding | None:
        leak, unit = context.leak, context.unit
        if leak.degree in ("singled", "apart"):
            return None
        auc = leak.auc
        assert auc is not None
        which = "attacks that were run" if context.structure.on_edge is None else "headline attack"
        return self.found(
            f"The {which} did not tell {unit.members} from others",
            f"The headline attack's AUC is {auc.estimate:.3f} ({auc.low:.3f} to "
            f"{auc.high:.3f}); chance is 0.5. This is evidence about these attacks on these "
            f"{unit.many}, not a proof about all; where another finding puts the references or the "
            "answers in doubt, it is evidence of nothing.",
            "See which attacks were not run, and audit again after each change of model or data.",
        )


class ExposedRecords(BaseFinder):
    code = "EXPOSED_RECORDS"
    severities = ("serious", "info")
    summary = (
        "a list of members, with at most 10 % errors expected in it: serious where members are "
        "surely listed more often than non-members (a permutation test, p <= .01)"
    )

    def find(self, context: Context) -> Finding | None:
        records, unit = context.records, context.unit
        p_values, member = records["p_value"].to_numpy(), records["member"].to_numpy() == 1
        listing = list_members(p_values, member, LISTED_AT, context.run.seed)
        if not listing.n_members:
            return None
        others = (
            f"By the same rule {listing.n_others:,} of {listing.of_others:,} non-members would "
            f"have been listed{_surplus_in_words(listing.p_value)}."
        )
        if not listing.sure:
            return self.found(
                f"{listing.n_members:,} {unit.members} are listed, not surely more than chance "
                "lists",
                f"Their p-values are small enough for a list with at most {100 * LISTED_AT:.0f} % "
                f"errors. {others} Nothing shows that the list tells who was in the training set.",
                f"Do not act on single {unit.many} of the list. More references make p-values "
                f"surer, more test {unit.many} the comparison.",
                "info",
            )
        return self.found(
            f"{listing.n_members:,} {unit.members} stand out one by one",
            f"Their answers are unusual for {unit.many} that a model has not trained on, on "
            f"average over {unit.many}; at most {100 * LISTED_AT:.0f} % of the list are expected "
            f"to be errors. {others} Read the list as a whole: a second audit lists most of them "
            "again, not all, and a model trained again on the same records exposes partly others."
            + _again_in_words(context),
            f"Look at these {unit.many} first (the table of most exposed {unit.many}): rare or "
            "mislabelled people carry most of the risk. Dropping them is no cure in itself, since "
            "others take their place; audit again.",
            "serious",
        )


def _again_in_words(context: Context) -> str:
    """Say how many of those listed an audit of another model names again."""
    again, records = context.run.again, context.records
    if again is None:
        return ""
    confidence = context.run.confidence
    found = again.share_of((records["q_value"] <= LISTED_AT).to_numpy(), confidence)
    if found is None:
        return ""
    return (
        f" Of {found.n_reruns} reference models that trained on other parts of the records, one "
        f"names {percent(found.value)} of those listed that it trained on, on average "
        f"({percent(confidence)} interval {interval('tpr', found.low, found.high)}), at "
        f"{percent(INFERRED_AT)} false alarms; against references of their own it would be rather "
        "fewer."
    )


def _listed(records: pd.DataFrame) -> int | None:
    """Count the members that stand out one by one; None where there are no p-values."""
    q_values = records.loc[records["member"] == 1, "q_value"]
    return None if q_values.isna().all() else int((q_values <= LISTED_AT).sum())


def _remedy(run: Run) -> str:
    if not run.pool.labelled:
        general = _REMEDY_OF_GENERATORS
    elif run.outputs is not None:
        general = _REMEDY_OF_NUMBERS if run.outputs.of_numbers else _REMEDY_OF_OUTPUTS
    else:
        general = _REMEDY_OF_LABELS if run.release == "labels" else _REMEDY
    of_function = isinstance(run.target, CountedFunction) or run.target is None
    model = run.trainable if of_function else getattr(run.target, "source", None) or run.target
    own = advice_for(model)
    if not own:
        return general
    whose = "Of estimator=" if of_function else "Of this model's parameters"
    return f"{whose}, these decide how much is remembered: {own}. {general}"


def _surplus_in_words(p_value: float) -> str:
    if np.isnan(p_value):
        return ""
    return (
        f" (p = {p_value:.2g} that members are listed that much more often where p-values have "
        "nothing to do with membership, the choice of the cut-off paid for)"
    )
