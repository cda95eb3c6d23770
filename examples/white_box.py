"""
What someone sees who holds the model
=====================================

How much more does someone see who holds the model itself, not only its answers?

The network below learns mislabelled digits by heart. Whoever holds it can compute, for each
record, the gradient of its loss and what each layer makes of it. Needs the extra "torch".
"""

import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from mia_sklearn import metrics, observe
from mia_sklearn.attacks import GradientNormAttack, ThresholdAttack
from mia_sklearn.torch import UnsupervisedWhiteBoxAttack, WhiteBoxAttack

rng = np.random.default_rng(0)
X, y = load_digits(return_X_y=True)
order = rng.permutation(len(y))[:1200]
X, y = X[order] / 16, y[order]
y = np.where(rng.random(1200) < 0.3, rng.integers(0, 10, 1200), y)
member = np.arange(1200) < 600
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    model = MLPClassifier((64,), learning_rate_init=0.01, max_iter=200, random_state=0)
    model.fit(X[member], y[member])

# Columns `grad_norm`, `activation.<layer>.<i>` and `gradient.<layer>.<row>_<column>` come beside
# the posteriors. Skorch nets and torch modules (as TorchTarget) are observed the same way.
seen = observe(model, X, y, view="white-box", layers=["layer1"])
print(f"{len(seen)} records, {seen.shape[1]} columns: {', '.join(seen.columns[:16:3])}, ...")

# The attacker knows half of the members and as many non-members, and tells the others apart.
known = np.arange(1200) % 600 < 300
attacks = {
    "loss, black-box": ThresholdAttack("loss"),
    "gradient norm": GradientNormAttack(),
    "network that looks inside": WhiteBoxAttack(n_networks=2, max_epochs=20, random_state=0),
}
for name, attack in attacks.items():
    attack.fit(seen[known], member[known])
    auc = metrics.roc_auc(member[~known], attack.decision_function(seen[~known]))
    print(f"{name:25}  AUC {auc}")

# This one knows no member: of the labels it reads what they are called, no more.
unsupervised = UnsupervisedWhiteBoxAttack(max_epochs=10, random_state=0)
any_guess = np.arange(600) % 2
score = unsupervised.fit(seen[~known], any_guess).decision_function(seen[~known])
print(f"{'without knowing a member':25}  AUC {metrics.roc_auc(member[~known], score)}")
