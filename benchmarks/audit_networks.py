"""Whole audits of networks: a perceptron on Location-30, a convolutional network on MNIST.

Run `python benchmarks/audit_networks.py [location mnist] [--references 64] [--report FOLDER]`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import nn

from ensembles import Convolutional, Perceptron, location30, mnist
from mia_sklearn import audit

# Data, module and epochs.
NETWORKS = {
    "location": (location30, Perceptron, 30),
    "mnist": (lambda: mnist(10_000), Convolutional, 12),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(NETWORKS)}; all by default")
    parser.add_argument("--references", type=int, default=64)
    parser.add_argument("--report", type=Path, help="folder for the reports")
    options = parser.parse_args()
    print(
        "| network | members + others | accuracy in training, testing | training of references s "
        "| whole audit s | attack | AUC | TPR at 1 % FPR |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in options.names or NETWORKS:
        load, module, epochs = NETWORKS[name]
        X, y = load()
        rows = np.random.default_rng(0).permutation(len(y))
        train, test = rows[: len(rows) // 2], rows[len(rows) // 2 :]
        torch.manual_seed(0)
        net = NeuralNetClassifier(
            module,
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.Adam,
            lr=1e-3,
            batch_size=64,
            max_epochs=epochs,
            train_split=None,
            iterator_train__shuffle=True,
            verbose=0,
        ).fit(X[train], y[train])
        start = time.perf_counter()
        report = audit(
            net,
            X[train],
            y[train],
            X[test],
            y[test],
            n_references=options.references,
            split="random",
            release="weights",
            random_state=0,
        )
        seconds = time.perf_counter() - start
        info = report.info
        accuracies = f"{info['target_train_accuracy']:.3f}, {info['target_test_accuracy']:.3f}"
        about = (
            f"{name} | {info['n_members']:,} + {info['n_nonmembers']:,} | {accuracies} "
            f"| {info['timings']['references']:.0f} | {seconds:.0f}"
        )
        for attack in info["attacks"]:
            cells = [
                _cell(report.metrics, attack, metric, at)
                for metric, at in (("auc", None), ("tpr", 0.01))
            ]
            print(f"| {about} | {attack} | {' | '.join(cells)} |", flush=True)
            about = " | " * 4
        print(report.verdict)
        if options.report:
            print(report.save(options.report / name))


def _cell(metrics, attack, metric, at):
    rows = metrics[
        (metrics["attack"] == attack) & (metrics["slice"] == "all") & (metrics["metric"] == metric)
    ]
    row = rows.iloc[0] if at is None else rows[rows["at"] == at].iloc[0]
    return f"{row['estimate']:.3f} ({row['low']:.3f}, {row['high']:.3f})"


if __name__ == "__main__":
    main()
