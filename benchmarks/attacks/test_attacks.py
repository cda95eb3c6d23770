"""Every attack on digits and Adult: how fast it learns and scores, and how strong it is.

`make bench` prints the table. Two versions or machines are compared by
`pytest benchmarks/attacks --benchmark-enable --benchmark-autosave`, then the same with
`--benchmark-compare`; `--benchmark-json FILE` writes times and strengths into one file.

Each attack is given what it reads: references beside a forest, gradients of a linear model, queries
that were found, samples of a generator, or the rounds of a federated training. Where it must know
some members, it knows every other record, and is judged on the rest: figures of different threat
models are of different targets.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mia_sklearn import ReferenceModels, observe, observe_cascade
from mia_sklearn.attacks import EnhancingRecords, all_attacks
from mia_sklearn.datasets import load_adult

N_REFERENCES = 16
N_ADULT = 4_000
# Finding queries about a record trains all references once more.
N_SOUGHT = 60


class Case(NamedTuple):
    """What an attack learns from, what it is judged on, and who is a member there."""

    references: Any
    observations: Any
    member: np.ndarray


class Data(NamedTuple):
    """Records, of which a random half are members."""

    X: np.ndarray
    y: np.ndarray
    member: np.ndarray


def _digits() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


def _adult() -> tuple[np.ndarray, np.ndarray]:
    folder = os.environ.get("MIA_SKLEARN_DATA")
    if not folder or not (Path(folder) / "adult.csv.gz").is_file():
        pytest.skip("needs Adult: name the folder that holds adult.csv.gz in MIA_SKLEARN_DATA")
    X, y = load_adult(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(y))[:N_ADULT]
    frame, income = X.iloc[rows], np.asarray(y)[rows]
    text = OneHotEncoder(sparse_output=False).fit_transform(
        frame.select_dtypes(exclude="number").fillna("?")
    )
    numbers = StandardScaler().fit_transform(frame.select_dtypes("number"))
    return np.hstack([numbers, text]).astype(np.float32), (income == ">50K").astype(int)


DATA = {"digits": _digits, "adult": _adult}


@cache
def data(name: str) -> Data:
    X, y = DATA[name]()
    member = np.zeros(len(y), dtype=bool)
    member[np.random.default_rng(1).permutation(len(y))[: len(y) // 2]] = True
    return Data(X, y, member)


@cache
def beside_references(name: str) -> Case:
    X, y, member = data(name)
    forest = RandomForestClassifier(50, random_state=0)
    references = ReferenceModels(forest, N_REFERENCES, random_state=0, n_jobs=-1).fit(X, y)
    target = forest.fit(X[member], y[member])
    return Case(references, observe(target, X, y, references=references), member.astype(int))


def half_known(observations: Any, member: np.ndarray) -> Case:
    """Let the attacker know of every other record whether it is a member."""
    known = np.arange(len(member)) % 2 == 0
    learned = observations[known], member[known].astype(int)
    return Case(learned, observations[~known], member[~known].astype(int))


@cache
def inside(name: str) -> Case:
    X, y, member = data(name)
    target = LogisticRegression(max_iter=1000).fit(X[member], y[member])
    return half_known(observe(target, X, y, view="white-box"), member)


@cache
def by_other_queries(name: str) -> Case:
    X, y, member = data(name)
    sought = np.concatenate([np.flatnonzero(side)[: N_SOUGHT // 2] for side in (member, ~member)])
    others = np.setdiff1d(np.arange(len(y)), sought)
    search = EnhancingRecords(
        GaussianNB(), N_REFERENCES, n_candidates=200, n_clusters=20, theta=0.5, random_state=0
    ).fit(X[others], y[others])
    found = search.search(X[sought], y[sought])
    target = GaussianNB().fit(X[member], y[member])
    shadow, membership = search.shadow_observations(found)
    return Case((shadow, membership), search.observe(target, found), member[sought].astype(int))


@cache
def of_a_generator(name: str) -> Case:
    X, _, member = data(name)
    X = PCA(8, random_state=0).fit_transform(X)
    target = KernelDensity(bandwidth=0.2).fit(X[member])
    seen = observe(target, X, access="samples", n_samples=2000, standardize=False, random_state=0)
    return half_known(seen, member)


@cache
def federated(name: str) -> Case:
    nn = pytest.importorskip("torch").nn
    skorch = pytest.importorskip("skorch")
    from mia_sklearn.torch import FederatedTraining, GlobalObserver

    X, y, member = data(name)
    participants = np.array_split(np.flatnonzero(member), 3)
    asked = np.concatenate([participants[0], np.flatnonzero(~member)[: len(participants[0])]])
    module = nn.Sequential(nn.Linear(X.shape[1], 128), nn.ReLU(), nn.Linear(128, int(y.max()) + 1))
    net = skorch.NeuralNetClassifier(module, criterion=nn.CrossEntropyLoss, lr=0.05, batch_size=32)
    server = GlobalObserver(X[asked], y[asked], participants=0, parts=())
    training = FederatedTraining(net, rounds=6, local_epochs=3, observers=[server], random_state=0)
    training.fit(X, y, participants=participants)
    return half_known(server.observations(), member[asked])


@cache
def in_two_stages(name: str) -> Case:
    X, y, member = data(name)
    forest = RandomForestClassifier(50, random_state=0)
    references = ReferenceModels(forest, 4, random_state=0, n_jobs=-1).fit(X, y)
    target = forest.fit(X[member], y[member])
    seen = observe_cascade(target, X, y, references=references, random_state=0)
    return Case((seen.shadow, seen.membership), seen.observations, member.astype(int))


# By a column that an attack cannot do without.
MAKERS = {
    "cascade": in_two_stages,
    "grad_norm": inside,
    "enhancing": by_other_queries,
    "round_logit": federated,
}


def case_for(info: Any, name: str) -> Case:
    if info.threat_model == "generator":
        return of_a_generator(name)
    maker = next((MAKERS[group] for group in info.requires if group in MAKERS), beside_references)
    return maker(name)


@pytest.mark.parametrize("on", DATA)
@pytest.mark.parametrize("info", all_attacks(), ids=lambda info: info.name)
def test_attack(benchmark_attack, info, on):
    if info.unavailable:
        pytest.skip(info.unavailable)
    try:
        info.load()
    except ImportError as error:
        pytest.skip(str(error))
    case = case_for(info, on)
    found = benchmark_attack(info.name, case.references, case.observations, case.member)
    assert 0 <= found["auc"].low <= found["auc"].high <= 1
