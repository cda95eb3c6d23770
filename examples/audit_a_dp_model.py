"""
Is the claimed epsilon true?
============================

Two models count the classes in the cells of a grid and add noise, and both claim an epsilon of 1.
One of them draws less noise than that takes.

The audit puts records with wrong labels among the others, each by a fair coin, trains once, and
looks for them in the model. Where they are told from those left out more often than the claim
allows, it is refuted. Where not it is not proved: the bound says how much was shown.
"""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_blobs

from mia_sklearn import audit_dp


class NoisyCounts(ClassifierMixin, BaseEstimator):
    """Answers with the most frequent class of a record's cell."""

    def __init__(self, scale=1.0, n_cells=20_000, random_state=None):
        self.scale = scale
        self.n_cells = n_cells
        self.random_state = random_state

    def fit(self, X, y):
        rng = np.random.default_rng(self.random_state)
        self.classes_ = np.unique(y)
        self.counts_ = np.zeros((self.n_cells, len(self.classes_)))
        np.add.at(self.counts_, (self._cells(X), np.searchsorted(self.classes_, y)), 1)
        # A record more or less changes one count by one.
        self.counts_ += rng.laplace(0, self.scale, self.counts_.shape)
        return self

    def _cells(self, X):
        place = (X[:, 0] + 15) / 30
        return np.clip(place * self.n_cells, 0, self.n_cells - 1).astype(int)

    def predict_proba(self, X):
        odds = np.exp(self.counts_[self._cells(X)])
        return odds / odds.sum(axis=1, keepdims=True)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


X, y = make_blobs(4000, centers=[[-5, 0], [5, 0]], cluster_std=3, random_state=0)
for name, scale in (("scale 1 / epsilon", 1.0), ("a quarter of that", 0.25)):
    report = audit_dp(NoisyCounts(scale), X, y, claimed=(1.0, 0.0), method="one-run")
    print(f"Noise of {name}: {report.outcome}, epsilon is at least {report.epsilon:.2f}")

print()
print(report)
