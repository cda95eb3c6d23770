"""
Choose a model by its risk
==========================

Choose a model by what it gives away: accuracy within a limit on risk, in one search.
"""

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV

from mia_sklearn.plots import RiskUtilityDisplay
from mia_sklearn.selection import Audited, membership_risk, pareto_front, pareto_refit

X, y = load_digits(return_X_y=True)
y = y % 2  # Odd digits against even ones.
X, y = X[:1000], y[:1000]

# By LiRA, beside four references of each candidate, which serve all of its folds.
risk = membership_risk("advantage", n_references=4)
search = GridSearchCV(
    Audited(RandomForestClassifier(20, random_state=0)),
    {"estimator__min_samples_leaf": [1, 4, 16]},
    scoring={"accuracy": "accuracy", risk.name: risk},
    refit=pareto_refit(utility="accuracy", risk=risk, max_risk=0.15),
    cv=3,
).fit(X, y)

results = search.cv_results_
print("Nothing beats these:")
print(pareto_front(results, risk=risk).to_string(index=False, float_format="%.3f"))
best = results["mean_test_accuracy"].argmax()
for name, i in (("by accuracy alone", best), ("by risk as well", search.best_index_)):
    accuracy, advantage = results["mean_test_accuracy"][i], -results[f"mean_test_{risk.name}"][i]
    print(f"{name:18} accuracy {accuracy:.3f}, advantage of an attacker {advantage:.3f}")

# The model may be kept and shared: the records that it was scored with go nowhere.
model = search.best_estimator_.forget()
display = RiskUtilityDisplay.from_cv_results(results, risk=risk.name, chance=0)
display.figure_.savefig("risk_and_utility.png", dpi=150)
