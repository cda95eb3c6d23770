"""The audit: attack a target whose members are known, and report with error bars."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from . import __version__
from ._controls import (
    Control,
    distribution_shift,
    memorising_ceiling,
    pipeline_control,
    reference_control,
)
from ._coverage import RELEASES, coverage
from ._data import n_rows, take_rows
from ._estimators import check_trainable
from ._findings import Facts, findings
from ._observations import ReferenceTable
from ._observe import FunctionTarget, as_target, ask_copies, observe, place
from ._plan import Plan, Pool, in_pool_order, make_plan, make_pool
from ._slices import slice_columns
from .attacks import StackedAttack, ThresholdAttack, all_attacks
from .metrics import Estimate, compute
from .references import ReferenceModels
from .report import AuditReport
from .signals import log_posteriors
from .stats import pooled_p_values
from .stats._checks import check_level

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["audit"]

_NEIGHBORS = 6
_FALSE_POSITIVE_RATES = ("0.001", "0.01", "0.1")
_HEADLINES = ("stacked", "lira", "rmia", "shadow", "threshold")
_SIZE_TOLERANCE = 0.05
_SPLITS = ("random", "other", None)


def audit(
    model: Any,
    X_train: Any,
    y_train: Any,
    X_test: Any,
    y_test: Any,
    *,
    n_references: int = 16,
    attacks: Any = "auto",
    estimator: Any = None,
    fit_params: dict[str, Any] | None = None,
    split: str | None = None,
    release: str = "posteriors",
    slices: Any = None,
    confidence: float = 0.95,
    max_records: int | None = None,
    n_queries: int = 0,
    classes: Any = None,
    query_budget: int | None = None,
    controls: bool = True,
    cache: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
    progress: bool = True,
    title: str | None = None,
) -> AuditReport:
    """Find out whether someone could tell who was in a model's training set.

    Reference models are trained like the target on other parts of the same records, attacks
    learn from them what a member looks like, and the target's answers are attacked. The
    attacker is assumed to know records like these and how the model was trained.

    Parameters
    ----------
    model : fitted classifier, or function `X -> posteriors`
        The target. Any scikit-learn compatible classifier, pipelines and search objects
        included.
    X_train, y_train : table of shape (n_train, n_features), array-like of shape (n_train,)
        What the model was trained on: the members.
    X_test, y_test : table of shape (n_test, n_features), array-like of shape (n_test,)
        Records of the same population that it was not trained on.
    n_references : int, default=16
        Reference models; rounded up to whole blocks, at least two. 0 trains none, which leaves
        the weakest attack.
    attacks : "auto", or list of names, attacks and (name, attack) pairs, default="auto"
        "auto" runs the threshold, Shokri's, LiRA, RMIA and the stacked attack. Names are those
        of `mia_sklearn.attacks.all_attacks`, and "stacked-pool" and "gap".
    estimator : unfitted classifier or callable `(X, y, seed) -> fitted`, default=None
        What the references train; by default a clone of `model` (of `best_estimator_` for
        search objects).
    fit_params : dict, default=None
        Passed to the references' `fit`. Values with one entry per record are sliced; they hold
        the training records' entries, then those of the test records, on which references
        train too.
    split : {"random", "other", None}, default=None
        "random" says that train and test are a random split of one set of records. Without it
        no lower bound on epsilon is given: it would mean nothing.
    release : {"labels", "posteriors", "weights"}, default="posteriors"
        How the model will be released; decides which attacks count as possible, and for
        "labels" the headline (the gap attack).
    slices : str, list of str, or dict, default=None
        Groups to report apart: names of columns of `X_train` ("label" is the class), or a dict
        from a name to one value per record, train then test. Numbers are cut at their quartiles.
    confidence : float, default=0.95
        Confidence of each interval; slices share what is left of it.
    max_records : int, default=None
        Most records to audit, chosen at random. Members beyond them stay in every reference's
        training set.
    n_queries : int, default=0
        Also query this many perturbed copies of each record, of the target and of every
        reference: a stronger attacker, who pays that many more queries.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns of a plain function.
    query_budget : int, default=None
        Most queries that a plain function may get.
    controls : bool, default=True
        Check the audit itself: shift between train and test, attacks on references.
    cache : str or path, default=None
        Folder in which finished reference models are kept; an interrupted audit resumes.
    n_jobs : int, default=None
        References trained at a time, see `ReferenceModels`.
    random_state : int, RandomState instance or None, default=None
    progress : bool, default=True
        Show the training of the references on standard error.
    title : str, default=None
        Title of the report.

    Returns
    -------
    AuditReport

    Raises
    ------
    ValueError
        If an argument is wrong, before any model is trained.

    See Also
    --------
    ReferenceModels, observe : The steps, for use alone.

    Notes
    -----
    The headline attack is fixed in advance: the stacked one where there are references. Its
    numbers make the verdict; the best of several attacks, chosen after the fact, would not hold
    at the stated confidence.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from mia_sklearn import audit
    >>> X, y = load_iris(return_X_y=True)
    >>> halves = train_test_split(X, y, test_size=0.5, random_state=0)
    >>> X_train, X_test, y_train, y_test = halves
    >>> model = DecisionTreeClassifier(random_state=0).fit(X_train, y_train)
    >>> report = audit(model, X_train, y_train, X_test, y_test, n_references=4,
    ...                random_state=0, progress=False)
    >>> report.info["n_members"], report.info["n_references"]
    (75, 4)
    """
    clock = _Clock()
    _check_options(split, release, confidence, n_references, max_records, n_queries)
    target = as_target(model, classes, query_budget)
    trainable, search_note = _what_to_train(target, estimator, fit_params, n_references)
    chosen = _resolve_attacks(attacks, release, n_references > 0)
    seed = _seed(random_state, cache)
    pool = make_pool(target, X_train, y_train, X_test, y_test)
    pool.sliced = slice_columns(slices, pool)
    plan = make_plan(pool, max_records, seed)

    with clock("target"):
        log_proba = _ask_target(target, pool, plan)
    audited = plan.audited
    member = pool.member[audited]
    X, y = take_rows(pool.X, audited), pool.y[audited]
    facts = Facts(pool=pool, plan=plan, confidence=confidence, split=split, seed=seed)
    facts.search_note = search_note

    refs = None
    if n_references:
        with clock("references"):
            refs = _train_references(
                trainable,
                X,
                y,
                pool,
                plan,
                fit_params,
                target,
                n_models=n_references,
                n_queries=n_queries,
                n_jobs=n_jobs,
                cache=cache,
                random_state=None if random_state is None and cache is not None else seed,
                progress=progress,
            )
    with clock("attacks"):
        table, observations, scores = _attack(
            chosen, refs, target, log_proba, X, y, member, seed=seed, n_queries=n_queries
        )
    p_values = np.full(len(y), np.nan)
    with clock("p_values"):
        if refs is not None:
            sizes_match = abs(refs.train_size_ / plan.n_trained - 1) <= _SIZE_TOLERANCE
            if sizes_match and len(scores):
                slots = [name for name in observations.columns if name.startswith("out_")]
                slots = [name for name in slots if name.removeprefix("out_").isdigit()]
                p_values = pooled_p_values(
                    observations["logit"].to_numpy(), observations[slots].to_numpy()
                )
    headline = _headline(chosen, release)
    rows: list[Control] = []
    if controls:
        with clock("controls"):
            shift, facts.shift = distribution_shift(X, y, member, confidence=confidence, seed=seed)
            rows.append(shift)
            if refs is not None and table is not None:
                attack = chosen[headline]
                rows.append(reference_control(attack, table, member))
                rows.append(pipeline_control(attack, table, seed=seed, confidence=confidence))
            rows.append(memorising_ceiling(X, y, member, seed=seed))
    with clock("metrics"):
        epsilon_reason = _no_epsilon(split, facts.shift)
        metrics = _metrics(
            scores,
            member,
            pool.sliced_rows(audited),
            headline,
            confidence=confidence,
            fixed_threshold=refs is not None,
            epsilon_reason=epsilon_reason,
        )
    records = _records(pool, audited, scores, p_values)
    facts.headline = headline
    facts.references = refs
    facts.accuracies(log_proba, pool, audited, target)
    info = _info(
        target,
        trainable,
        pool,
        plan,
        refs,
        clock,
        chosen,
        headline,
        facts=facts,
        split=split,
        release=release,
        confidence=confidence,
        seed=seed,
        title=title,
        n_queries=n_queries,
    )
    import pandas as pd

    control_table = pd.DataFrame(rows, columns=list(Control._fields))
    control_table["passed"] = control_table["passed"].astype("boolean").astype(object)
    return AuditReport(
        metrics=metrics,
        records=records,
        findings=findings(facts, metrics, records, rows),
        coverage=coverage(chosen, release, headline, with_references=refs is not None),
        controls=control_table,
        info=info,
    )


class _Clock:
    """Seconds spent by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Any:
        start = time.perf_counter()
        yield
        self.seconds[phase] = round(time.perf_counter() - start, 4)


