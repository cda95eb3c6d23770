"""An audit by one training: what its scores show of epsilon."""

from __future__ import annotations

import numpy as np

from ..stats import (
    gaussian_dp_epsilon,
    one_run_epsilon,
    one_run_mu,
    one_run_p_value,
    one_run_stretch,
    stretched_epsilon,
)
from ._canaries import Canaries
from ._claim import Claim, check_reach, stated_by
from ._one_run import run_once
from ._outcome import ASSUMES, SEEDS, Audited, Outcome, told_apart

__all__ = ["by_one_run"]

Sides = tuple[np.ndarray, np.ndarray]


def by_one_run(
    audited: Audited,
    canaries: Canaries,
    out_of_reach: dict[str, int | None],
    rng: np.random.RandomState,
) -> Outcome:
    """Train once with canaries by fair coins; the first score decides."""
    options = audited.options
    kind = options.kind(audited.mechanism.estimator)
    run = run_once(
        audited.mechanism,
        canaries,
        rng,
        gradients=kind == "gradient",
        every_epoch=options.iterates == "every",
        n_references=options.n_references,
        progress=audited.progress,
    )
    claim = stated_by(run.model, audited.claim, audited.family)
    if claim != audited.claim:
        out_of_reach = check_reach(claim, audited.family, len(run.included), options.confidence)
    seed = rng.randint(SEEDS)
    sides = {name: (each[run.included], each[~run.included]) for name, each in run.scores.items()}
    bounds = [
        {
            "score": score,
            "family": family,
            **_shown(both, family, claim, options.confidence, seed),
            "decides": number == 0 and family == audited.family,
            "assumes": ASSUMES[family],
        }
        for number, (score, both) in enumerate(sides.items())
        for family in claim.families
    ]
    first = next(iter(sides.values()))
    apart = told_apart(*first, options.confidence)
    info = {
        "method": "one-run",
        "canaries": kind,
        "n_canaries": len(run.included),
        "n_included": int(run.included.sum()),
        "n_fits": 1 + options.n_references,
        **apart,
    }
    return Outcome(
        claim,
        bounds,
        {"included": run.included, **run.scores},
        info,
        seen=apart["auc_low"] > 0.5,
        all_alike=_alike(run.scores, canaries.labels[canaries.rows]),
        out_of_reach=out_of_reach,
    )


def _alike(scores: dict[str, np.ndarray], labels: np.ndarray) -> bool:
    """Tell whether canaries of one label have one score, so that nothing of them was learned."""
    first = next(iter(scores.values()))
    told = {
        (score, str(label)) for score, label in zip(first.tolist(), labels.tolist(), strict=True)
    }
    return len(told) == len({label for _, label in told})


def _shown(
    sides: Sides, family: str, claim: Claim, confidence: float, seed: int
) -> dict[str, float | bool]:
    """Return what scores show of epsilon, nothing where all coins fell on one side."""
    if not all(map(len, sides)):
        return {"epsilon": 0.0, "refutes": False}
    options = {"confidence": confidence, "membership_rate": 0.5, "random_state": seed}
    if family == "curve" and claim.curve is not None:
        factor = one_run_stretch(*sides, claim.curve, **options)
        del options["confidence"]
        refutes = one_run_p_value(*sides, claim.curve, **options) <= 1 - confidence
        epsilon = stretched_epsilon(claim.curve, factor, claim.delta)
        # The two agree but for rounding.
        return {
            "epsilon": (max if refutes else min)(epsilon, claim.epsilon),
            "refutes": refutes,
        }
    if family == "pure":
        epsilon = one_run_epsilon(*sides, delta=claim.delta, **options)
    else:
        epsilon = gaussian_dp_epsilon(one_run_mu(*sides, **options), claim.delta)
    return {"epsilon": epsilon, "refutes": epsilon > claim.epsilon}
