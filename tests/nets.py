"""Small networks that several test files train."""

import numpy as np
import torch
from skorch import NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import Callback
from torch import nn
from torch.nn import functional as F


class Dense(nn.Module):
    def __init__(self, n_features=20, n_outputs=3, dropout=0.0, norm=False, end=None):
        super().__init__()
        self.first = nn.Linear(n_features, 16)
        self.norm = nn.BatchNorm1d(16) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Linear(16, n_outputs)
        self.end = end or nn.Identity()

    def forward(self, x):
        return self.end(self.last(self.dropout(torch.relu(self.norm(self.first(x))))))


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3)
        self.last = nn.Linear(36, 3)

    def forward(self, x):
        return self.last(F.max_pool2d(torch.relu(self.first(x)), 2).flatten(1))


class Words(nn.Module):
    """Sequences of whole numbers."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10, 6)
        self.last = nn.Linear(6, 3)

    def forward(self, x):
        return self.last(self.embedding(x).mean(dim=1))


class Recurrent(nn.Module):
    """Which vmap cannot stack."""

    def __init__(self):
        super().__init__()
        self.recurrent = nn.GRU(4, 8, batch_first=True)
        self.last = nn.Linear(8, 3)

    def forward(self, x):
        return self.last(self.recurrent(x)[0][:, -1])


class Frail(Dense):
    """Most first weights make its loss NaN, a second time too."""

    def __init__(self, **options):
        super().__init__(**options)
        if torch.rand(()) < 0.6:
            self.last.weight.data[0, 0] = float("nan")


class Sized(Callback):
    """Gives a module the size of its data, and always the same first weights."""

    def __repr__(self):
        return "Sized()"

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        torch.manual_seed(0)
        n_outputs = max(2, len(np.unique(y)))
        net.set_params(module__n_features=X.shape[1], module__n_outputs=n_outputs)


class Double(Dense):
    """Counts to 16 digits, so that answers do not depend on who is asked about beside."""

    def __init__(self, **options):
        super().__init__(**options)
        self.double()


def classifier(module=Dense, **options):
    """Return a net that shuffles, trains on all of its records and prints nothing."""
    usual = {
        "criterion": nn.CrossEntropyLoss,
        "lr": 0.1,
        "max_epochs": 3,
        "batch_size": 16,
        "train_split": None,
        "iterator_train__shuffle": True,
        "verbose": 0,
    }
    return NeuralNetClassifier(module, **{**usual, **options})


def regressor(module=Dense, **options):
    """Return a net that predicts one number, trained as `classifier`."""
    usual = {
        "module__n_features": 5,
        "module__n_outputs": 1,
        "lr": 0.05,
        "max_epochs": 3,
        "batch_size": 16,
        "train_split": None,
        "iterator_train__shuffle": True,
        "verbose": 0,
    }
    return NeuralNetRegressor(module, **{**usual, **options})


def sized(**options):
    """Return a net for records of any width and any number of classes."""
    return classifier(Double, **{"callbacks": [Sized()], "max_epochs": 5, "lr": 0.5, **options})
