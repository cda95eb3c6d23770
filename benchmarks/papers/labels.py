"""What predicted classes alone give away: kept counts of perturbed copies.

After C. Choquette-Choo et al., "Label-Only Membership Inference Attacks", ICML 2021. Targets train
on a random half of the pool, in complementary pairs; references do too, and know nothing of the
targets. `python benchmarks/papers/labels.py` prints all tables, `... location --targets 4` a part.
The folder of the data sets is read from MIA_SKLEARN_DATA.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from scipy.stats import t as student_t
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mia_sklearn import ReferenceModels, observe
from mia_sklearn.access import LabelAccess
from mia_sklearn.attacks import LiRAAttack, RMIAAttack, StackedAttack, ThresholdAttack
from mia_sklearn.datasets import load_adult, load_location30
from mia_sklearn.metrics import roc_auc, tpr_at_fpr

N_ADULT = 10_000
# AUC / TPR at 1 % of a prototype with 43 queries and 16 references, and AUC by queries with 25.
PROTOTYPE = {
    "location": {
        "gap attack": ".673 / .018",
        "kept counts, no references": ".786 / .013",
        "LiRA": ".910 / .317",
        "stacked": ".926 / .347",
        "stacked, posteriors": ".952 / .472",
        1: ".776",
        10: ".899",
        25: ".922",
        50: ".932",
    },
    "adult": {
        "gap attack": ".579 / .012",
        "kept counts, no references": ".542 / -",
        "LiRA": ".659 / .110",
        "stacked": ".688 / .138",
        "stacked, posteriors": ".884 / .336",
    },
}


def location() -> tuple[np.ndarray, np.ndarray]:
    data = load_location30()
    return np.asarray(data.data, dtype=np.float32), np.asarray(data.target)


def adult() -> tuple[np.ndarray, np.ndarray]:
    data = load_adult()
    rows = np.random.default_rng(0).permutation(len(data.data))[:N_ADULT]
    frame, target = data.data.iloc[rows], np.asarray(data.target)[rows]
    text = frame.select_dtypes(exclude="number").fillna("?")
    numbers = StandardScaler().fit_transform(frame.select_dtypes("number"))
    indicators = OneHotEncoder(sparse_output=False).fit_transform(text)
    return np.hstack([numbers, indicators]).astype(np.float32), (target == ">50K").astype(int)


# Name, model, data, and the numbers of queries that are compared beside 25.
EXPERIMENTS: dict[str, tuple[str, Any, Any, tuple[int, ...]]] = {
    "location": ("MLP on Location30", MLPClassifier((64,), alpha=0.0), location, (1, 10, 50)),
    "adult": ("Random forest on Adult", RandomForestClassifier(100), adult, ()),
}


class Trained:
    """Trains each model once, whatever it is asked for afterwards."""

    def __init__(self, estimator: Any) -> None:
        self.estimator, self.models = estimator, {}

    def __call__(self, X: np.ndarray, y: np.ndarray, seed: int) -> Any:
        if seed not in self.models:
            model = clone(self.estimator).set_params(random_state=seed)
            self.models[seed] = model.fit(X, y)
        return self.models[seed]


class Experiment:
    """One pool with its references and held-out targets."""

    def __init__(self, name: str, n_references: int, n_targets: int) -> None:
        self.title, estimator, load, self.queries = EXPERIMENTS[name]
        self.X, self.y = load()
        self.train, self.n_references = Trained(estimator), n_references
        rng = np.random.default_rng(123)
        self.targets: list[tuple[Any, np.ndarray]] = []
        for pair in range(n_targets // 2):
            half = np.zeros(len(self.y), dtype=bool)
            half[rng.permutation(len(self.y))[: len(self.y) // 2]] = True
            for side, member in enumerate((half, ~half)):
                model = self.train(self.X[member], self.y[member], 1000 + 2 * pair + side)
                self.targets.append((model, member))

    def observed(
        self, access: LabelAccess | None
    ) -> tuple[Any, list[tuple[Any, np.ndarray]], float]:
        """Return shadow observations, the targets' with who is a member, and seconds per 1,000."""
        references = ReferenceModels(
            self.train, self.n_references, signal=access, n_jobs=1, random_state=0
        ).fit(self.X, self.y)
        start = time.process_time()
        seen = [
            (observe(model, self.X, self.y, references=references), member)
            for model, member in self.targets
        ]
        seconds = (time.process_time() - start) / len(self.targets) / len(self.y) * 1000
        return references.shadow_observations(random_state=0), seen, seconds


