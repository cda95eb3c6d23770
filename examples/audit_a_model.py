"""
Audit a model in one call
=========================

Could someone tell whose digits a random forest learned? One call answers.
"""

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from mia_sklearn import audit

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
model = RandomForestClassifier(n_estimators=50, random_state=0).fit(X_train, y_train)

report = audit(
    model, X_train, y_train, X_test, y_test, split="random", n_references=8, random_state=0
)

print(report)
print(report.most_exposed(5)[["row", "label", "p_value", "q_value"]])
print("The page for people:", report.save("audit-report"))

# The ROC curve of each attack: what happens at few false alarms is what matters.
report.plot()
