"""
Compare two models
==================

Which of two models gives its training records away? Same records, same attacks, intervals.
"""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import audit

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)

for model in (DecisionTreeClassifier(random_state=0), DecisionTreeClassifier(max_depth=6)):
    model.fit(X_train, y_train)
    report = audit(
        model,
        X_train,
        y_train,
        X_test,
        y_test,
        n_references=8,
        attacks=["threshold", "lira"],
        random_state=0,
        progress=False,
    )
    auc = report.metrics.query("metric == 'auc' and slice == 'all' and attack == 'lira'").iloc[0]
    print(
        f"{model}: accuracy {model.score(X_test, y_test):.3f}, "
        f"AUC of LiRA {auc.estimate:.3f} ({auc.low:.3f} to {auc.high:.3f})"
    )
