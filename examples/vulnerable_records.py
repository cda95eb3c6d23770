"""
Records at risk although the model generalises
==============================================

Whose records are at risk although the model generalises?

A logistic regression on handwritten digits is as right on new digits as on its own. Some records
look like no other to it all the same, and leave a trace of their own.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from mia_sklearn import ReferenceModels
from mia_sklearn.attacks import EnhancingRecords, GMIAAttack, IndirectGMIAAttack
from mia_sklearn.stats import pooled_p_values
from mia_sklearn.vulnerability import VulnerableRecords

X, y = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(y))
X, y = X[order] / 16, (y[order] == 8).astype(int)
model = LogisticRegression(C=10, max_iter=1000)
pool = np.arange(600)  # where targets come from: each trains on a random half

# Models like the target, on as many records as it. Drawing them from all records, the target's
# among them, makes a target one more of them as far as a record is concerned that it did not see.
references = ReferenceModels(model, n_models=120, train_size=300, random_state=0).fit(X, y)
out = np.where(references.membership_ > 0, np.nan, references.phi()).T[pool]

# Records whose neighbours, in the eyes of these models, are unlikely to be in a training set.
found = VulnerableRecords(delta=0.1, beta=1.0, train_size=300).fit(references.features_)
rows = np.flatnonzero(found.predict()[pool] == -1)
print(f"{len(rows)} of 600 records are vulnerable")

# Direct: fifty targets, and how unusual each one's answer is on each record.
targets = ReferenceModels(model, n_models=50, random_state=1).fit(X[pool], y[pool])
member = targets.membership_.T > 0
for name, asked in (("vulnerable", rows), ("all", pool)):
    p = pooled_p_values(targets.phi().T[asked], out[asked])
    right, wrong = (p <= 0.1)[member[asked]].mean(), (p <= 0.1)[~member[asked]].mean()
    print(f"{name:10} at p <= .1: {right:.1%} of members, {wrong:.1%} of non-members")

# The same, as an attack that is fitted and scored like any classifier.
observations, membership = targets.shadow_observations(random_state=0)
attack = GMIAAttack().fit(observations, membership)
print(f"GMIAAttack on all records: accuracy {attack.score(observations, membership):.3f}")

# Indirect: what a target answers elsewhere tells of a record that nobody asks about.
search = EnhancingRecords(
    model, n_references=40, train_size=300, n_candidates=500, candidates="noise", random_state=0
)
enhancing = search.fit(X[600:], y[600:]).search(X[rows[:2]], y[rows[:2]])
for row, one in zip(rows, enhancing, strict=False):
    print(f"row {row}: {len(one)} enhancing records, best influence {one.best_influence:.2f}")
indirect = IndirectGMIAAttack().fit(*search.shadow_observations(enhancing))
target = model.fit(X[:300], y[:300])
print("p-values without asking:", indirect.p_values(search.observe(target, enhancing)).round(3))
