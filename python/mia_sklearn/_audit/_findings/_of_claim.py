"""What the rates measured say of a claimed differential privacy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...report import BaseFinder, Finding
from ...report._wording import percent
from ...stats import one_run_p_value, tpr_interval
from .._tables import no_epsilon

if TYPE_CHECKING:
    from ...stats import OperatingPoint, TradeOff
    from ._context import Context

_RATES = (0.1, 0.01, 0.001)
# The lower ends at these rates, and the test of one run, share what the confidence leaves.
_SHARE = 1 / (len(_RATES) + 1)


class ClaimedPrivacy(BaseFinder):
    code = "DP_CLAIM"
    severities = ("serious", "info")
    summary = (
        "with `dp=`: members found, beside the most that the claimed differential privacy allows; "
        "serious where surely more are found"
    )

    def find(self, context: Context) -> Finding | None:
        run, claim = context.run, context.run.dp
        if claim is None:
            return None
        member, score = run.unit_member, run.scores[run.headline]
        sides = score[member], score[~member]
        error = (1 - run.confidence) * _SHARE
        rates = {at: tpr_interval(*sides, at, confidence=1 - 2 * error) for at in _RATES}
        told = _beside(rates, claim)
        reason = no_epsilon(run.split, run.shift)
        if reason:
            return self.found(
                f"Whether {claim.claim} holds cannot be read from these rates",
                f"{told} {reason}",
                'Audit with a random split of one set of records, and say split="random".',
                "info",
            )

        def p_value(tested: TradeOff) -> float:
            return one_run_p_value(*sides, tested, random_state=run.seed)

        def refuted(tested: TradeOff, p: float) -> bool:
            return p <= error or any(at.low > tested.ceiling(rate) for rate, at in rates.items())

        p = p_value(claim)
        told += f" The test of one run gives the claim p = {p:.2g}."
        if not refuted(claim, p):
            return self.found(
                f"The rates measured do not contradict {claim.claim}",
                f"{told} This does not prove the claim, which is about the most exposed "
                f"{context.unit.one} and the strongest attack, and these rates are means over all.",
                "",
                "info",
            )
        two_steps = claim.twice()
        steps = (
            "One in the place of another, as in a split of fixed size, is two steps where the "
            "claim counts what is added or removed: "
            + (
                "more are found than two steps allow, too."
                if refuted(two_steps, p_value(two_steps))
                else "two steps allow as many, so that the claim is refuted only if it counts "
                "what is put in another's place."
            )
        )
        return self.found(
            f"More members are found than {claim.claim} allows",
            f"{told} {steps} What holds for each {context.unit.one} holds for their mean. "
            f"Intervals and test share what {percent(run.confidence)} confidence leaves; intervals "
            "take the scores of one model as independent, the test does not.",
            "Look for what the accounting leaves out: noise that was scaled otherwise, clipping, "
            "how batches are drawn, bounds read from the data, seeds used twice, steps in front of "
            "the training. Or correct the claim.",
            "serious",
        )


def _beside(rates: dict[float, OperatingPoint], claim: TradeOff) -> str:
    """Say what was found and what is allowed, rate by rate."""
    said = []
    for rate, at in rates.items():
        measured = f"{percent(float(at.tpr))} of members are found"
        measured += (
            ", its interval withheld"
            if np.isnan(at.low)
            else f", {percent(float(at.low))} to {percent(float(at.high))}"
        )
        allowed = percent(float(claim.ceiling(rate)))
        said.append(f"At {percent(rate)} false alarms {measured}; {allowed} are allowed.")
    return " ".join(said)
