"""Audits of differential privacy: bounds on sound mechanisms, and whether broken ones are refuted.

DPSGD on Location30 and Adult (`MIA_SKLEARN_DATA`) at epsilon 1, 4 and 8 with canaries that have
gradients of their own, sound and broken in four ways; estimators by refits. With diffprivlib, which
needs scikit-learn before 1.9, its models too.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from unittest import mock

import numpy as np

from mia_sklearn import audit_dp, datasets

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
    from torch import nn

    class Layers(nn.Module):
        def __init__(self, args: None = None) -> None:
            super().__init__()
            self.layers = nn.Sequential(
                nn.Linear(n_features, 32), nn.ReLU(), nn.Linear(32, n_classes)
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

    def accumulate(self) -> None:
        for p in self.params:
            whole = p.grad_sample.sum(dim=0)
            p.summed_grad = whole if p.summed_grad is None else p.summed_grad + whole
            p.grad_sample = None

    with mock.patch.object(DPOptimizer, "clip_and_accumulate", accumulate):
        yield


@contextlib.contextmanager
def batches(kind: str) -> Iterator[None]:
    """Take batches in the order of the records ("in turn"), or all records at each step."""
    import torch

    rand, step = torch.rand, [0]

    def drawn(n, *, generator, dtype):
        chances = torch.ones(n, dtype=dtype)
        if kind == "all":
            return 0 * chances
        size = SIZE[0]
        first = step[0] * size % n
        step[0] += 1
        chances[first : first + size] = 0
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
}


def networks(args: argparse.Namespace) -> None:
    from mia_sklearn.defenses import DPSGD

    print("| data | mechanism | epsilon | canaries | AUC | pure | gaussian | outcome | s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    ratios = []
    for name in args.data:
        X, y = records(name)
        net = network(X, y, args.batch, args.epochs)
        SIZE[0] = args.batch
        for mechanism in ("sound", *BROKEN):
            for epsilon in EPSILONS:
                for seed in range(args.seeds if mechanism == "sound" else 1):
                    n = min(args.canaries, len(X) // 2)
                    with BROKEN.get(mechanism, contextlib.nullcontext)():
                        report = audit_dp(DPSGD(net, epsilon), X, y, None, n, random_state=seed)
                    pure, gaussian = report.bounds["epsilon"]
                    if mechanism == "sound" and pure > 0:
                        ratios.append(gaussian / pure)
                    info = report.info
                    auc = f"{info['auc']:.3f} ({info['auc_low']:.3f} to {info['auc_high']:.3f})"
                    print(
                        f"| {name} | {mechanism} | {info['epsilon']:.3f} | {n} | {auc} "
                        f"| {pure:.3f} | {gaussian:.3f} | {report.outcome} "
                        f"| {info['seconds']:.0f} |",
                        flush=True,
                    )
    print(f"\nSound mechanisms: gaussian / pure {np.mean(ratios):.2f} in the mean.\n")
