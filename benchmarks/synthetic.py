"""Risks of a synthetic table: `audit_synthetic` beside `anonymeter`, and what both say of nothing.

    python benchmarks/synthetic.py compare    # Adult and a mixture of Gaussians: risks and times
    python benchmarks/synthetic.py null       # independent rows: how often intervals miss 0
    python benchmarks/synthetic.py copies     # a table that copies 1 % of its records, by size
    python benchmarks/synthetic.py large      # 100,000 rows

`compare` and `null` need ``pip install anonymeter``, which asks for an older NumPy than the project
is tested on: run them from an environment of their own, with the project on PYTHONPATH.
"""

from __future__ import annotations

import datetime
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import sklearn
from sklearn.mixture import GaussianMixture

import mia_sklearn
from mia_sklearn import audit_synthetic
from mia_sklearn.datasets import load_adult

LINKED = (
    ["age", "fnlwgt", "education", "hours-per-week", "race"],
    ["occupation", "workclass", "capital-gain", "marital-status", "sex"],
)
SECRET = "income"
KNOWN = [*LINKED[0], *LINKED[1]]


def adult(seed: int) -> pd.DataFrame:
    """Return Adult with its label, in random order, texts in place of missing categories."""
    X, y = load_adult(return_X_y=True)
    table = X.assign(income=y).sample(frac=1, random_state=seed).reset_index(drop=True)
    texts = table.select_dtypes(exclude="number").columns
    table[texts] = table[texts].astype(object).fillna("?")
    return table


def mixture(train: pd.DataFrame, n: int, n_components: int, seed: int) -> pd.DataFrame:
    """Fit a mixture of Gaussians to a table with indicators for categories, and draw from it."""
    numbers = list(train.select_dtypes("number").columns)
    texts = [name for name in train.columns if name not in numbers]
    scale = train[numbers].std()
    wide = pd.get_dummies(train[texts], dtype=float)
    X = np.hstack([(train[numbers] / scale).to_numpy(), wide.to_numpy()])
    model = GaussianMixture(n_components, covariance_type="diag", reg_covar=1e-4, random_state=seed)
    drawn = model.fit(X).sample(n)[0]
    drawn = drawn[np.random.default_rng(seed).permutation(n)]
    table = {}
    for place, name in enumerate(numbers):
        cells = np.rint(drawn[:, place] * scale[name])
        table[name] = np.clip(cells, train[name].min(), train[name].max()).astype(int)
    start = len(numbers)
    for name in texts:
        known = [c.removeprefix(f"{name}_") for c in wide.columns if c.startswith(f"{name}_")]
        table[name] = np.array(known, dtype=object)[
            drawn[:, start : start + len(known)].argmax(axis=1)
        ]
        start += len(known)
    return pd.DataFrame(table)[list(train.columns)]


def ours(synthetic: Any, train: Any, control: Any, n_attacks: int, seed: int) -> dict[str, Any]:
    report = audit_synthetic(
        synthetic,
        train,
        control,
        secrets=[SECRET],
        aux_columns=LINKED,
        n_attacks=n_attacks,
        membership=False,
        random_state=seed,
    )
    return {
        f"{row['name']} {row['of']}".strip(): tuple(
            row[name] for name in ("success", "control", "risk", "lower", "upper")
        )
        for row in report.measures.to_dict("records")
    }


def theirs(synthetic: Any, train: Any, control: Any, n_attacks: int, seed: int) -> dict[str, Any]:
    from anonymeter.evaluators import (
        InferenceEvaluator,
        LinkabilityEvaluator,
        SinglingOutEvaluator,
    )

    tables = {"ori": train, "syn": synthetic, "control": control, "n_attacks": n_attacks}
    np.random.seed(seed)  # noqa: NPY002 - pandas draws from it.
    singling = {
        f"singling_out {mode}": SinglingOutEvaluator(**tables, n_cols=3, seed=seed).evaluate(mode)
        for mode in ("univariate", "multivariate")
    }
    link = LinkabilityEvaluator(**tables, aux_cols=LINKED, n_neighbors=1).evaluate(n_jobs=-1)
    infer = InferenceEvaluator(**tables, aux_cols=KNOWN, secret=SECRET).evaluate(n_jobs=-1)
    made = {**singling, "linkability": link, f"inference {SECRET}": infer}
    told = {}
    for name, evaluator in made.items():
        results, risk = evaluator.results(), evaluator.risk()
        told[name] = (results.attack_rate.value, results.control_rate.value, risk.value, *risk.ci)
    return told


