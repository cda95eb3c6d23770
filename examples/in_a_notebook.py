"""
In a notebook
=============

What an audit gives in a notebook, cell by cell: the report, its tables, its pictures.
Download this page as a Jupyter notebook at its end.
"""

# %%
# A model and its records.

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import train_test_split

from mia_sklearn import audit
from mia_sklearn.plots import ScoreDistributionDisplay

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
model = ExtraTreesClassifier(50, random_state=0).fit(X_train, y_train)

# %%
# The audit. In a notebook a report at the end of a cell is shown as the page that `save` writes.

report = audit(
    model,
    X_train,
    y_train,
    X_test,
    y_test,
    split="random",
    attacks=["threshold", "lira"],
    n_references=8,
    random_state=0,
    progress=False,
)
print(report.verdict)

# %%
# Tables are data frames.

print(report.metrics.query("metric == 'tpr'")[["attack", "at", "estimate", "low", "high"]])

# %%
# Findings are objects with a stable code.

for finding in report.findings:
    print(f"{finding.severity:8} {finding.code:20} {finding.title}")

# %%
# The ROC curve, with logarithmic axes: what happens at few false alarms is what matters.

display = report.plot()

# %%
# Scores of members and of others.

records = report.records
display = ScoreDistributionDisplay.from_predictions(records["member"], records["lira"])

# %%
# What would somebody have to show for a release? Conditions are read against whole intervals.

print(report.check("auc <= 0.6"))
