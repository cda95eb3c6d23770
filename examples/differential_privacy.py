"""
What differential privacy costs
===============================

What does differential privacy cost, and what does an audit still find?

diffprivlib trains scikit-learn's models with differential privacy. Its epsilon is a promise about
every record; the audit's is what was found out, with 95 % confidence, and must not be above it.

Run it where diffprivlib works: `pip install diffprivlib "scikit-learn<1.9"`.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB

from mia_sklearn import audit

try:
    from diffprivlib.models import GaussianNB as PrivateGaussianNB
except ImportError as error:
    raise SystemExit(
        'diffprivlib cannot be imported: pip install diffprivlib "scikit-learn<1.9". ' + str(error)
    ) from error

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X[:400], y[:400], test_size=0.5, random_state=0)

print("stated epsilon  accuracy  AUC of LiRA               epsilon found out")
for epsilon in (1, 10, 100, np.inf):
    model = GaussianNB()
    if np.isfinite(epsilon):
        # Bounds are told, not read off the records: what is read off them is not private.
        model = PrivateGaussianNB(epsilon=epsilon, bounds=(0, 16), random_state=0)
    model.fit(X_train, y_train)
    report = audit(
        model,
        X_train,
        y_train,
        X_test,
        y_test,
        split="random",  # members and others were drawn by chance: epsilon can be bounded
        n_references=8,  # trained with differential privacy too
        attacks=["threshold", "lira"],
        random_state=0,
        progress=False,
    )
    found = report.metrics.query("attack == 'lira' and slice == 'all'").set_index("metric")
    auc, bound = found.loc["auc"], found.loc["epsilon", "low"]
    print(
        f"{epsilon:14}  {model.score(X_test, y_test):8.3f}  "
        f"{auc.estimate:.3f} ({auc.low:.3f} to {auc.high:.3f})  at least {bound:.2f}"
    )
