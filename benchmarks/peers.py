"""The same target under this library's audit and under other libraries' attacks, in one run.

A random forest of 100 trees on Adult, 5,000 members and 5,000 non-members, 16 reference models.
All scores are judged by the same metrics. A second table is of attackers who see labels alone, in
which ART's search for the decision boundary gets a few records only, for the time that it takes.
A third is of attackers who hold other records of the kind alone: Privacy Meter's
attacks and ours, with the same reference models. A fourth is of time alone, for several kinds of
model, beside the floor: what 16 fits with their answers take at one thread, over the cores.
`make bench-peers` runs all, `... peers.py --part labels` one of them; the fourth takes three
minutes at rest, `... peers.py --part models --models logistic neighbours` half of one.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from mia_sklearn import ReferenceModels, audit, observe
from mia_sklearn.attacks import LiRAAttack, RMIAAttack, StackedAttack, ThresholdAttack
from mia_sklearn.datasets import load_adult
from mia_sklearn.metrics import roc_auc, tpr_at_fpr

SEED = 0


class SeededNeighbors(KNeighborsClassifier):
    """Neighbours as sacroml can train them: it gives every model a seed."""

    def __init__(self, n_neighbors: int = 5, *, random_state: int | None = None) -> None:
        super().__init__(n_neighbors)
        self.random_state = random_state


#: What audits are timed with: as sacroml trains its shadow models, with one job each.
MODELS = {
    "forest": RandomForestClassifier(random_state=SEED),
    "boosting": HistGradientBoostingClassifier(random_state=SEED),
    # It gives no Pipeline one: numbers are standardised before.
    "logistic": LogisticRegression(max_iter=1000),
    "neighbours": KNeighborsClassifier(),
}
THREE = ["threshold", "lira", "rmia"]
HEADER = """\
| attack | seconds | AUC | TPR at 1 % FPR | TPR at .1 % FPR |
| --- | --- | --- | --- | --- |"""


def numeric_adult(n_records: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a random part of Adult as plain numbers, the only input that all peers take."""
    data = load_adult()
    rows = np.random.default_rng(SEED).permutation(len(data.data))[:n_records]
    text = data.data.select_dtypes(exclude="number").columns
    encode = make_column_transformer(
        (OneHotEncoder(sparse_output=False), text), remainder="passthrough"
    )
    X = encode.fit_transform(data.data.fillna(dict.fromkeys(text, "?")))
    return np.asarray(X[rows], dtype=np.float64), (data.target[rows] == ">50K").to_numpy(dtype=int)


