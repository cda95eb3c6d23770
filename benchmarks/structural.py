"""What measures of a model's structure predict of the stacked attack, and what they do not.

Each model is trained on 1,000 records and audited beside 1,000 others with eight references; the
measures are those of `structural_risk`. Two tables of the literature: Location-30 and MNIST, of
7 x 7 pixels. `python benchmarks/structural.py` prints all, `... --quick` does with eight models.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import audit
from mia_sklearn.datasets import load_location30, load_mnist
from mia_sklearn.structural import _measures

N = 1_000
N_REFERENCES = 8
# Where an attack with references tells members from others, as a reviewer would call it.
RISKY = 0.6
PREDICTORS = ("ks", "confidence_gap", "self_influence", "parameters_per_record")
BANDS = {
    "ks": _measures.KS_BANDS,
    "confidence_gap": _measures.GAP_BANDS,
    "self_influence": _measures.INFLUENCE_BANDS,
    "parameters_per_record": _measures.PARAMETERS_BANDS,
}
RESAMPLES = 2_000


def location() -> tuple[np.ndarray, np.ndarray]:
    data = load_location30()
    return np.asarray(data.data, dtype=np.float64), np.asarray(data.target)


def mnist() -> tuple[np.ndarray, np.ndarray]:
    data = load_mnist(subset="train")
    rows = np.random.default_rng(1).permutation(len(data.target))[: 2 * N]
    pixels = np.asarray(data.data)[rows].reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4)).reshape(-1, 49)
    return pixels / 255, np.asarray(data.target)[rows]


def models(table: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        f"tree, depth {depth}, leaf {leaf}": DecisionTreeClassifier(
            max_depth=depth, min_samples_leaf=leaf
        )
        for depth, leaf in ((None, 1), (None, 5), (None, 20), (5, 1), (3, 1))
    }
    found |= {
        f"forest of {n}, leaf {leaf}, depth {depth}": RandomForestClassifier(
            n, min_samples_leaf=leaf, max_depth=depth
        )
        for n, leaf, depth in (
            (50, 1, None),
            (50, 5, None),
            (50, 20, None),
            (10, 1, None),
            (50, 1, 3),
        )
    }
    found |= {
        "extra trees": ExtraTreesClassifier(50),
        "bagging of 10": BaggingClassifier(n_estimators=10),
        "AdaBoost of stumps": AdaBoostClassifier(n_estimators=30),
        "KNN(1)": KNeighborsClassifier(1),
        "KNN(5)": KNeighborsClassifier(5),
        "KNN(30)": KNeighborsClassifier(30),
        "LR, C=0.01": LogisticRegression(C=0.01, max_iter=300),
        "LR, C=1": LogisticRegression(C=1, max_iter=300),
        "LR, C=100": LogisticRegression(C=100, max_iter=300),
        "SVC, C=1": SVC(C=1),
        "SVC, C=100": SVC(C=100),
        "MLP(64)": MLPClassifier((64,), max_iter=60),
        "MLP(32), decay": MLPClassifier((32,), alpha=1.0, max_iter=60),
        "naive Bayes": BernoulliNB() if table == "Location-30" else GaussianNB(),
    }
    if table == "MNIST":
        found["boosting of 10"] = HistGradientBoostingClassifier(max_iter=10)
    return found


TABLES = {"Location-30": location, "MNIST": mnist}


def measured(table: str, name: str, model: Any, X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    order = np.random.default_rng([len(name), *name.encode()]).permutation(len(y))[: 2 * N]
    train, test = order[:N], order[N:]
    if "random_state" in model.get_params():
        model.set_params(random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X[train], y[train])
        report = audit(
            model,
            *(X[train], y[train], X[test], y[test]),
            attacks=["stacked"],
            n_references=N_REFERENCES,
            controls=False,
            random_state=0,
            progress=False,
        )
    rates = report.metrics[report.metrics["slice"] == "all"].set_index(["metric", "at"])["estimate"]
    auc = report.metrics.query("slice == 'all' and metric == 'auc'")["estimate"].iloc[0]
    values = dict(zip(report.structural["measure"], report.structural["value"], strict=True))
    return {"table": table, "model": name, "auc": auc, "tpr": rates["tpr", 0.001], **values}


def correlation(one: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> str:
    """Return Spearman's correlation with its interval, by resampling of models."""
    known = np.isfinite(one)
    one, other = one[known], other[known]
    drawn = []
    for _ in range(RESAMPLES):
        rows = rng.integers(0, len(one), len(one))
        drawn.append(spearmanr(one[rows], other[rows])[0])
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return f"{spearmanr(one, other)[0]:.2f} ({low:.2f} to {high:.2f}), n = {len(one)}"


