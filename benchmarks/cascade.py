"""The cascade beside the stacked attack at the same number of references, and where nothing leaks.

Each target trains on a random half of the pool. The stacked attack has 16 references that know
nothing of it, the cascade 4 such references and then 4 on each third of the pool for this target.
Intervals of the differences: paired bootstrap over targets and records.
`python benchmarks/cascade.py forest boosting --targets 4`; `--null 100` attacks trees that trained
on other records, also with several rows per person, and where 25 or 75 % are called members.
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
from mia_sklearn.attacks import CascadeAttack, GroupAttack, LiRAAttack, StackedAttack
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
            options = {"attack": attacks[0], "neighbors": neighbors, "min_auc": 0}
            options["random_state"] = 0
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
            print(f"first stage's AUC on references: {seen.first_stage_auc:.4f}", flush=True)
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


def measure_null(kind: str, n_runs: int) -> None:
    """Attack trees that trained on other records, as few or as many as are called members."""
    share = {"25%": 0.25, "75%": 0.75}.get(kind, 0.5)
    n_people = 60 if kind == "people" else 200
    rows_each = 4 if kind == "people" else 1
    found, inside = [], 0
    for run in range(n_runs):
        rng = np.random.default_rng(run)
        n = n_people * rows_each
        X, y = rng.normal(size=(2 * n, 5)), rng.integers(2, size=2 * n)
        people = np.arange(n) // rows_each
        if kind == "people":
            # Rows of one person are alike, and of one label.
            X, y = X[::rows_each].repeat(rows_each, axis=0), y[::rows_each].repeat(rows_each)
            X = X + 0.3 * rng.normal(size=X.shape)
        n_trained = round(share * n)
        model = DecisionTreeClassifier(min_samples_leaf=5, random_state=run)
        model.fit(X[n : n + n_trained], y[n : n + n_trained])
        member = rng.permutation(n_people) < share * n_people
        score, told = scores_of_null(model, X[:n], y[:n], people, n_trained=n_trained, seed=run)
        first = told["cascade_log_odds"].to_numpy()
        if kind == "people":
            score, first = score[::rows_each], first[::rows_each]
        auc = roc_auc(member, score)
        inside += auc.low <= 0.5 <= auc.high
        found.append([auc.value, *((log_odds > SURE).mean() for log_odds in (first, score))])
    mean, spread = np.mean(found, axis=0), np.std(found, axis=0)
    print(
        f"{n_runs} targets that trained elsewhere ({kind}): {inside} intervals hold .5; AUC "
        f"{mean[0]:.4f} (sd {spread[0]:.4f}); called members at 95 %: {mean[1]:.2%} by the first "
        f"stage, {mean[2]:.2%} by the cascade",
        flush=True,
    )


def scores_of_null(
    model: Any, X: np.ndarray, y: np.ndarray, people: np.ndarray, *, n_trained: int, seed: int
) -> tuple[np.ndarray, Any]:
    """Return the scores of a cascade that always has its second stage, and what it read."""
    several = len(np.unique(people)) < len(people)
    groups = people if several else None
    references = ReferenceModels(model, 4, train_size=n_trained, random_state=seed)
    references.fit(X, y, groups=groups)
    first: Any = LiRAAttack()
    learner = HistGradientBoostingClassifier(max_iter=20, min_samples_leaf=12, random_state=0)
    attack: Any = CascadeAttack(learner, random_state=0)
    if several:
        first, attack = GroupAttack(first), GroupAttack(attack, random_state=0)
    first.fit(*references.shadow_observations(random_state=0))
    options: dict[str, Any] = {"attack": first, "groups": groups, "random_state": 0, "min_auc": 0}
    seen = observe_cascade(model, X, y, references=references, **options)
    attack.fit(seen.shadow, seen.membership)
    return attack.decision_function(seen.observations), seen.observations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("families", nargs="*", help=f"of {', '.join(FAMILIES)}")
    parser.add_argument("--targets", type=int, default=4)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=123)
    parser.add_argument("--tracks", default="LR", help="L, R with neighbours, or both")
    parser.add_argument("--null", type=int, default=0, help="targets that trained elsewhere")
    kinds = ["50%", "people", "25%", "75%"]
    parser.add_argument("--kinds", nargs="+", choices=kinds, default=kinds, help="of --null")
    args = parser.parse_args()
    for family in args.families:
        measure(family, args.tracks, args.targets, args.records, args.seed)
    if args.null:
        for kind in args.kinds:
            measure_null(kind, args.null)


if __name__ == "__main__":
    main()
