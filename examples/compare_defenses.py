"""
Compare defenses
================

Which defense makes a model leak less, and what does it cost? Defended references, intervals.
"""

from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from mia_sklearn import audit
from mia_sklearn.defenses import LabelOnly, RoundedPosterior, TemperaturePosterior
from mia_sklearn.plots import RiskUtilityDisplay
from mia_sklearn.selection import compare_defenses

X, y = make_classification(800, n_informative=5, flip_y=0.2, random_state=0)
forest = RandomForestClassifier(20)
frame = compare_defenses(
    {
        "undefended": forest,
        "rounded": RoundedPosterior(forest, decimals=1),
        # p ** 20 restores the posteriors: it hides nothing.
        "temperature": TemperaturePosterior(forest, t=20),
        "labels only": LabelOnly(forest),
        "larger leaves": RandomForestClassifier(20, min_samples_leaf=20),
    },
    X,
    y,
    n_references=4,
    random_state=0,
    progress=False,
)
columns = [
    "defense",
    "test_score",
    "lira_auc",
    "stacked_auc",
    "stacked_auc_low",
    "stacked_auc_high",
]
print(frame[columns].round(3).to_string(index=False))
RiskUtilityDisplay.from_comparison(frame).figure_.savefig("defenses.png", dpi=150)

# An audit that is told of the comparison names the best remedy that was measured.
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=1)
report = audit(
    forest.fit(X_train, y_train),
    X_train,
    y_train,
    X_test,
    y_test,
    n_references=4,
    attacks=["threshold", "lira"],
    comparison=frame,
    random_state=0,
    progress=False,
)
remedy = next(finding for finding in report.findings if finding.code == "MEASURED_REMEDY")
print(f"{remedy.title}. {remedy.explanation}")
