"""What the rates measured say of a claimed differential privacy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...report import BaseFinder, Finding
from ...report._wording import percent
from ...stats import one_run_p_value
from .._tables import no_epsilon

if TYPE_CHECKING:
    import pandas as pd

    from ...stats import TradeOff
    from ._context import Context

# Each lower limit is one end of a two-sided interval: two of them together keep its confidence.
_RATES = (0.01, 0.001)


class ClaimedPrivacy(BaseFinder):
    code = "DP_CLAIM"
    severities = ("serious", "info")
    summary = (
        "with `dp=`: members found, beside the most that the claimed differential privacy allows; "
        "serious where surely more are found"
    )

    def find(self, context: Context) -> Finding | None:
        claim = context.run.dp
        if claim is None:
            return None
        rates = context.headline
        rates = rates[(rates["metric"] == "tpr") & rates["at"].isin(_RATES)]
        told = _beside(rates.sort_values("at", ascending=False), claim)
        reason = no_epsilon(context.run.split, context.run.shift)
        if reason:
            return self.found(
                f"Whether {claim.claim} holds cannot be read from these rates",
                f"{told} {reason}",
                'Audit with a random split of one set of records, and say split="random".',
                "info",
            )
        low = rates.set_index("at")["low"]
        refuted = [at for at in low.index if low[at] > claim.ceiling(at)]
        if not refuted:
            return self.found(
                f"The rates measured do not contradict {claim.claim}",
                f"{told} This does not prove the claim, which is about the most exposed "
                f"{context.unit.one} and the strongest attack, and these rates are means over all.",
                "",
                "info",
            )
        replaced = claim.twice()
        by_both = [at for at in refuted if low[at] > replaced.ceiling(at)]
        steps = (
            "The same holds where the claim counts records added or removed, of which a record "
            "in the place of another, as in a split of fixed size, is two steps: with them "
            f"{_allowed(replaced, by_both)}."
            if by_both
            else "That holds of a claim that counts records put in the place of others. One that "
            "counts records added or removed allows two such steps, as a split of fixed size "
            f"makes: {_allowed(replaced, refuted)}, which is not surely exceeded."
        )
        return self.found(
            f"More members are found than {claim.claim} allows",
            f"{told} {steps} What holds for each {context.unit.one} holds for their mean. The "
            "limits take scores as independent; the test of one run, which does not, gives the "
            f"claim p = {_p_value(context, claim):.2g}.",
            "Look for what the accounting leaves out: noise that was scaled otherwise, clipping, "
            "how batches are drawn, bounds read from the data, seeds used twice, steps in front of "
            "the training. Or correct the claim.",
            "serious",
        )


def _p_value(context: Context, claim: TradeOff) -> float:
    run = context.run
    member, score = run.unit_member, run.scores[run.headline]
    return one_run_p_value(score[member], score[~member], claim, random_state=run.seed)


def _beside(rates: pd.DataFrame, claim: TradeOff) -> str:
    """Say what was found and what is allowed, rate by rate."""
    said = []
    for at, estimate, low, high in rates[["at", "estimate", "low", "high"]].to_numpy(float):
        measured = (
            f"{percent(estimate)} of members are found, its interval withheld"
            if np.isnan(high)
            else f"{percent(low)} to {percent(high)} of members are found"
        )
        allowed = percent(float(claim.ceiling(at)))
        said.append(f"At {percent(at)} false alarms {measured}, and {allowed} at most allowed.")
    return " ".join(said)


def _allowed(claim: TradeOff, rates: list[float]) -> str:
    return ", ".join(
        f"{percent(float(claim.ceiling(at)))} at {percent(at)} false alarms" for at in rates
    )
