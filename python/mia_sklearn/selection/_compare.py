"""Defenses side by side: what each gives away, and what it costs."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from .._audit import audit
from .._audit._choice import Means, choose_attacks, released
from .._audit._findings import sought
from .._audit._options import check_options, seed_of
from .._models._answers import answer_of
from .._models._asking import beside_other_work
from .._models._describe import describe
from .._models._kinds import is_generator
from .._models._random import seeded_within
from .._models._trainable import check_trainable, configured
from .._observations._record_columns import computed_once
from .._process._engine import at_home
from .._records._rows import take_rows
from ..access import TrueValueAccess
from ..access._choice import access_of_outputs, access_released_as
from ..base import TrainingSet, fit_clone
from ..defenses._registry import compared_by_default
from ._ahead import Ahead
from ._compared_records import ComparedRecords, gather_compared
from ._kept_rows import KeptRows, Measured
from ._larger_leaves import with_larger_leaves
from ._quality import quality, score_of

if TYPE_CHECKING:
    import pandas as pd

    from ..report import AuditReport

__all__ = ["compare_defenses"]

_FIRST = (
    "defense",
    "parameters",
    "train_score",
    "test_score",
    "test_score_low",
    "test_score_high",
)
# The one finding that a comparison reads.
_LOST = "LOST_REFERENCES"
# They alter no number.
_NO_MATTER = ("n_jobs",)
_LAST = ("epsilon", "fit_time", "fit_ratio", "predict_time", "predict_ratio", "error")


@at_home()
def compare_defenses(
    models: Any,
    X: Any,
    y: Any,
    *,
    test_size: float = 0.5,
    n_references: int = 16,
    attacks: Any = "auto",
    baseline: str | None = None,
    X_test: Any = None,
    y_test: Any = None,
    fit_params: dict[str, Any] | None = None,
    release: str | None = None,
    confidence: float = 0.95,
    max_records: int | None = None,
    cache: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Attack a model under several defenses, and lay what each costs beside what it hides.

    All are trained on the same records and attacked on the same records, by attackers who know
    the defense: their references, as many for each, are defended alike.

    Parameters
    ----------
    models : estimator, dict of str to estimator, or list of (name, estimator)
        Unfitted classifiers or regressors, all of one kind. Of a dict or list the first is the
        undefended one. One estimator is compared with itself with larger leaves, where it has
        `min_samples_leaf` (10 records, or five times as many as before), and under those defenses
        of `mia_sklearn.defenses` that fit any of its kind and train few models, with their default
        parameters.
    X, y : table of shape (n_records, n_features), array-like of shape (n_records,) or \
            (n_records, n_outputs)
        Records, of which a random part is trained on.
    test_size : float or int, default=0.5
        Share or number of the records that are kept as non-members and to measure scores on,
        the classes in equal shares.
    n_references : int, default=16
        Reference models for each, see `audit`.
    attacks : "auto", or list of names, attacks and (name, attack) pairs, default="auto"
        As in `audit`.
    baseline : str, default=None
        Name of the model that times are relative to; the first by default.
    X_test, y_test : table and array-like, default=None
        Records that are not trained on; all of `X` is trained on then. No epsilon is given:
        whether the split is random is not known.
    fit_params : dict, default=None
        Passed to `fit`. Values with one entry per record follow their records; they hold the
        entries of `X`, then those of `X_test` where it is given.
    release : {"labels", "posteriors", "predictions", "weights"}, default=None
        As in `audit`: by default "posteriors", "predictions" of regressors.
    confidence : float, default=0.95
        Of each interval.
    max_records : int, default=None
        Most records to attack, chosen at random.
    cache : str or path, default=None
        Folder in which finished reference models are kept, and all that was measured of each
        model: a comparison that was interrupted, or gets one model more, repeats none of it.
        Times are those of when it was measured.
    n_jobs : int, default=None
        References trained at a time.
    random_state : int, RandomState instance or None, default=None
        Draws the split and the seeds of all models; each nested `random_state` is set from it.
    progress : bool, default=True
        Show on standard error which model is at work.

    Returns
    -------
    DataFrame
        One row per model: ``defense`` (its name), ``parameters``, ``train_score``,
        ``test_score`` (accuracy; R2 of regressors) with its interval ``test_score_low`` and
        ``test_score_high``, ``log_loss`` and ``calibration_error`` on the test records (expected
        calibration error of the top label, 15 bins of equally many records), or ``mae``, the mean
        absolute error, of regressors; for each attack
        ``<attack>_auc`` and ``<attack>_tpr@<rate>``, each with ``_low`` and ``_high`` (NaN where
        the records are too few); ``epsilon``, a lower bound by the headline attack;
        ``fit_time`` and ``predict_time`` (on the test records) in seconds on one core,
        ``fit_ratio`` and ``predict_ratio`` relative to the baseline; ``error``, empty unless
        the model failed, whose numbers are NaN then. ``frame.attrs`` names the ``headline``
        attack, the ``score``, the ``baseline``, the ``attacks`` that were run, and in ``lost`` the
        models that failed, each with its reason.

    Raises
    ------
    ValueError
        If an argument is wrong, before any model is trained, or if all models failed.

    See Also
    --------
    mia_sklearn.audit : Names the best remedy when it is given the frame as `comparison`.
    mia_sklearn.plots.RiskUtilityDisplay : The picture.

    Notes
    -----
    Records that occur more than once are not attacked, see `audit`; scores count them. Intervals
    are Wilson's for accuracies; for R2, that of a ratio of means, and for the share of right labels
    of several outputs, that of a mean, both of which need some 200 test records.

    Each interval is that of one number. The best of many defenses looks better than it is; audit
    the one that is chosen on other records. "auto" holds attacks on posteriors: a defense that
    alters posteriors only hides nothing from those who ask for labels.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from mia_sklearn.defenses import LabelOnly
    >>> from mia_sklearn.selection import compare_defenses
    >>> X, y = make_classification(400, flip_y=0.2, random_state=0)
    >>> tree = DecisionTreeClassifier(min_samples_leaf=3)
    >>> frame = compare_defenses({"undefended": tree, "label only": LabelOnly(tree)}, X, y,
    ...                          n_references=4, attacks=["threshold"], random_state=0,
    ...                          progress=False)
    >>> frame.set_index("defense")["threshold_auc"].sort_values().index.tolist()
    ['label only', 'undefended']
    """
    named = _named(models)
    _check_models(named, fit_params)
    first = next((model for model in named.values() if hasattr(model, "fit")), None)
    release, outputs = released(first, release, y)
    data = gather_compared(X, y, (X_test, y_test), fit_params, outputs)
    if not isinstance(models, (Mapping, list, tuple)):
        larger = with_larger_leaves(models)
        named |= {} if larger is None else {"larger leaves": larger}
        named |= compared_by_default(models, data.y)
    for name, model in named.items():
        _check_kind(name, model, y, outputs)
    baseline = _check_baseline(baseline, named)
    check_options(
        split=None,
        confidence=confidence,
        n_references=n_references,
        max_records=max_records,
        n_queries=0,
        n_jobs=n_jobs,
    )
    asked = access_released_as(release)
    access = outputs if outputs is not None or asked is None else asked()
    means = Means(release, access, n_references > 0, gradients=True, edges="answers")
    chosen = choose_attacks(attacks, means)
    seed = seed_of(random_state, cache)
    data.split(test_size, seed)
    options = {
        "n_references": n_references,
        "attacks": attacks,
        "release": release,
        "confidence": confidence,
        "max_records": max_records,
        "n_jobs": n_jobs,
        "random_state": seed,
    }
    kept = KeptRows(cache, _shaping(data, options, chosen))
    lacking = [model for model in named.values() if kept.lacks(model)]
    ahead = Ahead(lacking, options, cache=cache, progress=progress)
    with computed_once(), sought(_LOST):
        rows, last = _measure_all(
            named, kept, lambda model: _measure(model, data, options, ahead), progress
        )
    from ._shown import ComparisonFrame

    frame = ComparisonFrame(_laid_out(rows, baseline))
    frame.attrs = {
        "headline": last.headline,
        "score": "R2" if outputs is not None and outputs.of_numbers else "accuracy",
        "baseline": baseline,
        "attacks": last.attacks,
        "lost": {row["defense"]: row["error"] for row in rows if row["error"]},
        "confidence": float(confidence),
        "n_train": len(data.train),
        "n_test": len(data.test),
        "random_state": seed,
    }
    return frame


