"""What can be shown of a private training at best: canaries by themselves, without a network.

Each canary tells one number at each step: 1 if the batch holds it, and noise. That is what canaries
with gradients of their own tell `audit_dp`, of DP-SGD with the noise that Opacus' "prv" asks for.
`python benchmarks/dp_power.py broken null canaries guesses` prints the tables; needs Opacus.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import math
import sys
import time
import warnings
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
import scipy
from scipy.special import logsumexp
from scipy.stats import beta

import mia_sklearn
from mia_sklearn.stats import (
    TradeOff,
    _epsilon,
    _one_run,
    gaussian_dp_epsilon,
    gaussian_dp_mu,
    one_run_epsilon,
    one_run_mu,
    one_run_p_value,
    one_run_stretch,
    stretched_epsilon,
)
from mia_sklearn.torch._defenses._privacy_accounting import (
    PrivacyPlan,
    epsilon_spent,
    required_noise,
)
from mia_sklearn.torch._defenses._step_scores import StepScores

EPSILONS = (1.0, 4.0, 8.0)
N, BATCH, EPOCHS = 4_000, 128, 5
DELTA = 0.1 / N
ERROR = 0.05
# A canary's place is known but for whether those before it are included.
FIFTHS = np.array([-1.282, -0.524, 0.0, 0.524, 1.282])


@dataclass(frozen=True)
class Claim:
    """What the accountant says, of a plan and its noise."""

    plan: PrivacyPlan
    noise: float
    epsilon: float
    curve: TradeOff

    def get_epsilon(self, delta: float) -> float:
        plan = PrivacyPlan(self.epsilon, delta, self.plan.sample_rate, self.plan.steps, "prv")
        return epsilon_spent(plan, self.noise, self.plan.steps)


@functools.cache
def claim_of(epsilon: float) -> Claim:
    plan = PrivacyPlan(epsilon, DELTA, BATCH / N, math.ceil(EPOCHS * N / BATCH), "prv")
    noise = required_noise(plan)
    spent = epsilon_spent(plan, noise, plan.steps)
    asked = Claim(plan, noise, spent, TradeOff.gaussian(0))
    pairs = [*TradeOff.of(asked).pairs, (spent, DELTA)]
    return Claim(plan, noise, spent, TradeOff(pairs, claim="what the accountant says"))


MECHANISMS = ("sound", "noise halved", "no clipping", "in turn", "shuffled", "all records")


def simulated(
    mechanism: str, claim: Claim, n_canaries: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return who was in, the scores of `audit_dp`, and the best of who knows the mechanism."""
    rng = np.random.default_rng(seed)
    plan, believed = claim.plan, claim.noise
    noise = believed / 2 if mechanism == "noise halved" else believed
    weight = 10.0 if mechanism == "no clipping" else 1.0
    member = rng.random(n_canaries) < 0.5
    place = rng.random(n_canaries)
    spread = np.sqrt(n_canaries * place) / 2 / N
    at = np.clip(place + spread * FIFTHS[:, None], 0, np.nextafter(1, 0))
    scores = StepScores(plan.sample_rate, believed, at)
    n_batches = math.ceil(1 / plan.sample_rate)
    batch = np.floor(np.clip(place + spread * rng.normal(size=n_canaries), 0, 0.99999) * N / BATCH)
    best = np.zeros(n_canaries)
    this_pass = np.full(n_canaries, -np.inf)
    for step in range(plan.steps):
        if mechanism == "all records":
            held = np.ones(n_canaries, dtype=bool)
        elif mechanism == "in turn":
            held = batch == step % n_batches
        elif mechanism == "shuffled":
            if step % n_batches == 0:
                batch = np.floor(rng.random(n_canaries) * N / BATCH)
            held = batch == step % n_batches
        else:
            held = rng.random(n_canaries) < plan.sample_rate
        told = weight * (held & member) + noise * rng.normal(size=n_canaries)
        scores.add(told)
        ratio = weight * (2 * told - weight) / (2 * noise**2)
        if mechanism == "all records":
            best += ratio
        elif mechanism == "in turn":
            best += np.where(held, ratio, 0.0)
        elif mechanism == "shuffled":
            this_pass = np.logaddexp(this_pass, ratio)
            if step % n_batches == n_batches - 1 or step == plan.steps - 1:
                best += this_pass - np.log(n_batches)
                this_pass[:] = -np.inf
        else:
            rate = plan.sample_rate
            best += logsumexp([np.log(rate) + ratio, np.full(n_canaries, np.log1p(-rate))], axis=0)
    return member, scores.scores, best


