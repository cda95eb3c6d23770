"""Who was in the training table: attacks that ask a synthetic table alone, and copies.

    python benchmarks/synthetic_membership.py rank      # synthesizers of Adult, by what they tell
    python benchmarks/synthetic_membership.py copies    # 1 % of the training rows copied, by size
    python benchmarks/synthetic_membership.py null      # independent rows: rates over 200 runs
    python benchmarks/synthetic_membership.py nearest   # the kernel beside NumPy, in chunks

Adult is read from the folder that MIA_SKLEARN_DATA names.
"""

from __future__ import annotations

import datetime
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import sklearn
from sklearn.mixture import GaussianMixture

import mia_sklearn
from mia_sklearn.datasets import load_adult
from mia_sklearn.synthetic._copied import copy_test
from mia_sklearn.synthetic._membership import measure_membership
from mia_sklearn.synthetic._nearest import nearest
from mia_sklearn.synthetic._tables import check_tables

Synthesizer = Callable[[pd.DataFrame, int], pd.DataFrame]
METRICS = ("auc", "tpr@0.01", "tpr@0.001")


def adult(seed: int = 0) -> pd.DataFrame:
    """Return Adult with its label, in random order, without rows that occur twice."""
    X, y = load_adult(return_X_y=True)
    table = X.assign(income=np.asarray(y).astype(str)).drop_duplicates()
    table = table.sample(frac=1, random_state=seed).reset_index(drop=True)
    texts = table.select_dtypes(exclude="number").columns
    table[texts] = table[texts].astype(object).fillna("?")
    return table


def people(n: int, seed: object) -> pd.DataFrame:
    """Draw records of a population: numbers, categories, whole numbers."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3))
    return pd.DataFrame(
        {
            "income": np.exp(z[:, 0] + 0.5 * rng.normal(size=n)).round(2),
            "weight": (70 + 12 * z[:, 1] + 5 * rng.normal(size=n)).round(1),
            "age": np.clip(40 + 12 * z[:, 2] + 5 * rng.normal(size=n), 18, 90).round(),
            "days": rng.integers(0, 2000, size=n),
            "job": np.array(list("abcdefghij"))[np.minimum(9, rng.geometric(0.35, size=n) - 1)],
            "town": np.minimum(40, rng.zipf(1.7, size=n)).astype(str),
            "sick": z[:, 0] + z[:, 1] + rng.normal(size=n) > 1,
        }
    )


def _numbers(table: pd.DataFrame) -> list[str]:
    return list(table.select_dtypes("number").columns)


def copying(share: float) -> Synthesizer:
    """Columns drawn apart from each other, but for a share of rows that are copied."""

    def made(train: pd.DataFrame, seed: int) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        table = pd.DataFrame({c: rng.permutation(train[c].to_numpy()) for c in train.columns})
        k = round(share * len(train))
        return pd.concat([train[:k], table[k:]], ignore_index=True)

    return made


def kernel(width: float) -> Synthesizer:
    """Rows with noise of so many standard deviations, and categories drawn anew as often."""

    def made(train: pd.DataFrame, seed: int) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        table = train.sample(len(train), replace=True, random_state=seed).reset_index(drop=True)
        for name in train.columns:
            if name in _numbers(train):
                noise = width * train[name].std() * rng.normal(size=len(table))
                moved = np.clip(table[name] + noise, train[name].min(), train[name].max())
                table[name] = np.rint(moved).astype(int)
            else:
                anew = rng.random(len(table)) < width
                table.loc[anew, name] = rng.choice(train[name].to_numpy(), size=anew.sum())
        return table

    return made


def interpolation(train: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Points between a row and one of its five neighbours, categories of either (as SMOTE)."""
    rng = np.random.default_rng(seed)
    scaled = check_tables(train, train, train).train.scaled
    one = rng.integers(len(train), size=len(train))
    other = nearest(scaled[one], scaled, 6)[1][
        np.arange(len(one)), rng.integers(1, 6, size=len(one))
    ]
    share = rng.random(len(one))
    table = {}
    for name in train.columns:
        a, b = (train[name].to_numpy()[rows] for rows in (one, other))
        numeric = name in _numbers(train)
        table[name] = np.rint(a + share * (b - a)).astype(int) if numeric else None
        if not numeric:
            table[name] = np.where(rng.random(len(one)) < 0.5, a, b)
    return pd.DataFrame(table)


