"""Records for reference models of an attacker who has none: invented with the target's help."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_parameter_constraints

from .._models._targets import as_target, check_labels
from .._records._checked import check_records
from .._records._rows import n_rows, positions
from ._asked_target import Oracle
from ._climb import Rules, climb
from ._sources import RecordSource, read_source

__all__ = ["SyntheticRecords", "synthesize"]

_PROBE_ROWS = 64
_COUNT = Interval(Integral, 1, None, closed="left")
_CONSTRAINTS: dict[str, list[Any]] = {
    "n": [_COUNT],
    "method": [StrOptions({"hill-climbing", "marginals", "noisy"})],
    "draw": [StrOptions({"auto", "uniform", "marginals"})],
    "labels": [StrOptions({"predicted", "sampled"})],
    "share_changed": [Interval(Real, 0, 1, closed="both")],
    "conf_min": [Interval(Real, 0, 1, closed="left")],
    "k_max": [_COUNT, None],
    "k_min": [_COUNT, None],
    "rej_max": [Interval(Integral, 0, None, closed="left")],
    "iter_max": [_COUNT],
    "n_starts": [_COUNT],
    "class_shares": [Mapping, None],
    "query_budget": [_COUNT, None],
    "random_state": ["random_state"],
    "progress": ["boolean"],
}


class SyntheticRecords(NamedTuple):
    """Records that `synthesize` invented.

    Attributes
    ----------
    X : table of shape (n_records, ...)
        The records, a table like the sampler's.
    y : ndarray of shape (n_records,)
        Their labels.
    n_queries : int
        Records that the target was asked about.
    success : float
        Share of the chains begun that ended in a record; 1.0 where the method has no chains.
    complete : bool
        Whether there are as many records as were asked for.
    """

    X: Any
    y: np.ndarray
    n_queries: int
    success: float
    complete: bool


def synthesize(
    target: Any,
    n: int,
    sampler: Any,
    *,
    method: str = "hill-climbing",
    y: Any = None,
    draw: str = "auto",
    class_shares: Mapping[Any, float] | None = None,
    conf_min: float = 0.2,
    k_max: int | None = None,
    k_min: int | None = None,
    rej_max: int = 10,
    iter_max: int = 1000,
    n_starts: int = 2,
    labels: str = "sampled",
    share_changed: float = 0.1,
    classes: Any = None,
    query_budget: int | None = None,
    random_state: Any = None,
    progress: bool = False,
) -> SyntheticRecords:
    """Invent records on which an attacker without data can train reference models.

    Threat model: black-box; the attacker may ask the target about records of their own and
    knows what values the features take, or how often, or holds noisy copies of real records.

    Parameters
    ----------
    target : fitted classifier, or function `X -> posteriors`
        The model under attack.
    n : int
        Records to invent. Take twice what the target trained on, or more: reference models
        train on one half and learn from the other.
    sampler : array, data frame, mapping, list or callable
        What the attacker knows of the features: a table of records, whose columns are drawn from
        one by one; or a description of each feature, `(low, high)` for a range (of whole numbers
        where both are) or a list of values, in a mapping by name (makes a data frame) or in a
        list (makes an array); or a function `(n, random_state) -> table`.
    method : {"hill-climbing", "marginals", "noisy"}, default="hill-climbing"
        "hill-climbing": Algorithm 1 of [1]_, see Notes. "marginals": each feature is drawn by
        itself from its column. "noisy": the table's own records, with a share of the features
        changed.
    y : array-like of shape (n_records,), default=None
        Labels of the table's records, where they are known. Features are then drawn from the
        records of one class, and labels need no query: they are the classes drawn from.
    draw : {"auto", "uniform", "marginals"}, default="auto"
        How hill climbing draws features, at first and anew: evenly from the ranges and sets of
        values that a table shows, or from its columns as they are. "auto" is "uniform" for
        tables without `y`.
    class_shares : mapping from label to float, default=None
        How many records of each class to invent, in proportion; classes that are not listed get
        none. By default hill climbing invents equally many, and marginals come as the target
        labels them; with `y`, as many as there. Give the shares in the target's training set
        where they are known.
    conf_min : float, default=0.2
        Posterior above which a record may be returned.
    k_max, k_min : int, default=None
        Most and fewest features that are drawn anew at a time. By default a quarter of them, and
        one in a hundred.
    rej_max : int, default=10
        Rejected candidates in a row after which half as many features are drawn anew.
    iter_max : int, default=1000
        Queries after which a chain has failed; for marginals with `class_shares`, rounds in which
        all that are missing are drawn anew.
    n_starts : int, default=2
        Chains begun for one record, at most: a chain that failed begins anew from other values.
    labels : {"sampled", "predicted"}, default="sampled"
        Where neither a chain nor `y` tells the label: drawn from the target's posterior, or its
        most probable class.
    share_changed : float, default=0.1
        Probability with which the noisy method changes each feature: one of a set of values
        becomes another one (binary features flip), a number is drawn from its column.
    classes : array-like of shape (n_classes,), default=None
        Labels of a plain function's columns.
    query_budget : int, default=None
        Most records that the target may be asked about.
    random_state : int, RandomState instance or None, default=None
        Draws everything.
    progress : bool, default=False
        Show on standard error how many records have been found.

    Returns
    -------
    SyntheticRecords
        A named tuple (X, y, n_queries, success, complete). Where the budget ended or chains
        failed it holds what was reached, `complete` is False and a warning says why.

    Raises
    ------
    ValueError
        If an argument is wrong, before the target is asked.

    Warns
    -----
    UserWarning
        If there are fewer than `n` records.

    See Also
    --------
    mia_sklearn.ReferenceModels : `fit(X, y, population=(S.X, S.y))` trains on them.

    Notes
    -----
    *Hill climbing.* A chain looks for a record of one class. A candidate whose posterior of that
    class is no lower than the best so far is kept, and, where the class is the most probable one
    and its posterior p is above `conf_min`, returned with probability p. The next candidate is
    the best one with some features drawn anew: `k_max` of them, half as many each time more than
    `rej_max` in a row were rejected. All chains step at the same time, with one call of the
    target for each step. Indicator columns of one category are one feature.

    *Where invented records mislead.* Reference attacks compare the target with models of invented
    records, and can fall below a threshold on the loss (`ThresholdAttack`), which needs no model
    at all. Most of all those that judge each record by itself (`LiRAAttack`, `RMIAAttack`): they
    need models that find the same records hard as the target would. `ShadowAttack` hardly does,
    but for the shares of the classes. AUC with 8 models (`benchmarks/papers/synthesis.py`,
    intervals of ± .01), `ShadowAttack` / `LiRAAttack` / `RMIAAttack`:

    ================================  ==========================  =====================
    records                           network, 30 classes         forest, 2 classes
    ================================  ==========================  =====================
    none: threshold on the loss       .909                        .649
    hill climbing                     .919 / .897 / .796          .641 / .693 / .757
    marginals                         .864 / .711 / .771          .687 / .760 / .777
    marginals of each class           .939 / .919 / .883          .677 / .704 / .758
    noisy, labels known               .938 / .926 / .878          .688 / .773 / .826
    real                              .950 / .913 / .892          .688 / .780 / .824
    ================================  ==========================  =====================

    So run `ThresholdAttack` beside them, and report the strongest. A weak result against
    invented records never shows that a model is safe: audit with real ones.

    *What helped there.* True labels; the true shares of the classes (climbing on the forest:
    .684 / .739 / .753); on the network the marginals of each class, which ask nothing. Labels
    that are sampled keep the odd ones that a model learns by heart: for marginals on the forest
    .687 / .760 / .777, with predicted ones .687 / .671 / .737. A `conf_min` of .9 cost up to 30
    times the queries, and moved no figure by more than .06, up or down.

    Deviations from the paper: chains that failed begin anew; a candidate as sure of another
    class as of its own counts as one of its own; features are drawn from a table of 4,096
    draws of ranges, lists and functions.

    References
    ----------
    .. [1] R. Shokri et al., "Membership Inference Attacks Against Machine Learning Models",
       IEEE S&P 2017, section V-C and Algorithm 1.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from mia_sklearn import synthesize
    >>> X, y = load_iris(return_X_y=True)
    >>> target = LogisticRegression(max_iter=200).fit(X, y)
    >>> ranges = [(4.0, 8.0), (2.0, 4.5), (1.0, 7.0), (0.0, 2.5)]
    >>> invented = synthesize(target, 60, ranges, random_state=0)
    >>> invented.X.shape, invented.y.tolist().count(2), invented.complete
    ((60, 4), 20, True)
    """
    given = {name: value for name, value in locals().items() if name in _CONSTRAINTS}
    validate_parameter_constraints(_CONSTRAINTS, given, "synthesize")
    _check_steps(k_max, k_min)
    _check_knowledge(sampler, y, method, draw, class_shares)
    if draw == "auto":
        draw = "uniform" if method == "hill-climbing" and y is None else "marginals"
    rng = check_random_state(random_state)
    source = read_source(sampler, uniform=draw == "uniform", rng=rng)
    probe = source.first(_PROBE_ROWS)
    oracle = Oracle(as_target(target, classes, X=probe), query_budget)
    known = None if y is None else _tell_classes(source, y, oracle)
    wanted = _wanted(n, oracle.classes, class_shares, known)
    label_rng = rng if labels == "sampled" else None
    success = 1.0
    if method == "hill-climbing":
        k_max, k_min = _numbers_redrawn(source.n_features, k_max, k_min)
        rules = Rules(conf_min, k_max, k_min, rej_max, iter_max, n_starts)
        rows, codes, success = climb(source, wanted, oracle, rules, rng=rng, progress=progress)
    elif method == "noisy":
        originals = _some_rows(n, n_rows(source.records), rng)
        rows = source.shaken(originals, share_changed, rng)
        codes = oracle.label(source, rows, label_rng) if known is None else known[originals]
    elif known is None and class_shares is not None:
        rows, codes = _fill(source, wanted, oracle, iter_max, rng=rng, label_rng=label_rng)
    else:
        rows = source.draw(wanted, rng)
        codes = oracle.label(source, rows, label_rng) if known is None else wanted
    if len(codes) < n:
        _warn(wanted, codes, oracle)
    X = source.table(rows[: len(codes)])
    return SyntheticRecords(X, oracle.classes[codes], oracle.n_queries, success, len(codes) == n)


def _check_steps(k_max: int | None, k_min: int | None) -> None:
    if k_max is not None and k_min is not None and k_min > k_max:
        raise ValueError(f"k_min must be at most k_max, got k_min={k_min} and k_max={k_max}.")


def _check_knowledge(
    sampler: Any, y: Any, method: str, draw: str, class_shares: Mapping[Any, float] | None
) -> None:
    is_table = hasattr(sampler, "shape")
    if not is_table and (y is not None or method == "noisy"):
        what = "y labels" if y is not None else 'method="noisy" changes'
        raise ValueError(
            f"{what} the records of a table; sampler is a {type(sampler).__name__}. Pass real "
            "records as an array or a data frame."
        )
    if draw != "auto" and method != "hill-climbing":
        raise ValueError(f'draw= is for method="hill-climbing"; {method!r} has its own way.')
    if draw == "uniform" and y is not None:
        raise ValueError('draw="uniform" makes no use of y: drop y, or draw "marginals".')
    if class_shares is not None and method == "noisy":
        raise ValueError(
            "class_shares is not for noisy records, which come as they are in the table: drop it, "
            "or pass a table with these shares."
        )


def _tell_classes(source: RecordSource, y: Any, oracle: Oracle) -> np.ndarray:
    """Check the labels of the source's records, and return them as numbers."""
    labels = check_records(source.records, y, "sampler", "y")[1]
    check_labels(oracle.target, labels)
    codes = positions(labels, oracle.classes)
    source.tell_classes(codes, len(oracle.classes))
    return codes


