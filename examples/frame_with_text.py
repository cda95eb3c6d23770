"""
A data frame with text and categories
=====================================

Real tables have columns of many kinds, missing cells and labels in words. The model is a Pipeline
that takes the raw data frame, and the audit takes it too: nothing has to be encoded by hand.
"""

# %%
# A table of people: numbers with gaps, categories, a note in words. Half of it trains the model.

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mia_sklearn import audit

rng = np.random.default_rng(0)
n = 800
words = ["late", "paid", "moved", "new car", "divorced", "second job", "ill", "abroad", "retired"]
X = pd.DataFrame(
    {
        "age": rng.integers(18, 90, n).astype(float),
        "income": rng.lognormal(10, 0.5, n).round(-2),
        "region": rng.choice(["north", "south", "east", "west"], n),
        "note": [" ".join(rng.choice(words, 3)) for _ in range(n)],
    }
)
X.loc[rng.random(n) < 0.1, "income"] = np.nan
risk = (X["age"] < 35).astype(int) + X["note"].str.contains("late") + rng.normal(0, 0.7, n)
y = np.where(risk > 0.9, "default", "paid")
print(X.head(3))

# %%
# The model is a Pipeline on that frame.

columns = make_column_transformer(
    (SimpleImputer(), ["age", "income"]),
    (OneHotEncoder(handle_unknown="ignore"), ["region"]),
    (CountVectorizer(), "note"),
)
model = make_pipeline(columns, RandomForestClassifier(50, random_state=0))
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
model.fit(X_train, y_train)
print(f"accuracy {model.score(X_test, y_test):.2f}")

# %%
# The audit looks at groups apart, too: the regions by their names, age cut at its quartiles.

report = audit(
    model,
    X_train,
    y_train,
    X_test,
    y_test,
    split="random",
    slices=["region", "age"],
    attacks=["lira"],
    n_references=4,
    random_state=0,
    progress=False,
)
print(report.verdict)
auc = report.metrics.query("metric == 'auc'")
print(auc[["slice", "estimate", "low", "high", "n_members"]].to_string(index=False))

# %%
# Whose records stand out? `index` is what the frame's own index calls them.

most = report.most_exposed(5)
print(X.loc[most["index"], ["age", "region", "note"]].assign(label=most["label"].to_numpy()))

# %%
# Where leaves must hold more people, the model remembers fewer of them.

careful = model.set_params(randomforestclassifier__min_samples_leaf=10).fit(X_train, y_train)
after = audit(
    careful,
    X_train,
    y_train,
    X_test,
    y_test,
    attacks=["lira"],
    n_references=4,
    random_state=0,
    progress=False,
)
print(f"accuracy {careful.score(X_test, y_test):.2f}. {after.verdict}")
