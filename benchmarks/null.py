"""Do the numbers hold? Coverage of every interval, and error rates where nothing leaks.

Prints markdown tables: `python benchmarks/null.py [--replicates 2000]`, under five minutes on two
cores. The functions are also called, with fewer replicates, by the slow tests.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import special
from scipy.stats import false_discovery_control, poisson
from sklearn.base import ClassifierMixin, clone
from sklearn.datasets import load_digits
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from mia_sklearn import audit, stats
from mia_sklearn.attacks import GMIAAttack
from mia_sklearn.datasets import load_adult
from mia_sklearn.references import ReferenceModels
from mia_sklearn.signals import log_posteriors

SIZES = (200, 1_000, 5_000)
RATES = (0.1, 0.01, 0.001)
POISSON_SUPPORT = np.arange(60)


@dataclass(frozen=True)
class Scores:
    """A law of members' and non-members' scores whose true rates are known."""

    name: str
    draw: Callable[[np.random.Generator, np.ndarray], np.ndarray]
    tpr: Callable[[float], float]
    auc: float
    advantage: float


def normal_scores(name: str, shift: float) -> Scores:
    return Scores(
        name,
        lambda rng, member: rng.normal(size=len(member)) + shift * member,
        lambda alpha: float(special.ndtr(shift + special.ndtri(alpha))),
        float(special.ndtr(shift / np.sqrt(2))),
        float(2 * special.ndtr(shift / 2) - 1),
    )


def tied_scores(name: str, mean: float) -> Scores:
    """Counts: Poisson(3) for non-members, Poisson(`mean`) for members."""
    of_members, of_nonmembers = (poisson.sf(POISSON_SUPPORT - 1, mu) for mu in (mean, 3.0))
    mass = poisson.pmf(POISSON_SUPPORT, mean)
    below = poisson.cdf(POISSON_SUPPORT - 1, 3.0) + poisson.pmf(POISSON_SUPPORT, 3.0) / 2
    return Scores(
        name,
        lambda rng, member: rng.poisson(np.where(member, mean, 3.0)).astype(float),
        lambda alpha: float(of_members[of_nonmembers <= alpha].max()),
        float(mass @ below),
        float((of_members - of_nonmembers).max()),
    )


def point_mass_scores(name: str) -> Scores:
    """One member in ten gets a score that one non-member in a hundred gets: the ROC jumps."""

    def draw(rng: np.random.Generator, member: np.ndarray) -> np.ndarray:
        known = rng.uniform(size=len(member)) < np.where(member, 0.1, 0.01)
        return np.where(known, 5.0, rng.uniform(size=len(member)))

    def tpr(alpha: float) -> float:
        return 0.0 if alpha < 0.01 else 0.1 + 0.9 * (alpha - 0.01) / 0.99

    return Scores(name, draw, tpr, 0.1 * (0.99 + 0.005) + 0.9 * 0.99 / 2, 0.09)


NULLS = (normal_scores("no leak, continuous", 0.0), tied_scores("no leak, tied", 3.0))
LEAKS = (
    normal_scores("normal, shift 1", 1.0),
    normal_scores("normal, shift 3", 3.0),
    tied_scores("counts 4 against 3", 4.0),
    point_mass_scores("point mass"),
)


def draw_membership(rng: np.random.Generator, n: int, rate: float, *, fixed: bool) -> np.ndarray:
    """Draw memberships by coin, or as a random subset of fixed size."""
    if fixed:
        return rng.permutation(n) < round(rate * n)
    return rng.uniform(size=n) < rate


def interval_misses(scores: Scores, n: int, replicates: int, seed: int = 0) -> dict[str, tuple]:
    """Return, per metric, how often the interval lies above and below the truth.

    Both are NaN for a rate whose interval is withheld. "advantage" is the largest one.
    """
    rng = np.random.default_rng(seed)
    truth = [scores.tpr(alpha) for alpha in RATES] + [scores.auc, scores.advantage, np.nan]
    threshold = float(np.median(scores.draw(rng, np.arange(100_000) % 2 == 0)))
    reference = np.arange(1_000_000) % 2 == 0
    drawn = scores.draw(rng, reference) >= threshold
    truth[-1] = drawn[reference].mean() - drawn[~reference].mean()
    ends = np.empty((replicates, len(truth), 2))
    for i in range(replicates):
        member = draw_membership(rng, n, 0.5, fixed=True)
        values = scores.draw(rng, member)
        sides = values[member], values[~member]
        point = stats.tpr_interval(*sides, RATES)
        ends[i, :3, 0], ends[i, :3, 1] = point.low, point.high
        ends[i, 3] = stats.auc_interval(*sides)[1:]
        best = stats.best_advantage_interval(*sides)
        ends[i, 4] = best.low, best.high
        fixed = stats.advantage_interval(*sides, threshold)
        ends[i, 5] = fixed.low, fixed.high
    names = [*(f"tpr@{alpha:g}" for alpha in RATES), "auc", "advantage", "at a fixed threshold"]
    tolerance = 1e-12
    too_high = (ends[:, :, 0] > np.array(truth) + tolerance).mean(axis=0)
    too_low = (ends[:, :, 1] < np.array(truth) - tolerance).mean(axis=0)
    withheld = np.isnan(ends).any(axis=(0, 2))
    too_high[withheld] = too_low[withheld] = np.nan
    return dict(zip(names, zip(too_high, too_low, strict=True), strict=True))


def epsilon_above_zero(
    scores: Scores, n: int, rate: float, replicates: int, *, fixed: bool, seed: int = 0
) -> dict[str, float]:
    """Return how often each lower bound on epsilon is above 0."""
    rng = np.random.default_rng(seed)
    hits = dict.fromkeys(("one-run", "one-run, delta 1e-5", "threshold"), 0)
    for i in range(replicates):
        member = draw_membership(rng, n, rate, fixed=fixed)
        values = scores.draw(rng, member)
        sides = values[member], values[~member]
        known = {"membership_rate": rate, "random_state": i}
        hits["one-run"] += stats.one_run_epsilon(*sides, **known) > 0
        hits["one-run, delta 1e-5"] += stats.one_run_epsilon(*sides, delta=1e-5, **known) > 0
        hits["threshold"] += stats.threshold_epsilon(*sides, random_state=i) > 0
    return {name: count / replicates for name, count in hits.items()}


def epsilon_power(n: int, replicates: int, seed: int = 0) -> dict[str, float]:
    """Return mean one-run bounds where there is a leak: normal scores, randomised response."""
    rng = np.random.default_rng(seed)
    bounds: dict[str, list[float]] = {"normal, shift 1": [], "randomised response, epsilon 2": []}
    for i in range(replicates):
        member = draw_membership(rng, n, 0.5, fixed=False)
        answer = np.where(rng.uniform(size=n) < special.expit(2), member, ~member).astype(float)
        values = rng.normal(size=n) + member
        for found, score in zip(bounds.values(), (values, answer), strict=True):
            found.append(stats.one_run_epsilon(score[member], score[~member], random_state=i))
    return {name: float(np.mean(found)) for name, found in bounds.items()}


SHAPES: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "Gumbel": lambda rng, shape: rng.gumbel(size=shape),
    "log-normal (sd .5)": lambda rng, shape: rng.lognormal(sigma=0.5, size=shape),
    "tied (Poisson 3)": lambda rng, shape: rng.poisson(3.0, size=shape).astype(float),
}


def votes(a: float, b: float, trees: int = 1) -> Callable[..., np.ndarray]:
    """Shares of votes; how often a model answers 1 is a record's own, from a Beta law."""

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        return rng.binomial(trees, rng.beta(a, b, (shape[0], 1)), shape) / trees

    return draw


