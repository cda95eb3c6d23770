"""
Model inversion
===============

What does a model show of the records it was trained on, to someone who knows none of them?

Model inversion searches for a record that the model is sure of. With one record per class it finds
that record; with many it finds what any record of the class looks like, which is no secret. The
contrast tells the two apart.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.utils import shuffle

from mia_sklearn.disclosure import ModelInversion, inversion_contrast
from mia_sklearn.plots import InversionDisplay

# In random order: training and fresh records must be drawn alike.
X, y = shuffle(*load_digits(return_X_y=True), random_state=0)
X = X / 16


def pixels(X):
    return X.clip(0, 1)


for n in (1, 10, 80):
    members = np.concatenate([np.flatnonzero(y == label)[:n] for label in range(10)])
    fresh = np.setdiff1d(np.arange(len(y)), members)
    model = LogisticRegression(max_iter=1000).fit(X[members], y[members])
    found = ModelInversion(model, process=pixels, lam=1, alpha=300).invert()
    contrast = inversion_contrast(found, X[members], y[members], X[fresh], y[fresh], random_state=0)
    print(f"{n} record(s) per class. {contrast}")
    if n == 1:
        InversionDisplay.from_result(contrast).figure_.savefig("inversion.png", dpi=150)
        print(contrast.frame().round(2).to_string(index=False))

# Without the model itself, its answers to records nearby do as well; they take more questions.
members = np.concatenate([np.flatnonzero(y == label)[:1] for label in range(10)])
fresh = np.setdiff1d(np.arange(len(y)), members)
model = LogisticRegression(max_iter=1000).fit(X[members], y[members])
inversion = ModelInversion(
    model, process=pixels, method="directions", lam=1, alpha=60, random_state=0
)
found = inversion.invert()
print(found)
print(inversion_contrast(found, X[members], y[members], X[fresh], y[fresh], random_state=0))
