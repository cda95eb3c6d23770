"""How much regressors, and classifiers with several outputs, give away, and what nothing gives.

Prints markdown tables: `python benchmarks/regression.py [leaks] [known] [null]`, about a quarter
of an hour on one core. Records of Adult are one-hot and standardised; half of each table trains
the target, and 16 references train on halves of the table too.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import t as student
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor

from mia_sklearn import ReferenceModels, observe
from mia_sklearn.attacks import LiRAAttack, StackedAttack, ThresholdAttack
from mia_sklearn.datasets import load_adult
from mia_sklearn.metrics import roc_auc, tpr_at_fpr
from mia_sklearn.stats import pooled_p_values

N_ADULT = 4_000
RATES = (0.01, 0.001)
LEVELS = (0.05, 0.01, 0.001)

Records = tuple[np.ndarray, np.ndarray]


def adult(seed: int, *targets: str, n: int = N_ADULT) -> Records:
    """Draw records of Adult without income: columns to predict, and all others."""
    frame = load_adult().data
    frame = frame.iloc[np.random.default_rng(seed).permutation(len(frame))[:n]]
    y, frame = frame[list(targets)].to_numpy(np.float64), frame.drop(columns=list(targets))
    numbers = StandardScaler().fit_transform(frame.select_dtypes("number"))
    text = frame.select_dtypes(exclude="number").fillna("?")
    X = np.hstack([numbers, OneHotEncoder(sparse_output=False).fit_transform(text)])
    return X, y[:, 0] if len(targets) == 1 else y


def hours(seed: int, n: int = N_ADULT) -> Records:
    return adult(seed, "hours-per-week", n=n)


def hours_and_age(seed: int) -> Records:
    return adult(seed, "hours-per-week", "age")


def long_hours_and_old(seed: int) -> Records:
    """Two labels that are there or not: works more than 40 hours, is older than 40."""
    X, y = hours_and_age(seed)
    return X, (y > 40).astype(int)


def diabetes(seed: int) -> Records:
    X, y = load_diabetes(return_X_y=True)
    rows = np.random.default_rng(seed).permutation(len(y))
    return X[rows], y[rows]


LEAKS: dict[str, tuple[Any, Callable[[int], Records]]] = {
    "RandomForest(100), hours": (RandomForestRegressor(100), hours),
    "HistGradientBoosting, hours": (HistGradientBoostingRegressor(), hours),
    "SVR(C=10), hours": (SVR(C=10), hours),
    "KNN(5), hours": (KNeighborsRegressor(5), hours),
    "RandomForest(100), hours and age": (RandomForestRegressor(100), hours_and_age),
    "RandomForest(100), two labels": (RandomForestClassifier(100), long_hours_and_old),
    "RandomForest(100), diabetes": (RandomForestRegressor(100), diabetes),
}


def attacks() -> dict[str, Any]:
    return {
        "loss": ThresholdAttack(),
        "LiRA": LiRAAttack(),
        "stacked": StackedAttack(random_state=0),
    }


def trained(model: Any, X: np.ndarray, y: np.ndarray, seed: int) -> Any:
    model = clone(model)
    if "random_state" in model.get_params():
        model.set_params(random_state=seed)
    return model.fit(X, y)


def leak(model: Any, X: np.ndarray, y: np.ndarray, seed: int) -> dict[str, list[float]]:
    """Return AUC and true positive rates of each attack on one target, trained on the first half.

    With them, under "p", how often p-values of the other half are at most each level.
    """
    member = np.arange(len(y)) < len(y) // 2
    references = ReferenceModels(model, 16, random_state=seed).fit(X, y)
    seen = observe(trained(model, X[member], y[member], seed), X, y, references=references)
    shadow, membership = references.shadow_observations(random_state=seed)
    found = {}
    for name, attack in attacks().items():
        score = attack.fit(shadow, membership).decision_function(seen)
        rates = [tpr_at_fpr(member, score, rate).value for rate in RATES]
        found[name] = [roc_auc(member, score).value, *rates]
    found["p"] = shares_below(p_values(seen)[~member])
    return found


def p_values(seen: Any) -> np.ndarray:
    out = seen[[column for column in seen if column.startswith("out_")]]
    return pooled_p_values(seen["logit"].to_numpy(), out.to_numpy())


def shares_below(p: np.ndarray) -> list[float]:
    return [float((p <= level).mean()) for level in LEVELS]


def interval(values: Any, digits: int = 3) -> str:
    """Return the mean of rates and its 95 % interval, which takes them as normal."""
    values = np.asarray(values, dtype=np.float64)
    mean, n = values.mean(), len(values)
    if n < 2:
        return f"{mean:.{digits}f}"
    off = student.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n)
    low, high = max(mean - off, 0.0), min(mean + off, 1.0)
    return f"{mean:.{digits}f} ({low:.{digits}f}, {high:.{digits}f})"


def print_leaks(only: str, n_tables: int) -> None:
    print(f"\n### AUC, TPR at 1 % FPR and at .1 %, means of {n_tables} tables\n")
    print("| target | attack | AUC | TPR at 1 % | TPR at .1 % |\n| --- | --- | --- | --- | --- |")
    for name, (model, records) in LEAKS.items():
        if only not in name:
            continue
        start = time.process_time()
        runs = [leak(model, *records(seed), seed) for seed in range(n_tables)]
        for attack in attacks():
            cells = zip(*(run[attack] for run in runs), strict=True)
            print(f"| {name} | {attack} | {' | '.join(map(interval, cells))} |")
        print(f"<!-- {name}: {time.process_time() - start:.0f} s of CPU -->", flush=True)


def continuous(seed: int, n: int = N_ADULT) -> Records:
    """Draw records of which no two are equal."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    return X, X[:, 0] + rng.normal(size=n)


