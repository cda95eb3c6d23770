"""What a GPU does for networks: ensembles, GANs, private training, gradients of single records.

`python benchmarks/gpu.py` needs a CUDA device and some five minutes; records are drawn, no data
set is read. `--device cpu --tiny` runs the same lines anywhere. One by one is timed on a few
models and multiplied; each other way is timed whole, behind a first try that loads the kernels.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from torch import nn
from torch.func import functional_call, grad
from torch.nn import functional as F

from ensembles import Convolutional
from mia_sklearn import ReferenceModels
from mia_sklearn._models._trainable import configured
from mia_sklearn.defenses import DPSGD, RelaxLoss
from mia_sklearn.torch import GAN, TorchTarget, train_gans
from mia_sklearn.torch._backend import record_features


class Perceptron(nn.Module):
    def __init__(self, n_features: int, n_classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_features, 128), nn.ReLU(), nn.Linear(128, n_classes)
        )

    def forward(self, x):
        return self.layers(x)


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def drawn(n: int, shape: tuple[int, ...], n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(n_classes, size=n)
    # A sixth of what tells classes apart, so that all have something to learn.
    centres = rng.normal(size=(n_classes, *shape)) / 6
    return (rng.normal(size=(n, *shape)) + centres[y]).astype(np.float32), y


class Bench:
    def __init__(self, device: str, *, tiny: bool) -> None:
        self.device, self.tiny = device, tiny
        # Models trained one by one, to be multiplied.
        self.few = 1 if tiny else 3

    def size(self, whole: int, tiny: int) -> int:
        return tiny if self.tiny else whole

    def net(self, module: Any = Perceptron, **options: Any) -> NeuralNetClassifier:
        usual = {
            "criterion": nn.CrossEntropyLoss,
            "optimizer": torch.optim.Adam,
            "lr": 1e-3,
            "batch_size": 64,
            "max_epochs": self.size(5, 1),
            "train_split": None,
            "iterator_train__shuffle": True,
            "verbose": 0,
            "device": self.device,
        }
        if module is Perceptron:
            usual |= {"module__n_features": 446, "module__n_classes": 30}
        return NeuralNetClassifier(module, **{**usual, **options})

    def print(self, what: str, work: str, before: float, after: float) -> None:
        print(
            f"| {what} | {work} | {before:.1f} | {after:.2f} | {before / after:.1f} |", flush=True
        )

    def ensemble(self, what: str, estimator: Any, X: Any, y: Any, n_models: int) -> None:
        """As one, beside skorch with one model after the other on the same device."""
        ReferenceModels(estimator, 4, random_state=1).fit(X[:256], y[:256], classes=np.unique(y))
        together = seconds(lambda: ReferenceModels(estimator, n_models, random_state=0).fit(X, y))

        def apart() -> None:
            for seed in range(self.few):
                rows = np.random.default_rng(seed).permutation(len(X))[: len(X) // 2]
                torch.manual_seed(seed)
                model = configured(estimator, seed).fit(X[rows], y[rows])
                model.predict_proba(X)

        before = seconds(apart) * n_models / self.few
        self.print(what, f"{n_models} models of {len(X) // 2:,} records", before, together)

    def gans(self, what: str, shape: tuple[int, ...], n_models: int) -> None:
        tables = np.random.default_rng(0).random((n_models, self.size(200, 20), *shape))
        gan = GAN(max_epochs=self.size(25, 1), device=self.device)
        train_gans(clone(gan).set_params(max_epochs=1), tables[:2], [0, 1])
        together = seconds(lambda: train_gans(gan, tables, range(n_models)))

        def apart() -> None:
            for seed in range(self.few):
                clone(gan).set_params(random_state=seed).fit(tables[seed])

        before = seconds(apart) * n_models / self.few
        self.print(what, f"{n_models} GANs of {tables.shape[1]} records", before, together)

    def private(self) -> None:
        """DP-SGD here, beside the CPU."""
        X, y = drawn(self.size(20_000, 200), (446,), 30)

        def fit(device: str, epochs: int) -> None:
            net = self.net(batch_size=min(1024, len(X)), max_epochs=epochs, device=device)
            DPSGD(net, epsilon=8, random_state=0).fit(X, y)

        fit(self.device, 1)
        here = seconds(lambda: fit(self.device, self.size(10, 1)))
        before = seconds(lambda: fit("cpu", 1)) * self.size(10, 1)
        self.print("DP-SGD, beside a CPU", f"{len(X):,} records", before, here)

    def gradients(self) -> None:
        """White-box columns, beside a loop over records that takes each one's gradient."""
        X, y = drawn(self.size(20_000, 200), (446,), 30)
        net = self.net(max_epochs=1).fit(X[:100], y[:100])
        target = TorchTarget.from_estimator(net, X)
        record_features(target, X[:10], y[:10])
        together = seconds(lambda: record_features(target, X, y))
        n = self.size(500, 20)
        weights = {name: p.detach() for name, p in net.module_.named_parameters()}
        records = torch.as_tensor(X[:n], device=self.device)
        labels = torch.as_tensor(y[:n], device=self.device)

        def loss(parameters: Any, x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
            return F.cross_entropy(
                functional_call(net.module_, parameters, (x[None],)), label[None]
            )

        def apart() -> None:
            for x, label in zip(records, labels, strict=True):
                found = grad(loss)(weights, x, label)
                torch.stack([g.norm() for g in found.values()]).cpu()

        before = seconds(apart) * len(X) / n
        self.print("white-box gradients", f"{len(X):,} records", before, together)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="to see that it runs")
    options = parser.parse_args()
    bench = Bench(options.device, tiny=options.tiny)
    if options.device == "cuda":
        print(torch.cuda.get_device_name(), end=", ")
    print(f"torch {torch.__version__}, Python {platform.python_version()}, {options.device}\n")
    print("| what | work | baseline s | here s | ratio |")
    print("| --- | --- | --- | --- | --- |")
    tabular = drawn(bench.size(5_010, 120), (446,), 30)
    images = drawn(bench.size(10_000, 60), (1, 28, 28), 10)
    n = bench.size(128, 2)
    bench.ensemble("perceptrons 446-128-30", bench.net(), *tabular, n)
    behind = make_pipeline(StandardScaler(), bench.net())
    bench.ensemble("the same behind a scaler", behind, *tabular, n)
    bench.ensemble("the same in RelaxLoss", RelaxLoss(bench.net(), alpha=1.0), *tabular, n)
    bench.ensemble("two convolutions", bench.net(Convolutional), *images, n)
    bench.gans("GANs of 446 features", (446,), bench.size(64, 2))
    bench.gans("GANs of convolutions", (1, bench.size(28, 8), bench.size(28, 8)), bench.size(32, 2))
    bench.private()
    bench.gradients()


if __name__ == "__main__":
    main()