def timed(work: Callable[..., Any], *given: Any) -> tuple[Any, float, float]:
    """Return what a function returns, the seconds it took, and those of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = work(*given)
    return result, time.perf_counter() - wall, time.process_time() - cpu


def compare(n: int = 8000, n_attacks: int = 1000) -> None:
    """Both on Adult and a mixture of Gaussians of it, and on one that copies a tenth."""
    table = adult(0)
    train, control = table[:n], table[n : 2 * n].reset_index(drop=True)
    drawn = mixture(train, n, 50, 0)
    copied = pd.concat([train[: n // 10], drawn[n // 10 :]], ignore_index=True)
    small = [each[:500] for each in (drawn, train, control)]
    theirs(*small, 100, 0)  # Compiled once, not counted.
    for name, synthetic in (("mixture", drawn), ("a tenth copied", copied)):
        print(f"\n{name}: {n:,} rows each, {n_attacks:,} attacks")
        mine, wall, cpu = timed(ours, synthetic, train, control, n_attacks, 0)
        other, their_wall, their_cpu = timed(theirs, synthetic, train, control, n_attacks, 0)
        print(f"{'risk':28}{'ours':>38}{'anonymeter':>38}")
        for risk in other:
            print(f"{risk:28}{_shown(mine[risk]):>38}{_shown(other[risk]):>38}")
        print(f"copies (ours alone): {_shown(mine['copies'])}")
        print(
            f"seconds: ours {wall:.1f} ({cpu:.1f} of processor), anonymeter {their_wall:.1f} "
            f"({their_cpu:.1f}); ratio {wall / their_wall:.3f} ({cpu / their_cpu:.3f})"
        )


def _shown(numbers: tuple[float, ...]) -> str:
    success, control, risk, low, high = numbers
    return f"{success:.3f} {control:.3f} {risk:+.3f} [{low:+.3f}, {high:+.3f}]"


def null(n_runs: int = 200, n: int = 400, n_control: int = 200, peer: bool = True) -> None:
    """Rows of the same population that the training set knows nothing of: all risks are 0."""
    counts: dict[str, list[int]] = {}
    for seed in range(n_runs):
        table = adult(seed)
        synthetic, train = table[:n], table[n : 2 * n].reset_index(drop=True)
        control = table[2 * n : 2 * n + n_control].reset_index(drop=True)
        for who, measure in (("ours", ours), *((("anonymeter", theirs),) if peer else ())):
            told = timed(measure, synthetic, train, control, n_control, seed)[0]
            for risk, (_, _, _, low, high) in told.items():
                each = counts.setdefault(f"{who:12}{risk}", [0, 0])
                each[0] += low > 0
                each[1] += high < 0
    print(f"{n_runs} runs, {n} rows, control {n_control}: intervals above 0, below 0")
    for name, (above, below) in sorted(counts.items()):
        print(f"{name:42}{above / n_runs:8.3f}{below / n_runs:8.3f}")


def copies() -> None:
    """A table that copies 1 % of its training records, the rest independent."""
    for n in (100, 300, 1000, 3000):
        found: dict[str, int] = {}
        n_runs = 20
        for seed in range(n_runs):
            table = adult(seed)
            train, control = table[:n], table[n : 2 * n].drop_duplicates()
            k = max(1, n // 100)
            synthetic = pd.concat([train[:k], table[2 * n : 3 * n - k]])
            report = audit_synthetic(
                synthetic,
                train,
                control[~_among(control, train)],
                secrets=[SECRET],
                membership=False,
            )
            for code in {finding.code for finding in report.findings}:
                found[code] = found.get(code, 0) + 1
        print(n, {code: f"{count} of {n_runs}" for code, count in sorted(found.items())})


def _among(table: pd.DataFrame, other: pd.DataFrame) -> np.ndarray:
    return pd.MultiIndex.from_frame(table).isin(pd.MultiIndex.from_frame(other))


def large(n: int = 100_000) -> None:
    """Tables of 100,000 rows, drawn from a mixture that was fitted to Adult."""
    table = adult(0)
    drawn = mixture(table, 3 * n, 50, 0)
    tables = [drawn[k * n : (k + 1) * n].reset_index(drop=True) for k in range(3)]
    for membership in (False, True):
        _, wall, cpu = timed(lambda on: audit_synthetic(*tables, membership=on), membership)
        print(
            f"{n:,} rows each, all {table.shape[1]} columns in turn as secrets, membership "
            f"{membership}: {wall:.0f} s ({cpu:.0f} s of processor)"
        )


if __name__ == "__main__":
    print(
        f"{datetime.date.today()}, mia-sklearn {mia_sklearn.__version__}, scikit-learn "
        f"{sklearn.__version__}, NumPy {np.__version__}, pandas {pd.__version__}"
    )
    {"compare": compare, "null": null, "copies": copies, "large": large}[sys.argv[1]]()
