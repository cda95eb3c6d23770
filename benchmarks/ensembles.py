"""Reference networks trained as one, beside the same networks trained by skorch one by one.

Bare, behind the steps of a Pipeline, and within defenses. Both ways do the same work in one run:
the same seeds, training sets and epochs, and the answers of every network on all records.
`--only TEXT` chooses rows, `--alone 4` trains so many one by one and multiplies, `--tiny` takes a
few records of each, `--device cuda` needs a GPU.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from skorch import NeuralNetClassifier
from torch import nn
from torch.nn import functional as F

from mia_sklearn import ReferenceModels
from mia_sklearn._models._kinds import is_net, last_step
from mia_sklearn._models._trainable import configured
from mia_sklearn._records._rows import take_rows
from mia_sklearn.datasets import load_adult, load_location30, load_mnist
from mia_sklearn.defenses import DropoutDefense, RelaxLoss, TemperaturePosterior, WeightPenalty
from mia_sklearn.references._sampling import training_rows
from mia_sklearn.signals import log_posteriors
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


def adult_frame(n):
    X, y = load_adult(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(X))[:n]
    return X.iloc[rows].reset_index(drop=True), (np.asarray(y)[rows] == ">50K").astype(np.int64)


def encoders(X):
    """Return what makes single-precision numbers of Adult's columns."""
    text = X.columns[X.dtypes.map(lambda kind: not pd.api.types.is_numeric_dtype(kind))]
    numbers = [name for name in X.columns if name not in set(text)]
    # A training set may lack rare ones, and the net has an input for each.
    categories = OneHotEncoder().fit(X[list(text)]).categories_
    return make_column_transformer(
        (StandardScaler(), numbers),
        (OneHotEncoder(categories=categories, sparse_output=False), list(text)),
    )


def adult(n):
    X, y = adult_frame(n)
    return encoders(X).fit_transform(X).astype(np.float32), y


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
    frame, y = adult_frame(10_000)
    to_single = FunctionTransformer(np.float32)
    yield "the same behind encoders, Adult's frame", frame, y, (encoders(frame), to_single, net), 32
    yield "WeightPenalty of 10 + 5, Adult", X, y, WeightPenalty(net), 32
    net = NeuralNetClassifier(Perceptron, batch_size=64, max_epochs=5, **adam)
    yield "446-128-30, Location-30", *location30(), net, 64
    yield "the same behind a scaler, Location-30", *location30(), (StandardScaler(), net), 16
    yield "TemperaturePosterior, Location-30", *location30(), TemperaturePosterior(net), 16
    yield "RelaxLoss, Location-30", *location30(), RelaxLoss(net, alpha=1.0), 16
    yield "DropoutDefense, Location-30", *location30(), DropoutDefense(net, p=0.2), 16
    X, y = mnist(10_000)
    net = NeuralNetClassifier(Dropping, batch_size=64, max_epochs=3, **adam)
    yield "784-128-32-10 with dropout, MNIST", X, y, net, 64
    net = NeuralNetClassifier(Convolutional, batch_size=64, max_epochs=2, **adam)
    yield "two convolutions, MNIST", X, y, net, 16


def on(device, tiny, estimator):
    """Return an estimator whose net computes on a device; a tuple is a Pipeline of its steps."""
    estimator = clone(make_pipeline(*estimator) if isinstance(estimator, tuple) else estimator)
    nets = [value for value in estimator.get_params().values() if is_net(value)]
    for net in [last_step(net) for net in nets] or [estimator]:
        net.set_params(device=device, max_epochs=1 if tiny else net.max_epochs)
    return estimator


def alone(estimator, X, y, rows, seed):
    """Return what a model answers that is trained by itself, as a user would."""
    model = configured(estimator, seed)
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    model.fit(take_rows(X, rows), y[rows])
    if is_net(model):
        return TorchTarget.from_estimator(model, X).predict_log_proba(X)
    return log_posteriors(model, X, np.unique(y))


def epochs_of(estimator):
    nets = [estimator, *estimator.get_params().values()]
    return next(net.max_epochs for net in nets if hasattr(net, "max_epochs"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", default="", help="part of a case's name")
    parser.add_argument(
        "--alone", type=int, default=10**6, help="models trained one by one, to be multiplied"
    )
    parser.add_argument("--tiny", action="store_true", help="2 models of 200 records, 1 epoch")
    options = parser.parse_args()
    if options.device == "cuda":
        torch.zeros(1, device="cuda")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {options.device}\n")
    print("| networks | work | one by one s | as one s | ratio | by processor | difference |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, X, y, estimator, n_models in cases():
        if options.only not in name:
            continue
        if options.tiny:
            X, y, n_models = take_rows(X, slice(200)), y[:200], 2  # noqa: PLW2901
        cells = compared(X, y, estimator, n_models, options)
        print(f"| {name} | {cells} |", flush=True)


def compared(X, y, estimator, n_models, options):
    """Train both ways and return the rest of a row of the table."""
    # The first use of a device or kernel takes longer.
    first = on(options.device, True, estimator)
    few = take_rows(X, slice(512)), y[:512]
    ReferenceModels(first, 4, random_state=1).fit(*few, classes=np.unique(y))
    estimator = on(options.device, options.tiny, estimator)
    start, worked = time.perf_counter(), time.process_time()
    references = ReferenceModels(
        estimator, n_models, n_jobs=torch.get_num_threads(), random_state=0
    ).fit(X, y)
    as_one = time.perf_counter() - start, time.process_time() - worked
    apart = 0.0
    start, worked = time.perf_counter(), time.process_time()
    n_models = len(references.seeds_)
    n_alone = min(options.alone, n_models)
    for model, seed in enumerate(references.seeds_[:n_alone]):
        rows = training_rows(references.membership_[model], 0, int(seed))
        answer = alone(estimator, X, y, rows, int(seed))
        both = (np.maximum(one, -100) for one in (answer, references.outputs_[model]))
        apart = max(apart, float(np.abs(np.subtract(*both)).max()))
    by_itself = [
        spent * n_models / n_alone
        for spent in (time.perf_counter() - start, time.process_time() - worked)
    ]
    work = f"{n_models} models, {epochs_of(estimator)} epochs of {len(y) // 2:,} records"
    return (
        f"{work} | {by_itself[0]:.1f} | {as_one[0]:.1f} "
        f"| {by_itself[0] / as_one[0]:.1f} | {by_itself[1] / as_one[1]:.1f} | {apart:.1e}"
    )


if __name__ == "__main__":
    main()
