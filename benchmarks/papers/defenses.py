"""What each defense costs and buys, beside the papers' figures.

`python benchmarks/papers/defenses.py` runs every experiment, `... location` one of them:
location      every defense in two strengths, around networks that know Location30 by heart
adversarial   adversarial regularisation: its weight, its reference set, what stays to be seen
dpsgd         DP-SGD: the accountant's epsilon beside what an audit can show
forest        a random forest on Adult, chosen by its risk
The attackers know the defense: their reference models are defended too. The folder of the data
sets is read from MIA_SKLEARN_DATA; pictures go to --output.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from defenses_models import EPOCHS, dense_net
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from mia_sklearn import audit
from mia_sklearn.datasets import load_location30
from mia_sklearn.defenses import (
    PATE,
    SELENA,
    AdversarialRegularization,
    Distillation,
    DistinctTraining,
    DropoutDefense,
    EarlyStoppingDefense,
    InputNoise,
    LabelOnly,
    MemGuard,
    ModelStacking,
    RelaxLoss,
    RoundedPosterior,
    TemperaturePosterior,
    TopKPosterior,
    VulnerableRecordRemoval,
    WeightPenalty,
)

PAPER = """\
Shokri et al., Purchase-100 (test accuracy / attack accuracy / precision / recall): none
.66/.92/.87/1; top-3 .66/.92/.87/.99; top-1 .66/.89/.83/1; label only .66/.66/.60/.99; rounding
to 3 digits .66/.92/.87/.99, to 1 .66/.89/.83/1; temperature 5 .66/.88/.86/.93, 20
.66/.84/.83/.86; L2 1e-4 .68/.87/.81/.96, 1e-3 .72/.77/.73/.86, 1e-2 .63/.53/.54/.52.
ML-Leaks, mean over data sets: dropout -16 % precision, -13 % recall at -2 % accuracy; stacking
-32 %, -31 % at -19 %."""
ATTACKS = ["gap", "threshold", "shadow", "lira"]
REFERENCES = 8


def location() -> tuple[np.ndarray, np.ndarray]:
    data = load_location30()
    order = np.random.default_rng(0).permutation(len(data.target))
    return np.asarray(data.data, dtype=np.float32)[order], np.asarray(data.target)[order]


def mlp(**options: Any) -> MLPClassifier:
    """Return scikit-learn's network of the same shape and training as `dense_net`."""
    usual = {
        "hidden_layer_sizes": (128,),
        "alpha": 0.0,
        "batch_size": 128,
        "learning_rate_init": 2e-3,
        "max_iter": EPOCHS,
    }
    return MLPClassifier(**{**usual, **options})


def around_any() -> dict[str, Any]:
    """Return every defense of any classifier, in two strengths."""
    kinds = [("mlp", mlp()), ("forest", RandomForestClassifier(50))]
    widths = [("wide", mlp()), ("narrow", mlp(hidden_layer_sizes=(32,)))]
    return {
        "none": mlp(),
        "top 3": TopKPosterior(mlp(), 3),
        "top 1": TopKPosterior(mlp(), 1, renormalize=False),
        "3 digits": RoundedPosterior(mlp(), 3),
        "1 digit": RoundedPosterior(mlp(), 1),
        "temperature 5": TemperaturePosterior(mlp(), 5),
        "temperature 20": TemperaturePosterior(mlp(), 20),
        "label only": LabelOnly(mlp()),
        "MemGuard .3": MemGuard(mlp(), 0.3),
        "MemGuard 1": MemGuard(mlp(), 1.0),
        "input noise, 2 % flipped": InputNoise(mlp(), flip=0.02),
        "input noise, 10 % flipped": InputNoise(mlp(), flip=0.1),
        "distinct records": DistinctTraining(mlp()),
        "removal, delta .4": VulnerableRecordRemoval(mlp(), 0.4, 0.5, max_fits=12),
        "removal, delta .2": VulnerableRecordRemoval(mlp(), 0.2, 0.5, 0.05, max_fits=12),
        "L2, alpha .3": mlp(alpha=0.3),
        "L2, alpha 1": mlp(alpha=1.0),
        "L2, alpha 3": mlp(alpha=3.0),
        "L2, alpha 10": mlp(alpha=10.0),
        "stacking, MLP and forest": ModelStacking(kinds),
        "stacking, two MLPs": ModelStacking(widths),
        "distillation": Distillation(mlp()),
        "distillation, temperature 4": Distillation(mlp(), temperature=4.0),
        "SELENA, 4 of 10": SELENA(mlp(), n_models=10, n_left_out=4),
        "SELENA, 2 of 5": SELENA(mlp(), n_models=5, n_left_out=2),
        "PATE, 5 teachers, noise .5": PATE(mlp(), n_teachers=5, noise=0.5),
        "PATE, 10 teachers, noise 2": PATE(mlp(), n_teachers=10, noise=2.0),
    }


