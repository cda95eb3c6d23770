"""Audits without references: what QMIA finds, and that it finds nothing where nothing leaks.

`python benchmarks/qmia.py` prints markdown tables of Adult and Location30, about two minutes on two
cores; `... null` those of targets that know no member, of records that need no files. The functions
are also called, with fewer replicates, by the slow tests.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mia_sklearn import observe
from mia_sklearn.attacks import QMIAAttack, ThresholdAttack
from mia_sklearn.datasets import load_adult, load_location30
from mia_sklearn.metrics import compute

N_ADULT = 10_000
N_SPLITS = 3
SIZES = ((200, 200), (200, 1_000), (1_000, 200))
MEASURES = ("auc", "tpr@0.01", "tpr@0.001")


def adult() -> tuple[Any, np.ndarray]:
    data = load_adult()
    rows = np.random.default_rng(0).permutation(len(data.data))[:N_ADULT]
    return data.data.iloc[rows], np.asarray(data.target)[rows]


def of_adult(model: Any) -> Any:
    """Return a model on the records as they are, with their words and missing values."""
    from sklearn.compose import make_column_selector, make_column_transformer

    encoder = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (
            OneHotEncoder(sparse_output=False, handle_unknown="ignore"),
            make_column_selector(dtype_exclude="number"),
        ),
    )
    return make_pipeline(encoder, model)


TARGETS: dict[str, tuple[Any, str]] = {
    "forest": (RandomForestClassifier(100), ".731 / .047"),
    "tree": (DecisionTreeClassifier(), ".661 / .036"),
    "boosting": (HistGradientBoostingClassifier(), ".59 / .02"),
    "knn": (KNeighborsClassifier(5), ".54"),
    "mlp": (MLPClassifier((64,)), ".557"),
    "lr": (LogisticRegression(max_iter=1000), ".81"),
}


def held(name: str, n_splits: int = N_SPLITS) -> list[dict[str, Any]]:
    """Attack one family on random halves: a row for each split and attack."""
    model, _ = TARGETS[name]
    if name == "lr":
        data = load_location30()
        X, y = np.asarray(data.data, dtype=np.float32), np.asarray(data.target)
    else:
        (X, y), model = adult(), of_adult(model)
    rows = []
    for split in range(n_splits):
        member = np.random.default_rng(split).permutation(len(y)) < len(y) // 2
        own = X[member] if isinstance(X, np.ndarray) else X.iloc[member]
        target = clone(model)
        seeds = {key: split for key in target.get_params() if key.endswith("random_state")}
        target.set_params(**seeds).fit(own, y[member])
        table = observe(target, X, y, features=True)
        for attack in (ThresholdAttack(), QMIAAttack(random_state=split)):
            start = time.perf_counter()
            scores = attack.fit(table, member).decision_function(table)
            seconds = time.perf_counter() - start
            found = {measure: compute(measure, member, scores) for measure in MEASURES}
            rows.append({"attack": type(attack).__name__, "seconds": seconds, **found})
    return rows


# -- Targets that know no member ---------------------------------------------------------------


def nothing_leaks(law: str, n: int, seed: int) -> Any:
    """Observe a target that was trained on none of the records."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    if law == "repeated records":
        X = np.round(X[:, :2] * 2)
    y = (X[:, 0] + rng.normal(size=n) > 0).astype(int)
    others = rng.normal(size=(n, X.shape[1]))
    labels = (others[:, 0] + rng.normal(size=n) > 0).astype(int)
    model = {
        "trees": DecisionTreeClassifier(random_state=0),
        "neighbours": KNeighborsClassifier(3),
        "repeated records": DecisionTreeClassifier(random_state=0),
        "logistic regression": LogisticRegression(),
    }[law]
    return observe(model.fit(others, labels), X, y, features=True)


LAWS = ("trees", "neighbours", "repeated records", "logistic regression")