def _wide(train: pd.DataFrame) -> tuple[np.ndarray, Callable[[np.ndarray], pd.DataFrame]]:
    """Return a table as numbers, standardised and with indicators, and the way back."""
    numbers = _numbers(train)
    mean, scale = train[numbers].mean(), train[numbers].std()
    texts = pd.get_dummies(train.drop(columns=numbers), dtype=float)

    def back(drawn: np.ndarray) -> pd.DataFrame:
        table = {}
        for place, name in enumerate(numbers):
            cells = np.rint(drawn[:, place] * scale[name] + mean[name])
            table[name] = np.clip(cells, train[name].min(), train[name].max()).astype(int)
        for name in train.columns:
            own = [c for c in texts.columns if c.startswith(f"{name}_")] * (name not in numbers)
            if own:
                places = [len(numbers) + list(texts.columns).index(c) for c in own]
                known = np.array([c.removeprefix(f"{name}_") for c in own], dtype=object)
                table[name] = known[drawn[:, places].argmax(axis=1)]
        return pd.DataFrame(table)[list(train.columns)]

    return np.hstack([((train[numbers] - mean) / scale).to_numpy(), texts.to_numpy()]), back


def mixture(n_components: int) -> Synthesizer:
    def made(train: pd.DataFrame, seed: int) -> pd.DataFrame:
        X, back = _wide(train)
        model = GaussianMixture(
            n_components, covariance_type="diag", reg_covar=1e-4, random_state=seed
        )
        return back(model.fit(X).sample(len(train))[0])

    return made


def network(train: pd.DataFrame, seed: int) -> pd.DataFrame:
    """A small GAN on indicators, 60 epochs."""
    from mia_sklearn.torch import GAN

    X, back = _wide(train)
    model = GAN(max_epochs=60, batch_size=256, lr=1e-3, random_state=seed, verbose=0)
    return back(model.fit(X.astype(np.float32)).sample(len(train), random_state=seed))


SYNTHESIZERS: dict[str, Synthesizer] = {
    "kernel density, width .05": kernel(0.05),
    "kernel density, width .2": kernel(0.2),
    "kernel density, width .5": kernel(0.5),
    "interpolation (SMOTE)": interpolation,
    "mixture of 100 Gaussians": mixture(100),
    "mixture of 20 Gaussians": mixture(20),
    "GAN, 60 epochs": network,
    "marginals, 1 % copied": copying(0.01),
    "marginals": copying(0.0),
}


# Too slow to be fitted eight times more.
SLOW = {"mixture of 100 Gaussians", "GAN, 60 epochs"}


def rank(n: int = 4000, n_control: int = 8200) -> None:
    """Every attack on every synthesizer, and the test for copies."""
    table = adult()
    train = table[:n].reset_index(drop=True)
    control = table[n : n + n_control].reset_index(drop=True)
    print(f"Adult: {n:,} training records, {n:,} synthetic rows, {n_control // 2:,} non-members")
    for name, made in SYNTHESIZERS.items():
        began = time.perf_counter()
        given = made(train, 1), train, control
        drawn = time.perf_counter()
        tables = check_tables(*given)
        refits = made if name not in SLOW else None
        found = measure_membership(tables, given=given, generator=refits, confidence=0.95, seed=0)
        told = time.perf_counter()
        test = copy_test(tables)
        print(
            f"\n{name}: drawn in {drawn - began:.1f} s, attacked in {told - drawn:.1f} s"
            f"{' with 8 refits' if refits else ''}\n  copies: {test.exact_train} exact, "
            f"{test.near_train} near; control {test.exact_control}, {test.near_control}; "
            f"p = {test.p_value:.2g}"
        )
        for row in found.measures.to_dict("records"):
            shown = (
                f"{row[m]:.3f} [{row[f'{m} lower']:.3f}, {row[f'{m} upper']:.3f}]" for m in METRICS
            )
            print(f"  {row['attack']:16}{'  '.join(shown)}", flush=True)


def near(table: pd.DataFrame, seed: int, size: float) -> pd.DataFrame:
    """Move numbers by a share of their standard deviation."""
    rng = np.random.default_rng(seed)
    moved = table.astype(dict.fromkeys(_numbers(table), float))
    for name in _numbers(table):
        moved[name] += size * table[name].std() * rng.normal(size=len(table))
    return moved


def copies() -> None:
    """How often a table is found that copies 1 % of its training rows, by size, and how sure."""
    print("1 % of training rows copied, found at p <= .01; and tables that copy nothing")
    for n, runs in ((100, 40), (300, 40), (1000, 20), (10_000, 5), (100_000, 1)):
        found: dict[str, list[bool]] = {}
        began = time.perf_counter()
        for seed in range(runs):
            train, control, others = (people(n, [seed, part]) for part in range(3))
            k = n // 100
            for name, head in (
                ("none", others[:k]),
                ("exact", train[:k]),
                ("moved by .001 sd", near(train, seed, 0.001)[:k]),
                ("moved by .01 sd", near(train, seed, 0.01)[:k]),
            ):
                synthetic = pd.concat([head, others[k:]], ignore_index=True)
                test = copy_test(check_tables(synthetic, train, control))
                found.setdefault(name, []).append(test.p_value <= 0.01)
        shown = ", ".join(f"{name} {np.mean(hits):.3f}" for name, hits in found.items())
        seconds = (time.perf_counter() - began) / runs / 4
        print(f"{n:8,} rows, {runs} runs: {shown}; {seconds:.2f} s a test", flush=True)


