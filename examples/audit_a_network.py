"""
Audit a network
===============

Audit a network trained with skorch, with sixteen reference networks trained as one.
"""

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from skorch import NeuralNetClassifier
from torch import nn

from mia_sklearn import audit


class Perceptron(nn.Module):
    def __init__(self, n_hidden=128):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, n_hidden), nn.ReLU(), nn.Linear(n_hidden, 10))

    def forward(self, x):
        return self.layers(x)


X, y = load_digits(return_X_y=True)
X = X.astype(np.float32) / 16
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)

torch.manual_seed(0)
model = NeuralNetClassifier(
    Perceptron,
    criterion=nn.CrossEntropyLoss,
    optimizer=torch.optim.Adam,
    lr=0.01,
    max_epochs=40,
    batch_size=64,
    train_split=None,  # all training records train; skorch's default sets a fifth aside
    iterator_train__shuffle=True,
    verbose=0,
).fit(X_train, y_train)

report = audit(
    model,
    X_train,
    y_train,
    X_test,
    y_test,
    split="random",
    release="weights",  # gradients count as possible too
    random_state=0,
    progress=False,
)
print(report.verdict)
print(report.metrics.query("metric == 'auc'")[["attack", "estimate", "low", "high"]])

# With device="cuda" and a GPU everything above runs there.