def sacroml_lira(model: Any, records: tuple[Any, ...], n_references: int) -> np.ndarray:
    from sacroml.attacks.likelihood_attack import LIRAAttack
    from sacroml.attacks.target import Target

    X_train, y_train, X_test, y_test = records
    target = Target(
        model=model, dataset_name="adult", X_train=X_train, y_train=y_train, X_test=X_test,
        y_test=y_test,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        attack = LIRAAttack(
            output_dir=folder, write_report=False, n_shadow_models=n_references,
            report_individual=True,
        )  # fmt: skip
        attack.attack(target)
    return np.asarray(attack.result["member_prob"])


def art_black_box(model: Any, records: tuple[Any, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and membership of the half of the records that the attack did not learn."""
    from art.attacks.inference.membership_inference import MembershipInferenceBlackBox
    from art.estimators.classification import SklearnClassifier

    X_train, y_train, X_test, y_test = records
    n, m = len(X_train) // 2, len(X_test) // 2
    attack = MembershipInferenceBlackBox(SklearnClassifier(model), attack_model_type="rf")
    attack.fit(X_train[:n], y_train[:n], X_test[:m], y_test[:m])
    score = [
        np.ravel(attack.infer(X, y, probabilities=True))
        for X, y in ((X_train[n:], y_train[n:]), (X_test[m:], y_test[m:]))
    ]
    return np.concatenate(score), np.repeat([1, 0], [len(part) for part in score])


def art_boundary(model: Any, records: tuple[Any, ...], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances to the decision boundary of `n` members and `n` others."""
    from art.attacks.inference.membership_inference import LabelOnlyDecisionBoundary
    from art.estimators.classification import SklearnClassifier

    X_train, y_train, X_test, y_test = records
    # What it answers rises with the distance, whatever the threshold.
    attack = LabelOnlyDecisionBoundary(SklearnClassifier(model), distance_threshold_tau=1.0)
    X, y = np.concatenate([X_train[:n], X_test[:n]]), np.concatenate([y_train[:n], y_test[:n]])
    answer = attack.infer(X.astype(np.float32), y, probabilities=True, verbose=False)
    return answer[:, 1], np.repeat([1, 0], n)


def privacy_meter(
    attack: str, target: Any, references: list[Any], records: dict[str, Any]
) -> np.ndarray:
    """Return what an attack of Privacy Meter says of all records of `target`.

    Parameters
    ----------
    attack : {"population", "shadow", "reference"}
    target : fitted classifier
    references : list of (fitted classifier, dict of splits)
    records : dict of {"train", "test", "population"} to (X, y)
    """
    from privacy_meter.audit import Audit
    from privacy_meter.constants import InferenceGame, MetricEnum
    from privacy_meter.dataset import Dataset
    from privacy_meter.information_source import InformationSource
    from privacy_meter.model import Model

    class Forest(Model):
        def get_loss(self, X: Any, y: Any, per_point: bool = True) -> np.ndarray:
            proba = self.model_obj.predict_proba(X)[np.arange(len(y)), y]
            return -np.log(np.maximum(proba, np.finfo(np.float64).eps))

        def get_logits(self, batch_samples: Any) -> None:
            raise NotImplementedError

        get_grad = get_intermediate_outputs = get_logits

    def dataset(splits: dict[str, Any]) -> Any:
        held = {name: {"x": X, "y": y} for name, (X, y) in splits.items()}
        return Dataset(held, default_input="x", default_output="y")

    asked = dataset({name: records[name] for name in ("train", "test")})
    models = [Forest(model, None) for model, _ in references]
    beside = {
        "population": ([Forest(target, None)], [dataset({"train": records["population"]})]),
        "shadow": (models, [dataset(splits) for _, splits in references]),
        "reference": (models, [asked]),
    }[attack]
    with tempfile.TemporaryDirectory() as folder:
        run = Audit(
            metrics=MetricEnum[attack.upper()],
            inference_game_type=InferenceGame.PRIVACY_LOSS_MODEL,
            target_info_sources=InformationSource([Forest(target, None)], [asked]),
            reference_info_sources=InformationSource(*beside),
            logs_directory_names=folder,
        )
        run.prepare()
        found = np.ravel(run.run())[0]
    if found.predictions_proba is not None:
        return np.asarray(found.predictions_proba)
    # A decision for each of a hundred rates: the more of them, the surer.
    return np.mean(found.predicted_labels, axis=0)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        result = work()
    return time.perf_counter() - start, result


def row(name: str, seconds: float, member: np.ndarray, score: np.ndarray) -> str:
    auc, *rates = roc_auc(member, score), *(tpr_at_fpr(member, score, at) for at in (0.01, 0.001))
    cells = [f"{estimate.value:.3f} ({estimate.low:.3f}, {estimate.high:.3f})" for estimate in
             (auc, *rates)]  # fmt: skip
    return f"| {name} | {seconds:.1f} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=5_000)
    parser.add_argument("--references", type=int, default=16)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--part",
        choices=["posteriors", "labels", "population", "models"],
        help="one table; all by default",
    )
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument(
        "--boundary", type=int, default=10, help="members, and others, for ART's search"
    )
    args = parser.parse_args()
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore")

    X, y = numeric_adult(4 * args.members)
    n = args.members
    population = X[2 * n :], y[2 * n :]
    X, y = X[: 2 * n], y[: 2 * n]
    records = X[:n], y[:n], X[n:], y[n:]

    def forest(n_jobs: int | None) -> Any:
        return RandomForestClassifier(random_state=SEED, n_jobs=n_jobs).fit(X[:n], y[:n])

    def ours(attacks: Any = "auto", release: str = "posteriors") -> Any:
        return audit(
            forest(None), *records, attacks=attacks, n_references=args.references,
            n_jobs=args.jobs, random_state=SEED, progress=False, release=release,
        )  # fmt: skip

    if args.part in (None, "posteriors"):
        by_posteriors(forest, ours, records, args)
    if args.part in (None, "labels"):
        by_labels(forest(None), ours, records, args.boundary)
    if args.part in (None, "population"):
        by_population(forest(None), records, population, args.references)
    if args.part in (None, "models"):
        by_models(records, args)


def by_models(records: tuple[Any, ...], args: Any) -> None:
    """Print what the same audit takes beside sacroml's LiRA, for several kinds of model."""
    print(f"\n{args.jobs} jobs, load before {os.getloadavg()[0]:.1f}\n")
    print("| model | sacroml LiRA | three attacks | auto | floor | three by LiRA | auto by LiRA |"
          " floor by LiRA |")  # fmt: skip
    print(f"|{' --- |' * 8}")
    X_train, y_train, X_test, y_test = records
    scaler = StandardScaler().fit(X_train)
    records = scaler.transform(X_train), y_train, scaler.transform(X_test), y_test
    for name in args.models:
        model = MODELS[name].fit(*records[:2])
        work = contenders(model, records, args)
        cells, spent = [], []
        for each in work:
            before = processor_seconds()
            seconds, _ = timed(each)
            spent.append((seconds, processor_seconds() - before))
            cells.append("{:.1f} s ({:.1f} CPU s)".format(*spent[-1]))
        # Both count alike at one thread; of processor seconds load takes less away.
        busy = args.references * seconds_of_one(model, records)
        spent.append((busy / args.jobs, busy))
        cells.append("{:.1f} s ({:.1f} CPU s)".format(*spent[-1]))
        for own in spent[1:]:
            by_clock, by_cpu = (a / b for a, b in zip(own, spent[0], strict=True))
            cells.append(f"{by_clock:.2f} ({by_cpu:.2f})")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def seconds_of_one(model: Any, records: tuple[Any, ...], n_fits: int = 4) -> float:
    """Return the processor seconds of a reference: a fit, and answers on all records."""
    X, y = (np.concatenate(parts) for parts in (records[::2], records[1::2]))
    rng = np.random.default_rng(SEED)
    before = time.process_time()
    with threadpool_limits(1):
        for _ in range(n_fits):
            rows = rng.permutation(len(y))[: len(y) // 2]
            clone(model).fit(X[rows], y[rows]).predict_proba(X)
    return (time.process_time() - before) / n_fits


def contenders(model: Any, records: tuple[Any, ...], args: Any) -> list[Callable[[], Any]]:
    def ours(attacks: Any) -> Any:
        return audit(
            model, *records, attacks=attacks, n_references=args.references, n_jobs=args.jobs,
            random_state=SEED, progress=False,
        )  # fmt: skip

    theirs = model
    if isinstance(model, KNeighborsClassifier):
        theirs = SeededNeighbors(model.n_neighbors).fit(*records[:2])
    lira = lambda: sacroml_lira(theirs, records, args.references)  # noqa: E731
    return [lira, lambda: ours(THREE), lambda: ours("auto")]


def processor_seconds() -> float:
    """Return the processor time of this process and of those that it has started."""
    total = sum(os.times()[:4])
    if not Path("/proc/self/stat").exists():
        return total
    parents, spent = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            parents[int(path.parent.name)] = int(fields[1])
            spent[int(path.parent.name)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    for process, seconds in spent.items():
        above = parents[process]
        while above in parents and above != os.getpid():
            above = parents[above]
        total += seconds if above == os.getpid() else 0.0
    return total


def by_labels(model: Any, ours: Any, records: tuple[Any, ...], n: int) -> None:
    print(f"\n{HEADER}")
    seconds, (score, few) = timed(lambda: art_boundary(model, records, n))
    print(row(f"ART decision boundary, {len(few)} records", seconds, few, score), flush=True)
    seconds, report = timed(lambda: ours(release="labels"))
    member = report.records["member"].to_numpy()
    for name in report.info["attacks"]:
        whole = f"audit(release='labels'), {name}, {len(member)} records"
        print(row(whole, seconds, member, report.records[name].to_numpy()), flush=True)
    print("\nSeconds by phase:", report.info["timings"], sep="\n")


def by_population(
    target: Any, records: tuple[Any, ...], population: tuple[Any, Any], n_references: int
) -> None:
    """Print attacks that read references trained on other records, the same for all."""
    X_train, y_train, X_test, y_test = records
    X, y = np.concatenate([X_train, X_test]), np.concatenate([y_train, y_test])
    member = np.repeat([1, 0], [len(y_train), len(y_test)])
    models: list[Any] = []

    def train(X: Any, y: Any, seed: int) -> Any:
        start = time.perf_counter()
        model = RandomForestClassifier(random_state=seed).fit(X, y)
        models.append((model, time.perf_counter() - start))
        return model

    references = ReferenceModels(
        train, n_references, train_size=len(y_train), n_jobs=1, random_state=SEED
    )
    whole, _ = timed(lambda: references.fit(X, y, population=population))
    training = sum(seconds for _, seconds in models)
    drawn = references.membership_[:, len(y) :] > 0
    held = [
        (model, {"train": [part[own] for part in population],
                 "test": [part[~own] for part in population]})
        for (model, _), own in zip(models, drawn, strict=True)
    ]  # fmt: skip
    print(f"\n{HEADER}")
    splits = {"train": (X_train, y_train), "test": (X_test, y_test), "population": population}
    for name in ("population", "shadow", "reference"):
        own = 0.0 if name == "population" else training
        seconds, score = timed(lambda: privacy_meter(name, target, held, splits))  # noqa: B023
        print(row(f"Privacy Meter, {name}", own + seconds, member, score), flush=True)
    asked, seen = timed(lambda: observe(target, X, y, references=references))
    acting, shadow = timed(lambda: references.shadow_observations(random_state=SEED))
    attacks = (ThresholdAttack(), LiRAAttack(), RMIAAttack(), StackedAttack(random_state=SEED))
    for attack in attacks:
        seconds, score = timed(lambda: attack.fit(*shadow).decision_function(seen))  # noqa: B023
        own = 0.0 if isinstance(attack, ThresholdAttack) else whole + acting
        print(row(type(attack).__name__, own + asked + seconds, member, score), flush=True)
    print(f"\nOf these seconds {training:.1f} are training of the references.")


def by_posteriors(forest: Any, ours: Any, records: tuple[Any, ...], args: Any) -> None:
    member = np.repeat([1, 0], args.members)
    print(HEADER)
    for n_jobs in (None, args.jobs):
        model = forest(n_jobs)
        seconds, score = timed(lambda: sacroml_lira(model, records, args.references))  # noqa: B023
        print(row(f"sacroml LiRA, forest's n_jobs={n_jobs}", seconds, member, score), flush=True)
    model = forest(None)
    seconds, (score, half) = timed(lambda: art_black_box(model, records))
    print(row("ART black box, half the records", seconds, half, score), flush=True)
    phases = []
    for attacks in (["threshold", "lira", "rmia"], "auto"):
        seconds, report = timed(lambda: ours(attacks))  # noqa: B023
        for name in report.info["attacks"]:
            scored = report.records[name].to_numpy()
            whole = f"audit({attacks!r}), {name}"
            print(row(whole, seconds, report.records["member"].to_numpy(), scored), flush=True)
        phases.append(f"audit({attacks!r}): {report.info['timings']}")
    print("\nSeconds by phase:", *phases, sep="\n")


if __name__ == "__main__":
    main()
