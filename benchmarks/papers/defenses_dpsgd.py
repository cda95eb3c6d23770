"""Differential privacy against attacks: what the accountant promises beside what an audit finds.

An MLP on Location30 that knows its 2,505 records by heart, undefended and trained with
differential privacy at several epsilons. Every reference of the audit is trained alike.
`python benchmarks/papers/defenses_dpsgd.py` prints the table; `--epsilon 2 inf` asks for others.
The folder of the data sets is read from MIA_SKLEARN_DATA.
"""

from __future__ import annotations

import argparse
import time
from math import inf
from typing import Any

import numpy as np
import pandas as pd
import torch
from skorch import NeuralNetClassifier
from torch import nn
from whitebox import MLP, location

from mia_sklearn import audit
from mia_sklearn.defenses import DPSGD
from mia_sklearn.metrics import epsilon_lower_bound, roc_auc, tpr_at_fpr

EPSILONS = (1.0, 4.0, 8.0, inf)
ATTACKS = ["threshold", "lira", "stacked"]
# Chosen by the test accuracy at epsilon 8: large batches and few steps need the least noise.
PRIVATE = {"batch_size": 501, "max_epochs": 20, "lr": 0.01}
USUAL = {"batch_size": 64, "max_epochs": 60, "lr": 0.001}


def network(**options: Any) -> NeuralNetClassifier:
    """Return a net that trains on all of its records and prints nothing."""
    return NeuralNetClassifier(
        MLP,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        **options,
    )


def run(
    data: tuple[np.ndarray, np.ndarray],
    epsilons: tuple[float, ...] = EPSILONS,
    *,
    n_references: int = 8,
    seed: int = 0,
    n_jobs: int = -1,
) -> pd.DataFrame:
    """Return one row per model: its accuracies, and what each attack finds.

    Parameters
    ----------
    data : tuple of arrays
        Records and labels, half of which are trained on.
    epsilons : tuple of float
        Of the models beside the undefended one.
    n_references : int, default=8
    seed : int, default=0
    n_jobs : int, default=-1

    Returns
    -------
    DataFrame
        Intervals are those of 95 %, as text; bounds on epsilon are one-sided and hold at 95 %
        each, at the delta of the training.
    """
    X, y = data
    rows = np.random.default_rng(seed).permutation(len(y))
    train, test = np.array_split(rows, 2)
    models: dict[str, Any] = {"undefended": network(**USUAL)}
    for epsilon in epsilons:
        models[f"DP-SGD, epsilon {epsilon:g}"] = DPSGD(
            network(**PRIVATE), epsilon, random_state=seed
        )
    table = []
    for name, model in models.items():
        start = time.perf_counter()
        torch.manual_seed(seed)
        model.fit(X[train], y[train])
        fitted = time.perf_counter()
        report = audit(
            model,
            *(X[train], y[train], X[test], y[test]),
            n_references=n_references,
            attacks=ATTACKS,
            split="random",
            controls=False,
            n_jobs=n_jobs,
            random_state=seed,
            progress=False,
        )
        row = {
            "model": name,
            "epsilon": getattr(model, "epsilon_", inf),
            "noise": getattr(model, "noise_multiplier_", 0.0),
            "train accuracy": model.score(X[train], y[train]),
            "test accuracy": model.score(X[test], y[test]),
        }
        member = report.records["member"].to_numpy()
        for attack in ATTACKS:
            score = report.records[attack].to_numpy()
            row[f"AUC {attack}"] = str(roc_auc(member, score))
            row[f"TPR at 1 % {attack}"] = str(tpr_at_fpr(member, score, 0.01))
            row[f"epsilon above, {attack}"] = epsilon_lower_bound(
                member, score, delta=getattr(model, "delta_", 0.0)
            ).value
        row["fit, s"] = fitted - start
        row["audit, s"] = time.perf_counter() - fitted
        table.append(row)
    return pd.DataFrame(table).set_index("model")


def markdown(table: pd.DataFrame) -> str:
    """Return a table with one line per model."""
    lines = [["model", *table.columns], ["---"] * (1 + table.shape[1])]
    lines += [
        [value if isinstance(value, str) else f"{value:.3g}" for value in row]
        for row in table.itertuples()
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epsilon", nargs="*", type=float, default=EPSILONS)
    parser.add_argument("--references", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    start = time.perf_counter()
    table = run(location(), tuple(args.epsilon), n_references=args.references, seed=args.seed)
    print(markdown(table))
    above = [name for name in table if name.startswith("epsilon above")]
    broken = table.index[(table[above].max(axis=1) > table["epsilon"])]
    print(f"\nBounds above the accountant's epsilon: {', '.join(broken) or 'none'}.")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
