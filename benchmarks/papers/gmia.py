"""The generalized membership inference attack (GMIA) on models that generalise well.

After Y. Long et al., "Understanding Membership Inferences on Well-Generalized Learning Models",
arXiv:1802.04889. A pool of records is split in two random halves, each of which trains a target,
50 times: every record is in exactly 50 of 100 targets. The attacker has other records, trains 100
references on bootstrap samples of them, and attacks the records that have next to no neighbours.

`python benchmarks/papers/gmia.py adult` prints all its tables beside the paper's figures,
`... cancer --table 1` one of them, `... mnist --pictures FOLDER` draws the figures too. Each table
is printed three times: as published (PCHIP, bootstrap references), with references on samples
without replacement of the attacker's records, and with p-values that hold, from references on
samples without replacement of all records, as an audit's are: the training set of a target is one
more such sample. `... cancer --null 20` shows what each does where nothing leaks. `--cache FOLDER`
keeps trained models. The folder of the data sets is read from MIA_SKLEARN_DATA.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from gmia_models import P_VALUES, RECORDS, SETTINGS, Convolutional, Experiment
from scipy.stats import binomtest
from sklearn.metrics import precision_recall_curve

from mia_sklearn import ReferenceModels
from mia_sklearn.attacks import EnhancingRecords, FoundQueries, IndirectGMIAAttack, ShadowAttack
from mia_sklearn.plots import InfluenceDisplay, VulnerableRecordsDisplay
from mia_sklearn.signals import rescaled_logit
from mia_sklearn.vulnerability import VulnerableRecords

N_MODELS = 100
LEVELS = (0.001, 0.01, 0.1)


@dataclass(frozen=True)
class Count:
    """Inferences, right and wrong, out of so many members and non-members."""

    right: int
    wrong: int
    members: int
    others: int

    @classmethod
    def of(cls, called: np.ndarray, member: np.ndarray) -> Count:
        return cls(
            int((called & member).sum()),
            int((called & ~member).sum()),
            int(member.sum()),
            int((~member).sum()),
        )

    def __str__(self) -> str:
        precision = _share(self.right, self.right + self.wrong)
        return (
            f"{precision} | {_share(self.right, self.members)} | {self.right} | {self.wrong} | "
            f"{_share(self.wrong, self.others)}"
        )


def _share(k: int, n: int) -> str:
    if n == 0:
        return "-"
    low, high = binomtest(k, n).proportion_ci(method="wilson")
    return f"{k / n:.4f} ({low:.3f}, {high:.3f})"


HEAD = "precision | recall | right | wrong | false positives"
RULE = "--- | --- | --- | --- | ---"


def sides(experiment: Experiment) -> Iterator[tuple[str, str, ReferenceModels]]:
    yield "published: pchip, bootstrap", "pchip", experiment.bootstrap
    if experiment.setting.with_distinct:
        yield "rank, without replacement", "rank", experiment.distinct
    for method in ("rank", "pooled"):
        yield f"valid: {method}, of all records", method, experiment.exchangeable


def table_1(experiment: Experiment) -> None:
    setting = experiment.setting
    delta, beta, published, rows = experiment.most_vulnerable()
    print(
        f"\nTable 1, direct inference: {len(rows)} vulnerable records at delta {delta}, beta {beta}"
    )
    print(f"(paper: {published.split(' .')[0]}); 95 % Wilson intervals of single inferences.\n")
    print(f"| references and p-values | p <= | paper | {HEAD} |\n| --- | --- | --- | {RULE} |")
    for name, method, references in sides(experiment):
        p = experiment.p_values(rows, method, references)
        for level in sorted({*setting.direct, *LEVELS}):
            count = Count.of(p <= level, experiment.member[rows])
            print(f"| {name} | {level:g} | {setting.direct.get(level, '')} | {count} |")
    print("\nFalse positives over all records of the pool, vulnerable or not, by method:\n")
    print("| references | p-values | " + " | ".join(f"p <= {level:g}" for level in LEVELS) + " |")
    print("| --- | --- |" + " --- |" * len(LEVELS))
    everyone = np.arange(len(experiment.X))
    for kind, references in kinds(experiment):
        for method in P_VALUES:
            rates = false_positives(experiment, everyone, method, references)
            print(f"| {kind} | {method} | {' | '.join(f'{rate:.4f}' for rate in rates)} |")


def kinds(experiment: Experiment) -> Iterator[tuple[str, ReferenceModels]]:
    yield "bootstrap", experiment.bootstrap
    if experiment.setting.with_distinct:
        yield "without replacement", experiment.distinct
    yield "without replacement of all records", experiment.exchangeable


def false_positives(
    experiment: Experiment, rows: np.ndarray, method: str, references: ReferenceModels
) -> np.ndarray:
    """Return how often records are inferred of targets that did not train on them, by level."""
    p = experiment.p_values(rows, method, references)[~experiment.member[rows]]
    return np.array([(p <= level).mean() if len(p) else np.nan for level in LEVELS])


def null(make: Callable[[int], Experiment], n_splits: int) -> None:
    """Print false-positive rates over several splits in pool and attacker's records."""
    rates: dict[tuple[str, str, str], list[np.ndarray]] = {}
    for seed in range(n_splits):
        experiment = make(seed)
        delta, beta, _ = experiment.setting.criteria[1]
        asked = {
            "all": np.arange(len(experiment.X)),
            "vulnerable": experiment.vulnerable(delta, beta),
        }
        for kind, references in kinds(experiment):
            for method in P_VALUES:
                for records, rows in asked.items():
                    own = false_positives(experiment, rows, method, references)
                    rates.setdefault((kind, method, records), []).append(own)
    print(f"\nFalse positives over {n_splits} splits, mean and standard error; vulnerable at")
    print(f"delta {delta}, beta {beta}.\n")
    levels = " | ".join(f"p <= {level:g}" for level in LEVELS)
    print(f"| references | p-values | records | {levels} |")
    print("| --- | --- | --- |" + " --- |" * len(LEVELS))
    for about, found in rates.items():
        mean = np.nanmean(found, axis=0)
        error = np.nanstd(found, axis=0, ddof=1) / np.sqrt(len(found))
        cells = (f"{m:.4f} ± {e:.4f}" for m, e in zip(mean, error, strict=True))
        print(f"| {' | '.join(about)} | {' | '.join(cells)} |")