def _shaping(
    data: ComparedRecords, options: dict[str, Any], attacks: dict[str, Any]
) -> dict[str, Any]:
    """Return all that shapes what is measured of each model: records, options, attacks."""
    how = {name: value for name, value in options.items() if name not in _NO_MATTER}
    parts = ("X", "y", "params", "outputs", "train", "test", "given")
    return {name: getattr(data, name) for name in parts} | {"options": how, "chosen": attacks}


def _measure_all(
    named: dict[str, Any],
    kept: KeptRows,
    measure: Callable[[Any], Measured],
    progress: bool,
) -> tuple[list[dict[str, Any]], Measured]:
    """Return a row for each model, and what was measured of the last that did not fail."""
    from .._process._progress import progress_bar

    rows: list[dict[str, Any]] = []
    last, failures = None, []
    bar = progress_bar(named.items(), desc="defenses", unit="model", disable=not progress)
    for name, model in bar:
        bar.set_postfix_str(name)
        row = {"defense": name, "parameters": describe(model), "error": ""}
        # A failure after hours must not take the finished rows with it.
        try:
            last = kept.measured(model, partial(measure, model))
            row |= last.numbers
        except Exception as error:
            failures.append(error)
            row["error"] = f"{type(error).__name__}: {error}"
            warnings.warn(f"{name!r} is not compared. {row['error']}", UserWarning, stacklevel=3)
        rows.append(row)
    if last is None:
        raise ValueError(f"All models failed, the first with: {failures[0]}") from failures[0]
    return rows, last


