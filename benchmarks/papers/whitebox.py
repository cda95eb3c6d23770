"""What looking inside a network adds: white-box attacks beside black-box ones.

After M. Nasr, R. Shokri and A. Houmansadr, "Comprehensive Privacy Analysis of Deep Learning",
S&P 2019: a network is trained until it knows its records by heart. Supervised attackers know half
of the members and as many non-members; all attacks are scored on the other halves.
`python benchmarks/papers/whitebox.py` prints both tables, `... location --seeds 5` one of them.
The folder of the data sets is read from MIA_SKLEARN_DATA.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from mia_sklearn import observe
from mia_sklearn.attacks import GradientNormAttack, ThresholdAttack
from mia_sklearn.datasets import load_cifar10, load_location30
from mia_sklearn.metrics import accuracy, roc_auc
from mia_sklearn.torch import TorchTarget, UnsupervisedWhiteBoxAttack, WhiteBoxAttack

BLACK_BOX = ["label", "proba", "logit"]
PAPER = """\
The paper's accuracies: CIFAR-100 Alexnet 75.1 % white-box, 74.6 % black-box; DenseNet 74.3 % and
67.7 %; unsupervised attacks a few points below the supervised ones."""


class SmallCNN(nn.Module):
    """Three convolutions and two dense layers, for images of 32 x 32 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *(nn.Conv2d(3, 24, 5, stride=2, padding=2), nn.ReLU()),
            *(nn.Conv2d(24, 48, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(48, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4)),
        )
        self.dense = nn.Linear(256, 64)
        self.last = nn.Linear(64, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.convolutions(images.reshape(-1, 3, 32, 32)).flatten(1)
        return self.last(F.relu(self.dense(features)))


class MLP(nn.Module):
    """One hidden layer, for the places that a person has visited."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(446, 64)
        self.last = nn.Linear(64, 30)

    def forward(self, visits: torch.Tensor) -> torch.Tensor:
        return self.last(torch.tanh(self.dense(visits)))


def cifar() -> tuple[np.ndarray, np.ndarray]:
    data = load_cifar10(subset="train")
    pixels = np.asarray(data.data, dtype=np.float32) / 127.5 - 1
    return pixels, np.asarray(data.target)


def location() -> tuple[np.ndarray, np.ndarray]:
    data = load_location30()
    return np.asarray(data.data, dtype=np.float32), np.asarray(data.target)


EXPERIMENTS: dict[str, tuple[str, Any, Any]] = {
    "location": ("MLP on Location30", location, MLP),
    "cifar": ("CNN on CIFAR-10", cifar, SmallCNN),
}


def train(
    module: nn.Module, X: np.ndarray, y: np.ndarray, *, epochs: int, batch_size: int = 64
) -> nn.Module:
    """Train until every record is known, `epochs` at most."""
    data, labels = torch.from_numpy(X), torch.from_numpy(y).long()
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    for _ in range(epochs):
        right = 0
        for rows in torch.randperm(len(X)).split(batch_size):
            output = module(data[rows])
            loss = F.cross_entropy(output, labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            right += int((output.argmax(1) == labels[rows]).sum())
        if right == len(X):
            break
    return module


def attacks(seed: int) -> dict[str, Any]:
    return {
        "black-box: loss": ThresholdAttack("loss"),
        "black-box: network": WhiteBoxAttack(groups=BLACK_BOX, random_state=seed),
        "gradient norm": GradientNormAttack(),
        "white-box: network": WhiteBoxAttack(random_state=seed),
        "unsupervised: k-means": UnsupervisedWhiteBoxAttack(random_state=seed),
        "unsupervised: spectral": UnsupervisedWhiteBoxAttack("spectral", random_state=seed),
    }


def observations(name: str, seed: int, *, records: int, epochs: int) -> Any:
    """Train a network on half of the records; return what it shows of all, and its accuracies."""
    _, load, module = EXPERIMENTS[name]
    X, y = load()
    rows = np.random.default_rng(seed).permutation(len(y))[: 2 * records]
    X, y = X[rows], y[rows]
    half = len(y) // 2
    torch.manual_seed(seed)
    network = train(module(), X[:half], y[:half], epochs=epochs)
    target = TorchTarget(network, classes=np.arange(y.max() + 1), outputs="logits")
    right = target.predict(X) == y
    member = np.arange(len(y)) < half
    seen = observe(target, X, y, view="white-box", layers=["dense", "last"])
    return seen, member, right[:half].mean(), right[half:].mean()


def run(name: str, seeds: int, *, records: int, epochs: int) -> None:
    found: dict[str, list[tuple[Any, Any]]] = {}
    hits: dict[str, list[np.ndarray]] = {}
    fit_accuracy = []
    start = time.perf_counter()
    for seed in range(seeds):
        seen, member, *right = observations(name, seed, records=records, epochs=epochs)
        fit_accuracy.append(right)
        known = np.zeros(len(member), dtype=bool)
        for kind in (member, ~member):
            places = np.flatnonzero(kind)
            known[places[: len(places) // 2]] = True
        for label, attack in attacks(seed).items():
            # Who knows no member looks at the very records in question.
            learned = ~known if label.startswith("unsupervised") else known
            attack.fit(seen[learned], member[learned])
            score = attack.decision_function(seen[~known])
            estimates = (
                accuracy(member[~known], score, threshold=0.0),
                roc_auc(member[~known], score),
            )
            found.setdefault(label, []).append(estimates)
            hits.setdefault(label, []).append((score > 0) == member[~known])
    title = EXPERIMENTS[name][0]
    train_right, test_right = np.mean(fit_accuracy, axis=0)
    print(
        f"\n{title}: {len(member) // 2} members, as many non-members, {seeds} networks, accuracy "
        f"{train_right:.3f} in training and {test_right:.3f} in testing, "
        f"{time.perf_counter() - start:.0f} s\n"
    )
    print("| attack | accuracy | AUC | accuracy, network by network | more than by loss, paired |")
    print("| --- | --- | --- | --- | --- |")
    for label, estimates in found.items():
        cells = [_pooled([pair[i] for pair in estimates]) for i in (0, 1)]
        each = ", ".join(f"{pair[0].value:.3f}" for pair in estimates)
        more = _paired(np.concatenate(hits[label]), np.concatenate(hits["black-box: loss"]))
        print(f"| {label} | {cells[0]} | {cells[1]} | {each} | {more} |", flush=True)


def _paired(one: np.ndarray, other: np.ndarray) -> str:
    """Return how much more often one attack is right than another on the same records."""
    difference = one.astype(float) - other
    error = 1.96 * difference.std() / np.sqrt(len(difference))
    return f"{difference.mean():+.3f} ± {error:.3f}"


def _pooled(estimates: list[Any]) -> str:
    """Return the mean over networks with its interval, from the intervals of each."""
    value = np.mean([estimate.value for estimate in estimates])
    low, high = (
        np.sqrt(np.sum([(getattr(e, side) - e.value) ** 2 for e in estimates])) / len(estimates)
        for side in ("low", "high")
    )
    return f"{value:.3f} [{value - low:.3f}, {value + high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(EXPERIMENTS)}; all by default")
    parser.add_argument("--seeds", type=int, default=2, help="networks that are attacked")
    parser.add_argument("--records", type=int, default=2000, help="members, and non-members")
    parser.add_argument("--epochs", type=int, default=100, help="of training, at most")
    args = parser.parse_args()
    print(PAPER)
    for name in args.names or EXPERIMENTS:
        run(name, args.seeds, records=args.records, epochs=args.epochs)


if __name__ == "__main__":
    main()