def null(runs: int = 200) -> None:
    """Independent rows: how often intervals of the AUC miss .5, rates, and false alarms."""
    for source, n in (("people", 100), ("people", 500), ("Adult", 100), ("Adult", 500)):
        table = adult() if source == "Adult" else None
        misses, rates, alarms, findings = [], [], 0, 0
        for seed in range(runs):
            if table is None:
                given = tuple(people(n, [seed, part]) for part in range(3))
            else:
                drawn = table.sample(3 * n, random_state=seed).reset_index(drop=True)
                given = tuple(drawn[part * n : (part + 1) * n] for part in range(3))
            tables = check_tables(*given)
            found = measure_membership(
                tables, given=given, generator=None, confidence=0.95, seed=seed
            )
            measures = found.measures.set_index("attack")
            misses.append((measures["auc lower"] > 0.5) | (measures["auc upper"] < 0.5))
            rates.append(measures["tpr@0.01"])
            alarms += copy_test(tables).p_value <= 0.01
            findings += bool(found.findings)
        print(f"\n{source}, {n} rows each, {runs} runs: copies found in {alarms}, ", end="")
        print(f"membership in {findings}")
        shown = pd.DataFrame({"AUC misses .5": np.mean(misses, axis=0)}, index=misses[0].index)
        print(shown.assign(**{"TPR at 1 %": np.mean(rates, axis=0)}).round(3), flush=True)


def in_chunks(queries: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return the nearest rows by NumPy, column by column and a few queries at a time."""
    found, columns = [], np.ascontiguousarray(table.T)
    step = max(1, 2**16 // len(table))
    for start in range(0, len(queries), step):
        part = queries[start : start + step]
        far, gap = np.zeros((2, len(part), len(table)))
        for own, column in zip(part.T, columns, strict=True):
            np.subtract(own[:, np.newaxis], column, out=gap)
            np.abs(gap, out=gap)
            np.minimum(gap, 1.0, out=gap)
            far += gap
        found.append(far.argmin(axis=1))
    return np.concatenate(found)


def beside_numpy() -> None:
    """Seconds for the nearest row of each query, ours and NumPy's, taken in turn."""
    table = adult()
    scaled = check_tables(table, table, table).train.scaled
    rng = np.random.default_rng(0)
    cases = {
        "Adult, 15 columns": (scaled[:2000], scaled[2000:22_000]),
        "uniform numbers, 15 columns": (rng.random((2000, 15)), rng.random((20_000, 15))),
        "uniform numbers, 60 columns": (rng.random((2000, 60)), rng.random((20_000, 60))),
    }
    for name, (queries, rows) in cases.items():
        least = [np.inf] * 2
        for _ in range(3):
            for which, call in enumerate((lambda q, t: nearest(q, t)[1][:, 0], in_chunks)):
                began = time.process_time()
                found = call(queries, rows)
                least[which] = min(least[which], time.process_time() - began)
        assert (found == nearest(queries, rows)[1][:, 0]).all()
        print(
            f"{name}, {len(queries):,} x {len(rows):,}: ours {least[0]:.3f} s of processor, NumPy "
            f"{least[1]:.3f} s, ratio {least[1] / least[0]:.1f}",
            flush=True,
        )
    # As many rows as Adult has not: each cell of another row in one case of five.
    tables = []
    for _ in range(2):
        one, other = rng.integers(len(scaled), size=(2, 100_000))
        kept = rng.random((100_000, scaled.shape[1])) < 0.8
        tables.append(np.where(kept, scaled[one], scaled[other]))
    began, cpu = time.perf_counter(), time.process_time()
    nearest(*tables)
    print(
        f"Adult, 100,000 x 100,000: {time.perf_counter() - began:.1f} s, "
        f"{time.process_time() - cpu:.1f} s of processor"
    )


def main() -> None:
    parts: dict[str, Any] = {"rank": rank, "copies": copies, "null": null, "nearest": beside_numpy}
    print(
        f"{datetime.date.today()}, mia-sklearn {mia_sklearn.__version__}, scikit-learn "
        f"{sklearn.__version__}, NumPy {np.__version__}"
    )
    for part in sys.argv[1:] or parts:
        parts[part]()


if __name__ == "__main__":
    main()