def table_2(experiment: Experiment) -> None:
    print("\nTable 2, the selection of records, p <= .01.\n")
    print(f"| delta | beta | paper | records | references and p-values | {HEAD} |")
    print(f"| --- | --- | --- | --- | --- | {RULE} |")
    for delta, beta, published in experiment.setting.criteria:
        rows = experiment.vulnerable(delta, beta)
        for name, method, references in sides(experiment):
            if len(rows) == 0:
                break
            p = experiment.p_values(rows, method, references)
            count = Count.of(p <= 0.01, experiment.member[rows])
            print(f"| {delta} | {beta} | {published} | {len(rows)} | {name} | {count} |")
        if len(rows) == 0:
            print(f"| {delta} | {beta} | {published} | 0 | none is vulnerable | |")


def search(experiment: Experiment) -> tuple[np.ndarray, list[FoundQueries]]:
    """Find the queries about ten vulnerable records, before any target is trained."""
    setting = experiment.setting
    *_, rows = experiment.most_vulnerable()
    rows = rows[:10]
    searcher = EnhancingRecords(
        setting.net,
        experiment.n_models,
        train_size=setting.train_size,
        theta=setting.theta,
        random_state=experiment.seed,
        progress=experiment.options["progress"],
    )
    found = searcher.fit(*experiment.background).search(experiment.X[rows], experiment.y[rows])
    asked = [one for one in found if len(one)]
    if asked:
        X = np.concatenate([one.queries for one in asked])
        y = np.concatenate([[one.label] * len(one) for one in asked])
        experiment.queries = X, y
    return rows, found


