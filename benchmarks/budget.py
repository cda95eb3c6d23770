"""What a budget of time buys: the audits that it chooses, and what fewer references find less.

`python benchmarks/budget.py` audits a forest, boosting and logistic regression on 5,000 + 5,000
records of Adult under budgets of 30, 60 and 120 seconds: what each chose, the time that it took
over the budget, and the headline beside that of the audit without one. `... --strength forest lr`
prints what audits find less with fewer references than 16, and by LiRA than by the stacked attack:
the same targets, a bootstrap of the difference over targets and records (95 %).
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from datetime import date
from typing import Any

import numpy as np
import sklearn
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from mia_sklearn import ReferenceModels, audit, observe
from mia_sklearn.attacks import LiRAAttack, StackedAttack
from strength import FAMILIES, adult, rates_of

N_MEMBERS = 5_000
MODELS = {
    "forest": RandomForestClassifier(100, random_state=0),
    "boosting": HistGradientBoostingClassifier(random_state=0),
    "lr": LogisticRegression(max_iter=1000),
}
USUAL = (16, "stacked")
N_BOOTSTRAPS = 200


def measure(name: str, budgets: list[float], n_jobs: int) -> None:
    X, y = adult()
    train, test = slice(0, N_MEMBERS), slice(N_MEMBERS, 2 * N_MEMBERS)
    model = clone(MODELS[name]).fit(X[train], y[train])
    for budget in (*budgets, None):
        start = time.perf_counter()
        try:
            report = audit(
                model, X[train], y[train], X[test], y[test], time_budget=budget, n_jobs=n_jobs,
                split="random", random_state=0, progress=False,
            )  # fmt: skip
        except ValueError as error:
            took = time.perf_counter() - start
            print(f"| {name} | {budget:g} | {took:.1f} | refused: {error} |", flush=True)
            continue
        took = time.perf_counter() - start
        metrics = report.metrics[report.metrics["attack"] == report.info["headline"]]
        auc, rate = (
            metrics[(metrics["metric"] == metric) & ~(metrics["at"] != at)].iloc[0]
            if at
            else metrics[metrics["metric"] == metric].iloc[0]
            for metric, at in (("auc", None), ("tpr", 0.01))
        )
        cells = [
            name,
            "none" if budget is None else f"{budget:g}",
            f"{took:.1f}",
            "" if budget is None else f"{took / budget:.2f}",
            str(report.info["n_references"]),
            ", ".join(report.info["attacks"]),
            *(f"{row.estimate:.3f} [{row.low:.3f}, {row.high:.3f}]" for row in (auc, rate)),
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


def strength(family: str, references: list[int], n_targets: int, n_jobs: int) -> None:
    """Print what the stacked attack and LiRA find with more and fewer references."""
    estimator, load = FAMILIES[family]
    X, y = load()
    rng = np.random.default_rng(123)
    members, models = [], []
    for target in range(n_targets):
        if target % 2 == 0:
            member = np.zeros(len(y), dtype=bool)
            member[rng.permutation(len(y))[: len(y) // 2]] = True
        else:
            member = ~member
        model = clone(estimator)
        seeded = [each for each in model.get_params() if each.endswith("random_state")]
        model.set_params(**dict.fromkeys(seeded, 1000 + target))
        models.append(model.fit(X[member], y[member]))
        members.append(member)
    scores: dict[tuple[int, str], np.ndarray] = {}
    with tempfile.TemporaryDirectory() as folder:
        for n in references:
            # The first references of more are those of fewer.
            options: dict[str, Any] = {"n_jobs": n_jobs, "random_state": 0, "cache": folder}
            trained = ReferenceModels(estimator, n, **options).fit(X, y)
            shadow, membership = trained.shadow_observations(random_state=0)
            seen = [observe(model, X, y, references=trained) for model in models]
            attacks = {"LiRA": LiRAAttack(), "stacked": StackedAttack(random_state=0)}
            for attack, unfitted in attacks.items():
                fitted = unfitted.fit(shadow, membership)
                scores[n, attack] = np.array([fitted.decision_function(each) for each in seen])
    told(family, np.array(members), scores)


def told(family: str, members: np.ndarray, scores: dict[tuple[int, str], np.ndarray]) -> None:
    rng = np.random.default_rng(0)
    draws = [
        (rng.choice(len(members), len(members)), rng.choice(members.shape[1], members.shape[1]))
        for _ in range(N_BOOTSTRAPS)
    ]
    whole = (np.arange(len(members)), np.arange(members.shape[1]))

    def rates(score: np.ndarray, drawn: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        targets, rows = drawn
        return np.mean([rates_of(members[t, rows], score[t, rows]) for t in targets], axis=0)

    usual = [rates(scores[USUAL], drawn) for drawn in (whole, *draws)]
    for (n, attack), score in scores.items():
        value, *more = (
            rates(score, drawn) - before
            for drawn, before in zip((whole, *draws), usual, strict=True)
        )
        found = " / ".join(f"{rate:.3f}" for rate in value + usual[0])
        low, high = np.quantile(more, [0.025, 0.975], axis=0)
        cells = (f"{v:+.4f} [{a:+.4f}, {b:+.4f}]" for v, a, b in zip(value, low, high, strict=True))
        print(f"| {family} | {attack} | {n} | {found} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", help=f"of {', '.join(MODELS)}")
    parser.add_argument("--budgets", nargs="+", type=float, default=[30, 60, 120])
    parser.add_argument("--strength", action="store_true", help="what fewer references find less")
    parser.add_argument("--references", nargs="+", type=int, default=[4, 8, 16], help="with 16")
    parser.add_argument("--targets", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    print(f"{date.today()}, scikit-learn {sklearn.__version__}, Python {platform.python_version()}")
    if args.strength:
        found = ("AUC / TPR at 1 % / at .1 %", "less stacked at 16: AUC", "TPR at 1 %", "at .1 %")
        head = ("model", "attack", "references", *found)
        print(f"\n| {' | '.join(head)} |\n|{' --- |' * len(head)}")
        for family in args.models or ("forest", "boosting", "knn", "lr"):
            strength(family, args.references, args.targets, args.jobs)
        return
    head = ("model", "budget s", "took s", "share", "references", "attacks", "AUC", "TPR at 1 %")
    print(f"\n| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for name in args.models or MODELS:
        measure(name, args.budgets, args.jobs)


if __name__ == "__main__":
    main()