def _check_options(
    split: Any, release: Any, confidence: Any, n_references: Any, max_records: Any, n_queries: Any
) -> None:
    if split not in _SPLITS:
        raise ValueError(f'split must be "random", "other" or None, got {split!r}.')
    if release not in RELEASES:
        raise ValueError(f"release must be one of {', '.join(RELEASES)}, got {release!r}.")
    check_level(confidence, "confidence")
    for name, value, least in (
        ("n_references", n_references, 0),
        ("max_records", 20 if max_records is None else max_records, 20),
        ("n_queries", n_queries, 0),
    ):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise ValueError(f"{name} must be a whole number, got {value!r}.")
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}.")
    if n_references == 1:
        raise ValueError(
            "n_references must be at least 2: one model cannot show what is usual. Give 16, or 0 "
            "for the attack that needs none."
        )
    if n_queries and not n_references:
        raise ValueError("n_queries needs reference models to compare with: n_references > 0.")


def _what_to_train(
    target: Any, estimator: Any, fit_params: Any, n_references: int
) -> tuple[Any, str]:
    if not n_references:
        return None, ""
    note = ""
    if estimator is None:
        if isinstance(target, FunctionTarget):
            raise ValueError(
                "model is a plain function: references need estimator=, an unfitted classifier "
                "like the one behind it. n_references=0 does without."
            )
        estimator = target
        if hasattr(target, "best_estimator_"):
            estimator = target.best_estimator_
            note = (
                f"{type(target).__name__}: references train clones of best_estimator_, with the "
                "parameters that the search found, and do not search again"
            )
    check_trainable(estimator, fit_params)
    return estimator, note