def leaves(rng: np.random.Generator, shape: tuple[int, int], n_leaves: int = 3) -> np.ndarray:
    """Each record falls into one of a few leaves, by a law of its own."""
    reached = rng.dirichlet([0.5] * n_leaves, shape[0]).cumsum(axis=1)
    leaf = (rng.uniform(size=shape)[:, :, None] > reached[:, None, :]).sum(axis=2)
    return np.take_along_axis(
        rng.normal(0, 3, (shape[0], n_leaves)), leaf.clip(0, n_leaves - 1), axis=1
    )


def rounded(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Posteriors with one decimal."""
    p = special.expit(rng.normal(0, 3, (shape[0], 1)) + rng.normal(size=shape)).round(1)
    return np.log((p + 0.01) / (1.01 - p))


def half_votes(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Every second record answers by votes, the others normally."""
    every_second = np.arange(shape[0])[:, None] % 2 == 0
    return np.where(every_second, rng.normal(size=shape), votes(0.3, 0.3)(rng, shape))


#: Laws of exchangeable answers, each record's its own, for pooled p-values.
ANSWERS: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "normal, scales differ": lambda rng, shape: (
        rng.normal(size=shape) * np.exp(rng.normal(size=(shape[0], 1)))
    ),
    "Gumbel": lambda rng, shape: rng.gumbel(size=shape),
    "Student, 2 degrees": lambda rng, shape: rng.standard_t(2, size=shape),
    "votes, one half": lambda rng, shape: (rng.uniform(size=shape) < 0.5) * 1.0,
    "votes, Beta(.3, .3)": votes(0.3, 0.3),
    "votes, 2 %": lambda rng, shape: (rng.uniform(size=shape) < 0.02) * 1.0,
    "thirds": votes(0.5, 0.5, 3),
    "twenty votes": votes(0.5, 0.5, 20),
    "three leaves": leaves,
    "two leaves": lambda rng, shape: leaves(rng, shape, 2),
    "posteriors of one decimal": rounded,
    "half normal, half votes": half_votes,
}