def table_3(experiment: Experiment, rows: np.ndarray, found: list[FoundQueries]) -> None:
    setting = experiment.setting
    print("\nTable 3, with and without asking about the record; ten vulnerable records.\n")
    print("Published: direct pchip, indirect Kost and McDermott, both from bootstrap references;")
    print("direct rank from references on all records, indirect by rank.\n")
    print(f"| record | queries | moved | best influence | attack | p <= | {HEAD} |")
    print(f"| --- | --- | --- | --- | --- | --- | {RULE} |")
    start = 0
    for row, one in zip(rows, found, strict=True):
        member = experiment.member[row]
        p: dict[str, np.ndarray] = {
            "direct, pchip": experiment.p_values(np.array([row]), "pchip", experiment.bootstrap)[0],
            "direct, rank": experiment.p_values(np.array([row]), "rank", experiment.exchangeable)[
                0
            ],
        }
        stop = start + len(one)
        if len(one):
            code = np.full(len(one), one.label)
            asked = [
                rescaled_logit(answer[start:stop], code, 0.0)
                for answer in experiment.targets.outputs_
            ]
            p |= indirect(np.asarray(asked), one)
        start = stop
        for attack, values in p.items():
            for level in setting.indirect or {}:
                count = Count.of(values <= level, member)
                about = (
                    f"{row} | {len(one)} | {int(one.optimized.sum())} | {one.best_influence:.2f}"
                )
                print(f"| {about} | {attack} | {level:g} | {count} |")
    for level, published in (setting.indirect or {}).items():
        print(f"\npaper, one record, p <= {level:g}, direct then indirect: {published}")


def indirect(asked: np.ndarray, one: FoundQueries) -> dict[str, np.ndarray]:
    """Return the p-values of one record under all targets, by both combinations."""
    n_queries = len(one)
    references = np.broadcast_to(one.out_signal.reshape(1, -1), (len(asked), one.out_signal.size))
    names = [f"enhancing_{q}" for q in range(n_queries)]
    names += [
        f"enhancing_{q}_out_{k}" for q in range(n_queries) for k in range(one.out_signal.shape[1])
    ]
    table = pd.DataFrame(np.hstack([asked, references]), columns=names)
    # Membership decides nothing about p-values.
    either = np.arange(len(table)) % 2
    attacks = {combine: IndirectGMIAAttack(combine=combine) for combine in ("kost", "rank")}
    return {
        f"indirect, {name}": attack.fit(table, either).p_values(table)
        for name, attack in attacks.items()
    }


def table_6(experiment: Experiment) -> None:
    inside, outside = accuracies(experiment)
    print("\nTable 6, accuracy on training records and on others, mean and sd over targets.\n")
    print("| paper | training | others |\n| --- | --- | --- |")
    print(
        f"| {experiment.setting.accuracy} | {inside.mean():.4f} ± {inside.std():.4f} | "
        f"{outside.mean():.4f} ± {outside.std():.4f} |"
    )


def accuracies(experiment: Experiment) -> tuple[np.ndarray, np.ndarray]:
    answers = experiment.targets.outputs_[:, experiment.n_asked :]
    right = (answers.argmax(axis=2) == experiment.y).T
    member = experiment.member
    return (
        (right & member).sum(axis=0) / member.sum(axis=0),
        (right & ~member).sum(axis=0) / (~member).sum(axis=0),
    )


def table_7(experiment: Experiment) -> None:
    setting = experiment.setting
    *_, rows = experiment.most_vulnerable()
    X, y = experiment.background
    shadows = ReferenceModels(
        setting.net,
        20,
        sampling="disjoint",
        train_size=setting.train_size,
        random_state=experiment.seed,
        **experiment.options,
    ).fit(X, y)
    attack = ShadowAttack(random_state=experiment.seed)
    observations, member = shadows.shadow_observations(random_state=experiment.seed)
    columns = ["label", *(name for name in observations if name.startswith("proba_"))]
    attack.fit(observations[columns], member)
    sure = np.empty((len(rows), experiment.n_models))
    for model, answers in enumerate(experiment.targets.outputs_[:, experiment.n_asked :]):
        values = np.column_stack([experiment.y[rows], np.exp(answers[rows])])
        table = pd.DataFrame(values, columns=columns)
        sure[:, model] = attack.predict_proba(table)[:, 1]
    print(f"\nTable 7, Shokri's attack on the same {len(rows)} records, 20 shadow models.\n")
    print(f"| confidence >= | paper | {HEAD} |\n| --- | --- | {RULE} |")
    for level in sorted({*(setting.shokri or {}), 0.6, 0.7, 0.8}):
        count = Count.of(sure >= level, experiment.member[rows])
        print(f"| {level} | {(setting.shokri or {}).get(level, '')} | {count} |")