def _resolve_attacks(attacks: Any, release: str, with_references: bool) -> dict[str, Any]:
    """Return the attacks to run by name, unfitted and checked."""
    known = {info.name: info.attack for info in all_attacks()}
    if isinstance(attacks, str):
        if attacks == "auto":
            names = ["threshold"]
            if with_references:
                names += ["shadow", "lira", "rmia", "stacked"]
            attacks = (["gap"] if release == "labels" else []) + names
        else:
            attacks = [attacks]
    if isinstance(attacks, Mapping):
        attacks = list(attacks.items())
    if not isinstance(attacks, Iterable):
        attacks = [attacks]
    chosen: dict[str, Any] = {}
    for entry in attacks:
        name, attack = _named(entry, known)
        if name in chosen:
            raise ValueError(f"attacks names {name!r} twice; give pairs (name, attack).")
        chosen[name] = attack
    if not chosen:
        raise ValueError('attacks is empty: give "auto" or at least one attack.')
    for name, attack in chosen.items():
        needs = set(attack._required()) & {"out", "in", "neighbor", "query"}
        if needs and not with_references:
            raise ValueError(
                f"The attack {name!r} needs reference models: give n_references of at least 2."
            )
    return chosen


def _named(entry: Any, known: dict[str, Any]) -> tuple[str, Any]:
    if isinstance(entry, tuple) and len(entry) == 2:
        name, attack = entry
        return str(name), _checked_attack(attack)
    if isinstance(entry, str):
        if entry == "gap":
            return entry, ThresholdAttack("correctness")
        if entry == "stacked-pool":
            return entry, StackedAttack(pool_features=True)
        if entry not in known:
            names = ", ".join([*known, "gap", "stacked-pool"])
            raise ValueError(f"Unknown attack {entry!r} in attacks; choose from {names}.")
        return entry, known[entry]()
    attack = _checked_attack(entry)
    for name, known_class in known.items():
        if type(attack) is known_class:
            return name, attack
    return type(attack).__name__, attack


def _checked_attack(attack: Any) -> Any:
    needed = ("fit", "decision_function", "get_params", "_required")
    if isinstance(attack, type) or not all(hasattr(attack, name) for name in needed):
        raise ValueError(
            f"attacks must hold names or attacks (instances of BaseAttack), got {attack!r}."
        )
    return clone(attack)


def _headline(chosen: dict[str, Any], release: str) -> str:
    """Return the attack that makes the verdict: fixed by what is run, not by what it finds."""
    if release == "labels" and "gap" in chosen:
        return "gap"
    return next((name for name in _HEADLINES if name in chosen), next(iter(chosen)))


