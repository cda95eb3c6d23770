"""The cascade beside the stacked attack at the same number of references, and where nothing leaks.

Each target trains on a random half of the pool. The stacked attack has 16 references that know
nothing of it, the cascade 4 such references and then 4 on each third of the pool for this target.
Intervals of the differences: paired bootstrap over targets and records.
`python benchmarks/cascade.py forest boosting --targets 4`; `--null 100` attacks trees that trained
on other records.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels, observe, observe_cascade
from mia_sklearn.attacks import CascadeAttack, LiRAAttack, StackedAttack
from mia_sklearn.metrics import roc_auc, tpr_at_fpr
from strength import FAMILIES, RATES

N_RESAMPLED = 500
SURE = np.log(19)  # log-odds of 95 %


def measures(member: np.ndarray, score: np.ndarray) -> list[float]:
    rates = [tpr_at_fpr(member, score, rate).value for rate in RATES]
    return [roc_auc(member, score).value, *rates]


def fast_measures(member: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return AUC and rates of scores without ties, for a bootstrap."""
    inside = member[np.argsort(-score, kind="stable")]
    n_in, n_out = int(inside.sum()), int((~inside).sum())
    members, others = np.cumsum(inside), np.cumsum(~inside)
    area = members[~inside].sum() / (n_in * n_out)
    allowed = [np.searchsorted(others, int(rate * n_out), side="right") - 1 for rate in RATES]
    return np.array([area, *(members[last] / n_in if last >= 0 else 0.0 for last in allowed)])


def differences(
    members: list[np.ndarray], scores: list[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Return quantiles .025 and .975 of the mean gain over resampled targets and records."""
    rng = np.random.default_rng(0)
    n = len(members[0])
    found = []
    for _ in range(N_RESAMPLED):
        rows = rng.integers(n, size=n)
        gains = [
            fast_measures(members[t][rows], scores[t][1][rows])
            - fast_measures(members[t][rows], scores[t][0][rows])
            for t in rng.integers(len(members), size=len(members))
        ]
        found.append(np.mean(gains, axis=0))
    return np.quantile(found, [0.025, 0.975], axis=0)


def fitted(references: ReferenceModels, neighbors: int) -> StackedAttack:
    shadow = references.shadow_observations(random_state=0, neighbors=neighbors)
    return StackedAttack(pool_features=neighbors > 0, random_state=0).fit(*shadow)


def measure(family: str, tracks: str, n_targets: int, n_records: int, seed: int) -> None:
    estimator, load = FAMILIES[family]
    X, y = load()
    X, y = X[:n_records], y[:n_records]
    few = ReferenceModels(estimator, 4, random_state=0).fit(X, y)
    many = ReferenceModels(estimator, 16, random_state=0).fit(X, y)
    found: dict[str, list[np.ndarray]] = {}
    members: list[np.ndarray] = []
    for track, neighbors in (("L", 0), ("R", 6)):
        if track not in tracks:
            continue
        attacks = [fitted(references, neighbors) for references in (few, many)]
        rng = np.random.default_rng(seed)
        members = []
        for target in range(n_targets):
            member = rng.permutation(len(y)) < len(y) // 2
            model = clone(estimator)
            if "random_state" in model.get_params():
                model.set_params(random_state=1000 + target)
            model.fit(X[member], y[member])
            alone = observe(model, X, y, references=many, neighbors=neighbors)
            start = time.perf_counter()
            options = {"attack": attacks[0], "neighbors": neighbors, "random_state": 0}
            seen = observe_cascade(model, X, y, references=few, **options)
            cascade = CascadeAttack(pool_features=neighbors > 0, random_state=0)
            cascade.fit(seen.shadow, seen.membership)
            seconds = time.perf_counter() - start
            scores = {
                f"stacked, {track}, 4": seen.observations["cascade_log_odds"].to_numpy(),
                f"stacked, {track}, 16": attacks[1].decision_function(alone),
                f"cascade, {track}, 4 + 12": cascade.decision_function(seen.observations),
            }
            members.append(member)
            for name, score in scores.items():
                found.setdefault(name, []).append(score)
                row = np.round(measures(member, score), 4).tolist()
                print(f"{family}, target {target}, {name}: {row}, {seconds:.0f} s", flush=True)
    show(family, members, found, f"{n_targets} targets, {len(y):,} records, seed {seed}")


def show(
    family: str, members: list[np.ndarray], found: dict[str, list[np.ndarray]], about: str
) -> None:
    print(f"\n{family}, {about}\n\n| attack | AUC | TPR at 1 % | TPR at .1 % |")
    print("| --- | --- | --- | --- |")
    means = {}
    for name, scores in found.items():
        rows = [measures(member, score) for member, score in zip(members, scores, strict=True)]
        means[name] = np.mean(rows, axis=0)
        print(f"| {name} | {' | '.join(f'{value:.4f}' for value in means[name])} |")
    base = next(name for name in found if name.endswith(", 16"))
    for name, scores in found.items():
        if name == base or name.endswith(", 4"):
            continue
        low, high = differences(members, list(zip(found[base], scores, strict=True)))
        gains = zip(means[name] - means[base], low, high, strict=True)
        cells = [f"{gain:+.4f} [{a:+.4f}, {b:+.4f}]" for gain, a, b in gains]
        print(f"| {name}, less {base} | {' | '.join(cells)} |", flush=True)


def measure_null(n_runs: int) -> None:
    """Attack trees that trained on other records."""
    found, inside = [], 0
    for run in range(n_runs):
        rng = np.random.default_rng(run)
        X, y = rng.normal(size=(300, 5)), rng.integers(2, size=300)
        model = DecisionTreeClassifier(min_samples_leaf=5, random_state=run).fit(X[200:], y[200:])
        X, y, member = X[:200], y[:200], rng.permutation(200) < 100
        references = ReferenceModels(model, 4, random_state=run).fit(X, y)
        first = LiRAAttack().fit(*references.shadow_observations(random_state=0))
        options: dict[str, Any] = {"attack": first, "random_state": 0}
        seen = observe_cascade(model, X, y, references=references, **options)
        learner = HistGradientBoostingClassifier(max_iter=20, min_samples_leaf=12, random_state=0)
        attack = CascadeAttack(learner).fit(seen.shadow, seen.membership)
        score = attack.decision_function(seen.observations)
        auc = roc_auc(member, score)
        inside += auc.low <= 0.5 <= auc.high
        of_first = seen.observations["cascade_log_odds"].to_numpy()
        found.append([auc.value, *((log_odds > SURE).mean() for log_odds in (of_first, score))])
    mean, spread = np.mean(found, axis=0), np.std(found, axis=0)
    print(
        f"{n_runs} targets that trained elsewhere: {inside} intervals hold .5; AUC {mean[0]:.4f} "
        f"(sd {spread[0]:.4f}); called members at 95 %: {mean[1]:.2%} by the first stage, "
        f"{mean[2]:.2%} by the cascade",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("families", nargs="*", help=f"of {', '.join(FAMILIES)}")
    parser.add_argument("--targets", type=int, default=4)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=123)
    parser.add_argument("--tracks", default="LR", help="L, R with neighbours, or both")
    parser.add_argument("--null", type=int, default=0, help="targets that trained elsewhere")
    args = parser.parse_args()
    for family in args.families:
        measure(family, args.tracks, args.targets, args.records, args.seed)
    if args.null:
        measure_null(args.null)


if __name__ == "__main__":
    main()
