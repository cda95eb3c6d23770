"""What attackers in federated training learn: as a participant, as the server, passive and active.

After M. Nasr, R. Shokri and A. Houmansadr, "Comprehensive Privacy Analysis of Deep Learning",
S&P 2019: participants train a network together by federated averaging. The local attacker is
participant 0 and asks whether a record is in the data of any other; the global attacker is the
server and asks whether it is in the data of participant 1. Active attackers raise the loss of
some target records at a time, so their training is repeated for others; the local one does so in
every other round and sees in those between what the others have pulled back. Every attacker
knows the membership of one half of the records and is scored on the other half, each half in turn.
`python benchmarks/papers/federated.py --picture gradient-norm.png` prints the table and saves
the picture; the folder of the data sets is read from MIA_SKLEARN_DATA.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import pandas as pd
import torch
from skorch import NeuralNetClassifier
from torch import nn
from whitebox import SmallCNN, cifar, location

from mia_sklearn.attacks import RoundLossAttack, WhiteBoxAttack
from mia_sklearn.metrics import accuracy, roc_auc
from mia_sklearn.plots import GradientNormDisplay
from mia_sklearn.torch import FederatedTraining, GlobalObserver, LocalObserver

INSIDER, VICTIM = 0, 1


class MLP(nn.Sequential):
    """One hidden layer, for the places that a person has visited."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(446, 512), nn.ReLU(), nn.Linear(512, 30))


# Data, network, its options, and what is measured unless the command line says otherwise.
EXPERIMENTS: dict[str, tuple[Any, Any, dict[str, Any], dict[str, Any]]] = {
    "location": (
        location,
        MLP,
        {"lr": 0.1, "batch_size": 32},
        {"size": 800, "rounds": 10, "sessions": 8, "ascent_local": 2.0, "ascent_global": 2.0},
    ),
    "cifar": (
        cifar,
        SmallCNN,
        {"lr": 0.02, "batch_size": 32, "optimizer__momentum": 0.9},
        {"size": 500, "rounds": 6, "sessions": 2, "ascent_local": 0.5, "ascent_global": 0.2},
    ),
}