def around_networks() -> dict[str, Any]:
    """Return every defense of networks but DP-SGD, in two strengths."""
    net = dense_net(446, 30)
    return {
        "none": net,
        "dropout .5": DropoutDefense(net, 0.5),
        "dropout .75": DropoutDefense(net, 0.75),
        "L2 penalty 1e-3": WeightPenalty(net, l2=1e-3),
        "L2 penalty 5e-3": WeightPenalty(net, l2=5e-3),
        "early stopping, gap .3": EarlyStoppingDefense(net, 0.3),
        "early stopping, gap .6": EarlyStoppingDefense(net, 0.6),
        "RelaxLoss .5": RelaxLoss(net, 0.5),
        "RelaxLoss 1": RelaxLoss(net, 1.0),
        "adversarial, lambda 1": AdversarialRegularization(net, lam=1.0),
        "adversarial, lambda 3": AdversarialRegularization(net, lam=3.0),
    }


def measured(
    estimator: Any,
    halves: tuple[np.ndarray, ...],
    *,
    n_references: int = REFERENCES,
    fit_params: dict[str, Any] | None = None,
) -> tuple[dict[str, Any], Any]:
    """Train a model on one half, audit it, and return a row of a table and the model."""
    X_train, y_train = halves[:2]
    start = time.perf_counter()
    fitted = estimator.fit(X_train, y_train, **(fit_params or {}))
    took = time.perf_counter() - start
    report = audit(
        fitted,
        *halves,
        attacks=ATTACKS,
        n_references=n_references,
        fit_params=fit_params,
        split="random",
        controls=False,
        n_jobs=2,
        random_state=0,
        progress=False,
    )
    told = report.records["shadow"] > 0
    member = report.records["member"] == 1
    row = {
        "train": report.info["target_train_accuracy"],
        "test": report.info["target_test_accuracy"],
        "attack accuracy": (told == member).mean(),
        "precision": member[told].mean(),
        "recall": told[member].mean(),
    }
    whole = report.metrics[report.metrics["slice"] == "all"].set_index(["attack", "metric"])
    for attack in ("gap", "threshold", "lira"):
        auc = whole.loc[(attack, "auc")]
        row[f"{attack} AUC"] = f"{auc['estimate']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}]"
    tpr = whole[whole["at"] == 0.01].loc[("lira", "tpr")]
    row["lira TPR at 1 %"] = f"{tpr['estimate']:.3f} [{tpr['low']:.3f}, {tpr['high']:.3f}]"
    row["fit, s"] = took
    row["seconds"] = time.perf_counter() - start
    return row, fitted


def shown(rows: dict[str, dict[str, Any]], first: str) -> None:
    """Print a table in Markdown."""
    columns = next(iter(rows.values())).keys()
    print(f"| {first} | {' | '.join(columns)} |")
    print(f"| {' | '.join(['---'] * (len(columns) + 1))} |")
    for name, row in rows.items():
        cells = (
            f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values()
        )
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def run_location(output: Path) -> None:
    X, y = location()
    half = len(y) // 2
    halves = (X[:half], y[:half], X[half:], y[half:])
    print(PAPER)
    for title, models in (
        ("scikit-learn's MLPClassifier", around_any()),
        ("the same network in skorch", around_networks()),
    ):
        print(f"\n{title}: {half} members and as many others, {REFERENCES} references\n")
        shown({name: measured(model, halves)[0] for name, model in models.items()}, "defense")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="of location, adversarial, dpsgd, forest")
    parser.add_argument("--output", type=Path, default=Path(), help="folder of the pictures")
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    run_location(args.output)


if __name__ == "__main__":
    main()
