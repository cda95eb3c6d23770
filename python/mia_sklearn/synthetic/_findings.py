"""What a synthetic table has to say: findings of `audit_synthetic`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..metrics import roc_auc
from ..report import BaseFinder, Finding
from ..stats import excess_risk
from ._asked import Asked
from ._copied import CopyTest
from ._membership import Membership, Tells
from ._repeats import Repeats
from ._risk import Risk
from ._shift import Shift

__all__ = ["EVERY_FINDER", "FINDERS", "Context", "copied_rows", "findings_of"]

# A risk that surely reaches this is serious: one record in ten that was safe without the table.
_SERIOUS = 0.1
# The level of the test for copies: one sound table in so many may be called a leak.
_COPIED = 0.01
# Attacks that a title names.
_NAMED = 5
# One sound control in so many is said to be none.
_ALARM = 0.001


@dataclass(frozen=True)
class Context:
    """What findings are made of.

    Attributes
    ----------
    risks : list of Risk
    copied : CopyTest
    confidence : float
        Of all statements on risks together.
    told : Membership
    shift : Shift
    repeats : Repeats
    asked : Asked
    """

    risks: list[Risk]
    copied: CopyTest
    confidence: float
    told: Membership
    shift: Shift
    repeats: Repeats
    asked: Asked

    @property
    def shared(self) -> float:
        """The confidence that each of the risks is left."""
        return 1 - (1 - self.confidence) / len(self.risks)

    def surely(self, name: str) -> list[tuple[Risk, float]]:
        """Return the risks of a name that are surely above 0, and what they surely reach.

        The largest first; the confidence is shared by all risks that were measured.
        """
        ends = [(risk, risk.interval(self.shared).low) for risk in self.risks if risk.name == name]
        return sorted((each for each in ends if each[1] > 0), key=lambda each: -each[1])


class _Above(BaseFinder):
    """Finds that an attack surely succeeds more often on training records than on others."""

    name: str
    what: str
    means: str
    remedy: str

    def find(self, context: Any) -> Finding | None:
        above = context.surely(self.name)
        if not above:
            return None
        worst, least = above[0]
        by = f" ({', '.join(risk.of for risk, _ in above)})" if worst.of else ""
        found = worst.interval(context.confidence)
        return self.found(
            f"{self.what}{by}: {_percent(found.value)} above control",
            f"{worst.meaning} That is {_percent(found.value)} of the records that are safe without "
            f"the table ({_percent(found.low)} to {_percent(found.high)}). {self.means}",
            self.remedy,
            "serious" if least >= _SERIOUS else "warning",
        )


class ControlNearer(BaseFinder):
    """Finds that the synthetic table takes after the control: no attack can be read then."""

    code = "CONTROL_NEARER"
    severities = ("serious",)
    qualifies = True
    summary = (
        "the synthetic table surely lies nearer to the control than to the training records: the "
        "two swapped, a control that the generator has seen, or rows left out that were too near "
        "to training records"
    )

    def find(self, context: Any) -> Finding | None:
        risks = [risk for risk in context.risks if risk.name in ("copies", "linkability")]
        level = 1 - 2 * _ALARM / (len(risks) + 1)
        said = [risk.meaning for risk in risks if _in_control(risk, level) > 0]
        records = context.told.records
        if records is not None:
            auc = roc_auc(records["member"], records[context.told.headline], confidence=level)
            if auc.high < 0.5:
                said.append(
                    "The attack on membership takes records of the control for training records: "
                    f"its AUC is {auc}."
                )
        if not said:
            return None
        return self.found(
            "The synthetic table lies nearer to X_control than to X_train",
            f"{' '.join(said)} A generator that has not seen the control does not prefer it. "
            "Either the two tables were swapped, or the generator has seen the control, so that "
            "nothing here shows safety; or rows that were like training records have been left "
            "out of the synthetic table, and who is missing there was a training record.",
            "Check that X_train holds what the generator was fitted on, and X_control what it "
            "was not. Do not filter rows by how near they are to training records: audit the "
            "table as it was drawn.",
        )


def _in_control(risk: Risk, confidence: float) -> float:
    """Return the least that an attack adds on the control, held against training records."""
    n, n_control = risk.attacked, risk.control_attacked
    counts = round(risk.control * n_control), n_control, round(risk.success * n), n
    return excess_risk(*counts, confidence=confidence).low


class ControlDiffers(BaseFinder):
    """Finds that training records and control are of different populations."""

    code = "CONTROL_DIFFERS"
    severities = ("warning",)
    summary = (
        "values of a column are surely spread otherwise among training records than in the "
        "control: attacks may measure that, and miss what the table gives away"
    )

    def find(self, context: Any) -> Finding | None:
        shift = context.shift
        if shift.p_value > _ALARM:
            return None
        return self.found(
            f"X_train and X_control are no random parts of one set: they differ in {shift.name!r}",
            f"Its values are spread otherwise in either, or are missing more often in one (p = "
            f"{shift.p_value:.2g}, all columns counted). What attacks achieve on the control is "
            "then not what they would achieve on training records without the table, and risks "
            "may be too large or too small. Records that repeat, as those of families do, may "
            "look like it too.",
            "Set the control aside at random from the same records, before the generator is "
            "fitted.",
        )


class RepeatsRecords(BaseFinder):
    """Finds that training records or control were repeated, as oversampling does."""

    code = "SYNTHETIC_REPEATS"
    severities = ("warning", "info")
    summary = (
        "records repeat surely more often among training records than in the control, or the other "
        "way round, as after oversampling: each counts once; a warning where the tables are so "
        "coarse that equal records may be different people"
    )

    def find(self, context: Any) -> Finding | None:
        repeats: Repeats = context.repeats
        if repeats.more is None:
            return None
        if repeats.once:
            return self.found(
                f"{repeats.more} repeats records: each counts once",
                f"{repeats.n_train:,} rows of X_train and {repeats.n_control:,} of X_control are "
                "equal to an earlier one of their table, as after oversampling. All numbers are of "
                "different records: whoever is repeated is one person all the same.",
                "Nothing, if the records were repeated on purpose. Draw the control before that is "
                "done.",
                "info",
            )
        return self.found(
            f"{repeats.more} repeats records more often than the other table: intervals are too "
            "narrow",
            f"{repeats.n_train:,} rows of X_train and {repeats.n_control:,} of X_control are equal "
            "to an earlier one of their table. Other records repeat too, so that nothing tells "
            "which were repeated on purpose: all count, as if they were of different people.",
            "Give the records as they were before they were repeated.",
            "warning",
        )


class Copies(BaseFinder):
    """Finds copies, exact and near ones, by a test of its own: one alone may be enough."""

    code = "SYNTHETIC_COPIES"
    severities = ("serious", "info")
    summary = (
        "training records stand in the synthetic table, as they are or next to it: serious where "
        "coincidence does not explain it, at a level of 1 %"
    )

    def find(self, context: Any) -> Finding | None:
        test: CopyTest = context.copied
        surely = test.p_value <= _COPIED
        n = len(copied_rows(test))
        if n == 0:
            return None
        sure = (
            f"Coincidence does not explain it (p = {test.p_value:.2g}): whoever reads the table "
            "reads them."
            if surely
            else f"So few may be coincidence (p = {test.p_value:.2g}); look at them: rare values "
            "in many columns are none."
        )
        exact = f"{test.exact_train:,} as they are, " if test.exact_train else ""
        how = f"{exact}{test.near_train:,} nearly" if surely else "which may be coincidence"
        return self.found(
            f"{n:,} training {'record stands' if n == 1 else 'records stand'} in the synthetic "
            f"table, {how}",
            f"Of {test.n_train:,} different training records that have no equal in the control, "
            f"{test.exact_train:,} stand in the synthetic table with all their values, and "
            f"{test.near_train:,} more have a synthetic row that is ten times "
            "nearer than any other record; of "
            f"{test.n_control:,} records that the generator has not seen, {test.exact_control:,} "
            f"and {test.near_control:,}. {sure}",
            "Look whether training rows were handed out by mistake. Leave out what the generator "
            "repeats, fit it with fewer parameters or for a shorter time, or with differential "
            "privacy; then audit again.",
            "serious" if surely else "info",
        )


def copied_rows(test: CopyTest) -> np.ndarray:
    """Return the training records that a report calls copies: exact ones alone where unsure."""
    if test.p_value <= _COPIED:
        return test.rows
    return test.rows[: 0 if test.exact_control else test.exact_train]


class SinglesOut(_Above):
    code = "SYNTHETIC_SINGLES_OUT"
    severities = ("serious", "warning")
    summary = (
        "what is true of one synthetic row alone is surely true of one training record alone more "
        "often than of records that the generator has not seen"
    )
    name = "singling_out"
    what = "The synthetic table singles out training records"
    means = "Rare values, or rare combinations of values, were taken over from the records."
    remedy = (
        "Cut extreme numbers, join rare categories or leave them out before the generator is "
        "fitted, or fit it with differential privacy; then audit again."
    )


class Links(_Above):
    code = "SYNTHETIC_LINKS"
    severities = ("serious", "warning")
    summary = (
        "two halves of a training record lead to the same synthetic row surely more often than "
        "those of records that the generator has not seen"
    )
    name = "linkability"
    what = "The synthetic table links what is known of training records apart"
    means = "Whoever holds two tables with these columns joins the rows of one person."
    remedy = (
        "Release fewer columns, coarser ones, or those of one half alone; or fit a generator that "
        "keeps less of single records, then audit again."
    )


class Infers(_Above):
    code = "SYNTHETIC_INFERS"
    severities = ("serious", "warning")
    summary = (
        "the nearest synthetic row tells a column of training records right surely more often than "
        "of records that the generator has not seen"
    )
    name = "inference"
    what = "The synthetic table tells what an attacker does not know of training records"
    means = "It is learned of them because they were in the data, not of people alike."
    remedy = (
        "Leave the column out or make it coarser, or fit a generator that keeps less of single "
        "records, then audit again."
    )


class SecretsChosen(BaseFinder):
    """Finds that not all columns were attacked as secrets, or with fewer records."""

    code = "SECRETS_CHOSEN"
    severities = ("info",)
    summary = (
        "no secret was named and the table is large: fewer columns are attacked in turn than there "
        "are, or each with fewer records, so that it ends"
    )

    def find(self, context: Any) -> Finding | None:
        asked: Asked = context.asked
        if asked.n_each is None:
            return None
        n, left = len(asked.secrets), asked.n_left_out
        of = f"{n:,} of {n + left:,} columns were" if left else f"Each of {n:,} columns was"
        return self.found(
            f"{of} attacked as secrets, with {asked.n_each:,} records of a side at most",
            "To attack every column with every record would take hours. Those were taken in which "
            "two synthetic rows agree least often; the choice depends on sizes and on the "
            "synthetic table alone. Nothing is said of the inference of the others.",
            "Name the columns that matter, by secrets: all of these are attacked, with n_attacks "
            "records.",
        )


class BaselineNotBeaten(BaseFinder):
    code = "BASELINE_NOT_BEATEN"
    severities = ("info",)
    summary = (
        "an attack surely does worse than guessing, so that its number shows no safety, and "
        "conditions on it are not decided"
    )

    def find(self, context: Any) -> Finding | None:
        weak = [risk for risk in context.risks if risk.below_guessing(context.shared)]
        if not weak:
            return None
        names = ", ".join(f"{risk.name} {risk.of}".strip() for risk in weak[:_NAMED])
        names += f" and {len(weak) - _NAMED:,} more" if len(weak) > _NAMED else ""
        return self.found(
            f"Guessing does better than the attack: {names}",
            f"{weak[0].meaning} Guessing would succeed in {_percent(weak[0].baseline)} of cases. "
            "An attack that is this weak cannot tell that there is no risk.",
            "Give the attacker columns that say more (aux_columns), or judge by the other risks.",
        )


FINDERS: tuple[type[BaseFinder], ...] = (
    ControlNearer,
    ControlDiffers,
    Copies,
    SinglesOut,
    Links,
    Infers,
    RepeatsRecords,
    SecretsChosen,
    BaselineNotBeaten,
)
# With the one that attacks on membership ask.
EVERY_FINDER: tuple[type[BaseFinder], ...] = (*FINDERS, Tells)


def findings_of(context: Context) -> list[Finding]:
    """Return what there is to say."""
    found = (finder().find(context) for finder in FINDERS)
    return [finding for finding in found if finding is not None]


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