def bounds(member: np.ndarray, score: np.ndarray, claim: Claim) -> dict[str, tuple[float, bool]]:
    """Return what each family shows, and whether it refutes the claim."""
    sides = score[member], score[~member]
    options: dict[str, Any] = {"membership_rate": 0.5, "random_state": 0}
    pure = one_run_epsilon(*sides, delta=DELTA, **options)
    gaussian = gaussian_dp_epsilon(one_run_mu(*sides, **options), DELTA)
    factor = one_run_stretch(*sides, claim.curve, **options)
    p = one_run_p_value(*sides, claim.curve, **options)
    return {
        "pure": (pure, pure > claim.epsilon),
        "gaussian": (gaussian, gaussian > claim.epsilon),
        "curve": (stretched_epsilon(claim.curve, factor, DELTA), p <= ERROR),
    }


def told(found: list[dict[str, tuple[float, bool]]], family: str) -> str:
    """Return mean, range, and how many refute."""
    each = np.array([row[family][0] for row in found])
    refuted = sum(row[family][1] for row in found)
    return f"{each.mean():.2f} ({each.min():.2f} to {each.max():.2f}), {refuted} of {len(found)}"


def header(*columns: str) -> None:
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}", flush=True)


def broken(args: argparse.Namespace) -> None:
    print(f"\n### Bounds, and how often the claim falls: {args.canaries:,} canaries\n")
    header("mechanism", "claim", "score", "pure", "gaussian", "curve")
    for mechanism in MECHANISMS:
        for epsilon in EPSILONS:
            claim = claim_of(epsilon)
            runs = [simulated(mechanism, claim, args.canaries, seed) for seed in range(args.seeds)]
            for number, name in ((1, "of audit_dp"), (2, "best")):
                found = [bounds(run[0], run[number], claim) for run in runs]
                cells = [told(found, family) for family in ("pure", "gaussian", "curve")]
                print(
                    f"| {mechanism} | {claim.epsilon:.2f} | {name} | {' | '.join(cells)} |",
                    flush=True,
                )


def null(args: argparse.Namespace) -> None:
    print(f"\n### Sound mechanisms: how often something is wrong, {args.runs} runs, nominal .05\n")
    header("claim", "family", "refuted", "mean bound", "largest")
    for epsilon in EPSILONS:
        claim = claim_of(epsilon)
        found = []
        for seed in range(args.runs):
            member, score, _ = simulated("sound", claim, args.null_canaries, 1_000 + seed)
            found.append(bounds(member, score, claim))
        for family in ("pure", "gaussian", "curve"):
            wrong = sum(row[family][1] for row in found)
            low = beta.ppf(0.025, wrong, args.runs - wrong + 1) if wrong else 0.0
            high = beta.ppf(0.975, wrong + 1, args.runs - wrong)
            each = [row[family][0] for row in found]
            rate = f"{wrong} of {args.runs} [{low:.3f}, {high:.3f}]"
            print(
                f"| {claim.epsilon:.2f} | {family} | {rate} | {np.mean(each):.2f} "
                f"| {max(each):.2f} |",
                flush=True,
            )
    print("\nMechanisms at the edge of a curve, the same for all canaries:\n")
    header("mechanism", "refuted by the curve")
    for name, curve, runs in edges(args):
        wrong = 0
        for member, score in runs:
            sides = score[member], score[~member]
            p = one_run_p_value(*sides, curve, membership_rate=0.5)
            wrong += p <= ERROR
        high = beta.ppf(0.975, wrong + 1, args.runs - wrong)
        print(f"| {name} | {wrong} of {args.runs} [.., {high:.3f}] |", flush=True)