def varied(
    title: str,
    experiment: Experiment,
    variants: list[tuple[str, dict[str, Any], list[tuple[float, float, str]]]],
) -> None:
    """Print one table of networks trained otherwise."""
    print(f"\n{title}, p <= .01, published p-values.\n")
    print(f"| variant | training | others | delta | beta | paper | records | {HEAD} |")
    print(f"| --- | --- | --- | --- | --- | --- | --- | {RULE} |")
    for name, params, criteria in variants:
        one = experiment
        if params:
            one = Experiment.__new__(Experiment)
            kept = ("X", "y", "background", "queries", "options", "seed", "n_models")
            vars(one).update({key: vars(experiment)[key] for key in kept})
            net = experiment.setting.net
            one.setting = replace(experiment.setting, net=_with(net, params))
        inside, outside = (side.mean() for side in accuracies(one))
        for delta, beta, published in criteria:
            rows = one.vulnerable(delta, beta)
            said = f"| {name} | {inside:.4f} | {outside:.4f} | {delta} | {beta} | {published} |"
            if len(rows) == 0:
                print(f"{said} 0 | none is vulnerable |")
                continue
            p = one.p_values(rows, "pchip", one.bootstrap)
            print(f"{said} {len(rows)} | {Count.of(p <= 0.01, one.member[rows])} |", flush=True)


def _with(net: Any, params: dict[str, Any]) -> Any:
    from sklearn.base import clone

    return clone(net).set_params(**params)


def table_4(experiment: Experiment) -> None:
    varied(
        "Table 4, steps of training (MNIST)",
        experiment,
        [
            (
                "1,000 steps (paper .97 / .96)",
                {"max_epochs": 5},
                [
                    (0.2, 0.1, "28 records .7227 / .0614"),
                    (0.3, 0.1, "4 records 1 / .025"),
                    (0.1, 0.1, "-"),
                ],
            ),
            (
                "10,000 steps (.99 / .98)",
                {},
                [(0.2, 0.1, "16 records .9336 / .7388"), (0.1, 0.1, "-")],
            ),
        ],
    )


