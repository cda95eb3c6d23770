"""
An audit step by step
=====================

The flow inside `audit`, each step by itself: references, observations, attack, rates.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import train_test_split

from mia_sklearn import ReferenceModels, observe
from mia_sklearn.attacks import LiRAAttack
from mia_sklearn.metrics import roc_auc, tpr_at_fpr

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
model = ExtraTreesClassifier(50, max_depth=8, random_state=0).fit(X_train, y_train)

# The pool: all records of the audit. Whether each was a member is what the attack must guess.
pool, labels = np.concatenate([X_train, X_test]), np.concatenate([y_train, y_test])
member = np.arange(len(pool)) < len(X_train)

# Models trained like the target, on random halves of the pool.
references = ReferenceModels(model, n_models=8, random_state=0).fit(pool, labels)

# Each reference plays the target in turn: there the attack learns what membership looks like.
shadow, shadow_member = references.shadow_observations(random_state=0)
attack = LiRAAttack().fit(shadow, shadow_member)

observations = observe(model, pool, labels, references=references)
score = attack.decision_function(observations)
print("AUC", roc_auc(member, score))
print("TPR at 1 % FPR", tpr_at_fpr(member, score, 0.01))
