"""Do whole audits hold? Repeated records, lists of members, columns of the record, references.

Prints markdown tables: `python benchmarks/null_audits.py [repeats] [exposed] [columns] [references]
[--audits 100]`, some two hours on two cores. The functions are also called, with fewer audits, by
the slow tests. `references` needs Adult (see `mia_sklearn.datasets`).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from scipy.stats import false_discovery_control
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import ReferenceModels, audit, observe
from mia_sklearn.attacks import LiRAAttack, StackedAttack
from mia_sklearn.datasets import load_adult
from mia_sklearn.metrics import roc_auc, tpr_at_fpr
from mia_sklearn.report import AuditReport
from mia_sklearn.stats import pooled_p_values

N_RECORDS = 600
# Widths of the cells of a coarse table of 600 records, by the share of records repeated.
CELLS = {0.0: 0.0, 0.3: 0.66, 0.8: 1.27}
MODELS: dict[str, Any] = {
    "tree": DecisionTreeClassifier(),
    "KNN(3)": KNeighborsClassifier(3),
    "forest, 20 trees": RandomForestClassifier(20),
}


def draw_records(
    rng: np.random.Generator, n: int, cell: float, shift: np.ndarray | float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw records of four features, rounded to cells, with labels that a fifth of them belie."""
    X = rng.normal(size=(n, 4))
    X[:, 0] += shift
    y = (X.sum(axis=1) > 0) ^ (rng.uniform(size=n) < 0.2)
    return (np.rint(X / cell) * cell if cell else X), y.astype(int)


def audits(
    model: Any, cell: float, n_audits: int, *, stranger: bool, shift: float = 0.0, **options: Any
) -> Iterator[AuditReport]:
    """Audit targets on random halves of new records each, `shift` added to one feature of test.

    Parameters
    ----------
    stranger : bool
        Whether the target was fitted on a third half, so that nothing of it is to be found.
    """
    half = N_RECORDS // 2
    for seed in range(n_audits):
        rng = np.random.default_rng([seed, 17])
        moved = np.repeat([0.0, shift, 0.0], half)
        X, y = draw_records(rng, 3 * half, cell, moved)
        trained = slice(2 * half, None) if stranger else slice(half)
        target = clone(model).fit(X[trained], y[trained])
        yield audit(
            target,
            X[:half],
            y[:half],
            X[half : 2 * half],
            y[half : 2 * half],
            random_state=seed,
            split="random",
            progress=False,
            **options,
        )


def repeat_rates(cell: float, n_audits: int, *, stranger: bool, shift: float) -> dict[str, float]:
    """Return how often audits of forests say what, beside what they looked at."""
    options = {"n_references": 4, "attacks": ["lira"], "stranger": stranger, "shift": shift}
    rows, p_values = [], []
    for report in audits(RandomForestClassifier(10), cell, n_audits, **options):
        codes = {finding.code for finding in report.findings}
        auc, epsilon = (
            report.metrics.query("metric == @metric").iloc[0] for metric in ("auc", "epsilon")
        )
        repeated = report.info["n_repeated_train"] + report.info["n_repeated_test"]
        rows.append(
            {
                "repeated": repeated / N_RECORDS,
                "audited": report.info["n_members"] + report.info["n_nonmembers"],
                "AUC": auc["estimate"],
                "SHIFT": "SHIFT" in codes,
                "REFERENCE_CONTROL": "REFERENCE_CONTROL" in codes,
                "PIPELINE_CONTROL": "PIPELINE_CONTROL" in codes,
                "AUC surely above .5": auc["low"] > 0.5,
                "TPR surely above FPR": "SINGLED_OUT" in codes,
                "epsilon > 0": epsilon["low"] > 0,
                "EXPOSED_RECORDS, serious": serious(report),
            }
        )
        p_values.append(report.records.query("member == 0")["p_value"])
    rates = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return rates | {"non-members' p <= .05": float((np.concatenate(p_values) <= 0.05).mean())}


def serious(report: AuditReport) -> bool:
    return any(f.code == "EXPOSED_RECORDS" and f.severity == "serious" for f in report.findings)


