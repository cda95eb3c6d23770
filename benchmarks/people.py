"""Do the numbers hold where people have several rows, and what do their rows give away together?

Prints markdown tables: `python benchmarks/people.py [--replicates 300]`, about two minutes on one
core. The functions are also called, with fewer replicates, by a slow test.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels, observe
from mia_sklearn.attacks import GroupAttack, LiRAAttack, StackedAttack, ThresholdAttack
from mia_sklearn.metrics import Estimate, roc_auc
from mia_sklearn.stats import pooled_p_values

ROWS = 5
LEVELS = (0.01, 0.05, 0.1)


def draw_people(
    seed: int | Sequence[int], n: int = 100, *, alike: float = 0.9, fickle: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw people with five rows each that resemble one another.

    Parameters
    ----------
    alike : float
        Share of the features' variance that is the person's.
    fickle : float
        Standard deviation of what alters the label from row to row.
    """
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(n), ROWS)
    centre = rng.normal(size=(n, 4))
    X = np.sqrt(alike) * centre[who] + np.sqrt(1 - alike) * rng.normal(size=(len(who), 4))
    tendency = (centre[:, 0] + rng.normal(size=n))[who]
    return X, (tendency + fickle * rng.normal(size=len(who)) > 0).astype(int), who


def draw_half(who: np.ndarray, seed: int) -> np.ndarray:
    """Draw half of the people; True for their rows."""
    return np.isin(who, np.random.default_rng([seed, 1]).permutation(np.unique(who))[::2])


def null_run(seed: int) -> tuple[dict[str, Estimate], np.ndarray]:
    """Attack a model of other people, and ask a model of one half about the other half.

    Returns
    -------
    aucs : dict of str to Estimate
        Of the model of other people: whatever half is called members, nothing tells of it.
    p_values : ndarray of shape (n_nonmembers,)
        Of people on none of whose rows the second model was trained.
    """
    X, y, who = draw_people(seed)
    elsewhere, labels, _ = draw_people([seed, 2])
    half = len(X) // 2
    tree = DecisionTreeClassifier(max_depth=4, random_state=0)
    target = tree.fit(elsewhere[:half], labels[:half])
    member, first = draw_half(who, seed), np.arange(0, len(who), ROWS)
    references = ReferenceModels(tree, 8, random_state=seed).fit(X, y, groups=who)
    shadow = references.shadow_observations(random_state=seed)
    seen = observe(target, X, y, references=references)
    rows = LiRAAttack().fit(*shadow).decision_function(seen)
    aucs = {"records, people ignored": roc_auc(member, rows)}
    for aggregate in ("sum", "learned"):
        attack = GroupAttack(LiRAAttack(), aggregate=aggregate, random_state=0).fit(*shadow)
        score = attack.decision_function(seen)[first]
        aucs[f'people, "{aggregate}"'] = roc_auc(member[first], score)
    seen = observe(tree.fit(X[member], y[member]), X, y, references=references)
    signal, out = (seen.filter(regex=name).to_numpy(float) for name in ("^logit$", r"^out_\d+$"))
    means = [values.reshape(-1, ROWS, values.shape[1]).mean(axis=1) for values in (signal, out)]
    return aucs, pooled_p_values(means[0][:, 0], means[1])[~member[first]]


def covers_chance(estimate: Estimate) -> bool:
    return estimate.low <= 0.5 <= estimate.high


def leak_run(seed: int) -> dict[str, float]:
    """Attack a forest of half of the people, of whom all rows were in or none."""
    X, y, who = draw_people(seed, 250, alike=0.5, fickle=1.0)
    member, first = draw_half(who, seed), np.arange(0, len(who), ROWS)
    forest = RandomForestClassifier(20, min_samples_leaf=20, random_state=seed)
    target = forest.fit(X[member], y[member])
    references = ReferenceModels(forest, 8, random_state=seed).fit(X, y, groups=who)
    seen = observe(target, X, y, references=references)
    shadow = references.shadow_observations(random_state=seed)
    found = {}
    for name, attack in (
        ("threshold", ThresholdAttack()),
        ("LiRA", LiRAAttack()),
        ("stacked", StackedAttack(random_state=seed)),
    ):
        score = attack.fit(*shadow).decision_function(seen)
        found[f"{name}, one record"] = roc_auc(member, score).value
        for aggregate in ("sum", "learned", "mean"):
            grouped = GroupAttack(attack, aggregate=aggregate, random_state=seed).fit(*shadow)
            score = grouped.decision_function(seen)[first]
            found[f'{name}, person, "{aggregate}"'] = roc_auc(member[first], score).value
    return found


def _share(hits: int, n: int) -> str:
    low, high = binomtest(hits, n).proportion_ci(method="wilson")
    return f"{hits / n:.3f} ({low:.3f} to {high:.3f})"


def _mean(values: Sequence[float]) -> str:
    error = 1.96 * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):.3f} ({np.mean(values) - error:.3f} to {np.mean(values) + error:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=300, help="runs without a leak")
    parser.add_argument("--leaks", type=int, default=10, help="runs with one")
    args = parser.parse_args()
    start = time.perf_counter()
    runs = [null_run(seed) for seed in range(args.replicates)]
    print("Nothing leaks; 100 people with 5 rows each, alike:\n")
    print("| 95 % intervals of the AUC | cover 0.5 | nominal | mean width |")
    print("| --- | --- | --- | --- |")
    for name in runs[0][0]:
        estimates = [aucs[name] for aucs, _ in runs]
        hits = sum(map(covers_chance, estimates))
        width = np.mean([estimate.high - estimate.low for estimate in estimates])
        print(f"| {name} | {_share(hits, len(runs))} | 0.95 | {width:.3f} |")
    print("\n| p-values of non-members | share at or below |\n| --- | --- |")
    for level in LEVELS:
        print(f"| {level:g} | {_mean([np.mean(p <= level) for _, p in runs])} |")
    leaks = [leak_run(seed) for seed in range(args.leaks)]
    print("\nA forest of 125 of 250 people; 8 references:\n")
    print("| attack | AUC, mean of the runs |\n| --- | --- |")
    for name in leaks[0]:
        print(f"| {name} | {_mean([leak[name] for leak in leaks])} |")
    print(f"\n{time.perf_counter() - start:.0f} seconds.")


if __name__ == "__main__":
    main()
