"""Small records and quick audits, for tests of many targets."""

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import audit

X, Y = make_classification(120, 6, n_informative=4, n_classes=3, flip_y=0.2, random_state=0)
WORDS = np.array(["low", "middle", "top"])[Y]
BINARY = (Y > 0).astype(int)
FOUR = np.arange(120) % 4
TRAIN, TEST = slice(60), slice(60, None)
FRAME = pd.DataFrame(X, columns=list("abcdef")).assign(
    city=pd.Categorical(np.random.default_rng(0).choice(["Ulm", "Bonn"], 120))
)
TREE = DecisionTreeClassifier(max_depth=3, random_state=0)


def run(model, y=Y, records=X, **options):
    fast = {"n_references": 2, "attacks": "threshold", "controls": False, "n_jobs": 1}
    options = fast | {"random_state": 0, "progress": False} | options
    return audit(model, records[TRAIN], y[TRAIN], records[TEST], y[TEST], **options)


def fitted(estimator, y=Y, records=X):
    return clone(estimator).fit(records[TRAIN], y[TRAIN])


def right(model, y=Y, records=X):
    return float((np.asarray(model.predict(records[TRAIN])).reshape(-1) == y[TRAIN]).mean())


def codes(report):
    return {finding.code for finding in report.findings}
