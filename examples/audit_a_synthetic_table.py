"""
Audit a synthetic table
=======================

Three generators, one release each: does the table give away the records that it was made from?

The records are cells of breast tumours and what they turned out to be. One table moves each record
by a little, one is drawn from a mixture of Gaussians, one draws every column on its own.
"""

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.mixture import GaussianMixture

from mia_sklearn import audit_synthetic

cells = load_breast_cancer(as_frame=True).frame
cells = cells[["mean radius", "mean texture", "mean area", "mean symmetry", "target"]]
cells = cells.assign(target=cells["target"].map({0: "malignant", 1: "benign"}))
cells = cells.sample(frac=1, random_state=0)
X_train, X_control = cells[:280], cells[280:560]

numbers, rng = X_train.drop(columns="target"), np.random.default_rng(0)


def moved():
    noise = 0.02 * rng.normal(size=numbers.shape) * numbers.std().to_numpy()
    return (numbers + noise).assign(target=X_train["target"])


def mixture():
    drawn = X_train.copy()
    for label in drawn["target"].unique():
        rows = (drawn["target"] == label).to_numpy()
        model = GaussianMixture(3, random_state=0).fit(numbers[rows])
        drawn.loc[rows, numbers.columns] = model.sample(rows.sum())[0]
    return drawn


def apart():
    return X_train.apply(rng.permutation)


for generator in (moved, mixture, apart):
    report = audit_synthetic(generator(), X_train, X_control, secrets="target", progress=False)
    print(f"{generator.__name__}: {report.summary}")
    outcome = report.check("linkability <= 0.1")
    print(f"  {outcome.results[0]}")

print(report)
