"""The words of a report, explained where they are used: the page needs no other to be read."""

from __future__ import annotations

from typing import NamedTuple

from .._process._docs import number_page
from ._counted import Unit

__all__ = ["Term", "glossary"]


class Term(NamedTuple):
    """One word of a report.

    Attributes
    ----------
    key : str
        A metric's name, or what its place on the page is called.
    name, text : str
    link : str
        Where the documentation says more.
    """

    key: str
    name: str
    text: str
    link: str


_TERMS = {
    "tpr": (
        "Members identified",
        "The share of {members} that the attack names when it may name a given share of {others} "
        "wrongly (true-positive rate at a false-positive rate). The most telling number: a few "
        "people named for sure are a leak, whatever happens on average.",
    ),
    "auc": (
        "AUC",
        "The chance that the attack ranks a random {member} above a random {other}. 0.5 is "
        "guessing, 1 is certainty.",
    ),
    "advantage": (
        "Advantage",
        "Members named rightly less non-members named wrongly, each as a share. 0 is guessing.",
    ),
    "accuracy": (
        "Balanced accuracy",
        "Share of right answers when members and non-members are equally frequent. 0.5 is "
        "guessing.",
    ),
    "ppv": (
        "Members among those named",
        "Of those whom the attack names, the share that were in the training set, if a given "
        "share of the candidates were (the prior). By chance it equals the prior.",
    ),
    "epsilon": (
        "Epsilon, lower bound",
        "No training procedure that is differentially private with a smaller epsilon would show "
        "this, at the stated confidence. It bounds the leak from below only and means something "
        "only after a random split.",
    ),
    "which-epsilon": (
        "Which epsilon is bad?",
        "Any surely above 0 shows a leak: an attacker's odds that someone is in the data can grow "
        "by the factor e to the power of epsilon, twofold at 0.7, tenfold at 2.3, so that below 1 "
        "is often called strong and above 10 hardly any protection; a small lower bound is no "
        "proof of protection.",
    ),
    "p": (
        "p",
        "How often a {one} that was not in the training set would look as much like a member, on "
        "average over {many}.",
    ),
    "q": ("q", "The share of errors expected in the list of {many} down to this one."),
    "interval": (
        "Interval",
        "Where the true value lies, at the stated confidence: of many audits like this one at "
        "most the rest give an interval that misses it. Decide by its ends, not by the estimate.",
    ),
    "withheld": (
        "Withheld",
        "There are too few {many} for an interval that holds. The note says how many are needed.",
    ),
    "member": (
        "Member, non-member",
        "A {one} that was, or was not, in the training set of the model under audit.",
    ),
    "reference": (
        "Reference model",
        "A model that the attacker trains like the one under audit, on records whose membership "
        "in its training set is known (also called a shadow model).",
    ),
    "headline": (
        "Headline attack",
        "The attack whose numbers make the verdict. It is fixed before any number is seen, since "
        "the best of several looks better than it is.",
    ),
    "control": (
        "Control",
        "A test of the audit itself, which would show if the numbers were an artefact.",
    ),
}


def glossary(unit: Unit) -> list[Term]:
    """Return the words of a report that counts these units, in the order of the page."""
    words = unit._asdict()
    return [
        Term(key, name, text.format(**words), number_page(key))
        for key, (name, text) in _TERMS.items()
    ]
