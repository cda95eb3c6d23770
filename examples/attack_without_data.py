"""
An attacker without data
========================

What can someone tell who has none of the data, only the model's answers?

The attacker below knows what values the features take, and no record. They climb to records that
the model is sure of, train models like it on those, and learn from them what a member's answer
looks like. Beside them stands one who has noisy copies of other people's records. Neither may find
more than a threshold on the loss does, which needs no models at all: try all, believe the best.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

from mia_sklearn import FunctionTarget, ReferenceModels, metrics, observe, synthesize
from mia_sklearn.attacks import LiRAAttack, ShadowAttack, ThresholdAttack

rng = np.random.default_rng(0)
X, y = load_digits(return_X_y=True)
order = rng.permutation(len(y))
X, y = X[order], y[order]
y = np.where(rng.random(len(y)) < 0.2, rng.integers(0, 10, len(y)), y)
pool, member = slice(800), np.arange(800) < 400
forest = RandomForestClassifier(50, random_state=0).fit(X[:400], y[:400])

# All that the attacker gets: a function, and so many questions.
service = FunctionTarget(forest.predict_proba, classes=range(10), query_budget=200_000)
pixels = [(0, 16)] * 64
climbed = synthesize(service, 800, pixels, random_state=0)
print(
    f"{len(climbed.y)} records of the attacker's own, {climbed.n_queries / len(climbed.y):.0f} "
    f"questions each; {service.n_queries_} in all"
)

# Noisy copies of other people's records, with their labels: no question at all.
noisy = synthesize(service, 800, X[800:], y=y[800:], method="noisy", random_state=0)

threshold = ThresholdAttack("loss")
seen = observe(forest, X[pool], y[pool])
score = threshold.fit(seen, member).decision_function(seen)
print(f"{'loss, no models':34}  AUC {metrics.roc_auc(member, score)}")
for name, records in {"climbed": climbed, "noisy": noisy}.items():
    references = ReferenceModels(
        RandomForestClassifier(50), n_models=4, train_size=400, random_state=0
    ).fit(X[pool], y[pool], population=(records.X, records.y))
    seen = observe(forest, X[pool], y[pool], references=references)
    learned = references.shadow_observations(random_state=0)
    for attack in (ShadowAttack(random_state=0), LiRAAttack()):
        score = attack.fit(*learned).decision_function(seen)
        title = f"{name} records, {type(attack).__name__}"
        print(f"{title:34}  AUC {metrics.roc_auc(member, score)}")
