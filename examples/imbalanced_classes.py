"""
A rare class
============

Five people in a hundred have the disease. A model is good on average, and so is its privacy: what
happens to the few is not seen in either number. Slices show it.
"""

# %%
# The rare class is one that a model of few records learns by heart.

import matplotlib.pyplot as plt
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split

from mia_sklearn import audit

X, y = make_classification(
    3000, 10, n_informative=5, weights=[0.95], flip_y=0.02, class_sep=0.7, random_state=0
)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
model = RandomForestClassifier(30, class_weight="balanced", random_state=0).fit(X_train, y_train)
print(f"accuracy {model.score(X_test, y_test):.3f}")
print(f"balanced accuracy {balanced_accuracy_score(y_test, model.predict(X_test)):.3f}")

# %%
# `slices="label"` reports each class apart. The confidence is shared among the slices: their
# intervals are wider, and all of them together hold at 95 %.

report = audit(
    model,
    X_train,
    y_train,
    X_test,
    y_test,
    slices="label",
    attacks=["lira"],
    n_references=8,
    random_state=0,
    progress=False,
)
print(report.verdict)
auc = report.metrics.query("metric == 'auc'").set_index("slice")
print(auc[["estimate", "low", "high", "n_members", "n_nonmembers"]].round(3))

# %%
# The people with the disease are recognised, the others hardly are. An AUC over everyone hides it.

figure, axes = plt.subplots(figsize=(6, 2.2), layout="constrained")
axes.errorbar(
    auc["estimate"],
    range(len(auc)),
    xerr=[auc["estimate"] - auc["low"], auc["high"] - auc["estimate"]],
    fmt="o",
    capsize=4,
)
axes.axvline(0.5, color="0.7")
axes.set(yticks=range(len(auc)), yticklabels=auc.index, xlabel="AUC of LiRA", xlim=(0.4, 1))
axes.invert_yaxis()
figure.savefig("rare_class.png", dpi=150)

# %%
# A gate can be held for the rare class as well: conditions are about everyone, so read the slice.

rare = auc.loc["label=1"]
print("the rare class is private enough:", bool(rare["high"] <= 0.7))
