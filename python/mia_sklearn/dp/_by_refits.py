"""An audit by many trainings on two sets of records that differ in one canary."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._claim import check_fits, stated_by
from ._neighbours import candidates, choose
from ._outcome import ASSUMES, SEEDS, Audited, Outcome, told_apart
from ._refits import bet_on_refits

__all__ = ["by_refits"]


# Fits on either set by which a canary is chosen.
_FEWEST, _MOST = 5, 25
# Seeds with which one set is fitted, to see whether they change anything.
_SEEDS_TRIED = 5


def by_refits(audited: Audited, rng: np.random.RandomState) -> Outcome:
    """Fit with a canary or without it by a coin, until the claim is refuted."""
    options, claim, family = audited.options, audited.claim, audited.family
    check_fits(claim, family, options.max_refits, options.confidence)
    n_tries = max(_FEWEST, min(_MOST, options.max_refits // 20))
    found = candidates(
        audited.mechanism,
        audited.table,
        audited.labels,
        rng,
        replace=options.neighbours == "replace",
    )
    kind, neighbours, n_tried = choose(audited.mechanism, found, rng, n_tries)
    models = neighbours.of_one_set([rng.randint(SEEDS) for _ in range(_SEEDS_TRIED)])
    deterministic, coarse = neighbours.are_equal(models)
    if (stated := stated_by(models[0], claim, family)) != claim:
        claim = stated
        check_fits(claim, family, options.max_refits, options.confidence)
    coins = rng.randint(SEEDS)
    how: dict[str, Any] = {"confidence": options.confidence, "random_state": coins}
    result = bet_on_refits(
        neighbours,
        claim.guarantee(family),
        family=family,
        delta=claim.delta,
        max_refits=options.max_refits,
        progress=audited.progress,
        **how,
    )
    members, scores = np.array(neighbours.members), np.array(neighbours.scores)
    results = {family: result}
    for other in claim.families:
        if other not in results:
            # The same coins bring the same fits again, whose scores are known.
            results[other] = bet_on_refits(
                _Again(scores),
                claim.guarantee(other),
                family=other,
                delta=claim.delta,
                max_refits=len(scores),
                progress=False,
                **how,
            )
    bounds = [
        {
            "score": "loss",
            "family": name,
            # Bets end where the claim falls, on a grid of bounds that may lie just below it.
            "epsilon": max(each.bound, claim.epsilon) if each.refuted else each.bound,
            "refutes": each.refuted,
            "decides": name == family,
            "assumes": ASSUMES[name],
        }
        for name, each in sorted(results.items(), reverse=True)
    ]
    info = {
        "method": "refits",
        "canaries": kind,
        "n_canaries": 1,
        "n_included": int(members.sum()),
        "n_fits": len(scores) + n_tried + len(models),
        **told_apart(scores[members], scores[~members], options.confidence),
    }
    return Outcome(
        claim,
        bounds,
        {"included": members, "loss": scores},
        info,
        seen=result.bound > 0 or result.refuted,
        all_alike=len(np.unique(scores)) == 1,
        deterministic=deterministic,
        coarse=coarse,
    )


class _Again:
    """Returns scores that are known, one after the other."""

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = iter(scores.tolist())

    def __call__(self, member: bool, seed: int) -> float:
        return next(self.scores)