def attacks() -> dict[str, Any]:
    return {
        "gap attack": ThresholdAttack("correctness"),
        # A threshold on one signal ranks as it does whatever it is fitted on.
        "kept counts, no references": ThresholdAttack("logit"),
        "RMIA": RMIAAttack(),
        "LiRA": LiRAAttack(),
        "stacked": StackedAttack(random_state=0),
    }


def measured(attack: Any, shadow: Any, seen: list[tuple[Any, np.ndarray]]) -> tuple[str, str]:
    """Return AUC and TPR at 1 %, with 95 % intervals of their means over pairs of targets."""
    attack.fit(*shadow)
    rates = []
    for observations, member in seen:
        score = attack.decision_function(observations)
        rates.append([roc_auc(member, score).value, tpr_at_fpr(member, score, 0.01).value])
    # The targets of a pair train on complementary halves: their mean is one observation.
    pairs = np.reshape(rates, (-1, 2, 2)).mean(axis=1)
    mean = pairs.mean(axis=0)
    error = np.full(2, np.nan)
    if len(pairs) > 1:
        error = student_t.ppf(0.975, len(pairs) - 1) * pairs.std(axis=0, ddof=1) / len(pairs) ** 0.5
    auc, tpr = (f"{m:.3f} ± {e:.3f}" for m, e in zip(mean, error, strict=True))
    return auc, tpr


def run(name: str, n_references: int, n_targets: int, n_queries: int) -> None:
    start = time.perf_counter()
    experiment = Experiment(name, n_references, n_targets)
    held = PROTOTYPE[name]
    shadow, seen, seconds = experiment.observed(LabelAccess(n_queries=n_queries))
    print(
        f"\n{experiment.title}: {n_queries} queries beside the record's own, {n_references} "
        f"references, {n_targets} targets; asking takes {seconds:.2f} s of one core for 1,000 "
        "records and one model\n"
    )
    print("| attack | AUC | TPR at 1 % FPR | prototype, 43 queries |")
    print("| --- | --- | --- | --- |")
    for attack, unfitted in attacks().items():
        auc, tpr = measured(unfitted, shadow, seen)
        print(f"| {attack} | {auc} | {tpr} | {held.get(attack, '-')} |", flush=True)
    auc, tpr = measured(StackedAttack(random_state=0), *experiment.observed(None)[:2])
    print(f"| stacked, posteriors | {auc} | {tpr} | {held['stacked, posteriors']} |", flush=True)
    if experiment.queries:
        print("\n| queries | stacked, AUC | TPR at 1 % FPR | prototype, AUC |")
        print("| --- | --- | --- | --- |")
    for queries in experiment.queries:
        asked = experiment.observed(LabelAccess(n_queries=queries))
        auc, tpr = measured(StackedAttack(random_state=0), *asked[:2])
        print(f"| {queries} | {auc} | {tpr} | {held.get(queries, '-')} |", flush=True)
    print(f"\n{time.perf_counter() - start:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(EXPERIMENTS)}; all by default")
    parser.add_argument("--references", type=int, default=16)
    parser.add_argument("--targets", type=int, default=8, help="held out, an even number")
    parser.add_argument("--queries", type=int, default=25)
    args = parser.parse_args()
    unknown = set(args.names) - set(EXPERIMENTS)
    if unknown or args.targets % 2:
        parser.error(f"choose from {', '.join(EXPERIMENTS)}, and an even number of targets")
    for name in args.names or EXPERIMENTS:
        run(name, args.references, args.targets, args.queries)


if __name__ == "__main__":
    main()
