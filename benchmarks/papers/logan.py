"""Who was in the training set of a generative adversarial network: attacks of LOGAN.

After J. Hayes, L. Melis, G. Danezis and E. De Cristofaro, "LOGAN: Membership Inference Attacks
Against Generative Models", PoPETs 2019: candidates are ranked, half of them members, and the top
half is called members. `python benchmarks/papers/logan.py` prints the table for Location30,
`... --seeds 10` for more networks, `... few many` some settings. The folder of the data sets is
read from MIA_SKLEARN_DATA.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mia_sklearn.datasets import load_location30
from mia_sklearn.metrics import Estimate, precision_at_n, roc_auc, tpr_at_fpr
from mia_sklearn.torch import GAN, train_gans

PAPER = """\
The paper's share of members among the top n, on the ten largest classes of LFW: white-box near
1.0; black-box without knowledge .40, where guessing gives .10 to .20."""


class Setting(NamedTuple):
    records: int
    """Members, and as many others."""
    epochs: int


SETTINGS = {
    "early": Setting(200, 200),
    "few": Setting(200, 800),
    "long": Setting(200, 2000),
    "many": Setting(1000, 240),
}


def by_discriminator(gan: GAN, X: np.ndarray, seed: int) -> np.ndarray:
    return gan.discriminator_score(X)


def by_gradient(gan: GAN, X: np.ndarray, seed: int) -> np.ndarray:
    return -gan.discriminator_gradient_norm(X)


# Each gets a trained GAN, the candidates and a seed, and returns scores, higher for members.
ATTACKS: dict[str, Callable[[GAN, np.ndarray, int], np.ndarray]] = {
    "white-box: discriminator": by_discriminator,
    "white-box: gradient norm": by_gradient,
}
METRICS: dict[str, Callable[..., Estimate]] = {
    "AUC": roc_auc,
    "precision at n": precision_at_n,
    "TPR at 1 %": tpr_at_fpr,
}


def run(name: str, seeds: int) -> None:
    setting = SETTINGS[name]
    X = load_location30().data.astype(np.float32)
    n = setting.records
    candidates = [
        X[np.random.default_rng(seed).permutation(len(X))[: 2 * n]] for seed in range(seeds)
    ]
    start = time.perf_counter()
    gans = train_gans(GAN(max_epochs=setting.epochs), [own[:n] for own in candidates], range(seeds))
    trained = time.perf_counter() - start
    member = np.repeat([1, 0], n)
    found: dict[str, list[list[Estimate]]] = {label: [] for label in ATTACKS}
    for seed, (gan, own) in enumerate(zip(gans, candidates, strict=True)):
        for label, attack in ATTACKS.items():
            scores = attack(gan, own, seed)
            found[label].append([metric(member, scores) for metric in METRICS.values()])
    collapsed = sum(bool(gan.collapse(own[:n])) for gan, own in zip(gans, candidates, strict=True))
    for label, estimates in found.items():
        cells = [pooled(list(column)) for column in zip(*estimates, strict=True)]
        print(
            f"| {n:,} + {n:,} | {setting.epochs:,} | {label} | {' | '.join(cells)} | "
            f"{collapsed} of {seeds} | {trained:.0f} s |",
            flush=True,
        )


def pooled(estimates: list[Any]) -> str:
    """Return the mean over networks with its interval, from the intervals of each."""
    value = np.mean([estimate.value for estimate in estimates])
    if any(np.isnan(estimate.low) for estimate in estimates):
        # Too few non-members for an interval at so low a rate.
        return f"{value:.3f}"
    low, high = (
        np.sqrt(np.sum([(getattr(e, side) - e.value) ** 2 for e in estimates])) / len(estimates)
        for side in ("low", "high")
    )
    return f"{value:.3f} [{max(value - low, 0):.3f}, {min(value + high, 1):.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(SETTINGS)}; all by default")
    parser.add_argument("--seeds", type=int, default=4, help="networks that are attacked")
    args = parser.parse_args()
    print(PAPER)
    print(f"\nGAN of dense layers on Location30, {args.seeds} networks each\n")
    print(f"| records | epochs | attack | {' | '.join(METRICS)} | collapsed | training |")
    print(f"| --- | --- | --- | {'--- | ' * len(METRICS)}--- | --- |")
    for name in args.names or SETTINGS:
        run(name, args.seeds)


if __name__ == "__main__":
    main()