def _seed(random_state: Any, cache: Any) -> int:
    if random_state is None and cache is not None:
        return 0
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def _ask_target(target: Any, pool: Pool, plan: Plan) -> np.ndarray:
    """Return the target's log-posteriors on the audited records, in its own classes."""
    answers = []
    for name, rows in (
        ("X_train", plan.audited[pool.member[plan.audited]]),
        ("X_test", plan.audited[~pool.member[plan.audited]]),
    ):
        try:
            answers.append(log_posteriors(target, take_rows(pool.X, rows)))
        except (ValueError, TypeError) as error:
            raise ValueError(f"The model could not answer {name}: {error}") from error
    return np.concatenate(answers).astype(np.float32)


def _train_references(
    trainable: Any,
    X: Any,
    y: np.ndarray,
    pool: Pool,
    plan: Plan,
    fit_params: dict[str, Any] | None,
    target: Any,
    **options: Any,
) -> ReferenceModels:
    core = None
    if len(plan.core):
        core = (take_rows(pool.X, plan.core), pool.y[plan.core])
    order = np.concatenate([plan.audited, plan.core])
    params = {
        name: in_pool_order(name, value, pool, order) for name, value in (fit_params or {}).items()
    }
    refs = ReferenceModels(trainable, train_size=plan.n_trained, **options)
    return refs.fit(X, y, core=core, fit_params=params or None, classes=target.classes_)


def _attack(
    chosen: dict[str, Any],
    refs: ReferenceModels | None,
    target: Any,
    log_proba: np.ndarray,
    X: Any,
    y: np.ndarray,
    member: np.ndarray,
    *,
    seed: int,
    n_queries: int,
) -> tuple[ReferenceTable | None, pd.DataFrame, dict[str, np.ndarray]]:
    """Fit every attack where membership is known, and score the target's observations."""
    for attack in chosen.values():
        if "random_state" in attack.get_params(deep=False) and attack.random_state is None:
            attack.set_params(random_state=seed)
    scores: dict[str, np.ndarray] = {}
    if refs is None:
        # Without references only the order of the scores is used, which no fit alters.
        observations = observe(_Answered(target, log_proba), np.empty((len(y), 1)), y)
        for name, attack in chosen.items():
            scores[name] = attack.fit(observations, member).decision_function(observations)
        return None, observations, scores
    neighbors = (
        _NEIGHBORS if any("neighbor" in attack._required() for attack in chosen.values()) else 0
    )
    table = ReferenceTable(refs, neighbors=neighbors, n_queries=n_queries)
    rows = np.arange(len(y))
    query_phi = ask_copies(target, refs, rows, n_queries) if n_queries else None
    labels = refs.labels_[: len(y)]
    observations = place(table, log_proba, labels, rows, query_phi=query_phi)
    shadow, membership = refs.shadow_observations(
        random_state=seed, neighbors=neighbors, n_queries=n_queries
    )
    for name, attack in chosen.items():
        attack.fit(shadow, membership)
        scores[name] = attack.decision_function(observations)
    return table, observations, scores


