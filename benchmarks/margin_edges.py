"""Whom the edge of a margin names, with no reference, beside the loss; and what hides it.

Prints markdown tables: `python benchmarks/margin_edges.py [--tables 5]`, some minutes on one core.
`MIA_SKLEARN_DATA` names the folder that holds Adult.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from sklearn import svm
from sklearn.base import clone, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import BaggingClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mia_sklearn._observations._edges import edge_distances, most_shared
from mia_sklearn.datasets import load_adult
from mia_sklearn.metrics import roc_auc, tpr_at_fpr
from mia_sklearn.signals import log_posteriors, rescaled_logit

Table = tuple[Any, np.ndarray]


class Numbers(NamedTuple):
    """AUC, and true positive rates at 1 % and at .1 % false positives."""

    auc: float
    at_1: float
    at_01: float


def numbers(member: np.ndarray, score: np.ndarray) -> Numbers:
    rates = (tpr_at_fpr(member, score, fpr).value for fpr in (0.01, 0.001))
    return Numbers(roc_auc(member, score).value, *rates)


def shown(found: list[Numbers]) -> str:
    """Return means over tables, with the standard error of the second number."""
    means = np.mean(found, axis=0)
    error = np.std(found, axis=0, ddof=1)[1] / np.sqrt(len(found)) if len(found) > 1 else np.nan
    auc, at_1, at_01 = (f"{value:.3f}".lstrip("0") for value in means)
    return f"{auc} / {at_1} / {at_01} (se {error:.3f})"


def halves(data: Table, seed: int, most: int = 4000) -> tuple[Table, Table]:
    """Return members and others, disjoint parts of a table drawn at random."""
    X, y = np.asarray(data[0], dtype=float), np.asarray(data[1])
    rows = np.random.default_rng(seed).permutation(len(y))[:most]
    half = len(rows) // 2
    return (X[rows[:half]], y[rows[:half]]), (X[rows[half:]], y[rows[half:]])


def sides(model: Any, members: Table, others: Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return membership, minus the loss, and minus the distance from the edge."""
    X, y = (np.concatenate(parts) for parts in zip(members, others, strict=True))
    member = np.arange(len(y)) < len(members[1])
    if is_regressor(model):
        return member, -np.abs(y - model.predict(X)), -edge_distances(model, X, y, inside=True)
    y = np.searchsorted(model.classes_, y)
    phi = rescaled_logit(log_posteriors(model, X), y, 1e-12)
    return member, phi, -edge_distances(model, X, y, inside=True)


def by_shared_posterior(
    model: Any, members: Table, others: Table, digits: int | None
) -> tuple[Numbers, float, float]:
    """Look for the posterior that most records of a class share, as who sees nothing else must.

    Returns what it finds, and the shares of members and of others that get that posterior.
    """
    X, y = (np.concatenate(parts) for parts in zip(members, others, strict=True))
    member = np.arange(len(y)) < len(members[1])
    proba = np.clip(model.predict_proba(X)[:, 1], 1e-9, 1 - 1e-9)
    odds = np.log(proba / (1 - proba)) if digits is None else proba.round(digits)
    width = 1e-3 if digits is None else 0.0
    near = np.zeros(len(y))
    for label in model.classes_:
        own = y == label
        near[own] = -np.abs(odds[own] - most_shared(odds[own], width))
    there = near >= -width
    return numbers(member, near), there[member].mean(), there[~member].mean()


def targets(adult: Table, hours: Table) -> Iterator[tuple[str, str, Table, Any]]:
    """Yield table, model as written, records and unfitted model."""
    cancer, diabetes = load_breast_cancer(return_X_y=True), load_diabetes(return_X_y=True)
    value = (diabetes[0], (diabetes[1] - diabetes[1].mean()) / diabetes[1].std())
    for name, data, model in (
        ("Adult", adult, svm.SVC()),
        ("Adult", adult, svm.SVC(C=100)),
        ("Adult", adult, svm.SVC(C=100, gamma=0.5)),
        ("Adult", adult, svm.NuSVC(nu=0.3)),
        ("Adult", adult, svm.SVC(kernel="linear")),
        ("Adult", adult, CalibratedClassifierCV(svm.SVC(C=100))),
        ("Adult", adult, BaggingClassifier(svm.SVC(C=100), 5, random_state=0)),
        ("breast cancer", cancer, svm.SVC()),
        ("breast cancer", cancer, svm.SVC(C=100)),
        ("Adult, hours", hours, svm.SVR()),
        ("Adult, hours", hours, svm.SVR(C=10, epsilon=0.3)),
        ("Adult, hours", hours, svm.NuSVR()),
        ("diabetes", value, svm.SVR()),
    ):
        yield name, repr(model), data, make_pipeline(StandardScaler(), model)


