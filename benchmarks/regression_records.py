"""What columns of the record would add to the stacked attack on models that predict numbers.

A trial, no part of the package yet: what other records say of a record and its true value is laid
beside the observations as `difficulty_*`, which the attack then reads. The same targets are
attacked with and without, and a bootstrap over targets and records gives the differences.
`python benchmarks/regression_records.py [--references 4 16]`, hours per week in Adult.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.neighbors import NearestNeighbors
from sklearn.tree import DecisionTreeRegressor

from mia_sklearn import ReferenceModels, observe
from mia_sklearn.attacks import StackedAttack
from regression import hours, trained
from strength import difference, rates_of

TARGETS: dict[str, Any] = {
    "tree": DecisionTreeRegressor(),
    "forest": RandomForestRegressor(100),
    "boosting": HistGradientBoostingRegressor(),
}
N_NEIGHBORS = 20
# Of the spread of true values: which count as alike, and what residuals are smoothed by.
ALIKE, SMOOTHING = 0.25, 0.02
N_TARGETS, N_BOOTSTRAPS = 6, 100


def record_columns(X: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Return how alike the nearest records' values are, how far they are, out-of-bag residuals."""
    n, spread = len(y), y.std()
    far, index = NearestNeighbors(n_neighbors=N_NEIGHBORS + 1).fit(X).kneighbors(X)
    own = index == np.arange(n)[:, None]
    own[~own.any(axis=1), -1] = True
    far, index = (each[~own].reshape(n, N_NEIGHBORS) for each in (far, index))
    gap = np.abs(y[index] - y[:, None]) / spread
    columns = {"density": (np.exp(-gap) / (1 + far)).sum(axis=1)}
    for k in (1, 3, 5, 10, 20):
        columns[f"same_{k}"] = (gap[:, :k] < ALIKE).mean(axis=1)
        columns[f"gap_{k}"] = gap[:, :k].mean(axis=1)
    for k in (1, 5, 20):
        columns[f"distance_{k}"] = far[:, k - 1]
    for leaf in (1, 5, 20):
        forest = RandomForestRegressor(
            50, max_features="sqrt", min_samples_leaf=leaf, max_samples=0.5, oob_score=True,
            random_state=0,
        )  # fmt: skip
        residual = (y - forest.fit(X, y).oob_prediction_) / spread
        columns[f"signed_{leaf}"] = residual
        columns[f"forest_{leaf}"] = -np.log(np.abs(residual) + SMOOTHING)
    return {f"difficulty_{name}": value.astype(np.float32) for name, value in columns.items()}


def compare(model: Any, n_references: int) -> list[str]:
    X, y = hours(0)
    columns = record_columns(X.astype(np.float32), y)
    references = ReferenceModels(model, n_references, random_state=0).fit(X, y)
    shadow, membership = references.shadow_observations(random_state=0)
    rows = shadow.index.get_level_values("row")
    beside = shadow.assign(**{name: value[rows] for name, value in columns.items()})
    attacks = [StackedAttack(random_state=0).fit(seen, membership) for seen in (shadow, beside)]
    rng = np.random.default_rng(100)
    members: list[np.ndarray] = []
    scores: tuple[list[np.ndarray], list[np.ndarray]] = [], []
    for pair in range(N_TARGETS // 2):
        half = rng.permutation(len(y)) < len(y) // 2
        for side, member in enumerate((half, ~half)):
            target = trained(model, X[member], y[member], 1000 + 2 * pair + side)
            seen = observe(target, X, y, references=references)
            for kept, attack, told in zip(scores, attacks, ({}, columns), strict=True):
                kept.append(attack.decision_function(seen.assign(**told)))
            members.append(member)
    sides, member = [np.array(kept) for kept in scores], np.array(members)
    everything = np.arange(len(member)), np.arange(len(y))
    rng = np.random.default_rng(0)
    drawn = [
        difference(member, sides, *(rng.choice(each, len(each)) for each in everything))
        for _ in range(N_BOOTSTRAPS)
    ]
    value, ends = difference(member, sides, *everything), np.quantile(drawn, [0.025, 0.975], axis=0)
    means = [
        " / ".join(f"{rate:.3f}" for rate in np.mean(list(map(rates_of, member, side)), axis=0))
        for side in sides
    ]
    return means + [
        f"{v:+.4f} [{low:+.4f}, {high:+.4f}]" for v, low, high in zip(value, *ends, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--references", nargs="+", type=int, default=[4, 16])
    args = parser.parse_args()
    print("| target | references | without | with | AUC | TPR at 1 % | TPR at .1 % |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, model in TARGETS.items():
        for n_references in args.references:
            cells = compare(model, n_references)
            print(f"| {name} | {n_references} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