#: Models that answer what they trained on exactly, and one that answers the same for all records.
KNOWN: dict[str, Any] = {
    "1-NN": KNeighborsRegressor(1),
    "tree, grown to the end": DecisionTreeRegressor(),
    "Gaussian process without noise": GaussianProcessRegressor(optimizer=None),
    "constant": DummyRegressor(),
}


def print_known(only: str) -> None:
    print("\n### Known answers: normal records, no two equal, AUC / TPR at 1 % / at .1 %\n")
    print(f"| target | {' | '.join(attacks())} |\n| --- |{' --- |' * len(attacks())}")
    for name, model in KNOWN.items():
        if only not in name:
            continue
        found = leak(model, *continuous(0), 0)
        cells = (" / ".join(f"{value:.3f}" for value in found[attack]) for attack in attacks())
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


NULL: dict[str, Any] = {
    "RandomForest(50)": RandomForestRegressor(50),
    "SVR(C=10)": SVR(C=10),
    "KNN(5)": KNeighborsRegressor(5),
    "tree": DecisionTreeRegressor(),
    "ridge": Ridge(),
}


def stranger(
    model: Any, seed: int, n_side: int = 500, records: Callable[..., Records] = hours
) -> dict[str, list[float]]:
    """Attack a target that trained on other records of the same kind.

    Half of the records that are asked about, none of which it trained on, are called members.

    Returns
    -------
    dict of str to list of float
        Of each attack AUC, 1 where its interval holds .5, and the true positive rate at 1 %; under
        "stranger", how often p-values of all records are at most each level; under "p", how often
        those of the left-out half are, of a target that trained on the other half as references do.
    """
    X, y = records(seed, 3 * n_side)
    pool = slice(2 * n_side)
    member = np.arange(2 * n_side) < n_side
    references = ReferenceModels(model, 16, random_state=seed).fit(X[pool], y[pool])
    target = trained(model, X[2 * n_side :], y[2 * n_side :], seed)
    seen = observe(target, X[pool], y[pool], references=references)
    shadow, membership = references.shadow_observations(random_state=seed)
    found = {}
    for name, attack in attacks().items():
        score = attack.fit(shadow, membership).decision_function(seen)
        auc = roc_auc(member, score)
        covered = float(auc.low <= 0.5 <= auc.high)
        found[name] = [auc.value, covered, tpr_at_fpr(member, score, RATES[0]).value]
    own = trained(model, X[:n_side], y[:n_side], seed)
    of_own = observe(own, X[pool], y[pool], references=references)
    found["p"] = shares_below(p_values(of_own)[~member])
    found["stranger"] = shares_below(p_values(seen))
    return found


def print_null(only: str, n_runs: int) -> None:
    print(f"\n### Targets that trained on other records, {n_runs} each, 500 + 500 records\n")
    print("| target | attack | AUC | intervals that hold .5 | TPR at 1 % |\n|" + " --- |" * 5)
    below = []
    for name, model in NULL.items():
        if only not in name:
            continue
        runs = [stranger(model, seed) for seed in range(n_runs)]
        for attack in attacks():
            auc, covered, rate = zip(*(run[attack] for run in runs), strict=True)
            cells = [interval(auc), f"{np.mean(covered):.2f}", interval(rate, 4)]
            print(f"| {name} | {attack} | {' | '.join(cells)} |", flush=True)
        for key, trained_on in (("p", "the other half"), ("stranger", "others")):
            shares = zip(*(run[key] for run in runs), strict=True)
            cells = [interval(share, 4) for share in shares]
            below.append(f"| {name} | {trained_on} | {' | '.join(cells)} |")
    print("\n### Pooled p-values of records that the target did not train on\n")
    print("| target | trained on | P(p <= .05) | P(p <= .01) | P(p <= .001) |\n|" + " --- |" * 5)
    print("\n".join(below), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parts = ("leaks", "known", "null")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(parts)}; all by default")
    parser.add_argument("--only", default="", help="part of a target's name")
    parser.add_argument("--tables", type=int, default=5)
    parser.add_argument("--runs", type=int, default=30)
    options = parser.parse_args()
    unknown = set(options.parts) - set(parts)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(parts)}")
    chosen = options.parts or parts
    start = time.process_time()
    if "leaks" in chosen:
        print_leaks(options.only, options.tables)
    if "known" in chosen:
        print_known(options.only)
    if "null" in chosen:
        print_null(options.only, options.runs)
    print(f"\n{time.process_time() - start:.0f} s of CPU")


if __name__ == "__main__":
    main()