def pooled_rates(
    answers: str, n_references: int, replicates: int = 30, n_records: int = 2_000
) -> list[float]:
    """Return P(p <= .001), P(p <= .01) and P(p <= .05) of pooled p-values, nothing learned."""
    rng = np.random.default_rng(n_references)
    rates = []
    for _ in range(replicates):
        values = ANSWERS[answers](rng, (n_records, n_references + 1))
        p = stats.pooled_p_values(values[:, 0], values[:, 1:])
        rates.append([(p <= level).mean() for level in (0.001, 0.01, 0.05)])
    return [float(rate) for rate in np.mean(rates, axis=0)]


def pooled_power(n_references: int, replicates: int = 20) -> float:
    """Return how many of 100 members in 2,000 records have p <= .001, three deviations up."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(replicates):
        values = rng.normal(size=(2_000, n_references + 1))
        values[:100, 0] += 3
        p = stats.pooled_p_values(values[:, 0], values[:, 1:])
        found.append((p[:100] <= 0.001).mean())
    return float(np.mean(found))


def audit_rates(
    model: ClassifierMixin, X: Any, y: np.ndarray, n_references: int, n_audits: int
) -> list[float]:
    """Return the same three rates for the non-members of whole audits, 450 + 450 records."""
    p = []
    for seed in range(n_audits):
        rows = np.random.default_rng(seed).permutation(len(y))[:900]
        X_train, X_test = X.iloc[rows[:450]], X.iloc[rows[450:]]
        y_train, y_test = y[rows[:450]], y[rows[450:]]
        report = audit(
            clone(model).fit(X_train, y_train),
            X_train,
            y_train,
            X_test,
            y_test,
            attacks=["lira"],
            n_references=n_references,
            controls=False,
            progress=False,
            random_state=seed,
        )
        p.append(report.records.loc[report.records["member"] == 0, "p_value"])
    together = np.concatenate(p)
    return [float((together <= level).mean()) for level in (0.001, 0.01, 0.05)]


def atoms(p: float, shift: float = 0.0) -> Callable[..., np.ndarray]:
    """Scores of which a share p is 0, the others normal."""
    return lambda rng, n: np.where(rng.uniform(size=n) < p, 0.0, rng.normal(shift, 1, n))


def ones(p: float) -> Callable[..., np.ndarray]:
    return lambda rng, n: (rng.uniform(size=n) < p) * 1.0


#: Laws of members' and non-members' scores, and how many there are of each.
TIED_SCORES = {
    "0/1, .02 and .02": (ones(0.02), ones(0.02), 500, 50),
    "0/1, .98 and .98": (ones(0.98), ones(0.98), 500, 20),
    "0/1, .1 and .02": (ones(0.1), ones(0.02), 1_000, 30),
    "0/1, .05 and .02": (ones(0.05), ones(0.02), 20, 500),
    "0/1, .5 and .5": (ones(0.5), ones(0.5), 50, 50),
    "0/1, .02 and .3": (ones(0.02), ones(0.3), 1_000, 30),
    "0/1, .001 and .001": (ones(0.001), ones(0.001), 5_000, 200),
    "90 % one value": (atoms(0.9), atoms(0.9), 500, 50),
    "99 % one value, shift 1": (atoms(0.99, 1.0), atoms(0.99), 500, 50),
    "45 % one value, shift 1": (atoms(0.45, 1.0), atoms(0.45), 500, 12),
}


def auc_coverage(scores: str, replicates: int, seed: int = 0) -> tuple[float, float]:
    """Return how often the AUC's interval holds the truth, and its mean width."""
    of_members, of_nonmembers, n1, n0 = TIED_SCORES[scores]
    rng = np.random.default_rng(seed)
    truth = stats.auc_interval(of_members(rng, 200_000), of_nonmembers(rng, 200_000))[0]
    ends = np.array(
        [
            stats.auc_interval(of_members(rng, n1), of_nonmembers(rng, n0))[1:]
            for _ in range(replicates)
        ]
    )
    held = (ends[:, 0] <= truth + 0.001) & (ends[:, 1] >= truth - 0.001)
    return float(held.mean()), float(np.mean(ends[:, 1] - ends[:, 0]))


