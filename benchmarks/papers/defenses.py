"""What each defense costs and buys, beside the papers' figures.

`python benchmarks/papers/defenses.py location` puts every defense, in two strengths, around
networks that know Location30 by heart; `... adversarial` looks closer at adversarial
regularisation: its weight, its reference set, and what stays to be seen, on Adult. Without a name
both are run.
The attackers know the defense: their reference models are defended too. DP-SGD and the choice of a
random forest by its risk have scripts of their own, defenses_dpsgd.py and defenses_forest.py.
The folder of the data sets is read from MIA_SKLEARN_DATA; pictures go to --output.
"""

from __future__ import annotations

import argparse
import re
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from defenses_models import EPOCHS, dense_net
from scipy.stats import binomtest
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mia_sklearn import audit
from mia_sklearn.datasets import load_adult, load_location30
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
from mia_sklearn.plots import RiskUtilityDisplay, UncertaintyGapDisplay

PAPER = """\
Shokri et al., Purchase-100 (test accuracy / attack accuracy / precision / recall): none
.66/.92/.87/1; top-3 .66/.92/.87/.99; top-1 .66/.89/.83/1; label only .66/.66/.60/.99; rounding
to 3 digits .66/.92/.87/.99, to 1 .66/.89/.83/1; temperature 5 .66/.88/.86/.93, 20
.66/.84/.83/.86; L2 1e-4 .68/.87/.81/.96, 1e-3 .72/.77/.73/.86, 1e-2 .63/.53/.54/.52.
ML-Leaks, mean over data sets: dropout -16 % precision, -13 % recall at -2 % accuracy; stacking
-32 %, -31 % at -19 %."""
PAPER_ADVERSARIAL = """\
Nasr et al.: largest gap of uncertainty with / without the defense Purchase .03/.30, Texas .02/.15,
CIFAR-100 (DenseNet) .04/.49; mean gap .004/.012, .002/.04, .002/.01; test accuracy lost 3.5, 4.4
and 3 points (AlexNet 1.1). A larger reference set brings the attack closer to .5."""
ATTACKS = ["gap", "threshold", "shadow", "lira"]
REFERENCES = 8


def location() -> tuple[np.ndarray, np.ndarray]:
    data = load_location30()
    order = np.random.default_rng(0).permutation(len(data.target))
    return np.asarray(data.data, dtype=np.float32)[order], np.asarray(data.target)[order]


def adult() -> tuple[np.ndarray, np.ndarray]:
    """Return the different records of Adult as numbers, in random order."""
    frame, labels = load_adult(return_X_y=True)
    number = make_column_selector(dtype_include="number")
    text = make_column_selector(dtype_exclude="number")
    numbers = make_column_transformer(
        (StandardScaler(), number), (OneHotEncoder(sparse_output=False, max_categories=30), text)
    )
    X = numbers.fit_transform(frame).astype(np.float32)
    y = np.unique(labels, return_inverse=True)[1]
    X, first = np.unique(X, axis=0, return_index=True)
    order = np.random.default_rng(9).permutation(len(first))
    return X[order], y[first][order]


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
    torch.manual_seed(0)
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
    whole = report.metrics[report.metrics["slice"] == "all"].set_index(["attack", "metric"])

    def interval(attack: str, metric: str, at: float | None = None) -> str:
        rows = whole if at is None else whole[whole["at"] == at]
        found = rows.loc[(attack, metric)]
        return f"{found['estimate']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"

    row = {
        "train": report.info["target_train_accuracy"],
        "test": report.info["target_test_accuracy"],
        "Shokri accuracy": interval("shadow", "accuracy"),
        "precision": float(member[told].mean()),
        "recall": float(told[member].mean()),
        "gap AUC": interval("gap", "auc"),
        "loss AUC": interval("threshold", "auc"),
        "LiRA AUC": interval("lira", "auc"),
        "LiRA TPR at 1 %": interval("lira", "tpr", 0.01),
        "fit, s": took,
    }
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


