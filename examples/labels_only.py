"""
A model that answers labels only
================================

A model that answers labels only: does it help to hide the posteriors?

The attacker asks for the predicted class of a record and of slightly changed copies of it. Records
that the model was trained on lie deeper within their class: more of their copies keep the label.
"""

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from mia_sklearn import FunctionTarget, audit, observe

X, y = load_digits(return_X_y=True)
X, y = X[:1000], y[:1000]
y = (y + (X.sum(axis=1) % 3 == 0)) % 10  # a third of the labels are wrong, and learned by heart
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
forest = RandomForestClassifier(30, random_state=0).fit(X_train, y_train)

# One model, as it might be released: with posteriors, or with labels alone.
for release, n_queries in (("posteriors", 0), ("labels", 10)):
    report = audit(
        forest, X_train, y_train, X_test, y_test, release=release, n_queries=n_queries,
        n_references=8, controls=False, random_state=0, progress=False,
    )  # fmt: skip
    found = report.metrics.query("metric == 'auc'").set_index("attack")["estimate"]
    print(f"released {release}: AUC", ", ".join(f"{name} {auc:.3f}" for name, auc in found.items()))
print(report.verdict)

# A service that answers labels and counts queries, asked without any references.
service = FunctionTarget(forest.predict, classes=range(10), query_budget=2_000)
seen = observe(service, X_test[:150], y_test[:150], access="label", n_queries=10, random_state=0)
print(f"{service.n_queries_:,} queries for {len(seen)} records")
print(seen[["label", "logit"]].describe().loc[["mean", "min", "max"]].round(2))
