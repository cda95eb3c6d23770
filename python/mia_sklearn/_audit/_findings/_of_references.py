"""How many references there are, and what they show of the model's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...report import BaseFinder, Finding
from ...report._counted import PERSON
from ...report._leak import LISTED_AT
from ...report._time_budget import lowered, seconds_in_words, without_a_clock
from ...report._without_references import references_would
from ...stats import references_needed
from .._people import of_single_records
from .._triage import N_REFERENCES

if TYPE_CHECKING:
    from ._context import Context

# Beside so few, only a target that is unlike them by about ten of their standard deviations is
# surely so: Student's t at the level of `differing_traits`.
_FEW_TO_COMPARE = 8
_LEAST_TO_POOL = 3  # references without a record that pooled p-values take

# `benchmarks/README.md`, "A budget of time": differences of means over targets.
_LESS_BY_REFERENCES = (
    "Measured on four kinds of classifiers, the stacked attack found 0.002 to 0.005 less in AUC "
    "with 4 references than with 16, and 0.2 % to 2 % less of the members at 1 % false alarms."
)
_LESS_BY_ATTACKS = (
    "The attacks that learn were left out. Measured on four kinds of classifiers with 4 references "
    "each, LiRA found 0.01 to 0.03 less in AUC than the stacked attack, and 1 % to 13 % less of "
    "the members at 1 % false alarms."
)


class Saturated(BaseFinder):
    code = "SATURATED"
    severities = ("info",)
    summary = (
        "the model answers exactly 0 or 1, and posteriors are smoothed by the amount printed; or, "
        "predicting numbers, it answers its training records exactly"
    )

    def find(self, context: Context) -> Finding | None:
        refs = context.run.references
        if refs is None or refs.scale_ is None or not refs.scale_.saturated:
            return None
        outputs = context.run.outputs
        if outputs is not None and outputs.of_numbers:
            return self.found(
                "Models like this one answer their own training records exactly",
                "At least half of the training records of the reference models are predicted "
                "without any error, so that who knows the true value sees at once whether a record "
                "was learned. Such answers are set well apart from those that are nearly right: "
                f"they are {refs.scale_.text}.",
                "Have more records share an answer: larger leaves, more neighbours that weigh "
                "alike, noise or a penalty in place of interpolation.",
            )
        how = refs.scale_.text if outputs is None else f"smoothed by {refs.scale_.smoothing:g}"
        return self.found(
            "The model answers exactly 0 or 1",
            "Averages of votes and pure leaves cannot tell 0 from a little more. The posteriors "
            f"are {how} before any logarithm; how was chosen from the references' "
            "answers alone.",
            "None needed. Larger leaves make fewer such answers, and leak less.",
        )


class FewReferences(BaseFinder):
    code = "FEW_REFERENCES"
    severities = ("warning", "info")
    summary = (
        "p-values borrow from other records, or are too coarse to single anyone out; how many "
        "references would do"
    )

    def find(self, context: Context) -> Finding | None:
        refs, records, unit = context.run.references, context.records, context.unit
        if refs is None:
            return None
        members = int((records["member"] == 1).sum())
        out = int(np.median((refs.membership_[:, : refs.n_pool_] == 0).sum(axis=0)))
        needed = references_needed(members, max(1, members // 20), LISTED_AT)
        if out >= needed:
            return None
        if out < _LEAST_TO_POOL:
            meaning = (
                f"With fewer than {_LEAST_TO_POOL}, a p-value is a rank among them and cannot fall "
                f"below 1/{out + 1}: no {unit.one} can stand out."
            )
        else:
            meaning = (
                f"The p-values borrow from other {unit.many}: they hold on average over "
                f"{unit.many}, not for each person."
            )
        if refs.n_models_ - len(refs.lost_) <= _FEW_TO_COMPARE:
            meaning += (
                " So few also show hardly whether the model was trained like them: that "
                "REFERENCES_DIFFER is not found says little."
            )
        return self.found(
            f"Each {unit.one} has {out} references that did not train on "
            f"{'them' if unit is PERSON else 'it'}",
            f"A list of exposed {unit.many} from each {unit.one}'s own ranks alone would need "
            f"{needed:,} such references. {meaning}",
            "Raise n_references for p-values that rest on a person's own references.",
            "warning" if out < _LEAST_TO_POOL else "info",
        )


class TimeBudget(BaseFinder):
    code = "TIME_BUDGET"
    severities = ("warning", "info")
    summary = (
        "a time budget was enough for fewer references, or fewer attacks, than an audit has by "
        "default: what that costs"
    )

    def find(self, context: Context) -> Finding | None:
        info = context.info
        less = lowered(info)
        if not less:
            return None
        chosen = info["time_budget"]
        n, usual = chosen["n_references"], chosen["usual"]["n_references"]
        missing, costs = [], []
        if "n_references" in less:
            missing.append(f"{n} references in place of {usual}")
            costs.append(_LESS_BY_REFERENCES)
        if "attacks" in less:
            missing.append(f"the attacks {', '.join(chosen['attacks'])} alone")
            costs.append(_LESS_BY_ATTACKS)
        longer = "Give more time"
        # It is less where later references took less than the first one.
        if chosen["usual"].get("seconds", 0.0) > chosen["seconds"]:
            longer += f" (about {seconds_in_words(chosen['usual']['seconds'])} here)"
        return self.found(
            f"A time budget of {seconds_in_words(chosen['seconds'])} was enough for "
            f"{' and '.join(missing)}",
            f"{' '.join(costs)} The intervals tell how sure the numbers of this audit are, not "
            "what a stronger one would find. The same audit, on a machine of any speed: "
            f"{without_a_clock(info)}.",
            f"{longer}, or more n_jobs.",
            "warning" if "attacks" in less else "info",
        )


class NoReferences(BaseFinder):
    code = "NO_REFERENCES"
    severities = ("warning",)
    summary = "`n_references=0`: references would usually find more; what they would take"

    def find(self, context: Context) -> Finding | None:
        run = context.run
        # To what a discriminator says of a record, other discriminators add nothing.
        more = references_would(context.info)
        if run.references is not None or not more:
            return None
        if of_single_records(run.attacks[run.headline]).learns_from_target:
            meaning = (
                "The headline attack knows how hard a record is from the model's answers to other "
                "records like it alone. What other models answer to the record itself tells more."
            )
        else:
            meaning = (
                "Without reference models the attack cannot tell a record that is easy for every "
                "model from one that this model remembers."
            )
        unseen = (
            "Not looked at, since references alone show it: which single records stand out (there "
            "are no p-values, so that nobody is listed), and whether the attacks find as much "
            "where there is nothing to find."
        )
        instead = (
            "Leave quick out"
            if context.info.get("quick")
            else f"Set n_references to {N_REFERENCES}"
        )
        return self.found(
            "No reference models were trained", f"{meaning} {more} {unseen}", f"{instead}."
        )