def _laid_out(rows: list[dict[str, Any]], baseline: str) -> pd.DataFrame:
    """Return the frame of all rows, with times relative to those of the baseline."""
    import pandas as pd

    frame = pd.DataFrame(rows)
    for kind in ("fit", "predict"):
        usual = frame.loc[frame["defense"] == baseline, f"{kind}_time"].iloc[0]
        frame[f"{kind}_ratio"] = frame[f"{kind}_time"] / usual
    known = {*_FIRST, *_LAST}
    return frame[[*_FIRST, *(name for name in frame.columns if name not in known), *_LAST]]


def _check_models(named: dict[str, Any], fit_params: Any) -> None:
    for name, model in named.items():
        try:
            check_trainable(model, fit_params)
        except ValueError as error:
            raise ValueError(f"models[{name!r}]: {error}") from error


def _check_kind(name: str, model: Any, y: Any, outputs: TrueValueAccess | None) -> None:
    """Raise if a model is not of the kind of the others; functions that train do not say."""
    own = access_of_outputs(model, y) if hasattr(model, "fit") else outputs
    if type(own) is type(outputs) and not is_generator(model):
        return
    kind = "regressor" if outputs is not None and outputs.of_numbers else "classifier"
    raise ValueError(
        f"models[{name!r}] must be a {kind}, as the first is; got {type(model).__name__}."
    )


def _named(models: Any) -> dict[str, Any]:
    if isinstance(models, Mapping):
        pairs = list(models.items())
    elif isinstance(models, (list, tuple)):
        pairs = list(models)
        if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
            raise ValueError("models must be a dict, or a list of (name, estimator) pairs.")
    else:
        pairs = [("undefended", models)]
    if not pairs:
        raise ValueError("models is empty: name at least one model.")
    named = {str(name): model for name, model in pairs}
    if len(named) < len(pairs):
        raise ValueError("models uses a name twice.")
    return named


def _check_baseline(baseline: str | None, named: dict[str, Any]) -> str:
    if baseline is None:
        return next(iter(named))
    if baseline not in named:
        raise ValueError(f"baseline must be one of {', '.join(named)}, got {baseline!r}.")
    return baseline


def _measure(
    estimator: Any, data: ComparedRecords, options: dict[str, Any], ahead: Ahead
) -> Measured:
    train = data.training_set()
    X_test, y_test = take_rows(data.X, data.test), data.y[data.test]
    with beside_other_work(estimator):
        start = time.perf_counter()
        model = _trained(estimator, train, options["random_state"])
        trained = time.perf_counter()
        answer_of(model, "predict_proba" if hasattr(model, "predict_proba") else "predict", X_test)
        answered = time.perf_counter()
    row = {
        "train_score": score_of(model, train.X, train.y, data.outputs),
        **quality(model, X_test, y_test, data.outputs, confidence=options["confidence"]),
        "fit_time": trained - start,
        "predict_time": answered - trained,
    }
    given: tuple[Any, Any, Any, Any] = train.X, train.y, X_test, y_test
    how: dict[str, Any] = {
        "fit_params": data.in_order() or None,
        "split": None if data.given else "random",
    }
    ahead.train(model, given, how)
    report = audit(
        model,
        *given,
        estimator=estimator if options["n_references"] else None,
        controls=False,
        progress=False,
        **options | how | {"cache": ahead.cache_of(estimator)},
    )
    numbers = {name: float(value) for name, value in (row | _rates(report)).items()}
    whole = all(finding.code != _LOST for finding in report.findings)
    return Measured(numbers, report.info["headline"], list(report.info["attacks"]), whole)


def _trained(estimator: Any, train: TrainingSet, seed: int) -> Any:
    if not hasattr(estimator, "fit"):
        own = train.copied()
        return estimator(own.X, own.y, seed)
    with seeded_within(estimator, seed):
        return fit_clone(configured(estimator, seed), train)


def _rates(report: AuditReport) -> dict[str, float]:
    metrics = report.metrics
    everyone = metrics[metrics["slice"] == "all"]
    found = {}
    for line in everyone[everyone["metric"].isin(["auc", "tpr"])].to_dict("records"):
        at = "" if line["metric"] == "auc" else f"@{line['at']:g}"
        name = f"{line['attack']}_{line['metric']}{at}"
        found[name] = line["estimate"]
        found[f"{name}_low"], found[f"{name}_high"] = line["low"], line["high"]
    own = everyone[everyone["attack"] == report.info["headline"]]
    found["epsilon"] = own.loc[own["metric"] == "epsilon", "estimate"].iloc[0]
    return found
