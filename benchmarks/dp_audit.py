"""Audits of differential privacy: bounds on sound mechanisms, and whether broken ones are refuted.

DPSGD on Location30 and Adult (`MIA_SKLEARN_DATA`) at epsilon 1, 4 and 8 with canaries that have
gradients of their own, sound and broken in four ways; estimators by refits. With diffprivlib, which
needs scikit-learn before 1.9, its models too.
"""

from __future__ import annotations

import argparse
import contextlib
import time
import warnings
from collections.abc import Iterator
from unittest import mock

import numpy as np
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_blobs

import mia_sklearn
from mia_sklearn import audit_dp, datasets
from mia_sklearn.stats import gaussian_dp_epsilon, one_run_mu

EPSILONS = (1.0, 4.0, 8.0)


# -- Networks --------------------------------------------------------------------------------


def records(name: str) -> tuple[np.ndarray, np.ndarray]:
    if name == "Location30":
        X, y = datasets.load_location30(return_X_y=True)
        return np.asarray(X, dtype=np.float32), np.asarray(y)
    frame, y = datasets.load_adult(return_X_y=True)
    import pandas as pd

    frame, y = frame.iloc[:6000], np.asarray(y)[:6000]
    numbers = frame.select_dtypes("number")
    numbers = (numbers - numbers.mean()) / numbers.std()
    X = pd.concat([numbers, pd.get_dummies(frame.select_dtypes(exclude="number"))], axis=1)
    return X.to_numpy(np.float32), y


def network(X: np.ndarray, y: np.ndarray, batch_size: int, epochs: int):
    import torch
    from skorch import NeuralNetClassifier
    from torch import nn

    torch.set_num_threads(1)
    return NeuralNetClassifier(
        nn.Sequential,
        module__args=None,
        criterion=nn.CrossEntropyLoss,
        lr=0.2,
        max_epochs=epochs,
        batch_size=batch_size,
        train_split=None,
        verbose=0,
    ).set_params(module=_layers(X.shape[1], len(np.unique(y))))


def _layers(n_features: int, n_classes: int):
    """Return a network with some 3,000 parameters, each of which may be a canary's."""
    from torch import nn

    width = 1 + 3000 // (n_features + n_classes)

    class Layers(nn.Module):
        def __init__(self, args: None = None) -> None:
            super().__init__()
            self.layers = nn.Sequential(
                nn.Linear(n_features, width), nn.ReLU(), nn.Linear(width, n_classes)
            )

        def forward(self, x):
            return self.layers(x)

    return Layers


@contextlib.contextmanager
def half_the_noise() -> Iterator[None]:
    from mia_sklearn.torch._defenses import _dpsgd

    enough = _dpsgd.required_noise
    told = _dpsgd.epsilon_spent
    with (
        mock.patch.object(_dpsgd, "required_noise", lambda plan: enough(plan) / 2),
        mock.patch.object(
            _dpsgd, "epsilon_spent", lambda plan, noise, steps: told(plan, 2 * noise, steps)
        ),
    ):
        yield


@contextlib.contextmanager
def no_clipping() -> Iterator[None]:
    from opacus.optimizers import DPOptimizer
    from opacus.optimizers.optimizer import _mark_as_processed

    def accumulate(self) -> None:
        for p in self.params:
            whole = p.grad_sample.sum(dim=0)
            p.summed_grad = whole if p.summed_grad is None else p.summed_grad + whole
            _mark_as_processed(p.grad_sample)

    with mock.patch.object(DPOptimizer, "clip_and_accumulate", accumulate):
        yield