def precision_misses(
    scores: Scores, n: int, prior: float, replicates: int, seed: int = 0
) -> tuple[float, float, float]:
    """Return how often the interval of ppv@0.1 lies above and below the truth, and its width."""
    rng = np.random.default_rng(seed)
    fpr = 0.1
    if "tied" in scores.name or "counts" in scores.name:
        of_nonmembers = poisson.sf(POISSON_SUPPORT - 1, 3.0)
        fpr = float(of_nonmembers[of_nonmembers <= fpr].max())
    named = prior * scores.tpr(0.1)
    truth = named / (named + (1 - prior) * fpr)
    ends = np.empty((replicates, 2))
    for i in range(replicates):
        member = draw_membership(rng, n, 0.5, fixed=True)
        values = scores.draw(rng, member)
        ends[i] = stats.ppv_interval(values[member], values[~member], 0.1, prior)[1:3]
    above, below = (ends[:, 0] > truth + 1e-12).mean(), (ends[:, 1] < truth - 1e-12).mean()
    return float(above), float(below), float(np.mean(ends[:, 1] - ends[:, 0]))


def attack_p_values(signal: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return the p-values of records that `fit` has not seen, half of all, and 1 for the others.

    In the rows of `fit` the last reference acts, so that its place is empty.
    """
    half = len(signal) // 2
    seen = np.column_stack([references[:half, -1], references[:half]])
    seen[:, -1] = np.nan
    attack = GMIAAttack().fit(seen, np.arange(half) % 2)
    p = attack.p_values(np.column_stack([signal, references])[half:])
    return np.concatenate([p, p])


P_VALUES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "rank": stats.rank_p_values,
    "rank, randomised": lambda signal, references: stats.rank_p_values(
        signal, references, randomized=True, random_state=0
    ),
    "t": stats.t_p_values,
    "pooled": stats.pooled_p_values,
    "pchip": stats.pchip_p_values,
    "GMIAAttack, pooled": attack_p_values,
}


COMBINED = ("by rank", "Kost, pchip raised to 1 / (K + 1)", "Kost, pchip, 0 as 1e-4")


def combination_rates(
    answers: str, n_references: int, n_records: int = 10_000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Return P(p <= .05) and P(p <= .01) of combinations of ten correlated queries of out models.

    Every model's answers share an error of their own, with a loading for each query: correlations
    of .2 to .8. Kost and McDermott are told the true ones.
    """
    rng = np.random.default_rng(seed)
    loading = np.linspace(0.45, 0.9, 10)[:, None]
    correlation = loading * loading.T
    shape = (n_records, 1, n_references + 1)
    values = loading * rng.normal(size=shape)
    values = values + np.sqrt(1 - loading**2) * rng.normal(size=(n_records, 10, n_references + 1))
    if answers == "skewed":
        values = np.exp(values)
    table = values.reshape(-1, n_references + 1)
    p = [stats.combine_by_rank(values[:, :, 0], values[:, :, 1:])]
    single = stats.pchip_p_values(table[:, 0], table[:, 1:]).reshape(n_records, 10)
    for least in (1 / (n_references + 1), 1e-4):
        p.append(stats.kost_combine(np.maximum(single, least), correlation))
    rates = ((float((own <= 0.05).mean()), float((own <= 0.01).mean())) for own in p)
    return dict(zip(COMBINED, rates, strict=True))


def p_value_rates(
    shape: str, n_references: int, n_records: int = 100_000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Return P(p <= .01) and P(p <= .001) of each p-value for records that were out."""
    rng = np.random.default_rng(seed)
    values = SHAPES[shape](rng, (n_records, n_references + 1))
    # Location and scale of a record are its own.
    values = values * rng.uniform(0.2, 5, (n_records, 1)) + 5 * rng.integers(-2, 3, (n_records, 1))
    rates = {}
    for name, method in P_VALUES.items():
        p = method(values[:, 0], values[:, 1:])
        rates[name] = (float((p <= 0.01).mean()), float((p <= 0.001).mean()))
    return rates


def false_discoveries(
    n_references: int, replicates: int, *, q: float = 0.1, seed: int = 0
) -> tuple[float, float]:
    """Return the mean share of false entries, and of exposed records found, in lists at `q`.

    Of 1,000 members 50 are exposed by four standard deviations; all share their references, and
    each model is off by a common error, with its own loading on every record.
    """
    rng = np.random.default_rng(seed)
    exposed = np.arange(1_000) < 50
    false, found = [], []
    for _ in range(replicates):
        model_error = rng.normal(size=n_references + 1)
        values = rng.gumbel(size=(1_000, n_references + 1)) * np.sqrt(6) / np.pi
        values += 0.5 * rng.normal(size=(1_000, 1)) * model_error
        values[exposed, 0] += 4 * np.sqrt(1.25)
        p = stats.pooled_p_values(values[:, 0], values[:, 1:])
        listed = false_discovery_control(p) <= q
        false.append((listed & ~exposed).sum() / max(1, listed.sum()))
        found.append(listed[exposed].mean())
    return float(np.mean(false)), float(np.mean(found))


MODELS = {
    "logistic regression": LogisticRegression(max_iter=300),
    "forest, 30 trees": RandomForestClassifier(30, random_state=0),
}


def split_rates(
    model: ClassifierMixin, train_size: float, n_models: int, n_targets: int, seed: int = 0
) -> tuple[float, float]:
    """Return P(p <= .05) and P(p <= .01) of pooled p-values of records that a target left out.

    Targets train on three quarters of 600 digits, the references in blocks on `train_size`.
    """
    rng = np.random.default_rng(seed)
    X, y = load_digits(return_X_y=True)
    rows = rng.permutation(len(y))[:600]
    X, y = X[rows] / 16, y[rows]
    references = ReferenceModels(model, n_models, train_size=train_size, random_state=seed)
    references.fit(X, y)
    out = (references.membership_ == 0) & references.labelled_
    phi = np.where(out, references.phi(), np.nan).T
    p: list[np.ndarray] = []
    for _ in range(n_targets):
        held_out = rng.permutation(len(y)) >= 450
        target = clone(model)
        if "random_state" in target.get_params():
            target.set_params(random_state=int(rng.integers(2**31)))
        target.fit(X[~held_out], y[~held_out])
        answer = log_posteriors(target, X[held_out], references.classes_)
        signal = references.scale_.phi(answer, y[held_out])
        p.append(stats.pooled_p_values(signal, phi[held_out]))
    together = np.concatenate(p)
    return float((together <= 0.05).mean()), float((together <= 0.01).mean())


#: Models whose answers are discrete, and one whose are not, with the references of an audit.
AUDITED = {
    "tree": (DecisionTreeClassifier(random_state=0), 8),
    "KNN(3)": (KNeighborsClassifier(3), 8),
    "forest(20)": (RandomForestClassifier(20, random_state=0), 16),
    "boosting": (GradientBoostingClassifier(n_estimators=30, random_state=0), 16),
}


def print_audits() -> None:
    X, y = load_adult(return_X_y=True)
    X, y = pd.get_dummies(X).astype(float), np.asarray(y)
    rows = [
        [name, str(width // 2), *(f"{x:.4f}" for x in audit_rates(model, X, y, width, 40))]
        for name, (model, width) in AUDITED.items()
    ]
    print_table(
        "Non-members of whole audits, Adult 450 + 450, 40 audits each",
        ["model", "out-references", "P(p <= .001)", "P(p <= .01)", "P(p <= .05)"],
        rows,
    )


def print_table(title: str, header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    header = list(header)
    print(f"\n### {title}\n\n| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def print_discrete(parallel: Parallel, replicates: int) -> None:
    widths = (4, 5, 6, 8, 12, 16, 32)
    cells = parallel(delayed(pooled_rates)(*case) for case in product(ANSWERS, widths))
    rows = []
    for i, answers in enumerate(ANSWERS):
        found = cells[i * len(widths) : (i + 1) * len(widths)]
        rows.append([answers, *(f"{a:.4f} / {b:.4f} / {c:.3f}" for a, b, c in found)])
    print_table(
        "P(p <= .001) / P(p <= .01) / P(p <= .05) of pooled p-values, 60,000 records that were out",
        ["answers", *(f"{width} references" for width in widths)],
        rows,
    )
    print_table(
        "Power of pooled p-values: normal answers, members three deviations up, p <= .001",
        ["references", "found"],
        [[str(width), f"{pooled_power(width):.2f}"] for width in (4, 8, 16)],
    )
    print_table(
        f"Coverage and mean width of 95 % intervals of the AUC, {replicates:,} replicates",
        ["scores", "members", "non-members", "coverage", "width"],
        [
            [name, *(f"{n:,}" for n in law[2:]), *(f"{x:.3f}" for x in found)]
            for (name, law), found in zip(
                TIED_SCORES.items(),
                parallel(delayed(auc_coverage)(name, replicates) for name in TIED_SCORES),
                strict=True,
            )
        ],
    )
    rows = []
    for scores, n, prior in product((*NULLS, *LEAKS[:3]), (200, 1_000, 5_000), (0.5, 0.01)):
        misses = precision_misses(scores, n, prior, replicates // 2)
        rows.append([scores.name, f"{n:,}", f"{prior:g}", *(f"{x:.3f}" for x in misses)])
    print_table(
        f"95 % intervals of ppv@0.1: above the truth, below it, {replicates // 2:,} replicates",
        ["scores", "records", "prior", "above", "below", "mean width"],
        rows,
    )
    print_audits()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=1_000)
    replicates = parser.parse_args().replicates
    start = time.perf_counter()
    parallel = Parallel(n_jobs=2)

    cases = list(product((*NULLS, *LEAKS), (*SIZES, 10_000)))
    results = parallel(delayed(interval_misses)(*case, replicates) for case in cases)
    rows = []
    for (scores, n), misses in zip(cases, results, strict=True):
        cells = (
            "withheld" if np.isnan(above) else f"{1 - above - below:.3f}"
            for above, below in misses.values()
        )
        rows.append([scores.name, f"{n:,}", *cells])
    print_table(
        f"Coverage of 95 % intervals, {replicates:,} replicates",
        ["scores", "records", *misses],
        rows,
    )

    few = replicates // 2
    settings = list(product(NULLS, SIZES, (0.5, 0.8), (False, True)))
    found = parallel(
        delayed(epsilon_above_zero)(scores, n, rate, few, fixed=fixed)
        for scores, n, rate, fixed in settings
    )
    rows = []
    for (scores, n, rate, fixed), hits in zip(settings, found, strict=True):
        drawn = f"{rate:g}, {'fixed size' if fixed else 'coins'}"
        rows.append([scores.name, f"{n:,}", drawn, *(f"{hit:.3f}" for hit in hits.values())])
    print_table(
        f"P(epsilon bound > 0) where nothing leaks, nominal .05, {few:,} replicates",
        ["scores", "records", "membership", *hits],
        rows,
    )

    power = {n: epsilon_power(n, max(10, replicates // 10)) for n in (1_000, 10_000)}
    print_table(
        "Mean one-run epsilon bound where something leaks",
        ["records", *power[1_000]],
        [[f"{n:,}", *(f"{mean:.2f}" for mean in means.values())] for n, means in power.items()],
    )

    rows = []
    for shape in SHAPES:
        for n_references in (8, 16, 100):
            rates = p_value_rates(shape, n_references)
            cells = (f"{at_01:.4f} / {at_001:.5f}" for at_01, at_001 in rates.values())
            rows.append([shape, str(n_references), *cells])
    print_table(
        "P(p <= .01) / P(p <= .001) of records that were out, 100,000 records",
        ["references' law", "references", *rates],
        rows,
    )

    print_discrete(parallel, replicates)

    rows = []
    for answers, n_references in product(("normal", "skewed"), (19, 100)):
        rates = combination_rates(answers, n_references)
        cells = (f"{at_05:.3f} / {at_01:.4f}" for at_05, at_01 in rates.values())
        rows.append([answers, str(n_references), *cells])
    print_table(
        "P(p <= .05) / P(p <= .01) of ten correlated queries combined, 10,000 records",
        ["answers", "references", *COMBINED],
        rows,
    )

    rows = []
    for n_references in (8, 16, 64):
        false, found = false_discoveries(n_references, replicates // 4)
        rows.append([str(n_references), f"{false:.3f}", f"{found:.3f}"])
    print_table(
        "Lists of exposed records: Benjamini-Hochberg at .1 on pooled p-values",
        ["references", "false share of the list", "exposed records found"],
        rows,
    )

    rows = []
    for name, model in MODELS.items():
        for kind, train_size, n_models in (("halves", 0.5, 16), ("quarters left out", 0.75, 32)):
            at_05, at_01 = split_rates(model, train_size, n_models, replicates // 40)
            rows.append([name, kind, f"{at_05:.3f}", f"{at_01:.4f}"])
    print_table(
        "Pooled p-values of left-out records, target trained on 75 %, 8 out-references",
        ["model", "references in blocks of", "P(p <= .05)", "P(p <= .01)"],
        rows,
    )
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