def null_rates(
    law: str,
    sizes: tuple[int, int],
    *,
    n_tables: int = 10,
    n_draws: int = 200,
    learner: Any = None,
) -> dict[str, float]:
    """Return how often intervals of the AUC miss .5, and the rates at 10 and at 1 % false alarms.

    Of others as many exceed the cut as the rate allows, k of n: a member does in (k + 1) / (n + 1)
    of all cases, which is the nominal rate. Membership has no part in the scores: they are the same
    for all draws of who is a member.
    """
    n = sum(sizes)
    missed, at_10, at_1 = [], [], []
    for seed in range(n_tables):
        table = nothing_leaks(law, n, seed)
        start = np.arange(n) % 2
        scores = QMIAAttack(learner, random_state=seed).fit(table, start).score_observations(table)
        rng = np.random.default_rng(seed)
        for _ in range(n_draws):
            member = rng.permutation(n) < sizes[0]
            auc = compute("auc", member, scores)
            missed.append(not auc.low <= 0.5 <= auc.high)
            for rates, level in ((at_10, 0.1), (at_1, 0.01)):
                # Those above the value that so many of the others exceed at most.
                cut = np.sort(scores[~member])[::-1][int(level * sizes[1])]
                rates.append((scores[member] > cut).mean())
    return {
        "auc missed": float(np.mean(missed)),
        "tpr at 10 %": float(np.mean(at_10)),
        "nominal at 10 %": nominal(0.1, sizes[1]),
        "tpr at 1 %": float(np.mean(at_1)),
        "nominal at 1 %": nominal(0.01, sizes[1]),
    }


def nominal(level: float, n_others: int) -> float:
    return (int(level * n_others) + 1) / (n_others + 1)


def fitted_on_nonmembers(n: int = 1_000, n_tables: int = 20, learner: Any = None) -> float:
    """Return the rate at 1.5 % false alarms, where nothing leaks, of what was fitted on them.

    The way to get it wrong: quantiles are learned on the non-members who then are scored.
    """
    learner = learner or DecisionTreeRegressor(min_samples_leaf=3, random_state=0)
    rates = []
    for seed in range(n_tables):
        table = nothing_leaks("logistic regression", n, seed)
        member = np.random.default_rng(seed).permutation(n) < n // 2
        signal = table["logit"].to_numpy(dtype=float)
        records = table.drop(columns=["logit", "proba_0", "proba_1"]).to_numpy()
        goals = np.column_stack([signal, signal**2])
        first, second = clone(learner).fit(records[~member], goals[~member]).predict(records).T
        spread = np.sqrt(np.maximum(second - first**2, 0.01 * signal.var()))
        scores = (signal - first) / spread
        cut = np.sort(scores[~member])[::-1][int(0.015 * (~member).sum())]
        rates.append((scores[member] > cut).mean())
    return float(np.mean(rates))


def print_held(names: list[str]) -> None:
    print("| target | attack | AUC | TPR at 1 % | TPR at .1 % | held to | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in names:
        rows = held(name)
        for attack in ("ThresholdAttack", "QMIAAttack"):
            own = [row for row in rows if row["attack"] == attack]
            cells = []
            for measure in MEASURES:
                found = [(e.value, e.low, e.high) for e in (row[measure] for row in own)]
                value, low, high = np.mean(found, axis=0)
                cells.append(f"{value:.3f} ({low:.3f} to {high:.3f})")
            cells.append(TARGETS[name][1] if attack == "QMIAAttack" else "")
            cells.append(f"{np.mean([row['seconds'] for row in own]):.1f}")
            print(f"| {name} | {attack} | {' | '.join(cells)} |", flush=True)


def print_null() -> None:
    print("| answers | members + others | AUC's interval misses .5 ", end="")
    print("| TPR at 10 % | nominal | TPR at 1 % | nominal |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for law in LAWS:
        for sizes in SIZES:
            rates = null_rates(law, sizes)
            cells = " | ".join(f"{rate:.4f}" for rate in rates.values())
            print(f"| {law} | {sizes[0]} + {sizes[1]} | {cells} |", flush=True)
    wrong, right = fitted_on_nonmembers(), nominal(0.015, 500)
    print(f"\nFitted on the non-members that are scored: {wrong:.3f} at the nominal {right:.3f}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    names = f"null, {', '.join(TARGETS)}"
    parser.add_argument("what", nargs="*", default=list(TARGETS), help=names)
    asked = parser.parse_args().what
    if named := [name for name in asked if name != "null"]:
        print_held(named)
    if "null" in asked:
        print_null()


if __name__ == "__main__":
    main()
