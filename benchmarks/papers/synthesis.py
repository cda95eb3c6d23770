"""Shadow models of an attacker without data: what invented records are worth.

After R. Shokri et al., "Membership Inference Attacks Against Machine Learning Models", S&P 2017,
sections V-C and VI-E. A target trains on some records; eight shadow models train on records that
`synthesize` invents, on real ones, or there are none. Each target is attacked with as many
non-members as members. `python benchmarks/papers/synthesis.py` prints both tables, `... location
--targets 4` one of them. The folder of the data sets is read from MIA_SKLEARN_DATA.
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mia_sklearn import ReferenceModels, observe, synthesize
from mia_sklearn.attacks import LiRAAttack, RMIAAttack, ShadowAttack, ThresholdAttack
from mia_sklearn.datasets import load_adult, load_location30
from mia_sklearn.metrics import roc_auc

N_SHADOWS = 8
PAPER = """\
The paper's precision / recall on Purchase-100: real data .935 / .994, marginals .795 / .991,
Algorithm 1 .896 / .526. "Held": AUC of the same three attacks, and queries per record, in a
prototype on other splits."""


def location() -> tuple[np.ndarray, np.ndarray]:
    data = load_location30()
    return np.asarray(data.data, dtype=np.float32), np.asarray(data.target)


def adult() -> tuple[np.ndarray, np.ndarray]:
    data = load_adult()
    text = data.data.select_dtypes(exclude="number").fillna("?")
    numbers = StandardScaler().fit_transform(data.data.select_dtypes("number"))
    indicators = OneHotEncoder(sparse_output=False).fit_transform(text)
    X = np.hstack([numbers, indicators]).astype(np.float32)
    return X, (np.asarray(data.target) == ">50K").astype(int)


@dataclass(frozen=True)
class Setting:
    """A target, and what was measured before, by the name of the shadow data."""

    title: str
    load: Any
    estimator: Any
    n_members: int
    held: dict[str, str] = field(default_factory=dict)


SETTINGS = {
    "location": Setting(
        "MLP on Location30",
        location,
        MLPClassifier((64,), alpha=0.0),
        1200,
        {
            "none": ".899",
            "Algorithm 1": ".929 / .891 / .803, 31 queries",
            "Algorithm 1 from marginals": "19 queries",
            "marginals, predicted, equal shares": ".938 / .788 / .773",
            "class marginals": ".941 / .921 / .893",
            "noisy real, 10 %": ".945 / .925 / .884",
            "real": ".952 / .919 / .898",
        },
    ),
    "adult": Setting(
        "Forest on Adult",
        adult,
        RandomForestClassifier(100),
        2500,
        {
            "none": ".638",
            "Algorithm 1": ".646 / .682 / .704, 7 queries",
            "Algorithm 1 from marginals, conf_min .9": "30-53 queries",
            "marginals, predicted, equal shares": ".634 / .676 / .734",
            "noisy real, 10 %": ".681 / .775 / .813",
            "real": ".682 / .767 / .815",
        },
    ),
}


def shadow_data(y: np.ndarray) -> dict[str, dict[str, Any]]:
    """Return the ways to invent records, as arguments of `synthesize`; `y` are real labels."""
    shares = dict(zip(*np.unique(y, return_counts=True), strict=True))
    climbing: dict[str, Any] = {"method": "hill-climbing"}
    return {
        "Algorithm 1": climbing,
        "Algorithm 1, true class shares": {**climbing, "class_shares": shares},
        "Algorithm 1 from marginals": {**climbing, "draw": "marginals"},
        "Algorithm 1 from marginals, conf_min .9": {
            **climbing,
            "draw": "marginals",
            "conf_min": 0.9,
        },
        "Algorithm 1 from marginals, true class shares": {
            **climbing,
            "draw": "marginals",
            "class_shares": shares,
        },
        "marginals": {"method": "marginals"},
        "marginals, predicted, equal shares": {
            "method": "marginals",
            "labels": "predicted",
            "class_shares": dict.fromkeys(shares, 1),
        },
        "marginals, predicted labels": {"method": "marginals", "labels": "predicted"},
        "class marginals": {"method": "marginals", "y": y},
        "Algorithm 1 from class marginals": {**climbing, "y": y},
        "noisy real, 10 %": {"method": "noisy", "y": y},
        "noisy real, 10 %, sampled labels": {"method": "noisy"},
        "noisy real, 10 %, predicted labels": {"method": "noisy", "labels": "predicted"},
    }


def attacks() -> dict[str, Any]:
    return {
        "Shokri": ShadowAttack(random_state=0),
        "LiRA, offline": LiRAAttack(mode="offline"),
        "RMIA, offline": RMIAAttack(mode="offline"),
    }


@dataclass(frozen=True)
class Case:
    """A target, the records to tell apart, and real ones of the same kind."""

    target: Any
    pool: tuple[np.ndarray, np.ndarray]
    real: tuple[np.ndarray, np.ndarray]
    member: np.ndarray
    seed: int

    @classmethod
    def of(cls, setting: Setting, X: np.ndarray, y: np.ndarray, seed: int) -> Case:
        n = setting.n_members
        order = np.random.default_rng(seed).permutation(len(y))
        pool, real = order[: 2 * n], order[2 * n : 4 * n]
        target = clone(setting.estimator).set_params(random_state=seed)
        target.fit(X[pool[:n]], y[pool[:n]])
        member = np.arange(2 * n) < n
        return cls(target, (X[pool], y[pool]), (X[real], y[real]), member, seed)

    def invent(self, kind: str) -> tuple[Any, float]:
        """Return records of a kind, and the seconds of one core that they took."""
        X, y = self.real
        start = time.process_time()
        how = shadow_data(y)[kind]
        invented = synthesize(self.target, len(y), X, random_state=self.seed, **how)
        return invented, time.process_time() - start

    def by_loss(self) -> Any:
        """Return the AUC of who has no shadow models."""
        alone = observe(self.target, *self.pool)
        attack = ThresholdAttack().fit(alone, self.member)
        return roc_auc(self.member, attack.decision_function(alone))

    def by_shadows(self, estimator: Any, records: tuple[Any, Any], n_jobs: int) -> list[Any]:
        """Return the AUC of each attack whose shadow models train on these records."""
        references = ReferenceModels(
            estimator,
            N_SHADOWS,
            train_size=int(self.member.sum()),
            n_jobs=n_jobs,
            random_state=self.seed,
        ).fit(*self.pool, population=records)
        seen = observe(self.target, *self.pool, references=references)
        shadow = references.shadow_observations(random_state=self.seed)
        scores = [attack.fit(*shadow).decision_function(seen) for attack in attacks().values()]
        return [roc_auc(self.member, score) for score in scores]


def run(name: str, n_targets: int, n_jobs: int, only: str | None) -> None:
    setting, start = SETTINGS[name], time.perf_counter()
    X, y = setting.load()
    cases = [Case.of(setting, X, y, seed) for seed in range(n_targets)]
    print(
        f"\n{setting.title}: {setting.n_members} members and as many non-members, {N_SHADOWS} "
        f"shadow models, {n_targets} targets. Mean AUC with 95 % intervals.\n"
    )
    print(f"| shadow data | {' | '.join(attacks())} | queries | s per 1,000 | held |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    held = setting.held
    print(f"| none: loss | {pooled([c.by_loss() for c in cases])} | | | | | {held['none']} |")
    for kind in (kind for kind in (*shadow_data(y), "real") if only in (None, kind)):
        aucs, cost = [], []
        for case in cases:
            records = case.real
            if kind != "real":
                invented, seconds = case.invent(kind)
                records = invented[:2]
                cost.append(np.array([invented.n_queries, 1000 * seconds]) / len(invented.y))
            aucs.append(case.by_shadows(setting.estimator, records, n_jobs))
        cells = [pooled(list(each)) for each in zip(*aucs, strict=True)]
        queries, seconds = np.mean(cost, axis=0) if cost else (0, 0)
        cells += [f"{queries:.1f}", f"{seconds:.2f}"] if cost else ["", ""]
        print(f"| {kind} | {' | '.join(cells)} | {held.get(kind, '')} |", flush=True)
    print(f"\n{time.perf_counter() - start:.0f} s")


def pooled(estimates: list[Any]) -> str:
    """Return the mean over targets with its interval, from the intervals of each."""
    value = np.mean([estimate.value for estimate in estimates])
    low, high = (
        np.sqrt(np.sum([(getattr(e, side) - e.value) ** 2 for e in estimates])) / len(estimates)
        for side in ("low", "high")
    )
    return f"{value:.3f} [{value - low:.3f}, {value + high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(SETTINGS)}; all by default")
    parser.add_argument("--targets", type=int, default=2, help="targets that are attacked")
    parser.add_argument("--jobs", type=int, default=1, help="shadow models trained at a time")
    parser.add_argument("--only", help="one kind of shadow data, as the table calls it")
    args = parser.parse_args()
    unknown = set(args.names) - set(SETTINGS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(SETTINGS)}")
    kinds = [*shadow_data(np.arange(2)), "real"]
    if args.only not in (None, *kinds):
        parser.error(f"--only is one of {'; '.join(kinds)}")
    warnings.filterwarnings("ignore", message=".*were invented")
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    print(PAPER)
    for name in args.names or SETTINGS:
        run(name, args.targets, args.jobs, args.only)


if __name__ == "__main__":
    main()
