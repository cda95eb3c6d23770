"""How strong each attack is: AUC and true positive rates over held-out targets.

Targets train on a random half of the pool, in complementary pairs; references do too, and know
nothing of the targets. All attacks read the same observations with their default parameters.
`python benchmarks/strength.py` prints the whole table, `... forest lr --references 4 16` a part,
and `... --records` what the columns of the record itself add to the stacked attack: the same
targets attacked with and without them, a bootstrap over targets and records for the differences.
`text-lr`, `text-nb` and `text-forest` tell packages by docstrings: texts that are there everywhere.
"""

from __future__ import annotations

import argparse
import ast
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels, observe
from mia_sklearn.attacks import (
    LiRAAttack,
    RMIAAttack,
    ShadowAttack,
    StackedAttack,
    ThresholdAttack,
)
from mia_sklearn.datasets import load_adult, load_location30
from mia_sklearn.metrics import roc_auc, tpr_at_fpr

N_ADULT = 10_000
N_TEXTS, FEWEST_WORDS = 5_000, 12
PACKAGES = ("numpy", "scipy", "sklearn", "pandas")
N_TARGETS = 8
N_BOOTSTRAPS = 200
RATES = (0.01, 0.001)


def adult() -> tuple[np.ndarray, np.ndarray]:
    data = load_adult()
    rows = np.random.default_rng(0).permutation(len(data.data))[:N_ADULT]
    frame, target = data.data.iloc[rows], np.asarray(data.target)[rows]
    text = frame.select_dtypes(exclude="number").fillna("?")
    numbers = StandardScaler().fit_transform(frame.select_dtypes("number"))
    indicators = OneHotEncoder(sparse_output=False).fit_transform(text)
    return np.hstack([numbers, indicators]).astype(np.float32), (target == ">50K").astype(int)


def location() -> tuple[np.ndarray, np.ndarray]:
    data = load_location30()
    return np.asarray(data.data, dtype=np.float32), np.asarray(data.target)


def docstrings() -> tuple[np.ndarray, np.ndarray]:
    """Return docstrings of functions and classes, no two alike, and the packages they are of."""
    found: dict[str, int] = {}
    for label, package in enumerate(PACKAGES):
        spec = find_spec(package)
        assert spec is not None and spec.origin is not None
        for path in sorted(Path(spec.origin).parent.rglob("*.py")):
            if "tests" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    text = ast.get_docstring(node) or ""
                    if len(text.split()) >= FEWEST_WORDS:
                        found.setdefault(text, label)
    texts = sorted(found)
    rows = np.random.default_rng(0).permutation(len(texts))[:N_TEXTS]
    X = np.array(texts, dtype=object)[rows]
    return X, np.array([found[text] for text in texts])[rows]


FAMILIES: dict[str, tuple[Any, Any]] = {
    "forest": (RandomForestClassifier(100), adult),
    "boosting": (HistGradientBoostingClassifier(), adult),
    "tree": (DecisionTreeClassifier(), adult),
    "knn": (KNeighborsClassifier(5), adult),
    "lr": (LogisticRegression(max_iter=1000), location),
    "mlp": (MLPClassifier((64,), alpha=0.0), location),
    "text-lr": (make_pipeline(TfidfVectorizer(min_df=2), LogisticRegression(C=10)), docstrings),
    "text-nb": (make_pipeline(TfidfVectorizer(min_df=2), MultinomialNB(alpha=0.1)), docstrings),
    "text-forest": (make_pipeline(TfidfVectorizer(), RandomForestClassifier(100)), docstrings),
}


def attacks(tracks: str) -> dict[str, Any]:
    chosen: dict[str, Any] = {
        "loss threshold": ThresholdAttack(),
        "Shokri": ShadowAttack(random_state=0),
        "RMIA": RMIAAttack(),
        "LiRA (as published)": LiRAAttack(variance="global"),
        "LiRA (shrunk)": LiRAAttack(),
        "stacked, L": StackedAttack(random_state=0),
    }
    if "R" in tracks:
        chosen["stacked, R"] = StackedAttack(pool_features=True, random_state=0)
    if "A" in tracks:
        chosen["stacked, A + R" if "R" in tracks else "stacked, A"] = StackedAttack(
            pool_features="R" in tracks, random_state=0
        )
    return chosen


def columns_of(name: str, table: Any) -> Any:
    """Keep the columns of the attacker's track."""
    drop = [
        column
        for column in table
        if (column.startswith("neighbor_") and "R" not in name.rpartition(", ")[2])
        or (column.startswith("query_") and "A" not in name.rpartition(", ")[2])
    ]
    return table.drop(columns=drop)


