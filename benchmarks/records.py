"""What follows for single records: combined p-values, records named again, remedies, exposure told.

`python benchmarks/records.py NAME` prints one table: `combine`, `again`, `groups`, `remedies` or
`exposure`; without a name all of them. Adult is read from the folder that MIA_SKLEARN_DATA names.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

import mia_sklearn
from mia_sklearn import audit
from mia_sklearn._audit._findings._of_groups import worst_group
from mia_sklearn._models._random import seeded_within
from mia_sklearn._models._trainable import configured
from mia_sklearn.datasets import load_adult
from mia_sklearn.selection import record_remedies
from mia_sklearn.stats import conformal_combine, harmonic_combine
from mia_sklearn.vulnerability import ExposureRegressor, VulnerableRecords, exposure_agreement

LEVELS = (0.05, 0.01, 0.001)
NAMED_AT = 0.01
MODELS = {
    "DecisionTree, leaf 2": DecisionTreeClassifier(min_samples_leaf=2),
    "RandomForest(20)": RandomForestClassifier(20),
    "KNeighbors(3)": KNeighborsClassifier(3),
}


def adult(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    data = load_adult(subset="train")
    rows = np.random.default_rng(seed).permutation(len(data.target))[:n]
    table = pd.get_dummies(data.data.iloc[rows]).to_numpy(dtype=np.float64)
    return table / np.maximum(table.std(axis=0), 1e-9), (
        np.asarray(data.target)[rows] == ">50K"
    ).astype(int)


def plain_harmonic(p: np.ndarray) -> np.ndarray:
    return p.shape[1] / (1 / p).sum(axis=1)


def cauchy(p: np.ndarray) -> np.ndarray:
    angles = np.tan((0.5 - np.clip(p, 1e-15, 1 - 1e-15)) * np.pi)
    return 0.5 - np.arctan(angles.mean(axis=1)) / np.pi


def combine() -> None:
    """Print P(combined p <= level) / level where nothing leaks, by dependence of the attacks."""
    n, rng = 100_000, np.random.default_rng(0)
    rules = {
        "harmonic mean": plain_harmonic,
        "Cauchy": cauchy,
        "harmonic_combine": harmonic_combine,
        "Bonferroni": lambda p: np.minimum(1, p.min(axis=1) * p.shape[1]),
    }
    print("| attacks | correlation | p-values |", " | ".join([*rules, "conformal_combine"]), "|")
    for n_attacks in (2, 8):
        for rho in (0, 0.3, 0.6, 0.9):

            def scores(n: int, rho: float = rho, n_attacks: int = n_attacks) -> np.ndarray:
                both = np.sqrt(rho) * rng.normal(size=(n, 1))
                return both + np.sqrt(1 - rho) * rng.normal(size=(n, n_attacks))

            p = norm.sf(scores(n))
            for kind, given in (
                ("continuous", p),
                ("ranks of 20", np.ceil(20 * p) / 20),
                ("ranks of 1,000", np.ceil(1000 * p) / 1000),
            ):
                cells = [rates(rule(given)) for rule in rules.values()]
                hits = np.zeros(3)
                if kind != "ranks of 20":
                    for _ in range(50):
                        table = scores(1999)
                        if kind != "continuous":
                            table[:, ::2] = np.round(table[:, ::2])
                        found = conformal_combine(table[:1000], table[1000:])
                        hits += [(found <= level).mean() / level / 50 for level in LEVELS]
                    cells.append(" / ".join(f"{hit:.2f}" for hit in hits))
                else:
                    cells.append("")
                print(f"| {n_attacks} | {rho} | {kind} |", " | ".join(cells), "|", flush=True)


def rates(p: np.ndarray) -> str:
    return " / ".join(f"{(p <= level * (1 + 1e-12)).mean() / level:.2f}" for level in LEVELS)


def audited(model: Any, X: Any, y: Any, train: np.ndarray, *, seed: int, n_references: int) -> Any:
    with seeded_within(model, seed):
        fitted = configured(model, seed).fit(X[train], y[train])
    return audit(
        fitted,
        *(X[train], y[train], X[~train], y[~train]),
        n_references=n_references,
        attacks=["lira"],
        controls=False,
        random_state=seed,
        progress=False,
    )


def again() -> None:
    """Print how often named members are named again: said by one audit, and found by others."""
    n = 1_000
    X, y = adult(n, 0)
    print("| model | references | named | said | fresh audits, other halves | same training set |")
    for (name, model), n_references in [
        *((pair, 16) for pair in MODELS.items()),
        (next(iter(MODELS.items())), 64),
    ]:
        said, others, same, n_named = [], [], [], []
        for repeat in range(2):
            rng = np.random.default_rng(repeat)
            train = rng.permutation(n) < n // 2
            report = audited(model, X, y, train, seed=repeat, n_references=n_references)
            records = report.records[report.records["member"] == 1]
            named = (records["p_value"] <= NAMED_AT).to_numpy()
            rows = np.flatnonzero(train)[records["row"]][named]
            n_named.append(len(rows))
            said.append((records["named_again"] / records["reruns"])[named].mean())
            for fresh in range(2):
                seed = 100 + 10 * repeat + fresh
                half = np.random.default_rng(seed).permutation(n) < n // 2
                shares = []
                for part in (half, ~half):
                    p = by_row(
                        audited(model, X, y, part, seed=seed, n_references=n_references), part
                    )
                    shares.append((p[rows[part[rows]]] <= NAMED_AT).sum())
                others.append(sum(shares) / len(rows))
                p = by_row(
                    audited(model, X, y, train, seed=seed + 500, n_references=n_references), train
                )
                same.append((p[rows] <= NAMED_AT).mean())
        cells = [spread(values) for values in (said, others, same)]
        print(f"| {name} | {n_references} | {np.mean(n_named):.0f} |", " | ".join(cells), "|")
        sys.stdout.flush()


def by_row(report: Any, train: np.ndarray) -> np.ndarray:
    """Return p-values by position in the pool."""
    records, p = report.records, np.full(len(train), np.nan)
    for side, place in (("train", np.flatnonzero(train)), ("test", np.flatnonzero(~train))):
        own = records[records["set"] == side]
        p[place[own["row"]]] = own["p_value"]
    return p


def spread(values: list[float]) -> str:
    return f"{np.mean(values):.2f} ({np.min(values):.2f} to {np.max(values):.2f})"


def groups() -> None:
    """Print how often a group is named the worst: of alike ones, and where one leaks more."""
    print("| AUC in one group of 10 % | records | a group is named | the right one |")
    for surplus in (0.0, 0.5, 1.0):
        for n in (600, 3000):
            named, right, repeats = 0, 0, 200
            for seed in range(repeats):
                rng = np.random.default_rng(seed)
                member = rng.random(n) < 0.5
                one, two = rng.choice(4, n, p=[0.1, 0.2, 0.3, 0.4]), rng.random(n) < 0.2
                score = rng.normal(size=n) + member * (0.7 + surplus * (one == 0))
                parts = {f"a={g}": one == g for g in range(4)} | {"b=0": two, "b=1": ~two}
                found = worst_group(score, member, parts, 0.95)
                named += found is not None
                right += found is not None and found.name == "a=0"
            auc = norm.cdf((0.7 + surplus) / np.sqrt(2))
            print(f"| {auc:.2f} | {n:,} | {named / repeats:.3f} | {right / repeats:.3f} |")


def remedies() -> None:
    """Print what lowers the risk of the ten members that stand out most."""
    n = 1_000
    X, y = adult(n, 0)
    train = np.arange(n) < n // 2
    sides = X[train], y[train], X[~train], y[~train]
    for name in ("RandomForest(20)", "DecisionTree, leaf 2"):
        report = audited(MODELS[name], X, y, train, seed=0, n_references=16)
        exposed = report.most_exposed(10)["row"].tolist()
        start = time.perf_counter()
        frame = record_remedies(
            MODELS[name], *sides, records=exposed, n_references=16, random_state=1
        )
        seconds = time.perf_counter() - start
        print(f"{name}: {seconds:.0f} s")
        print("| remedy | recognised at 1 % | AUC | accuracy, change |")
        for remedy, rows in frame.groupby("remedy", sort=False):
            one = rows.iloc[0]
            print(
                f"| {remedy} | {rows['named'].sum()} of {rows['reruns'].sum()} | "
                f"{rows['auc'].mean():.2f} | {one['score_change']:+.3f} ({one['change_low']:+.3f} "
                f"to {one['change_high']:+.3f}) |",
                flush=True,
            )


def exposure() -> None:
    """Print what is told of a model's exposed records before it is trained."""
    n = 1_500
    pools = [adult(2 * n, 5)[0][part] for part in (slice(n), slice(n, None))]
    labels = [adult(2 * n, 5)[1][part] for part in (slice(n), slice(n, None))]
    print("| model | predicted by | rank correlation | AUC of the most exposed 1 % |")
    for name, model in MODELS.items():
        measured, surest = [], []
        for seed, (X, y) in enumerate(zip(pools, labels, strict=True)):
            train = np.random.default_rng(seed).permutation(n) < n // 2
            report = audited(model, X, y, train, seed=seed, n_references=16)
            share, p = np.full(n, np.nan), report.records
            place = np.where(p["set"] == "train", 0, 1)
            rows = np.array([np.flatnonzero(train), np.flatnonzero(~train)])[place, p["row"]]
            share[rows] = p["named_again"] / p["reruns"]
            measured.append(share)
            surest.append(by_row(report, train))
        known = [~np.isnan(share) for share in measured]
        tables = [np.column_stack(pair) for pair in zip(pools, labels, strict=True)]
        start = time.perf_counter()
        learned = ExposureRegressor(label=-1, random_state=0)
        learned.fit(tables[0][known[0]], measured[0][known[0]])
        predicted = learned.predict(tables[1][known[1]])
        seconds = time.perf_counter() - start
        alone = VulnerableRecords(features="raw").fit(pools[0])
        rivals = {
            f"ExposureRegressor ({seconds:.0f} s)": predicted,
            "no neighbours (VulnerableRecords)": -alone.score_samples(pools[1][known[1]]),
        }
        describer = learned._describer
        columns = describer.columns(
            learned._spaced(tables[1][known[1]][:, :-1]), tables[1][known[1]][:, -1]
        )
        rivals["hard to tell (trees without it)"] = -columns["log_odds_5"]
        for rival, values in rivals.items():
            found = exposure_agreement(values, measured[1][known[1]])
            print(
                f"| {name} | {rival} | {found.correlation:.2f} ({found.correlation_low:.2f} to "
                f"{found.correlation_high:.2f}) | {found.auc:.2f} ({found.auc_low:.2f} to "
                f"{found.auc_high:.2f}), {found.n_top} |",
                flush=True,
            )
        one = np.flatnonzero(known[1] & ~np.isnan(surest[1]))
        place = np.cumsum(known[1])[one] - 1
        found = exposure_agreement(predicted[place], -np.log(surest[1][one]))
        print(
            f"| {name} | ExposureRegressor, one model's p-values | {found.correlation:.2f} | "
            f"{found.auc:.2f} ({found.auc_low:.2f} to {found.auc_high:.2f}), {found.n_top} |",
            flush=True,
        )


TABLES = {
    "combine": combine,
    "again": again,
    "groups": groups,
    "remedies": remedies,
    "exposure": exposure,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", default=list(TABLES), metavar="NAME")
    asked = parser.parse_args().tables
    warnings.filterwarnings("ignore")
    print(f"mia-sklearn {mia_sklearn.__version__}, {time.strftime('%Y-%m-%d')}, seeds as written")
    for name in asked:
        print(f"\n{name}: {TABLES[name].__doc__}")
        TABLES[name]()


if __name__ == "__main__":
    main()
