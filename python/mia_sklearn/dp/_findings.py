"""What an audit of differential privacy has to say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..report import BaseFinder, Finding

if TYPE_CHECKING:
    import pandas as pd

    from ._outcome import Outcome

__all__ = ["FINDERS", "Context", "findings_of"]


@dataclass(frozen=True)
class Context:
    """What finders read.

    Attributes
    ----------
    bounds : DataFrame
    info : dict
        As in `DPAuditReport`.
    outcome : Outcome
    large_delta : bool
    fixed_seeds : list of str
        Parameters of the estimator that hold a seed.
    other_canaries : bool
        Whether canaries with gradients of their own could have been taken.
    """

    bounds: pd.DataFrame
    info: dict[str, Any]
    outcome: Outcome
    large_delta: bool = False
    fixed_seeds: list[str] = field(default_factory=list)
    other_canaries: bool = False


class ClaimRefuted(BaseFinder):
    code = "CLAIM_REFUTED"
    severities = ("serious", "warning")
    summary = (
        "epsilon is surely larger than claimed: serious by the bound that decides, a warning where "
        "only another one says so"
    )

    def find(self, context: Context) -> Finding | None:
        refuting = context.bounds[context.bounds["refutes"]]
        if refuting.empty:
            return None
        info = context.info
        decides = bool(refuting["decides"].any())
        shown = refuting[refuting["decides"]] if decides else refuting
        worst = shown.sort_values("epsilon").iloc[-1]
        title = f"epsilon is at least {worst['epsilon']:.3g}, and {info['epsilon']:.4g} is claimed"
        if info["method"] == "refits":
            title = f"epsilon is larger than {info['epsilon']:.4g}, which is claimed"
        return self.found(
            f"E{title[1:]}" if decides else f"If it is {worst['assumes']}, {title}",
            f"By the score {worst['score']}, family {worst['family']}, which takes for granted "
            f"{worst['assumes']}. Were the claim true, so much would be shown with a probability "
            f"of at most {1 - info['confidence']:.3g}. What one record does to the model is more "
            "than people were promised.",
            "Look at what the accountant is not told: noise that is smaller than stated, gradients "
            "that are not clipped, bounds taken from the records, batches that are not drawn at "
            "random, a seed that is used again. Until it is found, do not state this epsilon.",
            "serious" if decides else "warning",
        )


class CanariesUnseen(BaseFinder):
    code = "CANARIES_UNSEEN"
    severities = ("serious", "warning")
    summary = (
        "canaries that were included cannot be told from those left out, so that nothing is said "
        "of the claim: serious where all are answered alike"
    )
    qualifies = True

    def find(self, context: Context) -> Finding | None:
        info = context.info
        refuted = bool(context.bounds["refutes"][context.bounds["decides"]].any())
        if refuted or context.outcome.seen:
            return None
        remedy = (
            "Give canaries that the model can learn, canaries=(X, y); more of them; n_references, "
            "which tell how hard each is; or a claim that is worth testing."
        )
        if context.other_canaries:
            remedy = "Use canaries='gradient', which this network's training can be given."
        if context.outcome.all_alike:
            return self.found(
                "The model answers all canaries alike: the audit has no power",
                "Nothing that it learned shows in its answers about canaries, included or not. The "
                "same would be seen of a model without any privacy that learns nothing of them, "
                "so that this is no evidence for the claim.",
                remedy,
                "serious",
            )
        return self.found(
            "Included canaries are not told from the others: the audit has shown no power",
            f"Scores part them with an AUC of {info['auc']:.3f} ({info['auc_low']:.3f} to "
            f"{info['auc_high']:.3f}), and no epsilon above 0 is shown. With these canaries a "
            "claim that is false might look the same.",
            remedy,
            "warning",
        )


class OutOfReach(BaseFinder):
    code = "OUT_OF_REACH"
    severities = ("info",)
    summary = "with so many canaries one family could not refute the claim, whatever happened"

    def find(self, context: Context) -> Finding | None:
        if not context.outcome.out_of_reach:
            return None
        ((family, needed),) = context.outcome.out_of_reach.items()
        info = context.info
        return self.found(
            f"{info['n_canaries']:,} canaries cannot refute the claim in the family {family!r}",
            f"Even if every guess were right, its bound would stay below {info['epsilon']:.4g}; "
            f"{context.outcome.claim.needed_in_words(family, needed)}. The other family can.",
            "Read the bounds as bounds. For a verdict in this family use more canaries, or "
            "method='refits' where a fit is cheap.",
        )


class LargeDelta(BaseFinder):
    code = "LARGE_DELTA"
    severities = ("warning",)
    summary = "the claimed delta would allow to publish one of the records"

    def find(self, context: Context) -> Finding | None:
        if not context.large_delta:
            return None
        info = context.info
        return self.found(
            f"Delta {info['delta']:.3g} is not below 1 / {info['n_records']:,}",
            "A mechanism that publishes one record at random, in full, keeps such a promise: even "
            "a true claim protects nobody in particular.",
            f"State the epsilon at a delta far below {1 / info['n_records']:.2g}.",
        )


class FixedSeed(BaseFinder):
    code = "FIXED_SEED"
    severities = ("info",)
    summary = "the estimator holds a seed; the audit drew others, a release must too"

    def find(self, context: Context) -> Finding | None:
        if not context.fixed_seeds:
            return None
        return self.found(
            f"The estimator holds a seed: {', '.join(context.fixed_seeds)}",
            "The audit trained it with seeds of its own. Whoever knows or guesses the seed of a "
            "release can subtract the noise, and no epsilon holds against them.",
            "Release a model that was trained with random_state=None.",
        )


class NoRandomness(BaseFinder):
    code = "NO_RANDOMNESS"
    severities = ("serious", "warning")
    summary = (
        "the same records gave the same answers with several seeds, so that there seems to be no "
        "noise: a warning where answers are too coarse to show it"
    )

    def find(self, context: Context) -> Finding | None:
        if not context.outcome.deterministic:
            return None
        title = "Trainings with different seeds gave exactly the same answers"
        if context.outcome.coarse:
            return self.found(
                title,
                "Its answers have two values at most, as bare labels do, which small noise seldom "
                "changes: it may be there unseen. Or the estimator ignores its seed, and no "
                "epsilon holds.",
                "Look whether each training draws its noise anew. A model that answers posteriors "
                "shows more.",
                "warning",
            )
        return self.found(
            title,
            "Differential privacy lives of randomness. The estimator ignores its seed, uses one of "
            "its own again and again, or adds no noise.",
            "Let each training draw its noise anew; then audit again.",
            "serious",
        )


FINDERS: tuple[type[BaseFinder], ...] = (
    ClaimRefuted,
    NoRandomness,
    CanariesUnseen,
    OutOfReach,
    LargeDelta,
    FixedSeed,
)


def findings_of(context: Context) -> list[Finding]:
    """Return what all finders found, in their order."""
    found = (finder().find(context) for finder in FINDERS)
    return [finding for finding in found if finding is not None]
