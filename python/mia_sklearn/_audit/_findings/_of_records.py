"""Which records were audited, and whose they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...report import BaseFinder, Finding
from ...stats import nonmembers_needed, ppv_nonmembers_needed

if TYPE_CHECKING:
    from .._run import Run
    from ._context import Context


class Overlap(BaseFinder):
    code = "OVERLAP"
    severities = ("warning",)
    summary = "test records are training records too; no copy of them is audited"

    def find(self, context: Context) -> Finding | None:
        run, repeats = context.run, context.run.pool.repeats
        if not repeats.in_train:
            return None
        copies = f"{repeats.in_test:,} training records and {repeats.in_train:,} test records"
        if run.of_people:
            meaning = (
                f"{copies} are equal, {run.parts_of_records}, to one of another person on the "
                "other side. They are audited with all other records of their person, who is in "
                f"the training set as a whole or not at all.{_people_left_out(run)}"
            )
            remedy = (
                "If they are one person's, give that person one value in groups=, on one side "
                "only. Different people who look alike need nothing."
            )
        else:
            meaning = (
                f"{copies} are equal to one of the other side, {run.parts_of_records}. In a random "
                "split such a record is neither member nor non-member: none of them is audited, "
                "the training records stay in the training set of every reference, and the test "
                "records are not used. A test score that counts them is too good."
            )
            remedy = (
                "If the copies are one person's, split by person, without repetition. Different "
                "people who look alike need nothing."
            )
        n = repeats.in_train
        title = f"{n:,} test records are training records too"
        if n == 1:
            title = "1 test record is a training record too"
        return self.found(title, meaning, remedy)


class Duplicates(BaseFinder):
    code = "DUPLICATES"
    severities = ("info",)
    summary = "records occur several times in train, or in test; no copy of them is audited"

    def find(self, context: Context) -> Finding | None:
        run, repeats = context.run, context.run.pool.repeats
        own = repeats.n_train - repeats.in_test, repeats.n_test - repeats.in_train
        if not any(own):
            return None
        if run.of_people:
            return self.found(
                f"{own[0]:,} training and {own[1]:,} test records are also another person's",
                f"They are equal, {run.parts_of_records}, to one of another person on the same "
                f"side, and are audited with all others of their person.{_people_left_out(run)}",
                "If they are one person's, give that person one value in groups=.",
            )
        return self.found(
            f"{own[0]:,} training and {own[1]:,} test records repeat others of their side",
            "Nothing tells which of several equal records a model has trained on: none of them is "
            "audited, those of the training set stay in the training set of every reference, and "
            "those among the test records are not used. All rates are about records that occur "
            "once. Models remember repeated records better, so that theirs may be the larger risk.",
            "If the copies are one person's, say whose they are (groups=), or keep one of them "
            "(`mia_sklearn.defenses.DistinctTraining`), and audit again.",
        )


class TooFewRecords(BaseFinder):
    code = "TOO_FEW_RECORDS"
    severities = ("info",)
    summary = "rates whose intervals are withheld, and the non-members they would take"

    def find(self, context: Context) -> Finding | None:
        run, own = context.run, context.headline
        withheld = own[own["metric"].isin(["tpr", "ppv"]) & own["high"].isna()]
        if not len(withheld):
            return None
        n = int(own["n_nonmembers"].iloc[0])
        needs = [
            f"{rate:g} needs {nonmembers_needed(rate, confidence=run.confidence):,}"
            for rate in withheld.loc[withheld["metric"] == "tpr", "at"].unique()
        ]
        needs += [
            f"the share of members among those named at {rate:g} needs "
            f"{ppv_nonmembers_needed(rate, confidence=run.confidence):,}"
            for rate in withheld.loc[withheld["metric"] == "ppv", "at"].unique()
        ]
        return self.found(
            f"{n:,} non-members cannot support every rate",
            "The intervals for these false-positive rates are withheld: "
            f"{'; '.join(needs)} non-members.",
            (
                f"Raise max_records if these rates matter: {run.plan.n_dropped:,} test records "
                "were not used."
                if run.plan.n_dropped
                else f"Give more test {context.unit.many} if these rates matter."
            ),
        )


class People(BaseFinder):
    code = "PEOPLE"
    severities = ("info",)
    summary = "with `groups=`: the unit of privacy is a person, with how many records each"

    def find(self, context: Context) -> Finding | None:
        if not context.run.of_people:
            return None
        sizes = context.run.units.sizes
        return self.found(
            "The unit of privacy is a person: all of their records, "
            f"{np.median(sizes):g} in the median",
            f"{len(sizes):,} people with {sizes.min():,} to {sizes.max():,} records each were "
            "audited. All records of a person were in the training set, or none; every rate, "
            "interval and p-value counts people, and the attacker knows all records of the person "
            "in question.",
            "Whoever knows fewer of a person's records learns less than these numbers say.",
        )


class UnauditedMembers(BaseFinder):
    code = "UNAUDITED_MEMBERS"
    severities = ("info",)
    summary = "members that stay in every reference's training set"

    def find(self, context: Context) -> Finding | None:
        plan = context.run.plan
        if not plan.n_spared:
            return None
        return self.found(
            f"{plan.n_spared:,} training records were not audited",
            "They stay in every reference's training set, so that references train on as many "
            "records as the model did; nothing is said about them one by one. They were chosen at "
            "random.",
            "Raise max_records to audit more of them."
            if plan.limited
            else "Give more test records to audit more of them.",
        )


class UnusedNonmembers(BaseFinder):
    code = "UNUSED_NONMEMBERS"
    severities = ("info",)
    summary = "test records beyond `max_records`, which keeps as many training as test records"

    def find(self, context: Context) -> Finding | None:
        n = context.run.plan.n_dropped
        if not n:
            return None
        return self.found(
            f"{n:,} test records were not used",
            "max_records leaves them out, at random, and keeps as many training as test records "
            "as there are.",
            "Raise max_records to use them.",
        )


def _people_left_out(run: Run) -> str:
    repeats = run.pool.repeats
    if not repeats.people_train + repeats.people_test:
        return ""
    return (
        f" {repeats.people_train:,} people in the training set and {repeats.people_test:,} others "
        "have no record of their own and are not audited: the former stay in the training set of "
        "every reference, the latter are not used."
    )