def edges(args: argparse.Namespace) -> Any:
    """Yield mechanisms that have a curve exactly, or that spend it on all canaries at once."""
    m = args.null_canaries

    def drawn(seed: int) -> tuple[np.random.Generator, np.ndarray]:
        rng = np.random.default_rng(5_000 + seed)
        return rng, rng.random(m) < 0.5

    def answers(epsilon: float, chance: float) -> Any:
        # With this chance all is told; else each answer by randomised response.
        for seed in range(args.runs):
            rng, member = drawn(seed)
            lies = rng.random(m) > 1 / (1 + math.exp(-epsilon))
            every = rng.random() < chance
            yield member, np.where(lies & ~every, ~member, member) + rng.random(m) / 2

    half = math.tanh(0.5)
    pairs = TradeOff([(0.0, 0.03 + 0.97 * half), (1.0, 0.03)])
    yield "all told with a chance of .03, else answers at epsilon 1", pairs, answers(1, 0.03)
    right = 1 / (1 + math.exp(-2))
    pairs = TradeOff([(0.0, 2 * right - 1), (1.0, right - math.e * (1 - right)), (2.0, 0.0)])
    yield "randomised response at epsilon 2", pairs, answers(2, 0.0)

    def normal(mu: float) -> Any:
        for seed in range(args.runs):
            rng, member = drawn(seed)
            yield member, rng.normal(size=m) + mu * member

    for mu in (0.5, 1.0, 2.0):
        true = TradeOff.gaussian(mu)
        profile = [(e, float(true.delta(e))) for e in np.linspace(0, 12, 241).tolist()]
        yield f"Gaussian noise at mu {mu:g}", TradeOff(profile), normal(mu)


@contextlib.contextmanager
def shares(tried: tuple[float, ...]) -> Any:
    """Try other numbers of guesses, and pay for as many."""
    with (
        mock.patch.object(_epsilon, "_SHARES", tried),
        mock.patch.object(_epsilon, "N_TRIES", 2 * len(tried)),
        mock.patch.object(_one_run, "N_TRIES", 2 * len(tried)),
    ):
        yield


def canaries(args: argparse.Namespace) -> None:
    print("\n### Bounds of sound mechanisms by the best score, and the Gaussian against the pure\n")
    header("claim", "canaries", "pure", "gaussian", "curve", "gaussian / pure", "curve / pure")
    for epsilon in EPSILONS:
        claim = claim_of(epsilon)
        for n in (500, 1_000, 2_000, 5_000, 10_000, 20_000):
            rows(f"{claim.epsilon:.2f} | {n:,}", claim, n, args.seeds)


def rows(name: str, claim: Claim, n_canaries: int, n_seeds: int) -> None:
    found = []
    for seed in range(n_seeds):
        member, _, best = simulated("sound", claim, n_canaries, seed)
        found.append([each for each, _ in bounds(member, best, claim).values()])
    pure, gaussian, curve = np.mean(found, axis=0)
    print(
        f"| {name} | {pure:.2f} | {gaussian:.2f} | {curve:.2f} | {gaussian / pure:.2f} "
        f"| {curve / pure:.2f} |",
        flush=True,
    )


TRIED = {
    "7 (as they are)": (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
    "3": (0.05, 0.2, 0.5),
    "1, a tenth": (0.1,),
    "1, a fifth": (0.2,),
    "25": tuple(np.geomspace(0.005, 1, 25).tolist()),
}


def guesses(args: argparse.Namespace) -> None:
    print(
        f"\n### Other numbers of guesses, each paid for: {args.canaries:,} canaries, best score\n"
    )
    header("claim", "shares tried", "pure", "gaussian", "curve", "gaussian / pure", "curve / pure")
    for epsilon in EPSILONS:
        claim = claim_of(epsilon)
        for name, tried in TRIED.items():
            with shares(tried):
                rows(f"{claim.epsilon:.2f} | {name}", claim, args.canaries, args.seeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["broken", "null", "canaries", "guesses"])
    parser.add_argument("--canaries", type=int, default=2_000)
    parser.add_argument("--null-canaries", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=200)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    started = time.process_time()
    print(
        f"{time.strftime('%Y-%m-%d')}, mia-sklearn {mia_sklearn.__version__}, NumPy "
        f"{np.__version__}, SciPy {scipy.__version__}; {N:,} records, batches of {BATCH}, {EPOCHS} "
        f"epochs, delta {DELTA:g}; seeds 0 to {args.seeds - 1}; 95 % confidence."
    )
    for epsilon in EPSILONS:
        claim = claim_of(epsilon)
        mu = gaussian_dp_mu(claim.epsilon, DELTA)
        print(
            f"- claim {claim.epsilon:.3f}: noise {claim.noise:.3f}, {claim.plan.steps} steps; at "
            f"5 % false alarms at most {claim.curve.ceiling(0.05):.3f} found by its curve, "
            f"{TradeOff.gaussian(mu).ceiling(0.05):.3f} by the Gaussian of this epsilon"
        )
    for part in args.parts:
        {"broken": broken, "null": null, "canaries": canaries, "guesses": guesses}[part](args)
    print(f"\n{time.process_time() - started:.0f} seconds of one processor")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