def print_strength(tables: int, adult: Table, hours: Table) -> None:
    print("| table | model | loss | edge of the margin |\n| --- | --- | --- | --- |")
    for table, written, data, model in targets(adult, hours):
        loss, edge = [], []
        for seed in range(tables):
            members, others = halves(data, seed)
            member, by_loss, by_edge = sides(clone(model).fit(*members), members, others)
            loss.append(numbers(member, by_loss))
            edge.append(numbers(member, by_edge))
        print(f"| {table} | `{written}` | {shown(loss)} | {shown(edge)} |", flush=True)


def print_hiding(tables: int, adult: Table) -> None:
    """Print what an attacker finds who sees posteriors alone, in full or in few digits."""
    machine = CalibratedClassifierCV(svm.SVC(C=100, gamma=0.5), ensemble=False)
    model = make_pipeline(StandardScaler(), machine)
    print("\n| posteriors | by the one that most of a class share | members there | others there |")
    print("| --- | --- | --- | --- |")
    for digits in (None, 4, 3, 2, 1):
        found = []
        for seed in range(tables):
            members, others = halves(adult, seed)
            found.append(by_shared_posterior(clone(model).fit(*members), members, others, digits))
        rates, *shares = zip(*found, strict=True)
        there = " | ".join(f"{np.mean(share):.3f}" for share in shares)
        named = "in full" if digits is None else f"{digits} digits"
        print(f"| {named} | {shown(list(rates))} | {there} |", flush=True)


def print_remedies(tables: int, adult: Table) -> None:
    """Print test accuracy, and the loss threshold, of machines with and without an edge."""
    remedies: dict[str, Any] = {
        "SVC(C=100, gamma=.5)": svm.SVC(C=100, gamma=0.5),
        "SVC()": svm.SVC(),
        "LinearSVC() after Nystroem": make_pipeline(
            Nystroem(random_state=0), svm.LinearSVC(max_iter=20_000)
        ),
        "LogisticRegression() after Nystroem": make_pipeline(
            Nystroem(random_state=0), LogisticRegression(max_iter=1000)
        ),
        "LogisticRegression()": LogisticRegression(max_iter=1000),
    }
    print("\n| model | test accuracy | loss | edge |\n| --- | --- | --- | --- |")
    for name, model in remedies.items():
        loss, edge, right = [], [], []
        for seed in range(tables):
            members, others = halves(adult, seed)
            fitted = clone(make_pipeline(StandardScaler(), model)).fit(*members)
            member, by_loss, by_edge = sides(fitted, members, others)
            right.append(fitted.score(*others))
            loss.append(numbers(member, by_loss))
            edge.append(
                numbers(member, np.nan_to_num(by_edge, nan=-np.inf))
                if np.isfinite(by_edge).any()
                else None
            )
        told = shown(edge) if edge[0] else "none"
        print(f"| {name} | {np.mean(right):.3f} | {shown(loss)} | {told} |", flush=True)


def print_null(n: int) -> None:
    """Print how often strangers lie on the edge, and are named, with both sides fresh."""
    rng = np.random.RandomState(0)

    def draw(size: int) -> Table:
        X = rng.normal(size=(size, 5))
        value = X[:, 0] + np.sin(2 * X[:, 1]) + 0.7 * rng.normal(size=size)
        return X, (value > 0).astype(int)

    print("\n| model, both sides fresh | on the edge | others | AUC | TPR at 1 % |")
    print("| --- | --- | --- | --- | --- |")
    for model in (svm.SVC(), svm.SVC(C=100), svm.SVC(tol=0.1), svm.NuSVC(nu=0.3)):
        on, found = [], []
        for _ in range(n):
            model.fit(*draw(150))
            member, _, edge = sides(model, draw(500), draw(500))
            on.append([(edge[side] > -1).mean() for side in (member, ~member)])
            found.append(numbers(member, edge))
        (one, other), (auc, at_1, _) = np.mean(on, axis=0), np.mean(found, axis=0)
        print(f"| `{model!r}` | {one:.4f} | {other:.4f} | {auc:.3f} | {at_1:.4f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Whom the edge of a margin names.")
    parser.add_argument("--tables", type=int, default=5)
    options = parser.parse_args()
    frame, income = load_adult(return_X_y=True)
    numeric = frame.select_dtypes("number")
    hours = (numeric.drop(columns="hours-per-week"), numeric["hours-per-week"].to_numpy(float) / 12)
    adult = (numeric, np.asarray(income))
    print_strength(options.tables, adult, hours)
    print_hiding(options.tables, adult)
    print_remedies(options.tables, adult)
    print_null(100)


if __name__ == "__main__":
    main()
