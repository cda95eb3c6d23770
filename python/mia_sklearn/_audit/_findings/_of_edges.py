"""Members that are named by the edge of a margin, on which support vectors lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.stats import binomtest, fisher_exact

from ...report import BaseFinder, Finding
from ...report._leak import SERIOUS_GAIN

if TYPE_CHECKING:
    from ._context import Context

# Chance puts as many more members on the edge in fewer than 1 of 100 audits.
_SURE_AT = 0.01

_REMEDY = (
    "Train a model whose loss has no kink (LogisticRegression, LinearSVC with its squared hinge "
    "loss), behind a Nystroem of some other records where the kernel is needed; or release labels "
    "alone. Posteriors in place of decision values are no cure: the edge is then a posterior that "
    "many records of a class share. Then audit again."
)
_REMEDY_OF_NUMBERS = (
    "Train a model whose loss has no kink (Ridge), behind a Nystroem of some other records where "
    "the kernel is needed. Then audit again."
)


class OnEdge(NamedTuple):
    """Who lies on the edge of a margin, more members than by chance.

    Attributes
    ----------
    n_members, n_others : int
        Members and others on the edge.
    of_members, of_others : int
        How many were asked about.
    p_value : float
        Of Fisher's exact test, one-sided.
    gain : float
        How many times as often members lie there as others, at least: the lower end of an exact
        95 % interval, given how many lie there in all.
    """

    n_members: int
    n_others: int
    of_members: int
    of_others: int
    p_value: float
    gain: float


def on_edge(context: Context) -> OnEdge | None:
    """Count who lies on the edge of a margin; None where members surely do not more often."""
    run = context.run
    if run.edges is None:
        return None
    # A person lies there with any record.
    nearest = np.full(len(run.units), np.nan)
    np.fmin.at(nearest, run.units.of_row, run.edges)
    on, member = nearest < 1, run.unit_member
    counts = (on & member).sum(), (on & ~member).sum(), member.sum(), (~member).sum()
    members, others, of_members, of_others = map(int, counts)
    table = [[members, of_members - members], [others, of_others - others]]
    p_value = float(fisher_exact(table, alternative="greater").pvalue)
    if not members or p_value > _SURE_AT:
        return None
    share = binomtest(members, members + others).proportion_ci(0.95, method="exact").low
    gain = share / (1 - share) * of_others / of_members
    return OnEdge(members, others, of_members, of_others, p_value, float(gain))


class SupportVectors(BaseFinder):
    code = "SUPPORT_VECTORS"
    severities = ("serious", "warning")
    summary = (
        "members are named one by one, without any reference model, since their answers lie on the "
        "edge of the margin of a support vector machine: serious where they surely lie there ten "
        "times as often as others"
    )

    def find(self, context: Context) -> Finding | None:
        found, unit = on_edge(context), context.unit
        if found is None:
            return None
        return self.found(
            f"{found.n_members:,} of {found.of_members:,} {unit.members} are named by the edge of "
            f"the margin, and wrongly {found.n_others:,} of {found.of_others:,} {unit.others}",
            "A support vector machine is held in place by some records of its training set, and "
            "answers these with exactly the value at the edge of its margin, up to the tolerance "
            "of training; others get it by chance alone. Whoever is given the model's answers in "
            "full can look for it, without any reference model and whatever the headline attack "
            f"finds: a {unit.member} surely lies there at least {found.gain:.2g} times as often as "
            f"another {unit.one} (Fisher's exact test: p = {found.p_value:.1g}). Whoever holds the "
            "model finds these records stored in it.",
            _REMEDY if context.run.outputs is None else _REMEDY_OF_NUMBERS,
            "serious" if found.gain >= SERIOUS_GAIN else "warning",
        )