def exposed_rates(
    model: Any, n_audits: int, *, stranger: bool, n_references: int = 16
) -> tuple[float, float]:
    """Return how often audits list any member, and how often they call the list serious."""
    options = {"n_references": n_references, "attacks": ["threshold"], "controls": False}
    reports = list(audits(model, 0.0, n_audits, stranger=stranger, **options))
    listed = [(report.records["q_value"] <= 0.1).any() for report in reports]
    return float(np.mean(listed)), float(np.mean([serious(report) for report in reports]))


# Members, and others, that targets have not seen: enough for a rate of one in a thousand.
N_UNSEEN = 2_000
N_STRANGERS = 4
RATES = (0.01, 0.001)


WORDS = np.array([f"word{k}" for k in range(2_000)])
WORDS_IN_TEXT = 30
READER = make_pipeline(CountVectorizer(), MultinomialNB(alpha=0.01))


def draw_texts(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw texts of rare and frequent words, a few of which tell the label."""
    y = rng.integers(2, size=n)
    place = np.minimum(rng.zipf(1.2, size=(n, WORDS_IN_TEXT)), len(WORDS)) - 1
    told = rng.uniform(size=place.shape) < 0.1
    place = np.where(told, (place + 1 + 7 * y[:, None]) % len(WORDS), place)
    texts = [" ".join(words) for words in WORDS[place]]
    return np.array(texts, dtype=object), y


def column_rates(
    model: Any, n_references: int, draw: Callable[..., Any], n_tables: int
) -> dict[str, float]:
    """Return how often the stacked attack calls records members that targets have not seen.

    For each table four targets are trained, on other records each; the attack is learned once.
    The first half of the table stands for members.
    """
    n, rows, missed = N_UNSEEN, [], []
    member = np.arange(2 * n) < n
    for seed in range(n_tables):
        rng = np.random.default_rng([seed, 23])
        X, y = draw(rng, (2 + N_STRANGERS) * n)
        pool = slice(2 * n)
        references = ReferenceModels(model, n_references, random_state=seed).fit(X[pool], y[pool])
        attack = StackedAttack(random_state=seed)
        attack.fit(*references.shadow_observations(random_state=seed))
        found = []
        for stranger in range(N_STRANGERS):
            own = slice((2 + stranger) * n, (3 + stranger) * n)
            target = clone(model).fit(X[own], y[own])
            seen = observe(target, X[pool], y[pool], references=references)
            score = attack.decision_function(seen)
            auc = roc_auc(member, score)
            missed.append(not auc.low <= 0.5 <= auc.high)
            found.append([tpr_at_fpr(member, score, rate).value for rate in RATES])
        rows.append(np.mean(found, axis=0))
    mean, error = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1) / np.sqrt(n_tables)
    rates = {
        f"TPR at {rate:g}{what}": float(value)
        for what, values in (("", mean), (", standard error", error))
        for rate, value in zip(RATES, values, strict=True)
    }
    return rates | {"AUC's 95 % interval misses .5": float(np.mean(missed))}


ADULT_MODELS: dict[str, Any] = {
    "forest": RandomForestClassifier(30),
    "boosting": HistGradientBoostingClassifier(max_iter=40),
}
N_SIDE = 500
N_FRESH = 5_000


def adult_records(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return all of Adult's distinct records, numbers and codes, in an order of their own."""
    data = load_adult()
    frame = data.data.copy()
    for name in frame.select_dtypes(exclude="number"):
        frame[name] = frame[name].fillna("?").astype("category").cat.codes
    frame["y"] = (np.asarray(data.target) == ">50K").astype(int)
    values = frame.drop_duplicates().to_numpy(np.float64)
    values = np.random.default_rng(seed).permutation(values)
    return values[:, :-1], values[:, -1].astype(int)


def pool_and_fresh(model: Any, seed: int) -> dict[str, dict[str, float]]:
    """Attack one target with references of its pool, and with references of fresh records."""
    X, y = adult_records(seed)
    pool, fresh = slice(2 * N_SIDE), slice(2 * N_SIDE, 2 * N_SIDE + N_FRESH)
    member = np.arange(2 * N_SIDE) < N_SIDE
    target = clone(model).set_params(random_state=seed).fit(X[:N_SIDE], y[:N_SIDE])
    options = {"train_size": N_SIDE, "random_state": seed + 1, "smoothing": 0.01}
    of_pool = ReferenceModels(model, 16, **options).fit(X[pool], y[pool])
    of_fresh = ReferenceModels(model, 16, **options)
    of_fresh.fit(X[pool], y[pool], population=(X[fresh], y[fresh]))
    found = {}
    for name, references in (("pool", of_pool), ("fresh", of_fresh)):
        seen = observe(target, X[pool], y[pool], references=references)
        shadow, trained = references.shadow_observations(20_000, random_state=seed)
        # As many references for each record, and none that trained on it: the same attack twice.
        out = [column for column in seen if column.startswith("out_")]
        packed = np.sort(seen[out].to_numpy(), axis=1)
        alike = seen[["logit"]].assign(**{f"out_{k}": packed[:, k] for k in range(8)})
        if name == "fresh":
            alike = seen[["logit", *out[:8]]]
        found[f"LiRA, offline, 8 {name}"] = rates(LiRAAttack(mode="offline"), alike, alike, member)
        p = pooled_p_values(alike["logit"].to_numpy(), alike.iloc[:, 1:].to_numpy())
        listed = false_discovery_control(p[member]) <= 0.1
        found[f"LiRA, offline, 8 {name}"] |= {
            "p_in": float((p[member] <= 0.01).mean()),
            "p_out": float((p[~member] <= 0.01).mean()),
            "listed": float(listed.mean()),
        }
        for attack_name, attack in (("LiRA", LiRAAttack()), ("stacked", StackedAttack())):
            if "random_state" in attack.get_params():
                attack.set_params(random_state=seed)
            found[f"{attack_name}, 16 {name}"] = rates(attack, seen, shadow, trained, member)
    return found


def rates(
    attack: Any, seen: Any, shadow: Any, trained: Any, member: Any = None
) -> dict[str, float]:
    member = trained if member is None else member
    score = attack.fit(shadow, trained).score_observations(seen)
    return {
        "auc": roc_auc(member, score).value,
        "tpr": tpr_at_fpr(member, score, 0.01).value,
        "mean_in": float(score[member].mean()),
        "mean_out": float(score[~member].mean()),
    }


def listed_again(model: Any, seed: int, n_references: int = 16) -> dict[str, float]:
    """Return how many members an audit lists, and the shares that others list too."""
    X, y = adult_records(seed)
    parts = (X[:N_SIDE], y[:N_SIDE], X[N_SIDE : 2 * N_SIDE], y[N_SIDE : 2 * N_SIDE])

    def listed(of_target: int, of_audit: int) -> tuple[np.ndarray, AuditReport]:
        target = clone(model).set_params(random_state=of_target).fit(*parts[:2])
        report = audit(
            target,
            *parts,
            n_references=n_references,
            attacks=["lira"],
            controls=False,
            random_state=of_audit,
            progress=False,
            cache=cache,
        )
        records = report.records.query("member == 1").set_index("row").sort_index()
        return records["q_value"].to_numpy() <= 0.1, report

    # The second target is attacked with the references of the first.
    with tempfile.TemporaryDirectory() as cache:
        first, report = listed(1, 1)
        again, _ = listed(1, 2)
        other, _ = listed(2, 1)
    return {
        "listed": float(first.mean()),
        "again": float(again[first].mean()) if first.any() else np.nan,
        "other": float(other[first].mean()) if first.any() else np.nan,
        "serious": float(serious(report)),
    }


def print_table(title: str, header: list[str], rows: list[list[str]]) -> None:
    print(f"\n### {title}\n\n| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def print_repeats(n_audits: int) -> None:
    rows, header = [], []
    for name, stranger, shift in (
        ("a stranger's model", True, 0.0),
        ("trained on X_train", False, 0.0),
        ("a stranger's, test shifted by 1.5", True, 1.5),
    ):
        for share, cell in CELLS.items():
            found = repeat_rates(cell, n_audits, stranger=stranger, shift=shift)
            header = ["target", "share wanted", *found]
            rows.append([name, f"{share:g}", *(f"{value:.3g}" for value in found.values())])
    title = f"Audits of records of which some are repeated, shares of {n_audits} audits each"
    print_table(title, header, rows)


def print_exposed(n_audits: int) -> None:
    rows = []
    for name, model in MODELS.items():
        cells = []
        for stranger in (True, False):
            any_listed, called_serious = exposed_rates(model, n_audits, stranger=stranger)
            cells += [f"{any_listed:.3f}", f"{called_serious:.3f}"]
        rows.append([name, *cells])
    header = ["model", "stranger's: lists", "serious", "trained on X_train: lists", "serious"]
    print_table(f"EXPOSED_RECORDS, shares of {n_audits} audits", header, rows)


def print_columns(n_tables: int) -> None:
    draws = {
        "all different": partial(draw_records, cell=CELLS[0.0]),
        "coarse": partial(draw_records, cell=CELLS[0.8]),
    }
    tabular = product(MODELS.items(), (4, 16), draws.items())
    texts = (("naive Bayes of words", READER), 4, ("texts", draw_texts))
    rows, header = [], []
    for (name, model), n_references, (what, draw) in (texts, *tabular):
        found = column_rates(model, n_references, draw, n_tables)
        header = ["target", "references", "table", *found]
        rows.append([name, str(n_references), what, *(f"{value:.5f}" for value in found.values())])
        print(*rows[-1], flush=True)
    # As many others as the rate allows exceed the cut; a member does as one more of them.
    nominal = ((int(rate * N_UNSEEN) + 1) / (N_UNSEEN + 1) for rate in RATES)
    rows.append(["nominal", "", "", *(f"{value:.5f}" for value in nominal)])
    title = f"Columns of the record, targets that trained elsewhere, {n_tables} tables of four"
    print_table(title, header, rows)


def print_references(n_targets: int) -> None:
    rows, again = [], []
    for name, model in ADULT_MODELS.items():
        found = [pool_and_fresh(model, seed) for seed in range(n_targets)]
        for attack in found[0]:
            means = {key: np.mean([one[attack][key] for one in found]) for key in found[0][attack]}
            errors = {
                key: np.std([one[attack][key] for one in found], ddof=1) / np.sqrt(n_targets)
                for key in ("auc", "tpr")
            }
            extra = (
                [f"{means['p_in']:.4f}", f"{means['p_out']:.4f}", f"{means['listed']:.3f}"]
                if "p_in" in means
                else ["", "", ""]
            )
            rows.append(
                [
                    name,
                    attack,
                    f"{means['auc']:.3f} +- {errors['auc']:.3f}",
                    f"{means['tpr']:.3f} +- {errors['tpr']:.3f}",
                    f"{means['mean_in']:.2f}",
                    f"{means['mean_out']:.2f}",
                    *extra,
                ]
            )
        lists = [listed_again(model, seed) for seed in range(n_targets)]
        again.append(
            [name, *(f"{np.nanmean([one[key] for one in lists]):.3f}" for key in lists[0])]
        )
    header = ["model", "attack, references", "AUC", "TPR at 1 % FPR", "mean score of members"]
    header += ["of others", "members with p <= .01", "others with p <= .01", "members listed"]
    print_table(f"References of the pool and of fresh records, {n_targets} targets", header, rows)
    header = ["model", "members listed", "of them by a second audit too"]
    header += ["by an audit of a second target too", "serious"]
    print_table(f"Lists of exposed members, made again, {n_targets} targets", header, again)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ("repeats", "exposed", "columns", "references")
    parser.add_argument("parts", nargs="*", choices=parts, default=list(parts))
    parser.add_argument("--audits", type=int, default=100)
    parser.add_argument("--targets", type=int, default=5)
    parser.add_argument("--tables", type=int, default=5)
    options = parser.parse_args()
    start = time.perf_counter()
    if "repeats" in options.parts:
        print_repeats(options.audits)
    if "exposed" in options.parts:
        print_exposed(options.audits)
    if "columns" in options.parts:
        print_columns(options.tables)
    if "references" in options.parts:
        print_references(options.targets)
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