class _Answered:
    """A target that was asked already."""

    def __init__(self, target: Any, log_proba: np.ndarray) -> None:
        self.classes_ = np.asarray(target.classes_)
        self._log_proba = log_proba

    def predict(self, X: Any) -> np.ndarray:
        return self.classes_[self._log_proba.argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        proba = np.exp(self._log_proba.astype(np.float64))
        return (proba / proba.sum(axis=1, keepdims=True))[: n_rows(X)]

    def predict_log_proba(self, X: Any) -> np.ndarray:
        return self._log_proba[: n_rows(X)]


def _no_epsilon(split: str | None, shift: Estimate | None) -> str:
    """Return why no lower bound on epsilon can be given; empty when it can."""
    if split is None:
        return (
            'The bound holds for a random split only; say split="random" if train and test are one.'
        )
    if split != "random":
        return "The bound holds for a random split only, and this split is not."
    if shift is not None and shift.low > 0.5:
        return "Train and test can be told apart without the model: the split does not look random."
    return ""


def _metrics(
    scores: dict[str, np.ndarray],
    member: np.ndarray,
    sliced: dict[str, np.ndarray],
    headline: str,
    *,
    confidence: float,
    fixed_threshold: bool,
    epsilon_reason: str,
) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for attack, score in scores.items():
        rows += _metric_rows(
            attack, "all", score, member, confidence, fixed_threshold, epsilon_reason
        )
    groups = [
        (f"{name}={value}", values == value)
        for name, values in sliced.items()
        for value in np.unique(values)
    ]
    for label, inside in groups:
        both = member[inside].any() and (~member[inside]).any()
        if both:
            # Each group pays for the others: some will look bad by chance.
            level = 1 - (1 - confidence) / len(groups)
            rows += _metric_rows(
                headline,
                label,
                scores[headline][inside],
                member[inside],
                level,
                fixed_threshold,
                None,
            )
    return pd.DataFrame(rows)


def _metric_rows(
    attack: str,
    name: str,
    score: np.ndarray,
    member: np.ndarray,
    confidence: float,
    fixed_threshold: bool,
    epsilon_reason: str | None,
) -> list[dict[str, Any]]:
    threshold = 0.0 if fixed_threshold else None
    wanted: list[tuple[str, dict[str, Any]]] = [("auc", {})]
    wanted += [(f"tpr@{rate}", {}) for rate in _FALSE_POSITIVE_RATES]
    wanted += [("advantage", {"threshold": threshold}), ("accuracy", {"threshold": threshold})]
    if epsilon_reason is not None:
        wanted.append(("epsilon", {}))
    rows = []
    for metric, options in wanted:
        if metric == "epsilon" and epsilon_reason:
            nan = float("nan")
            estimate = Estimate(
                nan, nan, nan, int(member.sum()), int((~member).sum()), epsilon_reason
            )
        else:
            estimate = compute(metric, member, score, confidence=confidence, **options)
        kind, _, at = metric.partition("@")
        rows.append(
            {
                "attack": attack,
                "slice": name,
                "metric": kind,
                "at": float(at) if at else np.nan,
                "estimate": estimate.value,
                "low": estimate.low,
                "high": estimate.high,
                "n_members": estimate.n_members,
                "n_nonmembers": estimate.n_nonmembers,
                "fpr": _or_nan(estimate.fpr),
                "n_identified": _or_nan(estimate.n_identified),
                "n_false_alarms": _or_nan(estimate.n_false_alarms),
                "note": estimate.note,
            }
        )
    return rows


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _records(
    pool: Pool, audited: np.ndarray, scores: dict[str, np.ndarray], p_values: np.ndarray
) -> pd.DataFrame:
    import pandas as pd
    from scipy.stats import false_discovery_control

    member = pool.member[audited]
    q_values = np.full(len(audited), np.nan)
    if member.any() and np.isfinite(p_values[member]).all():
        q_values[member] = false_discovery_control(p_values[member])
    return pd.DataFrame(
        {
            "set": np.where(member, "train", "test"),
            "row": pool.origin[audited],
            "label": pool.y[audited],
            "member": member.astype(int),
            **scores,
            **{f"slice_{name}": v for name, v in pool.sliced_rows(audited).items()},
            "p_value": p_values,
            "q_value": q_values,
        }
    )


def _info(
    target: Any,
    trainable: Any,
    pool: Pool,
    plan: Plan,
    refs: ReferenceModels | None,
    clock: _Clock,
    chosen: dict[str, Any],
    headline: str,
    *,
    facts: Facts,
    split: str | None,
    release: str,
    confidence: float,
    seed: int,
    title: str | None,
    n_queries: int,
) -> dict[str, Any]:
    name = getattr(getattr(target, "function", None), "__name__", None) or type(target).__name__
    info: dict[str, Any] = {
        "title": title or f"Membership inference audit of {name}",
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "headline": headline,
        "attacks": list(chosen),
        "model": name,
        "estimator": "none" if trainable is None else _describe(trainable),
        "n_train": pool.n_train,
        "n_test": pool.n_test,
        "n_members": int(pool.member[plan.audited].sum()),
        "n_nonmembers": int((~pool.member[plan.audited]).sum()),
        "n_unaudited": len(plan.core),
        "target_train_accuracy": facts.train_accuracy,
        "target_test_accuracy": facts.test_accuracy,
        "release": release,
        "split": split or "not stated",
        "confidence": float(confidence),
        "random_state": seed,
    }
    if refs is not None:
        info |= {
            "n_references": refs.n_models_,
            "sampling": refs.sampling,
            "block_size": refs.block_size_,
            "smoothing": refs.smoothing_,
        }
    if n_queries:
        info["queries_per_record"] = 1 + n_queries
    info["timings"] = clock.seconds
    packages = ("scikit-learn", "numpy", "scipy")
    info["versions"] = {"mia-sklearn": __version__} | {p: version(p) for p in packages}
    return info


def _describe(estimator: Any) -> str:
    text = " ".join(repr(estimator).split())
    return text if len(text) <= 300 else text[:297] + "..."
