"""The models of the GMIA paper's experiments: networks, data sets, who trains on what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from skorch import NeuralNetClassifier
from torch import nn

from mia_sklearn import ReferenceModels
from mia_sklearn.datasets import load_adult, load_cancer, load_mnist
from mia_sklearn.stats import pchip_p_values, pooled_p_values, rank_p_values, t_p_values
from mia_sklearn.vulnerability import VulnerableRecords

P_VALUES: dict[str, Callable[..., np.ndarray]] = {
    "pchip": pchip_p_values,
    "rank": rank_p_values,
    "t": t_p_values,
    "pooled": pooled_p_values,
}


class Tiny(nn.Sequential):
    """Hidden layers of 10 and 5 tanh units."""

    def __init__(self, n_features: int) -> None:
        super().__init__(
            *(nn.Linear(n_features, 10), nn.Tanh()),
            *(nn.Linear(10, 5), nn.Tanh(), nn.Linear(5, 2)),
        )


class Linear(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(9, 2))


class Dense(nn.Sequential):
    """Two dense hidden layers, for images of 28 x 28 pixels."""

    def __init__(self) -> None:
        super().__init__(
            *(nn.Flatten(), nn.Linear(784, 64), nn.ReLU()),
            *(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)),
        )


class Convolutional(nn.Sequential):
    """Two convolutions with pooling, 1,024 dense units and dropout."""

    def __init__(self) -> None:
        super().__init__(
            *(nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(64 * 49, 1024), nn.ReLU(), nn.Dropout(0.5), nn.Linear(1024, 10)),
        )


@dataclass(frozen=True)
class Setting:
    """What the paper did on one data set.

    Attributes
    ----------
    net : unfitted net
        Its `max_epochs` give the paper's number of steps where nothing else is said.
    n_pool, train_size : int
    criteria : list of (delta, beta, figures of the paper)
        The first one is that of table 1.
    direct : dict of cut-off to figures of the paper
    indirect : dict of cut-off to figures of the paper, direct then indirect
    theta : float
    shokri : dict of threshold to figures of the paper
    accuracy : str
    """

    key: str
    name: str
    net: Any
    n_pool: int
    train_size: int
    criteria: list[tuple[float, float, str]]
    direct: dict[float, str]
    accuracy: str
    theta: float = 0.9
    indirect: dict[float, str] | None = None
    shokri: dict[float, str] | None = None
    # Whether to train references without replacement on the attacker's records too.
    with_distinct: bool = True


def adult_records() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_adult(return_X_y=True)
    text = [name for name in X.columns if not pd.api.types.is_numeric_dtype(X[name])]
    numbers = X.drop(columns=text)
    standard = (numbers - numbers.mean()) / numbers.std()
    indicators = pd.get_dummies(X[text].astype("string").fillna("?"))
    values = np.hstack([standard.to_numpy(), indicators.to_numpy()]).astype(np.float32)
    return values, (np.asarray(y) == ">50K").astype(np.int64)


def cancer_records() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_cancer(return_X_y=True)
    return np.asarray(X, dtype=np.float32), np.asarray(y, dtype=np.int64)


def mnist_records() -> tuple[np.ndarray, np.ndarray]:
    data = load_mnist(subset="train")
    X = np.asarray(data.data, dtype=np.float32).reshape(-1, 1, 28, 28) / 255
    return X, np.asarray(data.target).astype(np.int64)


def network(module: Any, batch_size: int, steps: int, train_size: int, **options: Any) -> Any:
    return NeuralNetClassifier(
        module,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        batch_size=batch_size,
        max_epochs=max(1, steps * batch_size // train_size),
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        **{"lr": 1e-3, **options},
    )


RECORDS = {"adult": adult_records, "cancer": cancer_records, "mnist": mnist_records}
SETTINGS = {
    "adult": Setting(
        "adult",
        "Adult, 10 + 5 tanh units",
        # Half of the paper's steps: Adam has passed its accuracies by then.
        network(Tiny, 100, 10_000, 10_000, module__n_features=108),
        20_000,
        10_000,
        [
            (0.4, 0.1, "13 records .7391 / .0523"),
            (0.4, 0.5, "26 records .6800 / .0392"),
            (0.3, 0.1, "53 records .6581 / .0291"),
            (0.2, 0.1, "127 records .6621 / .0219"),
        ],
        {0.001: "- / 0", 0.002: "1 / .0031", 0.01: ".7391 / .0523"},
        ".85 / .85",
        0.9,
        {0.01: "- / 0, then 1 / .14", 0.1: ".7083 / .34, then .75 / .24"},
        {0.6: ".6667 / .0492", 0.7: "- / 0"},
    ),
    "cancer": Setting(
        "cancer",
        "Cancer, no hidden layer",
        network(Linear, 10, 3_000, 100),
        200,
        100,
        [
            (0.1, 0.1, "5 records .8889 / .0320"),
            (0.1, 1.0, "21 records .6875 / .0314"),
            (0.05, 0.1, "33 records .6667 / .0260"),
        ],
        {0.001: "- / 0", 0.008: "1 / .024", 0.01: ".8889 / .032"},
        ".95 / .94",
        0.95,
        {0.01: "1 / .06, then - / 0", 0.1: ".6667 / .52, then .8889 / .16"},
        {0.8: ".5025 / .40", 0.9: "- / 0"},
    ),
    "mnist": Setting(
        "mnist",
        "MNIST, 64 + 32 dense units",
        network(Dense, 50, 10_000, 10_000),
        20_000,
        10_000,
        [
            (0.2, 0.1, "16 records .9336 / .7388"),
            (0.2, 1.0, "27 records .9505 / .6689"),
            (0.2, 2.0, "52 records .9084 / .6831"),
            (0.1, 0.1, "-"),
        ],
        {0.0001: "1 / .2437", 0.001: ".9655 / .4550", 0.01: ".9336 / .7388"},
        ".99 / .98",
        0.8,
        {0.01: ".9615 / 1, then 1 / .02", 0.1: ".8929 / 1, then .5238 / .22"},
        {0.6: ".50 / .5625", 0.7: ".196 / .0625"},
        # A quarter of an hour, for what Adult and Cancer show already.
        with_distinct=False,
    ),
}


class Experiment:
    """One data set under the paper's protocol, each part trained when it is asked for."""

    def __init__(
        self,
        setting: Setting,
        records: Any,
        *,
        seed: int,
        n_models: int,
        cache: Any,
        progress: bool,
    ) -> None:
        self.setting, self.seed, self.n_models = setting, seed, n_models
        self.options: dict[str, Any] = {
            "cache": cache,
            "progress": progress,
            "smoothing": 0.0,
            "n_jobs": torch.get_num_threads(),
        }
        X, y = records
        order = np.random.default_rng(seed).permutation(len(X))
        pool, background = order[: setting.n_pool], order[setting.n_pool :]
        self.X, self.y = X[pool], y[pool]
        self.background = X[background], y[background]
        self.queries: tuple[np.ndarray, np.ndarray] | None = None

    def references(self, sampling: str, n_models: int | None = None) -> ReferenceModels:
        """Train references on the attacker's records and ask them about all."""
        models = ReferenceModels(
            self.setting.net,
            n_models or self.n_models,
            sampling=sampling,
            train_size=self.setting.train_size,
            random_state=self.seed,
            **self.options,
        )
        return models.fit(self.X, self.y, population=self.background)

    @cached_property
    def bootstrap(self) -> ReferenceModels:
        return self.references("bootstrap")

    @cached_property
    def distinct(self) -> ReferenceModels:
        """References on samples without replacement of the attacker's records."""
        return self.references("block")

    @cached_property
    def exchangeable(self) -> ReferenceModels:
        """References on samples without replacement of all records: a target's is one more."""
        # A record needs a hundred references that have not trained on it.
        share = self.setting.train_size / (len(self.X) + len(self.background[0]))
        models = ReferenceModels(
            self.setting.net,
            int(np.ceil(self.n_models / (1 - share))),
            train_size=self.setting.train_size,
            random_state=self.seed,
            **self.options,
        )
        X = np.concatenate([self.X, self.background[0]])
        return models.fit(X, np.concatenate([self.y, self.background[1]]))

    @cached_property
    def targets(self) -> ReferenceModels:
        """Train the targets: both halves of the pool, again and again."""
        models = ReferenceModels(
            self.setting.net, self.n_models, random_state=self.seed + 1, **self.options
        )
        if self.queries is None:
            return models.fit(self.X, self.y)
        # Targets train on the pool and are asked about the queries too.
        return models.fit(*self.queries, population=(self.X, self.y))

    @property
    def n_asked(self) -> int:
        return 0 if self.queries is None else len(self.queries[0])

    @cached_property
    def member(self) -> np.ndarray:
        """Who trained which target: (n_pool, n_targets)."""
        return self.targets.membership_[:, self.n_asked :].T > 0

    @cached_property
    def phi(self) -> np.ndarray:
        """The targets' phi on the pool: (n_pool, n_targets)."""
        return self.targets.phi()[:, self.n_asked :].T.astype(np.float64)

    @cached_property
    def features(self) -> np.ndarray:
        return self.bootstrap.features_

    def vulnerable(self, delta: float, beta: float) -> np.ndarray:
        """Return the vulnerable records of the pool, those with the fewest neighbours first."""
        n = len(self.X)
        found = VulnerableRecords(delta, beta, self.setting.train_size).fit(self.features[n:])
        expected = found.expected_neighbors(self.features[:n])
        order = np.argsort(expected, kind="stable")
        return order[expected[order] < beta]

    def most_vulnerable(self) -> tuple[float, float, str, np.ndarray]:
        """Return the first criterion of the paper that finds any record, and its records."""
        for delta, beta, published in self.setting.criteria:
            rows = self.vulnerable(delta, beta)
            if len(rows):
                return delta, beta, published, rows
        raise SystemExit("No record is vulnerable by any criterion.")

    def p_values(self, rows: np.ndarray, method: str, references: ReferenceModels) -> np.ndarray:
        """Return p-values of records under all targets: (n_rows, n_targets)."""
        out = references.phi()[:, rows].T.astype(np.float64)
        out[references.membership_[:, rows].T > 0] = np.nan
        return P_VALUES[method](self.phi[rows], out)