def draw(rows: dict[str, dict[str, Any]], n_test: int, picture: Path) -> None:
    """Draw test accuracy against LiRA's AUC."""
    auc = np.array(
        [[float(part) for part in re.findall(r"[.\d]+", row["LiRA AUC"])] for row in rows.values()]
    )
    right = [binomtest(round(row["test"] * n_test), n_test) for row in rows.values()]
    ends = [found.proportion_ci(method="wilson") for found in right]
    display = RiskUtilityDisplay(
        names=list(rows),
        utility=[row["test"] for row in rows.values()],
        risk=auc[:, 0],
        utility_interval=([end.low for end in ends], [end.high for end in ends]),
        risk_interval=(auc[:, 1], auc[:, 2]),
        utility_name="Test accuracy",
        risk_name="AUC of LiRA",
        chance=0.5,
        baseline="none",
    )
    display.plot().figure_.savefig(picture, dpi=120)


def run_location(output: Path) -> None:
    X, y = location()
    half = len(y) // 2
    halves = (X[:half], y[:half], X[half:], y[half:])
    print(PAPER)
    for title, models, picture in (
        ("scikit-learn's MLPClassifier", around_any(), "defenses_any.png"),
        ("the same network in skorch", around_networks(), "defenses_networks.png"),
    ):
        print(f"\n{title}: {half} members and as many others, {REFERENCES} references\n")
        rows = {name: measured(model, halves)[0] for name, model in models.items()}
        shown(rows, "defense")
        draw(rows, len(y) - half, output / picture)


def run_adversarial(output: Path) -> None:
    X, y = adult()
    n = 2500
    halves = (X[:n], y[:n], X[n : 2 * n], y[n : 2 * n])
    net = dense_net(X.shape[1], 2, module__width=256, lr=1e-3, max_epochs=40)
    sizes = {size: slice(2 * n, 2 * n + size) for size in (500, 2500, 20000)}
    print(PAPER_ADVERSARIAL)
    print(f"\nAdult, {n} members and as many others, 4 references of each kind\n")
    rows, answers = {}, {}
    for lam, size in [*((lam, 20000) for lam in (0, 1, 2, 3, 6, 12)), (6, 2500), (6, 500)]:
        extra = {"X_reference": X[sizes[size]], "y_reference": y[sizes[size]]}
        defense = AdversarialRegularization(net, lam=lam, random_state=0)
        name = f"lambda {lam}, {size:,} reference records"
        rows[name], fitted = measured(defense, halves, n_references=4, fit_params=extra)
        answers[name] = (
            fitted.predict_proba(X[: 2 * n]),
            y[: 2 * n],
            np.arange(2 * n) < n,
        )
    shown(rows, "defense")
    print("\nGaps between the cumulative curves of members and of others\n")
    gaps = UncertaintyGapDisplay.from_predictions(answers).frame()
    table = gaps.set_index(["model", "quantity"])[["largest_gap", "mean_gap"]].unstack()
    table.columns = [f"{quantity}, {gap.replace('_', ' ')}" for gap, quantity in table.columns]
    shown({name: dict(table.loc[name]) for name in rows}, "defense")
    few = {f"lambda {lam}": answers[f"lambda {lam}, 20,000 reference records"] for lam in (0, 3)}
    drawn = UncertaintyGapDisplay.from_predictions(few)
    drawn.figure_.savefig(output / "uncertainty_gap.png", dpi=120)


def main() -> None:
    experiments = {"location": run_location, "adversarial": run_adversarial}
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(experiments)}; all by default")
    parser.add_argument("--output", type=Path, default=Path(), help="folder of the pictures")
    args = parser.parse_args()
    # Networks that are left alone are to know their records by heart, not to converge.
    warnings.simplefilter("ignore", ConvergenceWarning)
    for name in args.names or experiments:
        start = time.perf_counter()
        experiments[name](args.output)
        print(f"\n{time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