def table_5(experiment: Experiment) -> None:
    varied(
        "Table 5, L2 penalty (MNIST)",
        experiment,
        [
            (
                "0 (paper .99 / .98)",
                {},
                [(0.2, 2.0, "52 records .9084 / .6831"), (0.1, 0.1, "-")],
            ),
            (
                "0.001 (.99 / .99)",
                {"optimizer__weight_decay": 1e-3},
                [(0.2, 2.0, "1 record 1 / .548"), (0.1, 0.1, "-")],
            ),
            (
                "0.01 (.98 / .98)",
                {"optimizer__weight_decay": 1e-2},
                [(0.2, 2.0, "1 record .9336 / .04"), (0.1, 0.1, "-")],
            ),
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("data", choices=SETTINGS)
    parser.add_argument("--table", type=int, action="append", choices=range(1, 8))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", type=int, default=N_MODELS, help="targets, and references")
    parser.add_argument("--epochs", type=int, help="in place of the paper's number of steps")
    parser.add_argument("--null", type=int, help="splits over which to count false positives")
    parser.add_argument("--cnn", action="store_true", help="MNIST: the convolutional network")
    parser.add_argument("--records", type=int, help="of all, the pool and training sets in scale")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cache", help="folder that keeps trained models")
    parser.add_argument("--features", help="file for the references' features of all records")
    parser.add_argument("--pictures", type=Path, help="folder for the figures")
    parser.add_argument("--progress", action="store_true")
    options = parser.parse_args()
    setting = SETTINGS[options.data]
    params: dict[str, Any] = {"device": options.device}
    if options.epochs:
        params["max_epochs"] = options.epochs
    if options.cnn:
        params |= {"module": Convolutional}
        setting = replace(setting, name="MNIST, two convolutions and 1,024 dense units")
    setting = replace(setting, net=_with(setting.net, params))
    usual = [1, 2, 4, 5, 6] if options.data == "mnist" else [1, 2, 3, 6, 7]
    tables = options.table or usual
    start = time.perf_counter()
    records = RECORDS[options.data]()
    if options.records:
        share = options.records / len(records[1])
        chosen = np.random.default_rng(0).permutation(len(records[1]))[: options.records]
        records = records[0][chosen], records[1][chosen]
        setting = replace(
            setting,
            n_pool=round(share * setting.n_pool),
            train_size=round(share * setting.train_size),
        )

    def make(seed: int) -> Experiment:
        return Experiment(
            setting,
            records,
            seed=seed,
            n_models=options.models,
            cache=options.cache,
            progress=options.progress,
        )

    experiment = make(options.seed)
    print(
        f"# {setting.name}\n\n{options.models} targets of {setting.train_size:,} of "
        f"{setting.n_pool:,} records, {options.models} references, {setting.net.max_epochs} epochs "
        f"of batches of {setting.net.batch_size}, Adam, seed {options.seed}.",
        flush=True,
    )
    if options.null:
        null(make, options.null)
        return
    if options.features:
        parts = np.split(experiment.features, [setting.n_pool])
        np.savez(options.features, queries=parts[0], references=parts[1])
    rows, found = search(experiment) if 3 in tables else (None, None)
    simple = {1: table_1, 2: table_2, 4: table_4, 5: table_5, 6: table_6, 7: table_7}
    for table in sorted(set(tables)):
        if table == 3:
            table_3(experiment, rows, found)
        else:
            simple[table](experiment)
    if options.pictures:
        draw(experiment, found, options.pictures)
    print(f"\n{time.perf_counter() - start:.0f} s on {torch.get_num_threads()} threads", flush=True)


def draw(experiment: Experiment, found: list[FoundQueries] | None, folder: Path) -> None:
    """Draw the paper's figures 8, 9, 12 and 14."""
    folder.mkdir(parents=True, exist_ok=True)
    setting, n = experiment.setting, len(experiment.X)
    delta, beta, _, rows = experiment.most_vulnerable()
    figure, ax = plt.subplots(figsize=(5.6, 4.4), layout="constrained")
    for name, method, references in sides(experiment):
        p = experiment.p_values(rows, method, references)
        truth = experiment.member[rows].ravel()
        precision, recall, _ = precision_recall_curve(truth, -p.ravel())
        ax.plot(recall, precision, drawstyle="steps-post", label=name)
    ax.set(xlabel="Recall", ylabel="Precision", xlim=(0, 1), ylim=(0, 1.02))
    ax.legend(frameon=False, fontsize="small")
    figure.savefig(folder / f"{setting.key}-precision-recall.png", dpi=110)
    found_by = VulnerableRecords(delta, beta, setting.train_size).fit(experiment.features[n:])
    p = experiment.p_values(np.arange(n), "rank", experiment.exchangeable)
    figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    display = VulnerableRecordsDisplay.from_estimator(
        found_by, experiment.features[:n], p_values=p, member=experiment.member, ax=axes[0]
    )
    display.plot(axes[1], quantity="precision")
    display.plot(axes[2], quantity="recall")
    figure.savefig(folder / f"{setting.key}-criteria.png", dpi=110)
    if setting.key == "mnist" and len(rows):
        images, labels = experiment.X[rows[:32]], experiment.y[rows[:32]]
        figure = VulnerableRecordsDisplay.plot_images(images, [str(label) for label in labels])
        figure.savefig(folder / "mnist-vulnerable.png", dpi=110)
    if found:
        InfluenceDisplay.from_found(found[0]).figure_.savefig(
            folder / f"{setting.key}-influence.png", dpi=110
        )


if __name__ == "__main__":
    main()
