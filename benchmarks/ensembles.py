"""Reference networks trained as one, beside the same networks trained by skorch one by one.

Both do the same work in one run: the same seeds, training sets and epochs, and the answers of
every network on all records. `--device cuda` needs a GPU.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from skorch import NeuralNetClassifier
from torch import nn
from torch.nn import functional as F

from mia_sklearn import ReferenceModels
from mia_sklearn.datasets import load_adult, load_location30, load_mnist
from mia_sklearn.references._sampling import training_rows
from mia_sklearn.torch import TorchTarget


class Tiny(nn.Module):
    """The network of Long et al. (2018) on Adult: hidden layers of 10 and 5 tanh units."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_features, 10), nn.Tanh(), nn.Linear(10, 5), nn.Tanh(), nn.Linear(5, 2)
        )

    def forward(self, x):
        return self.layers(x)


class Perceptron(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(446, 128), nn.ReLU(), nn.Linear(128, 30))

    def forward(self, x):
        return self.layers(x)


class Dropping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(784, 128),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(128, 32),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(32, 10),
        )

    def forward(self, x):
        return self.layers(x)


class Convolutional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 16, 3, padding=1)
        self.last = nn.Linear(16 * 7 * 7, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.first(x)), 2)
        x = F.max_pool2d(F.relu(self.second(x)), 2)
        return self.last(x.flatten(1))


def adult(n):
    X, y = load_adult(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(X))[:n]
    X, y = X.iloc[rows], (np.asarray(y)[rows] == ">50K").astype(np.int64)
    text = X.columns[X.dtypes.map(lambda kind: not pd.api.types.is_numeric_dtype(kind))]
    numbers = [name for name in X.columns if name not in set(text)]
    encode = make_column_transformer(
        (StandardScaler(), numbers), (OneHotEncoder(sparse_output=False), list(text))
    )
    return encode.fit_transform(X).astype(np.float32), y


def location30():
    data = load_location30()
    return data.data.astype(np.float32), data.target.astype(np.int64)


def mnist(n):
    data = load_mnist()
    X = np.asarray(data.data[:n], dtype=np.float32).reshape(-1, 1, 28, 28) / 255
    return X, np.asarray(data.target[:n]).astype(np.int64)


def cases():
    """Yield name, records, labels, net, number of networks."""
    common = {
        "criterion": nn.CrossEntropyLoss,
        "train_split": None,
        "iterator_train__shuffle": True,
        "verbose": 0,
    }
    adam = {**common, "optimizer": torch.optim.Adam, "lr": 1e-3}
    X, y = adult(10_000)
    net = NeuralNetClassifier(
        Tiny, module__n_features=X.shape[1], lr=0.1, batch_size=100, max_epochs=4, **common
    )
    yield "10 + 5 tanh units, Adult", X, y, net, 100
    net = NeuralNetClassifier(Perceptron, batch_size=64, max_epochs=5, **adam)
    yield "446-128-30, Location-30", *location30(), net, 64
    X, y = mnist(10_000)
    net = NeuralNetClassifier(Dropping, batch_size=64, max_epochs=3, **adam)
    yield "784-128-32-10 with dropout, MNIST", X, y, net, 64
    net = NeuralNetClassifier(Convolutional, batch_size=64, max_epochs=2, **adam)
    yield "two convolutions, MNIST", X, y, net, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", default="", help="part of a case's name")
    options = parser.parse_args()
    if options.device == "cuda":
        torch.zeros(1, device="cuda")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {options.device}")
    print("| networks | work | one by one s | as one s | ratio | largest difference |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, X, y, net, n_models in cases():
        if options.only not in name:
            continue
        net.set_params(device=options.device)
        # The first use of a device or kernel takes longer.
        ReferenceModels(clone(net).set_params(max_epochs=1), 4, random_state=1).fit(
            X[:512], y[:512], classes=np.unique(y)
        )
        start = time.perf_counter()
        references = ReferenceModels(
            net, n_models, n_jobs=torch.get_num_threads(), random_state=0
        ).fit(X, y)
        as_one = time.perf_counter() - start
        apart = 0.0
        start = time.perf_counter()
        for model, seed in enumerate(references.seeds_):
            rows = training_rows(references.membership_[model], 0, int(seed))
            torch.manual_seed(int(seed))
            net.fit(X[rows], y[rows])
            answer = TorchTarget.from_estimator(net, X).predict_log_proba(X)
            apart = max(apart, float(np.abs(answer - references.outputs_[model]).max()))
        alone = time.perf_counter() - start
        work = f"{n_models} models, {net.max_epochs} epochs of {len(X) // 2:,} records"
        print(
            f"| {name} | {work} | {alone:.1f} | {as_one:.1f} | {alone / as_one:.1f} "
            f"| {apart:.1e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
