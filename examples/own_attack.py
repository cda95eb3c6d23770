"""
An attack of your own
=====================

An attack of your own: what it needs, how it learns and scores. The base does the rest.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from mia_sklearn import ReferenceModels, observe
from mia_sklearn.base import BaseAttack
from mia_sklearn.metrics import roc_auc


class DifferenceAttack(BaseAttack):
    """How much surer is the target than the mean of the models that never saw the record?"""

    threat_model = "black-box"
    requires = ("logit", "out")

    def __init__(self, *, columns=None):
        super().__init__(columns=columns)

    def _fit(self, table, member):
        """Learn nothing: the base class calibrates the score."""

    def _score(self, table):
        return table.column("logit") - np.nanmean(table["out"], axis=1)


X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
model = RandomForestClassifier(n_estimators=50, random_state=0).fit(X_train, y_train)
pool, labels = np.concatenate([X_train, X_test]), np.concatenate([y_train, y_test])
member = np.arange(len(pool)) < len(X_train)

references = ReferenceModels(model, n_models=8, random_state=0).fit(pool, labels)
attack = DifferenceAttack().fit(*references.shadow_observations(random_state=0))
observations = observe(model, pool, labels, references=references)
print(roc_auc(member, attack.decision_function(observations)))
