"""What model inversion shows of the training set: many records per class, or one.

After M. Fredrikson, S. Jha and T. Ristenpart, "Model Inversion Attacks that Exploit Confidence
Information and Basic Countermeasures", CCS 2015: MI-FACE on MNIST, with pixels kept between 0 and
1. The records found are held against the mean of their class's training records and against means
of as many fresh ones. `python benchmarks/papers/inversion.py` prints the table, `... logistic
--seeds 2` one model's rows; `--picture found.png` draws the logistic regression of one record per
class. The folder of the data set is read from MIA_SKLEARN_DATA.
"""

from __future__ import annotations

import argparse
import time
import warnings
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.stats import t as student_t
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from mia_sklearn.datasets import load_mnist
from mia_sklearn.disclosure import InversionContrast, ModelInversion, inversion_contrast
from mia_sklearn.plots import InversionDisplay

FRESH = 500
HELD = {1: ".96 / .41, at least +.4", 10: ".76 / .61", 600: ".39 / .38, within .05"}
PAPER = """\
The paper inverts a recogniser of faces, where a class is one person: skilled workers pick that
person out of a line-up with 95 % accuracy. Here a class is a digit, and fresh ones are at hand."""


def answers_only(seed: int) -> dict[str, Any]:
    return {
        "method": "directions",
        "n_directions": 200,
        "radius": 0.5,
        "lam": 10,
        "alpha": 40,
        "random_state": seed,
    }


# Model, options of the inversion, records per class.
EXPERIMENTS: dict[str, tuple[Any, Any, tuple[int, ...]]] = {
    "logistic": (
        lambda seed: LogisticRegression(max_iter=300),
        lambda seed: {"lam": 1, "alpha": 1000},
        (1, 10, 600),
    ),
    "mlp": (
        lambda seed: MLPClassifier((100,), max_iter=300, random_state=seed),
        lambda seed: {"lam": 1, "alpha": 1000},
        (1, 10, 100),
    ),
    "logistic, answers only": (
        lambda seed: LogisticRegression(max_iter=300),
        answers_only,
        (1, 10),
    ),
    "forest, answers only": (
        lambda seed: RandomForestClassifier(100, random_state=seed),
        answers_only,
        (1, 10),
    ),
}


def kept_in_range(pixels: np.ndarray) -> np.ndarray:
    return pixels.clip(0, 1)


def split(y: np.ndarray, n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows of `n` members per class, of `n` others, and of fresh records."""
    order = np.random.default_rng(seed).permutation(len(y))
    by_class = [order[y[order] == label] for label in range(10)]
    ends = [0, n, 2 * n, 2 * n + max(FRESH, 2 * n)]
    members, others, fresh = (
        np.concatenate([rows[start:end] for rows in by_class]) for start, end in pairwise(ends)
    )
    return members, others, fresh


def contrasts(
    name: str, n: int, seed: int, X: np.ndarray, y: np.ndarray
) -> tuple[InversionContrast, InversionContrast, Any]:
    """Invert one model; hold what is found against its own records, and against others."""
    model, options, _ = EXPERIMENTS[name]
    members, others, fresh = split(y, n, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = model(seed).fit(X[members], y[members])
    found = ModelInversion(fitted, process=kept_in_range, **options(seed)).invert()
    own, null = (
        inversion_contrast(found, X[rows], y[rows], X[fresh], y[fresh], random_state=seed)
        for rows in (members, others)
    )
    return own, null, found


def row(name: str, n: int, seeds: int, X: np.ndarray, y: np.ndarray) -> str:
    start = time.perf_counter()
    runs = [contrasts(name, n, seed, X, y) for seed in range(seeds)]
    cells = [
        name,
        str(n),
        f"{np.mean([own.members for own, _, _ in runs]):.3f}",
        f"{np.mean([own.fresh for own, _, _ in runs]):.3f}",
        f"**{over_classes([own for own, _, _ in runs])}**",
        over_classes([null for _, null, _ in runs]),
        f"{np.mean([found.queries for _, _, found in runs]):,.0f}",
        f"{(time.perf_counter() - start) / seeds:.1f}",
        HELD.get(n, "-") if name == "logistic" else "-",
    ]
    return "| " + " | ".join(cells) + " |"


def over_classes(runs: list[InversionContrast]) -> str:
    """Return the mean over models and classes, with Student's interval over the classes."""
    values = np.mean([run.members - run.fresh for run in runs], axis=0)
    reach = student_t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():+.3f} [{values.mean() - reach:+.3f}, {values.mean() + reach:+.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(EXPERIMENTS)}; all by default")
    parser.add_argument("--seeds", type=int, default=3, help="models that are inverted, per row")
    parser.add_argument("--picture", help="where to draw what is found")
    args = parser.parse_args()
    X, y = load_mnist(return_X_y=True)
    X = X.reshape(len(X), -1) / 255.0
    print(PAPER)
    print(
        f"\nMNIST, means of {args.seeds} models; intervals: 95 %, over the ten classes. 'Of other "
        "records': the same images held against as many records of another draw.\n"
    )
    print(
        "| model | records per class | like training | like fresh | contrast | contrast of other "
        "records | queries per label | seconds | prototype |"
    )
    print("| --- " * 9 + "|")
    for name in args.names or EXPERIMENTS:
        for n in EXPERIMENTS[name][2]:
            print(row(name, n, args.seeds, X, y), flush=True)
    if args.picture:
        own, _, _ = contrasts("logistic", 1, 0, X, y)
        InversionDisplay.from_result(own).figure_.savefig(args.picture, dpi=100)


if __name__ == "__main__":
    main()
