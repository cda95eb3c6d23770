"""
People with several rows
========================

Patients with several visits: what a model gives away of a person, not of one row.

A forest learns from visits; half of the patients, with all of their visits, are its training set.
An audit that takes visits for independent records asks another question than a patient would, and
its intervals are too narrow for what they say. With `groups=` it is about people.
"""

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GroupShuffleSplit

from mia_sklearn import audit

# 200 patients come 2 to 7 times; the visits of one resemble one another.
rng = np.random.default_rng(0)
visits = rng.integers(2, 8, size=200)
patient = np.repeat([f"patient {i:03}" for i in range(200)], visits)
person = rng.normal(size=(200, 3))
values = np.repeat(person, visits, axis=0) + 0.7 * rng.normal(size=(len(patient), 3))
X = pd.DataFrame(values, columns=["pressure", "glucose", "weight"]).assign(patient=patient)
y = np.where(np.repeat(person.sum(axis=1), visits) + rng.normal(size=len(patient)) > 0, "ill", "-")

# All visits of a patient on one side: otherwise the test score is too good, and nobody is out.
split = GroupShuffleSplit(1, test_size=0.5, random_state=0)
train, test = next(split.split(X, y, groups=patient))
model = RandomForestClassifier(30, min_samples_leaf=5, random_state=0)
model.fit(X.iloc[train].drop(columns="patient"), y[train])

options = {"n_references": 8, "attacks": ["lira"], "random_state": 0, "progress": False}
parts = (X.iloc[train], y[train], X.iloc[test], y[test])

# The column is taken out before the model, which does not know it, is asked.
people = audit(model, *parts, groups="patient", split="random", **options)
print(people.verdict)
print(next(finding.title for finding in people.findings if finding.code == "PEOPLE"))
print(people.most_exposed(3)[["group", "n_rows", "lira", "p_value"]].to_string(index=False))

# For comparison: each visit as if it were somebody else's.
rows = audit(
    model,
    parts[0].drop(columns="patient"),
    parts[1],
    parts[2].drop(columns="patient"),
    parts[3],
    **options,
)
for name, report in (("people", people), ("visits", rows)):
    auc = report.metrics.query("metric == 'auc'").iloc[0]
    print(
        f"{name}: AUC {auc['estimate']:.3f} ({auc['low']:.3f} to {auc['high']:.3f}), "
        f"{auc['n_members']} members"
    )