def _wanted(
    n: int, classes: np.ndarray, shares: Mapping[Any, float] | None, known: np.ndarray | None
) -> np.ndarray:
    """Return the class, by number, of each record to invent."""
    there = np.ones(len(classes)) if known is None else np.bincount(known, minlength=len(classes))
    weights = there
    if shares is not None:
        weights = np.array([shares.get(label, 0) for label in classes.tolist()], dtype=float)
        _check_shares(shares, weights, classes, there)
    exact = n * weights / weights.sum()
    counts = np.floor(exact).astype(int)
    # The records that are left over go to the classes that are short of most.
    counts[np.argsort(counts - exact, kind="stable")[: n - counts.sum()]] += 1
    return np.repeat(np.arange(len(classes)), counts)


def _check_shares(
    shares: Mapping[Any, float], weights: np.ndarray, classes: np.ndarray, there: np.ndarray
) -> None:
    unknown = [label for label in shares if label not in classes.tolist()]
    if unknown:
        raise ValueError(
            f"class_shares names {unknown[0]!r}, which the target does not know; it knows "
            f"{', '.join(map(str, classes.tolist()[:8]))}."
        )
    if not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() == 0:
        raise ValueError("class_shares must be numbers of at least 0, not all of them 0.")
    missing = classes[(weights > 0) & (there == 0)].tolist()
    if missing:
        raise ValueError(
            f"y holds no record of class {missing[0]!r}, to draw its features from: drop y, or "
            "leave the class out of class_shares."
        )