@contextlib.contextmanager
def batches(kind: str) -> Iterator[None]:
    """Take batches that the accountant does not reckon with.

    Parameters
    ----------
    kind : {"all", "in turn", "going round", "shuffled"}
        All records at each step; records that follow each other, in each pass from the first on, as
        a loader of torch takes them without `shuffle`; the same without a new start at each pass;
        or in an order that is drawn for each pass, as a loader takes them with `shuffle`.
    """
    import torch

    rand, step, order = torch.rand, [0], [None]

    def drawn(n, *, generator, dtype):
        chances = torch.ones(n, dtype=dtype)
        if kind == "all":
            return 0 * chances
        size = SIZE[0]
        place = step[0] % -(-n // size)
        first = step[0] * size % n if kind == "going round" else place * size
        if order[0] is None or (kind == "shuffled" and place == 0):
            shuffled = kind == "shuffled"
            order[0] = torch.randperm(n, generator=generator) if shuffled else torch.arange(n)
        step[0] += 1
        chances[order[0][first : first + size]] = 0
        return chances

    def instead(*size, **options):
        return drawn(*size, **options) if "generator" in options else rand(*size, **options)

    with mock.patch.object(torch, "rand", instead):
        yield


SIZE = [0]
BROKEN = {
    "noise halved": half_the_noise,
    "no clipping": no_clipping,
    "all records in each batch": lambda: batches("all"),
    "batches in turn": lambda: batches("in turn"),
    "batches going round": lambda: batches("going round"),
    "shuffled for each pass": lambda: batches("shuffled"),
}


def networks(args: argparse.Namespace) -> None:
    from mia_sklearn.defenses import DPSGD

    print("| data | mechanism | seed | epsilon | AUC | pure | gaussian | curve | outcome | s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    ratios = []
    cases = [
        (name, mechanism, epsilon, seed)
        for seed in range(args.seeds)
        for mechanism in args.mechanisms
        for epsilon in args.epsilons
        for name in args.data
    ]
    for name, mechanism, epsilon, seed in cases:
        X, y = records(name)
        net = network(X, y, args.batch, args.epochs)
        SIZE[0] = args.batch
        n = min(args.canaries, len(X) // 2)
        with BROKEN.get(mechanism, contextlib.nullcontext)():
            report = audit_dp(DPSGD(net, epsilon), X, y, None, n, random_state=seed)
        if args.keep:
            report.canaries.to_csv(f"{args.keep}/{name},{mechanism},{epsilon:g},{seed}.csv")
        # The verdict is that of the curve; what a Gaussian one of this epsilon would say, beside.
        pure, curve = report.bounds["epsilon"]
        included, score = report.canaries["included"], report.canaries["gradient"]
        info = report.info
        mu = one_run_mu(score[included], score[~included], membership_rate=0.5)
        gaussian = gaussian_dp_epsilon(mu, info["delta"])
        if mechanism == "sound" and pure > 0:
            ratios.append((gaussian / pure, curve / pure))
        auc = f"{info['auc']:.3f} ({info['auc_low']:.3f} to {info['auc_high']:.3f})"
        also = f"{gaussian:.3f}{', refutes' if gaussian > info['epsilon'] else ''}"
        print(
            f"| {name} | {mechanism} | {seed} | {info['epsilon']:.3f} | {auc} | {pure:.3f} "
            f"| {also} | {curve:.3f} | {report.outcome} | {info['seconds']:.0f} |",
            flush=True,
        )
    if ratios:
        gaussian, curve = np.mean(ratios, axis=0)
        print(f"\nSound, in the mean: gaussian / pure {gaussian:.2f}, curve / pure {curve:.2f}.\n")


# -- Estimators, by refits -------------------------------------------------------------------


class NoisyMeans(ClassifierMixin, BaseEstimator):
    """Sums of the first feature by class, with Laplace noise.

    One record in the place of another moves both sums together by at most twice the bound.
    """

    def __init__(self, epsilon=1.0, low=-5.0, high=5.0, broken="", random_state=None):
        self.epsilon = epsilon
        self.low = low
        self.high = high
        self.broken = broken
        self.random_state = random_state

    def fit(self, X, y):
        seed = 0 if self.broken == "seed used again" else self.random_state
        rng = np.random.default_rng(seed)
        low, high = self.low, self.high
        if self.broken == "bounds of the records":
            low, high = X.min(), X.max()
        self.classes_ = np.array([0, 1])
        kept = np.clip(X[:, 0], low, high)
        sums = np.array([(kept * (y == label)).sum() for label in self.classes_])
        scale = 2 * max(abs(low), abs(high)) / self.epsilon
        scale /= {"noise halved": 2, "no noise": np.inf}.get(self.broken, 1)
        self.sums_ = sums + rng.laplace(0, scale, 2)
        self.scale_ = scale
        return self

    def predict_proba(self, X):
        far = np.stack([-X[:, 0] * s / 100 for s in self.sums_], axis=1)
        odds = np.exp(-(far - far.min(axis=1, keepdims=True)) / 100)
        return odds / odds.sum(axis=1, keepdims=True)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def refits(args: argparse.Namespace) -> None:
    X, y = make_blobs(200, 2, centers=[[-2, 0], [2, 0]], random_state=0)
    X = np.clip(X, -5, 5)
    found = {
        (f"noisy sums, {broken or 'sound'}", epsilon): NoisyMeans(epsilon, broken=broken)
        for epsilon in (1.0, 4.0)
        for broken in ("", "noise halved", "bounds of the records", "seed used again", "no noise")
    }
    try:
        from diffprivlib.models import GaussianNB, LogisticRegression
    except ImportError as error:
        print(f"diffprivlib is left out: {error}\n")
    else:
        for epsilon in (1.0, 4.0):
            bounded = GaussianNB(epsilon=epsilon, bounds=(-5, 5))
            found["diffprivlib GaussianNB, sound", epsilon] = bounded
            name = "diffprivlib GaussianNB, bounds of the records"
            found[name, epsilon] = GaussianNB(epsilon=epsilon)
            bounded = LogisticRegression(epsilon=epsilon, data_norm=7.1)
            found["diffprivlib LogisticRegression, sound", epsilon] = bounded
            name = "diffprivlib LogisticRegression, norm of the records"
            found[name, epsilon] = LogisticRegression(epsilon=epsilon)
    print("| mechanism | claimed | refuted | shown, at most | fits, mean | canary | s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for (name, epsilon), estimator in found.items():
        started = time.perf_counter()
        reports = [
            audit_dp(
                estimator,
                X,
                y,
                (epsilon, 0.0),
                method="refits",
                neighbours="replace",
                max_refits=args.refits,
                random_state=seed,
            )
            for seed in range(args.seeds)
        ]
        refuted = sum(report.outcome == "refuted" for report in reports)
        fits = np.mean([report.info["n_fits"] for report in reports])
        canaries = ", ".join(sorted({report.info["canaries"] for report in reports}))
        most = max(report.epsilon for report in reports)
        print(
            f"| {name} | {epsilon:g} | {refuted} of {len(reports)} | {most:.2f} | {fits:.0f} "
            f"| {canaries} | {time.perf_counter() - started:.0f} |",
            flush=True,
        )
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["networks", "refits"])
    parser.add_argument("--data", nargs="+", default=["Location30", "Adult"])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=5)
    known = ["sound", *BROKEN]
    parser.add_argument("--mechanisms", nargs="+", choices=known, default=known)
    parser.add_argument("--epsilons", type=float, nargs="+", default=EPSILONS)
    parser.add_argument("--keep", help="folder for the scores")
    parser.add_argument("--canaries", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--refits", type=int, default=1000)
    args = parser.parse_args()
    print(
        f"mia-sklearn {mia_sklearn.__version__}, scikit-learn {sklearn.__version__}, NumPy "
        f"{np.__version__}, {time.strftime('%Y-%m-%d')}, seeds 0 to {args.seeds - 1}, confidence "
        "95 %.\n"
    )
    warnings.simplefilter("ignore")
    for part in args.parts:
        {"networks": networks, "refits": refits}[part](args)


if __name__ == "__main__":
    main()
