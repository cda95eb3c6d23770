"""What a model's structure has to say: findings of `structural_risk` and of audits."""

from __future__ import annotations

from typing import Any

from ..report import BaseFinder, Finding
from ..report._leak import SERIOUS_GAIN
from ..report._wording import times
from ._edge import BESIDE, OnEdge
from ._measures import BANDS, WITHIN_NOISE, listed
from ._remedies import INSTEAD_OF_SVC, INSTEAD_OF_SVR, instead_of

__all__ = ["FINDERS", "LossGap", "SelfInfluence", "StoresRecords", "SupportVectors"]

# Smaller p-values have lost their digits.
_LEAST_P = 1e-300

_OFF_THE_EDGE = (
    f"Retrain as {INSTEAD_OF_SVC}: their losses have no kink. Or release labels alone. Posteriors "
    "in place of decision values are no cure: the edge is then a posterior that many records of a "
    "class share. Then audit again."
)
_OFF_THE_EDGE_OF_NUMBERS = f"Retrain as {INSTEAD_OF_SVR}: its loss has no kink. Then audit again."


class SupportVectors(BaseFinder):
    code = "SUPPORT_VECTORS"
    severities = ("serious", "warning")
    summary = (
        "members are named one by one, without any reference model, since their answers lie on the "
        "edge of the margin of a support vector machine: serious where they surely lie there ten "
        "times as often as others"
    )

    def find(self, context: Any) -> Finding | None:
        structure = context.structure
        if structure is None or structure.on_edge is None:
            return None
        found, unit = structure.on_edge, structure.edges.unit
        of_numbers = "residual_ratio" in structure
        answers = (
            "predicts for these a value exactly as far from the true one as the edge of its margin"
            if of_numbers
            else "answers these with exactly the value at the edge of its margin"
        )
        title = f"{found.n_members:,} of {found.of_members:,} {unit.members} are named by the edge "
        title += "of the margin"
        serious = found.gain >= SERIOUS_GAIN
        if found.of_others:
            title += f", and wrongly {found.n_others:,} of {found.of_others:,} {unit.others}"
        else:
            title += ", as far as can be told without other records"
            serious = False
        given = "predictions" if of_numbers else "answers"
        return self.found(
            title,
            "A support vector machine is held in place by some records of its training set, and "
            f"{answers}, up to the tolerance of training; others get it by chance alone. Whoever "
            f"is given the model's {given} in full can look for it, without any reference model "
            f"and whatever other attacks find: {_how_often(found, unit)} Whoever holds the model "
            "finds these records stored in it.",
            _OFF_THE_EDGE_OF_NUMBERS if of_numbers else _OFF_THE_EDGE,
            "serious" if serious else "warning",
        )


def _how_often(found: OnEdge, unit: Any) -> str:
    chance = f"p = {found.p_value:.1g}" if found.p_value >= _LEAST_P else f"p < {_LEAST_P:g}"
    surely = f"surely lies there at least {times(found.gain)} times as often as"
    if found.of_others:
        return f"a {unit.member} {surely} another {unit.one} (Fisher's exact test: {chance})."
    return (
        f"a {unit.member} {surely} in a strip of the same width beside it, of which {BESIDE} hold "
        f"{found.n_others:,} in all (binomial test: {chance}). Records that are equal to training "
        "records would lie there, too: give other records, X_test and y_test, to count them."
    )


class StoresRecords(BaseFinder):
    code = "STORES_RECORDS"
    severities = ("serious", "info")
    summary = (
        "training records, or an answer for each of them, lie in the fitted model: serious where "
        "its weights are released"
    )

    def find(self, context: Any) -> Finding | None:
        structure = context.structure
        if structure is None or not structure.stored:
            return None
        records = [each for each in structure.stored if each.kind == "records"]
        answers = [each for each in structure.stored if each.kind == "answers"]
        title = "The fitted model keeps an answer for each training record"
        if records:
            share = max(each.share for each in records)
            title = f"The fitted model keeps training records: {_percent(share)} of them"
        told = [f"Found by their values, row by row: {listed(records)}."] if records else []
        if answers:
            told.append(f"One entry for each training record: {listed(answers)}.")
        told.append(
            "Whoever gets the model's file reads them; no attack is needed."
            if structure.weights
            else "Whoever may only ask the model does not see them; its file must stay where it is."
        )
        return self.found(
            title,
            " ".join(told),
            _remedy(records, answers, weights=structure.weights),
            "serious" if structure.weights else "info",
        )


class LossGap(BaseFinder):
    code = "LOSS_GAP"
    severities = ("warning", "info")
    summary = (
        "losses on training records are surely lower, or otherwise others, than on other records"
    )

    def find(self, context: Any) -> Finding | None:
        structure = context.structure
        if structure is None or structure["ks"].band in ("", "low", WITHIN_NOISE):
            return None
        ks = structure["ks"]
        surely = ks.value - ks.error
        losses = "Errors" if "residual_ratio" in structure else "Losses"
        less = "Regularise, stop earlier, grow larger leaves, or use more data"
        if structure.spreads:
            less = f"Use {structure.spreads}, or more data"
        return self.found(
            f"{losses} on training and on other records lie {ks.value:.3f} apart ({ks.band})",
            ks.meaning,
            f"{less}; then measure again.",
            "warning" if surely >= 0.05 and ks.band in BANDS[2:] else "info",
        )


class SelfInfluence(BaseFinder):
    code = "SELF_INFLUENCE"
    severities = ("info",)
    summary = "much of the answer about a training record is made by that record itself"

    def find(self, context: Any) -> Finding | None:
        structure = context.structure
        if structure is None or "self_influence" not in structure:
            return None
        own = structure["self_influence"]
        if own.band not in BANDS[2:]:
            return None
        spreads = structure.spreads or "larger leaves, more neighbours, a stronger penalty"
        return self.found(
            f"Of 100 parts of an answer about a training record, {100 * own.value:.0f} come from "
            "that record itself",
            f"{own.meaning} No other records are needed to see it, and what a record does to the "
            "answer about itself is what attacks look for.",
            f"Let each answer rest on more records: {spreads}.",
        )


FINDERS: tuple[type[BaseFinder], ...] = (
    SupportVectors,
    StoresRecords,
    LossGap,
    SelfInfluence,
)


def _remedy(records: list[Any], answers: list[Any], *, weights: bool) -> str:
    said = []
    if records:
        told = instead_of({each.part for each in records})
        said.append(f"Retrain as {told}" + (", or release it by API only." if weights else "."))
    if answers:
        names = ", ".join(sorted({each.attribute for each in answers}))
        said.append(f"Take {names} out of what is released (oob_score=False where it is one).")
    return " ".join(said)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