def precision(flagged: pd.Series, found: pd.DataFrame) -> str:
    known = found[flagged.notna()]
    flags = flagged[flagged.notna()].astype(bool)
    risky = known["auc"] >= RISKY
    hits = int((flags & risky).sum())
    return (
        f"{hits} of {int(flags.sum())} flagged models are risky; {int((risky & ~flags).sum())} of "
        f"{int((~flags).sum())} others are; {int(flags.sum())} of {len(flags)} are flagged"
    )


def summarized(found: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    print("\n| measure | Spearman with AUC | with TPR at .1 % |\n| --- | --- | --- |")
    for name in PREDICTORS:
        told = [
            correlation(found[name].to_numpy(), found[of].to_numpy(), rng) for of in ("auc", "tpr")
        ]
        print(f"| `{name}` | {told[0]} | {told[1]} |")
    root, auc = np.sqrt(found["ks"].to_numpy()), found["auc"].to_numpy()
    slope, intercept = np.polyfit(root, auc, 1)
    left = auc - intercept - slope * root
    published = auc - np.clip(0.46 + 0.58 * root, 0.5, 1)
    print(
        f"\nAUC = {intercept:.2f} + {slope:.2f} sqrt(KS), residuals of {left.std(ddof=2):.3f}; of "
        f".46 + .58 sqrt(KS): {np.sqrt((published**2).mean()):.3f}, mean {published.mean():+.3f}"
    )
    print(
        "\n| measure | band | models | AUC: least, median, greatest | risky |\n"
        + "| --- " * 5
        + "|"
    )
    for name, ends in BANDS.items():
        values = found[name]
        for k, band in enumerate(("low", "moderate", "high", "very high")):
            inside = [sum(value >= end for end in ends) == k for value in values]
            part = found[np.array(inside) & values.notna().to_numpy()]["auc"]
            if len(part):
                spread = ", ".join(f"{part.quantile(q):.3f}" for q in (0, 0.5, 1))
                print(f"| `{name}` | {band} | {len(part)} | {spread} | {(part >= RISKY).sum()} |")
    print(f"\nRisky: an AUC of {RISKY} or more, {(found['auc'] >= RISKY).sum()} of {len(found)}.")
    print("published rules:", precision(found["published_rules"], found))
    k_anonymous = (found["smallest_answer_class"] < 10).where(
        found["smallest_answer_class"].notna()
    )
    print("answers shared by fewer than ten:", precision(k_anonymous, found))
    few = (found["small_leaves"] >= 0.05).where(found["small_leaves"].notna())
    print("one record in twenty in leaves below ten:", precision(few, found))
    told = (found["class_disclosure"] >= 0.5).where(found["class_disclosure"].notna())
    print("most answers tell the class:", precision(told, found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output", help="write all numbers as CSV")
    args = parser.parse_args()
    rows = []
    print("| table | model | AUC | TPR at .1 % | KS | gap | self-influence | parameters |")
    print("| --- " * 8 + "|")
    for table, load in TABLES.items():
        X, y = load()
        chosen = list(models(table).items())[:: 6 if args.quick else 1]
        for name, model in chosen:
            start = time.perf_counter()
            row = measured(table, name, model, X, y)
            rows.append(row)
            told = " | ".join(f"{row[each]:.3f}" for each in ("auc", "tpr", *PREDICTORS))
            print(
                f"| {table} | {name} | {told} |", f"{time.perf_counter() - start:.0f} s", flush=True
            )
    found = pd.DataFrame(rows)
    if args.output:
        found.to_csv(args.output, index=False)
    summarized(found)


if __name__ == "__main__":
    main()