def _numbers_redrawn(n_features: int, k_max: int | None, k_min: int | None) -> tuple[int, int]:
    most = min(n_features, k_max or max(1, n_features // 4))
    return most, min(most, k_min or max(1, n_features // 100))


def _some_rows(n: int, n_records: int, rng: np.random.RandomState) -> np.ndarray:
    """Return n rows at random, none of them twice before all have come once."""
    rounds = [rng.permutation(n_records) for _ in range(-(-n // n_records))]
    return np.concatenate(rounds)[:n]


def _fill(
    source: RecordSource,
    wanted: np.ndarray,
    oracle: Oracle,
    iter_max: int,
    *,
    rng: np.random.RandomState,
    label_rng: np.random.RandomState | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw records until the labels that the target gives them are those wanted."""
    missing = np.bincount(wanted, minlength=len(oracle.classes))
    rows, codes = np.empty((0, source.n_features), dtype=np.intp), np.empty(0, dtype=np.intp)
    for _ in range(iter_max):
        if not missing.any() or oracle.left <= 0:
            break
        drawn = source.draw(np.zeros(missing.sum(), dtype=np.intp), rng)
        labels = oracle.label(source, drawn, label_rng)
        kept = [np.flatnonzero(labels == code)[:most] for code, most in enumerate(missing)]
        missing -= [len(places) for places in kept]
        taken = np.concatenate(kept)
        rows, codes = np.concatenate([rows, drawn[taken]]), np.concatenate([codes, labels[taken]])
    return rows, codes


def _warn(wanted: np.ndarray, codes: np.ndarray, oracle: Oracle) -> None:
    why = "the query budget ended"
    if oracle.left > 0:
        n_classes = len(oracle.classes)
        found = np.bincount(codes, minlength=n_classes)
        shortest = (np.bincount(wanted, minlength=n_classes) - found).argmax()
        why = (
            f"iter_max ended, most often for class {oracle.classes.tolist()[shortest]!r}, of which "
            f"{found[shortest]} were found. Raise it, lower conf_min, tell more about the "
            "features, or leave the class out of class_shares"
        )
    warnings.warn(f"{len(codes)} of {len(wanted)} records were invented: {why}.", stacklevel=3)