def prepared(
    family: str, n_references: int, tracks: str, n_jobs: int, n_targets: int
) -> tuple[Any, list[Any]]:
    """Return shadow observations with their membership, and those of each target with its own."""
    estimator, load = FAMILIES[family]
    X, y = load()
    start = time.perf_counter()
    n_queries = 10 if "A" in tracks else 0
    references = ReferenceModels(
        estimator, n_references, n_queries=n_queries, n_jobs=n_jobs, random_state=0
    ).fit(X, y)
    trained = time.perf_counter() - start
    start = time.perf_counter()
    references.record_columns()
    columns = time.perf_counter() - start
    extras = {"neighbors": 6 if "R" in tracks else 0, "n_queries": n_queries}
    shadow = references.shadow_observations(random_state=0, **extras)
    rng = np.random.default_rng(123)
    targets = []
    for pair in range(n_targets // 2):
        member = np.zeros(len(y), dtype=bool)
        member[rng.permutation(len(y))[: len(y) // 2]] = True
        for side, chosen in enumerate((member, ~member)):
            model = clone(estimator)
            seeded = {
                name: 1000 + 2 * pair + side
                for name in model.get_params()
                if name.endswith("random_state")
            }
            model.set_params(**seeded)
            model.fit(X[chosen], y[chosen])
            targets.append((observe(model, X, y, references=references, **extras), chosen))
    print(
        f"\n{family}, {n_references} references (trained in {trained:.1f} s, columns of the "
        f"records in {columns:.1f} s: {references.record_features_}), {n_targets} targets\n",
        flush=True,
    )
    return shadow, targets


def measure(family: str, n_references: int, tracks: str, n_jobs: int, n_targets: int) -> None:
    (shadow, membership), targets = prepared(family, n_references, tracks, n_jobs, n_targets)
    print("| attack | AUC (sd) | TPR at 1 % (sd) | TPR at .1 % (sd) | fit s | score s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, attack in attacks(tracks).items():
        start = time.perf_counter()
        attack.fit(columns_of(name, shadow), membership)
        fitted = time.perf_counter() - start
        rows = []
        start = time.perf_counter()
        scored = [(attack.decision_function(columns_of(name, o)), m) for o, m in targets]
        seconds = (time.perf_counter() - start) / len(targets)
        for score, member in scored:
            rates = [tpr_at_fpr(member, score, rate).value for rate in RATES]
            rows.append([roc_auc(member, score).value, *rates])
        mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1)
        cells = " | ".join(f"{m:.3f} ({s:.3f})" for m, s in zip(mean, spread, strict=True))
        print(f"| {name} | {cells} | {fitted:.1f} | {seconds:.2f} |", flush=True)


def measure_records(family: str, n_references: int, n_jobs: int, n_targets: int) -> None:
    """Print what the columns of the record itself add to the stacked attack."""
    (shadow, membership), targets = prepared(family, n_references, "L", n_jobs, n_targets)
    members, scores = np.array([member for _, member in targets]), []
    print("| stacked, L | AUC | TPR at 1 % | TPR at .1 % | fit s |")
    print("| --- | --- | --- | --- | --- |")
    for with_them in (False, True):
        start = time.perf_counter()
        attack = StackedAttack(record_columns=with_them, random_state=0).fit(shadow, membership)
        seconds = time.perf_counter() - start
        scores.append(np.array([attack.decision_function(seen) for seen, _ in targets]))
        mean = np.mean([rates_of(*each) for each in zip(members, scores[-1], strict=True)], axis=0)
        cells = " | ".join(f"{value:.4f}" for value in mean)
        print(f"| {'with' if with_them else 'without'} | {cells} | {seconds:.1f} |", flush=True)
    rng = np.random.default_rng(0)
    everything = np.arange(len(members)), np.arange(members.shape[1])
    value = difference(members, scores, *everything)
    drawn = [
        difference(members, scores, *(rng.choice(each, len(each)) for each in everything))
        for _ in range(N_BOOTSTRAPS)
    ]
    ends = np.quantile(drawn, [0.025, 0.975], axis=0)
    cells = (
        f"{v:+.4f} [{low:+.4f}, {high:+.4f}]" for v, low, high in zip(value, *ends, strict=True)
    )
    print(f"| difference | {' | '.join(cells)} | |", flush=True)


def difference(
    members: np.ndarray, scores: list[np.ndarray], targets: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Return by how much the second scores' rates exceed the first's, in the mean of targets."""
    parts = [
        [rates_of(members[target, rows], score[target, rows]) for target in targets]
        for score in scores
    ]
    return np.mean(parts[1], axis=0) - np.mean(parts[0], axis=0)


def rates_of(member: np.ndarray, score: np.ndarray) -> list[float]:
    """Return AUC and true positive rates, fast: no interval."""
    ranks, n = rankdata(score), np.count_nonzero(member)
    auc = (ranks[member].sum() - n * (n + 1) / 2) / n / (len(member) - n)
    others = np.sort(score[~member])[::-1]
    rates = [(score[member] > others[int(rate * len(others))]).mean() for rate in RATES]
    return [float(auc), *map(float, rates)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "families", nargs="*", help=f"of {', '.join(FAMILIES)}; all but texts by default"
    )
    parser.add_argument("--references", nargs="+", type=int, default=[16])
    parser.add_argument("--tracks", default="LR", help="L, plus R and A where wanted")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--targets", type=int, default=N_TARGETS, help="an even number")
    parser.add_argument("--records", action="store_true", help="what record columns add to L")
    args = parser.parse_args()
    unknown = set(args.families) - set(FAMILIES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(FAMILIES)}")
    for family in args.families or (name for name in FAMILIES if "text" not in name):
        for n_references in args.references:
            if args.records:
                measure_records(family, n_references, args.jobs, args.targets)
            else:
                measure(family, n_references, args.tracks, args.jobs, args.targets)


if __name__ == "__main__":
    main()