class Federation:
    """Participants with records, and records of nobody."""

    def __init__(self, options: argparse.Namespace) -> None:
        load, module, net_options, _ = EXPERIMENTS[options.data]
        self.X, self.y = load()
        self.options = options
        self.net = NeuralNetClassifier(
            module, criterion=nn.CrossEntropyLoss, iterator_train__shuffle=True, **net_options
        )
        rng = np.random.default_rng(options.seed)
        order = rng.permutation(len(self.y))
        n = options.size
        self.participants = [order[i * n : (i + 1) * n] for i in range(options.participants)]
        others = np.delete(np.arange(options.participants), INSIDER)
        theirs = np.concatenate([self.participants[i] for i in others])
        half = options.targets // 2
        asked = options.sessions * half
        nonmembers = order[options.participants * n :][:asked]
        members = {
            "local": rng.permutation(theirs)[:asked],
            "global": rng.permutation(self.participants[VICTIM])[:asked],
        }
        if min(len(nonmembers), *map(len, members.values())) < asked:
            raise SystemExit(f"Too few records for {options.sessions} sessions: lower --size.")
        # Sessions hold as many members as others.
        self.rows = {
            who: np.stack([rows.reshape(-1, half), nonmembers.reshape(-1, half)], axis=1).ravel()
            for who, rows in members.items()
        }
        self.member = np.tile(np.repeat([1, 0], half), options.sessions)
        self.known = rng.permuted(np.arange(2 * asked).reshape(-1, 2) % 2 == 0, axis=1).ravel()

    def watch(self, who: str, *, sessions: int = 1, **options: Any) -> tuple[pd.DataFrame, float]:
        """Return what an attacker saw of all records, and the federation's test accuracy."""
        fresh = np.setdiff1d(np.arange(len(self.y)), np.concatenate(self.participants))
        tables, right = [], []
        for rows in np.array_split(self.rows[who], sessions):
            records = (self.X[rows], self.y[rows])
            observer: Any
            if who == "local":
                observer = LocalObserver(*records, participant=INSIDER, **options)
            else:
                observer = GlobalObserver(*records, participants=VICTIM, **options)
            training = FederatedTraining(
                self.net,
                rounds=self.options.rounds,
                local_epochs=self.options.local_epochs,
                observers=[observer],
                random_state=self.options.seed,
            ).fit(self.X, self.y, participants=self.participants)
            tables.append(observer.observations())
            right.append((training.target_.predict(self.X[fresh]) == self.y[fresh]).mean())
        return pd.concat(tables, ignore_index=True), float(np.mean(right))

    def score(self, observations: pd.DataFrame) -> np.ndarray:
        """Return log-odds of membership, each half by an attack that was fitted on the other."""
        score = np.empty(len(self.member))
        for known in (self.known, ~self.known):
            attack = (
                WhiteBoxAttack(random_state=self.options.seed)
                if self.options.attack == "white-box"
                else RoundLossAttack()
            )
            attack.fit(observations[known], self.member[known])
            score[~known] = attack.decision_function(observations[~known])
        return score


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", nargs="?", choices=list(EXPERIMENTS), default="location")
    parser.add_argument("--participants", type=int, default=4)
    parser.add_argument("--size", type=int, help="records of each participant")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--local-epochs", type=int, default=5)
    parser.add_argument("--targets", type=int, default=100, help="records raised at a time")
    parser.add_argument("--sessions", type=int, help="trainings of each active attack")
    parser.add_argument("--ascent-local", type=float)
    parser.add_argument("--ascent-global", type=float)
    parser.add_argument("--every", type=int, default=2, help="rounds between local ascents")
    parser.add_argument("--attack", choices=["round-loss", "white-box"], default="round-loss")
    parser.add_argument("--only", nargs="*", help="rows of the table, by a part of their name")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", help="file for the gradient norms under ascent")
    options = parser.parse_args()
    for name, value in EXPERIMENTS[options.data][3].items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    torch.set_num_threads(1)
    federation = Federation(options)
    n, local, server = options.sessions, options.ascent_local, options.ascent_global
    rows: dict[str, tuple[str, dict[str, Any]]] = {
        "passive local": ("local", {}),
        "active local, ascent": (
            "local",
            {
                "ascent": local,
                "ascent_rounds": range(1, options.rounds, options.every),
                "sessions": n,
            },
        ),
        "passive global": ("global", {}),
        "active global, ascent": ("global", {"ascent": server, "sessions": n}),
        "active global, isolating": ("global", {"isolate": True}),
    }
    print(
        f"{options.data}: {options.participants} participants x {options.size} records, "
        f"{options.rounds} rounds of {options.local_epochs} epochs; ascent {local:g} (local), "
        f"{server:g} (global) on {options.targets} records at a time; {len(federation.member)} "
        f"records scored by {options.attack}\n"
    )
    print("| attacker | accuracy | AUC | test accuracy of the federation | seconds |")
    print("| --- | --- | --- | --- | --- |")
    for name, (who, setting) in rows.items():
        if options.only and not any(part in name for part in options.only):
            continue
        start = time.perf_counter()
        observations, test = federation.watch(who, **setting)
        score = federation.score(observations)
        right = accuracy(federation.member, score, threshold=0.0)
        auc = roc_auc(federation.member, score)
        seconds = time.perf_counter() - start
        print(f"| {name} | {right} | {auc} | {test:.3f} | {seconds:.0f} |", flush=True)
        if options.picture and name == "active global, ascent":
            display = GradientNormDisplay.from_observations(observations, federation.member)
            display.figure_.savefig(options.picture, dpi=120)


if __name__ == "__main__":
    main()
