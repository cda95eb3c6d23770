"""Who was in the training set of a generative model: densities, samples, GANs.

Each target is trained on half of a pool of records and attacked alone, and beside 16 reference
models that train on other halves of the pool. `python benchmarks/papers/generators.py` prints
both tables, `... adult-density mnist-samples` some rows, `... gan` the one of networks,
`--pools 10` takes more targets. The folder of the data sets is read from MIA_SKLEARN_DATA.

After J. Hayes et al., "LOGAN", PoPETs 2019; B. Hilprecht et al., "Monte Carlo and Reconstruction
Membership Inference Attacks against Generative Models", PoPETs 2019; B. van Breugel et al.,
"Membership Inference Attacks against Synthetic Data through Overfitting Detection" (DOMIAS),
AISTATS 2023.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from logan import METRICS, PAPER, pooled
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mia_sklearn import ReferenceModels, observe
from mia_sklearn.access import DensityAccess, DiscriminatorAccess, SampleAccess, observe_auxiliary
from mia_sklearn.attacks import LiRAAttack, LOGANAttack, StackedAttack
from mia_sklearn.datasets import load_adult, load_location30, load_mnist
from mia_sklearn.torch import GAN, InformedGAN, train_gans

_RECORDS = 1000
_COMPONENTS = 20
_GAN_RECORDS, _GAN_EPOCHS = 200, 800
# Where eight others are trained beside each.
_FEWER_EPOCHS = 300
_LOCAL_EPOCHS = 60


def adult() -> np.ndarray:
    encoder = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (OneHotEncoder(sparse_output=False), make_column_selector(dtype_exclude="number")),
    )
    return make_pipeline(encoder, PCA(_COMPONENTS, random_state=0)).fit_transform(load_adult().data)


def mnist(scaler: Any = None) -> np.ndarray:
    pixels = load_mnist(subset="train").data[:20_000] / 255
    components = PCA(_COMPONENTS, svd_solver="randomized", random_state=0)
    return make_pipeline(scaler, components).fit_transform(pixels)


def mnist_standardised() -> np.ndarray:
    return mnist(StandardScaler())


class Setting(NamedTuple):
    title: str
    load: Callable[[], np.ndarray]
    generator: Any
    accesses: dict[str, Any]


_DENSITY = {"density": DensityAccess()}
# Components have one unit: what varies most counts most.
_SAMPLES = {
    "nearest of 4,000": SampleAccess(standardize=False),
    "ball": SampleAccess(local="ball", standardize=False),
    "density ratio": SampleAccess(local="density-ratio", standardize=False),
}
_KERNEL, _MIXTURE = KernelDensity(bandwidth=0.5), GaussianMixture(10)
SETTINGS = {
    "adult-density": Setting("Adult, KernelDensity(.5)", adult, _KERNEL, _DENSITY),
    "adult-mixture": Setting("Adult, GaussianMixture(10)", adult, _MIXTURE, _DENSITY),
    "mnist-mixture": Setting("MNIST, GaussianMixture(10)", mnist, _MIXTURE, _DENSITY),
    "mnist-samples": Setting("MNIST, KernelDensity(.5)", mnist_standardised, _KERNEL, _SAMPLES),
    "adult-samples": Setting("Adult, GaussianMixture(10)", adult, _MIXTURE, _SAMPLES),
}


def run(name: str, pools: int) -> None:
    setting = SETTINGS[name]
    table = setting.load()
    rows = np.random.default_rng(0).permutation(len(table))[: pools * 2 * _RECORDS]
    for signal, access in setting.accesses.items():
        found: list[dict[str, Any]] = []
        start = time.perf_counter()
        for pool, own in enumerate(np.split(rows, pools)):
            generator = clone(setting.generator)
            if "random_state" in generator.get_params():
                generator.set_params(random_state=pool)
            references = ReferenceModels(generator, signal=access, random_state=pool)
            found.append(attacked(references, table[own], pool))
        took = (time.perf_counter() - start) / pools
        show(f"{setting.title} | {signal}", found, f"{took:.0f} s")


def attacked(references: ReferenceModels, X: np.ndarray, seed: int) -> dict[str, Any]:
    """Attack a target that was trained on half of the records, alone and beside references."""
    member = np.random.default_rng(seed).permutation(len(X)) < len(X) // 2
    references.fit(X)
    seen = observe(clone(references.estimator).fit(X[member]), X, references=references)
    shadow = references.shadow_observations(random_state=0)
    scores = {"alone": seen["logit"]} | {
        label: attack.fit(*shadow).decision_function(seen)
        for label, attack in (
            ("LiRA", LiRAAttack()),
            ("learned", StackedAttack(random_state=0)),
        )
    }
    return {label: measure(member, own) for label, own in scores.items()}


def show(title: str, found: list[dict[Any, Any]], took: str) -> None:
    """Print the rows of a table, pooled over targets."""
    for label in found[0]:
        cells = [
            pooled(list(column)) for column in zip(*(own[label] for own in found), strict=True)
        ]
        print(f"| {title} | {label} | {' | '.join(cells)} | {took} |", flush=True)


def measure(member: np.ndarray, scores: Any) -> list[Any]:
    return [metric(member, scores) for metric in METRICS.values()]


def run_gans(seeds: int) -> None:
    """Attack networks that know 200 records by heart, by their samples and by what is known."""
    X = load_location30().data.astype(np.float32)
    n = _GAN_RECORDS
    pools = [X[np.random.default_rng(s).permutation(len(X))[: 3 * n]] for s in range(seeds)]
    gans = train_gans(GAN(max_epochs=_GAN_EPOCHS), [own[:n] for own in pools], range(seeds))
    found: dict[str, list[dict[str, Any]]] = {}
    start = time.perf_counter()
    for seed, (gan, own) in enumerate(zip(gans, pools, strict=True)):
        found.setdefault("nothing", []).append(_without_knowledge(gan, own[: 2 * n], seed))
        # Half of the members are known, and others; neither are candidates.
        half = n // 2
        asked = np.concatenate([own[half:n], own[n : n + half]])
        for knows, members in (("others", None), ("members and others", own[:half])):
            known, membership, candidates = observe_auxiliary(
                gan, asked, nonmembers=own[2 * n :], members=members, random_state=seed
            )
            member = np.arange(2 * half) < half
            scores = {
                label: attack.fit(known, membership).decision_function(candidates)
                for label, attack in _with_knowledge(seed).items()
            }
            measured = {label: measure(member, score) for label, score in scores.items()}
            found.setdefault(knows, []).append(measured)
    took = (time.perf_counter() - start) / seeds
    for knows, measures in found.items():
        show(f"knows {knows}", measures, f"{took:.0f} s")


def _without_knowledge(gan: GAN, X: np.ndarray, seed: int) -> dict[str, Any]:
    accesses = {
        "white-box: discriminator": DiscriminatorAccess(),
        "white-box: gradient norm": DiscriminatorAccess("gradient-norm"),
        "black-box: local GAN": SampleAccess(local=GAN(max_epochs=_LOCAL_EPOCHS)),
        "black-box: nearest of 4,000": SampleAccess(standardize=False),
        "black-box: ball": SampleAccess(local="ball", standardize=False),
        "black-box: density ratio": SampleAccess(local="density-ratio", standardize=False),
    }
    member = np.arange(len(X)) < len(X) // 2
    return {
        label: measure(member, observe(gan, X, access=access, random_state=seed)["logit"])
        for label, access in accesses.items()
    }


def _with_knowledge(seed: int) -> dict[str, Any]:
    local = InformedGAN(max_epochs=_LOCAL_EPOCHS)
    return {
        "discriminative": LOGANAttack("discriminative", random_state=seed),
        "generative": LOGANAttack("generative", local, random_state=seed),
    }


def run_discriminators(seeds: int) -> None:
    """Calibrate discriminator scores by those of other networks."""
    X = load_location30().data.astype(np.float32)
    found: list[dict[str, Any]] = []
    start = time.perf_counter()
    for seed in range(seeds):
        own = X[np.random.default_rng(seed).permutation(len(X))[: 2 * _GAN_RECORDS]]
        gan = GAN(max_epochs=_FEWER_EPOCHS, random_state=seed)
        references = ReferenceModels(gan, 8, signal="discriminator", random_state=seed)
        found.append(attacked(references, own, seed))
    took = (time.perf_counter() - start) / seeds
    show(f"Location30, GAN, {_FEWER_EPOCHS} epochs | discriminator", found, f"{took:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = [*SETTINGS, "discriminator", "gan"]
    parser.add_argument("names", nargs="*", help=f"of {', '.join(names)}; all by default")
    parser.add_argument("--pools", type=int, default=3, help="targets, each with its own records")
    parser.add_argument("--networks", type=int, default=2, help="networks that are attacked")
    args = parser.parse_args()
    chosen = args.names or names
    print(
        f"{_RECORDS:,} members and as many others of {_COMPONENTS} principal components, 16 "
        f"references; {_GAN_RECORDS} of each and 8 references where networks are attacked\n"
    )
    print(f"| target | signal | attack | {' | '.join(METRICS)} | per target |")
    print(f"| --- | --- | --- | {'--- | ' * len(METRICS)}--- |")
    for name in chosen:
        if name in SETTINGS:
            run(name, args.pools)
    if "discriminator" in chosen:
        run_discriminators(args.networks)
    if "gan" in chosen:
        print(f"\n{PAPER}\n")
        print(f"| attacker | attack on a GAN, Location30 | {' | '.join(METRICS)} | per target |")
        print(f"| --- | --- | {'--- | ' * len(METRICS)}--- |")
        run_gans(args.networks)


if __name__ == "__main__":
    main()
