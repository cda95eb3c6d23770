"""The networks that are defended, in a file that other processes can find."""

from __future__ import annotations

from typing import Any

import torch
from skorch import NeuralNetClassifier
from torch import nn

__all__ = ["EPOCHS", "Dense", "dense_net"]

EPOCHS = 30


class Dense(nn.Module):
    """One hidden layer."""

    def __init__(self, n_features: int, n_classes: int, width: int = 128) -> None:
        super().__init__()
        self.first = nn.Linear(n_features, width)
        self.last = nn.Linear(width, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.relu(self.first(x)))


def dense_net(n_features: int, n_classes: int, **options: Any) -> NeuralNetClassifier:
    """Return a net that trains until it knows its records by heart."""
    usual = {
        "module__n_features": n_features,
        "module__n_classes": n_classes,
        "criterion": nn.CrossEntropyLoss,
        "optimizer": torch.optim.Adam,
        "lr": 2e-3,
        "max_epochs": EPOCHS,
        "batch_size": 128,
        "train_split": None,
        "iterator_train__shuffle": True,
        "verbose": 0,
    }
    return NeuralNetClassifier(Dense, **{**usual, **options})
