"""
Attribute inference
===================

Does a model tell what else is true of the people it was trained on?

Someone knows all of a patient's measurements but one, and asks a model about each value that it may
have. Much of it can be guessed without any model, from the other measurements. What counts is what
the model adds for the patients that it was trained on, and does not add for others.
"""

from sklearn.datasets import load_diabetes
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mia_sklearn.disclosure import AttributeInference

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
y = y > y.median()  # is the disease progressing?
X_aux, X, y_aux, y = train_test_split(X, y, test_size=0.6, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)

for model in (
    ExtraTreesClassifier(random_state=0),
    make_pipeline(StandardScaler(), LogisticRegression()),
):
    # The attacker holds other patients' records, and trains models like the one that is asked.
    attack = AttributeInference("sex", estimator=model, n_references=8, random_state=0)
    attack.fit(X_aux, y_aux)
    target = model.fit(X_train, y_train)
    print(f"{model}\n{attack.report(target, X_train, y_train, X_test, y_test)}\n")

# What the attack makes of single patients: the logistic regression was the last one.
print(attack.predict_proba(target, X_train[:3], y_train[:3]).round(2), attack.values_)
