"""Bounds and accountants of other packages beside ours, on the same scores in the same run.

In an environment of its own: `python -m venv .venv-dp-peers`, then `pip install dp-accounting
jax-privacy` and this package there. Canaries are simulated, so that the truth is known: Gaussian
noise once, or DP-SGD's sampled noise in many steps, whose losses dp-accounting reckons.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import time
import warnings
from collections.abc import Callable

import numpy as np
from dp_accounting.pld import privacy_loss_distribution as pld
from jax_privacy.auditing import CanaryScoreAuditor, MultiSplit, Split

from mia_sklearn.stats import (
    TradeOff,
    gaussian_dp_epsilon,
    one_run_epsilon,
    one_run_mu,
    one_run_p_value,
    one_run_stretch,
    stretched_epsilon,
)

DELTA = 1e-5
Run = tuple[np.ndarray, np.ndarray]


def steps_of_noise(
    noise: float, rate: float, n_steps: int, n_canaries: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return scores of canaries that were in, and of others: log-likelihood ratios of all steps."""
    rng = np.random.default_rng(seed)
    member = rng.random(n_canaries) < 0.5
    score = np.zeros(n_canaries)
    for _ in range(n_steps):
        held = member & (rng.random(n_canaries) < rate)
        told = held + noise * rng.normal(size=n_canaries)
        ratio = (2 * told - 1) / (2 * noise**2)
        score += ratio if rate == 1 else np.logaddexp(np.log(rate) + ratio, np.log1p(-rate))
    return score[member], score[~member]


MECHANISMS = {
    "Gaussian, mu 1": (1.0, 1.0, 1),
    "Gaussian, mu 2": (0.5, 1.0, 1),
    "DP-SGD, noise .8, 150 steps at .032": (0.8, 0.032, 150),
    "DP-SGD, noise .63, 150 steps at .032": (0.63, 0.032, 150),
    "nothing": (1e9, 1.0, 1),
}
BOUNDS: dict[str, Callable[[Run, TradeOff], float]] = {
    "ours, pure": lambda run, _: one_run_epsilon(*run, delta=DELTA, membership_rate=0.5),
    "ours, gaussian": lambda run, _: gaussian_dp_epsilon(
        one_run_mu(*run, membership_rate=0.5), DELTA
    ),
    "ours, curve": lambda run, curve: stretched_epsilon(
        curve, one_run_stretch(*run, curve, membership_rate=0.5), DELTA
    ),
    "jax-privacy, one_run": lambda run, _: CanaryScoreAuditor(*run).epsilon_one_run(0.05, DELTA),
    "jax-privacy, one_run, split": lambda run, _: CanaryScoreAuditor(*run).epsilon_one_run(
        0.05, DELTA, threshold_strategy=Split(seed=0)
    ),
    "jax-privacy, one_run_fdp": lambda run, _: CanaryScoreAuditor(*run).epsilon_one_run_fdp(
        0.05, DELTA
    ),
    "jax-privacy, one_run_fdp, split": lambda run, _: CanaryScoreAuditor(*run).epsilon_one_run_fdp(
        0.05, DELTA, threshold_strategy=Split(seed=0)
    ),
    "jax-privacy, one_run_fdp, multisplit": lambda run, _: CanaryScoreAuditor(
        *run
    ).epsilon_one_run_fdp(0.05, DELTA, threshold_strategy=MultiSplit(num_samples=20, seed=0)),
    "jax-privacy, clopper_pearson": lambda run, _: CanaryScoreAuditor(*run).epsilon_clopper_pearson(
        0.05, DELTA
    ),
    "jax-privacy, from_gdp": lambda run, _: CanaryScoreAuditor(*run).epsilon_from_gdp(0.05, DELTA),
}


def losses_of(noise: float, rate: float, n_steps: int) -> pld.PrivacyLossDistribution | None:
    if noise > 1e6:
        return None
    once = pld.from_gaussian_mechanism(
        noise, sampling_prob=rate, value_discretization_interval=1e-3
    )
    return once.self_compose(n_steps) if n_steps > 1 else once


def audits(args: argparse.Namespace) -> None:
    print(f"\n### Bounds on epsilon at delta {DELTA:g}, {args.canaries:,} canaries, 95 %\n")
    print(
        "| mechanism (truth) | bound | mean | smallest to largest | above the truth | s per run |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for name, (noise, rate, n_steps) in MECHANISMS.items():
        losses = losses_of(noise, rate, n_steps)
        truth = 0.0 if losses is None else losses.get_epsilon_for_delta(DELTA)
        curve = TradeOff.gaussian(1.0) if losses is None else TradeOff.of(losses)
        runs = [
            steps_of_noise(noise, rate, n_steps, args.canaries, seed) for seed in range(args.seeds)
        ]
        for bound, read in BOUNDS.items():
            started = time.process_time()
            found = np.array([read(run, curve) for run in runs])
            seconds = (time.process_time() - started) / len(runs)
            print(
                f"| {name} ({truth:.2f}) | {bound} | {found.mean():.2f} | {found.min():.2f} to "
                f"{found.max():.2f} | {int((found > truth).sum())} of {len(found)} "
                f"| {seconds:.2f} |",
                flush=True,
            )
        if losses is not None:
            p = [one_run_p_value(*run, curve, membership_rate=0.5) for run in runs]
            print(
                f"| {name} | curve refuted | {sum(each <= 0.05 for each in p)} of {len(p)} | | | |"
            )


def accountants() -> None:
    print("\n### Epsilon of dp-accounting's losses, and of the curve that is read from them\n")
    print("| mechanism | delta | dp-accounting | TradeOff | difference |")
    print("| --- | --- | --- | --- | --- |")
    for name, (noise, rate, n_steps) in MECHANISMS.items():
        losses = losses_of(noise, rate, n_steps)
        if losses is None:
            continue
        curve = TradeOff.of(losses)
        for delta in (1e-2, 1e-4, 2.5e-5, 1e-5, 1e-7):
            theirs, ours = losses.get_epsilon_for_delta(delta), curve.epsilon(delta)
            print(f"| {name} | {delta:g} | {theirs:.5f} | {ours:.5f} | {ours - theirs:+.5f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["accountants", "audits"])
    parser.add_argument("--canaries", type=int, default=2_000)
    parser.add_argument("--seeds", type=int, default=10)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    packages = ("mia-sklearn", "jax-privacy", "dp-accounting", "numpy", "scipy")
    versions = []
    for package in packages:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} (not installed, on the path)")
    print(f"{time.strftime('%Y-%m-%d')}, {', '.join(versions)}; seeds 0 to {args.seeds - 1}")
    if "accountants" in args.parts:
        accountants()
    if "audits" in args.parts:
        audits(args)


if __name__ == "__main__":
    main()
