"""
Audit a regressor
=================

Someone knows how a patient's diabetes went. Does the prediction tell whether a forest learned them?
Larger leaves forget single patients, and predict others no worse.
"""

from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import train_test_split

from mia_sklearn import audit

X, y = load_diabetes(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)

for leaf in (1, 20):
    model = RandomForestRegressor(50, min_samples_leaf=leaf, random_state=0).fit(X_train, y_train)
    report = audit(
        model, X_train, y_train, X_test, y_test, split="random", n_references=8, random_state=0
    )
    errors = [report.info[f"target_{side}_mae"] for side in ("train", "test")]
    print(
        f"Leaves of at least {leaf}: off by {errors[0]:.0f} on members, {errors[1]:.0f} on others"
    )
    print(report.verdict)

# The same in quarters of the true value: who is told best?
# audit(..., slices="label") reports each apart.
print(report.most_exposed(3)[["row", "label", "p_value"]])
