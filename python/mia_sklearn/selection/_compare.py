"""Defenses side by side: what each gives away, and what it costs."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection import train_test_split

from .._audit import audit
from .._audit._choice import RELEASES, Means, check_release, choose_attacks
from .._audit._options import check_options, seed_of
from .._models._answers import predicted_labels
from .._models._describe import describe
from .._models._random import seeded_within
from .._models._trainable import check_trainable, configured
from .._records._checked import check_records, check_same_features
from .._records._dtypes import united
from .._records._index import bearing_index, params_in_order
from .._records._rows import concat_rows, copied, take_params, take_rows
from ..access._choice import access_released_as
from ..base import TrainingSet, fit_clone
from ..defenses._registry import compared_by_default
from ._quality import quality

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
    "log_loss",
    "calibration_error",
)
_LAST = ("epsilon", "fit_time", "fit_ratio", "predict_time", "predict_ratio", "error")


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
    release: str = "posteriors",
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
    models : classifier, dict of str to classifier, or list of (name, classifier)
        Unfitted. Of a dict or list the first is the undefended one. One classifier is compared
        with itself under those defenses of `mia_sklearn.defenses` that fit any classifier and
        train few models, with their default parameters.
    X, y : table of shape (n_records, n_features), array-like of shape (n_records,)
        Records, of which a random part is trained on.
    test_size : float or int, default=0.5
        Share or number of the records that are kept as non-members and to measure accuracy on,
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
    release : {"labels", "posteriors", "weights"}, default="posteriors"
        As in `audit`.
    confidence : float, default=0.95
        Of each interval.
    max_records : int, default=None
        Most records to attack, chosen at random.
    cache : str or path, default=None
        Folder in which finished reference models are kept; a comparison that was interrupted
        trains none of them again.
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
        ``test_score`` (accuracy) with its Wilson interval ``test_score_low`` and
        ``test_score_high``, ``log_loss`` and ``calibration_error`` on the test records (expected
        calibration error of the top label, 15 bins of equally many records); for each attack
        ``<attack>_auc`` and ``<attack>_tpr@<rate>``, each with ``_low`` and ``_high`` (NaN where
        the records are too few); ``epsilon``, a lower bound by the headline attack;
        ``fit_time`` and ``predict_time`` (on the test records) in seconds on one core,
        ``fit_ratio`` and ``predict_ratio`` relative to the baseline; ``error``, empty unless
        the model failed, whose numbers are NaN then. ``frame.attrs`` names the ``headline``
        attack, the ``baseline``, the ``attacks`` that were run, and in ``lost`` the models that
        failed, each with its reason.

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
    Records that occur more than once are not attacked, see `audit`; accuracies count them.

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
    data = _gather(X, y, X_test, y_test, fit_params)
    named = _named(models, len(np.unique(data.y)))
    baseline = _check_baseline(baseline, named)
    check_options(
        split=None,
        confidence=confidence,
        n_references=n_references,
        max_records=max_records,
        n_queries=0,
        n_jobs=n_jobs,
    )
    check_release(release, "classifier", RELEASES)
    asked = access_released_as(release)
    access = None if asked is None else asked()
    means = Means(release, access, n_references > 0, gradients=True, edges="answers")
    choose_attacks(attacks, means)
    for name, model in named.items():
        try:
            check_trainable(model, fit_params)
        except ValueError as error:
            raise ValueError(f"models[{name!r}]: {error}") from error
    seed = seed_of(random_state, cache)
    data.split(test_size, seed)
    options = {
        "n_references": n_references,
        "attacks": attacks,
        "release": release,
        "confidence": confidence,
        "max_records": max_records,
        "cache": cache,
        "n_jobs": n_jobs,
        "random_state": seed,
    }
    rows, report = _measure_all(named, data, options, progress)
    from ._shown import ComparisonFrame

    frame = ComparisonFrame(_laid_out(rows, baseline))
    frame.attrs = {
        "headline": report.info["headline"],
        "baseline": baseline,
        "attacks": list(report.info["attacks"]),
        "lost": {row["defense"]: row["error"] for row in rows if row["error"]},
        "confidence": float(confidence),
        "n_train": len(data.train),
        "n_test": len(data.test),
        "random_state": seed,
    }
    return frame


def _measure_all(
    named: dict[str, Any], data: _Data, options: dict[str, Any], progress: bool
) -> tuple[list[dict[str, Any]], AuditReport]:
    """Return a row for each model, and the report of the last that did not fail."""
    from .._process._progress import progress_bar

    rows: list[dict[str, Any]] = []
    last, failures = None, []
    bar = progress_bar(named.items(), desc="defenses", unit="model", disable=not progress)
    for name, model in bar:
        bar.set_postfix_str(name)
        row = {"defense": name, "parameters": describe(model), "error": ""}
        # A failure after hours must not take the finished rows with it.
        try:
            measured, last = _measure(model, data, options)
            row |= measured
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


@dataclass
class _Data:
    """All records, which of them are trained on, and what is passed to `fit` with them."""

    X: Any
    y: np.ndarray
    params: dict[str, Any]
    train: np.ndarray
    test: np.ndarray
    given: bool

    def split(self, test_size: float, seed: int) -> None:
        if self.given:
            return
        counts = np.unique(self.y, return_counts=True)[1]
        try:
            parts = train_test_split(
                np.arange(len(self.y)),
                test_size=test_size,
                stratify=self.y if counts.min() > 1 else None,
                random_state=seed,
            )
        except ValueError as error:
            raise ValueError(f"test_size={test_size!r} does not split the records: {error}") from (
                error
            )
        self.train, self.test = (np.sort(part) for part in parts)

    def training_set(self) -> TrainingSet:
        params = take_params(self.params, self.train, len(self.y))
        return TrainingSet(take_rows(self.X, self.train), self.y[self.train], params)

    def in_order(self) -> dict[str, Any]:
        """Return what is passed to `fit`, training records first, as an audit takes it."""
        return take_params(self.params, np.concatenate([self.train, self.test]), len(self.y))


def _gather(X: Any, y: Any, X_test: Any, y_test: Any, fit_params: Any) -> _Data:
    table, labels = check_records(X, y)
    params = dict(fit_params) if isinstance(fit_params, Mapping) else {}
    rows = np.arange(len(labels))
    if (X_test is None) != (y_test is None):
        raise ValueError("X_test and y_test go together: give both or none.")
    if X_test is None:
        params = params_in_order(params, len(labels), bearing_index(X, y))
        if hasattr(table, "iloc"):
            # Rows that are numbered as those of the arguments are, which an audit holds together.
            table = concat_rows(table)
        return _Data(table, labels, params, rows, rows[:0], given=False)
    other, other_labels = check_records(X_test, y_test, "X_test", "y_test")
    check_same_features(table, other, "X", "X_test")
    table, other = united(table, other, "X", "X_test")
    indexed = bearing_index(X, y), bearing_index(X_test, y_test)
    params = params_in_order(params, len(labels) + len(other_labels), *indexed)
    table, labels = concat_rows(table, other), np.concatenate([labels, other_labels])
    return _Data(table, labels, params, rows, np.arange(len(rows), len(labels)), given=True)


def _named(models: Any, n_classes: int) -> dict[str, Any]:
    if isinstance(models, Mapping):
        pairs = list(models.items())
    elif isinstance(models, (list, tuple)):
        pairs = list(models)
        if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
            raise ValueError("models must be a dict, or a list of (name, classifier) pairs.")
    else:
        check_trainable(models, None)
        pairs = [("undefended", models), *compared_by_default(models, n_classes).items()]
    if not pairs:
        raise ValueError("models is empty: name at least one classifier.")
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
    estimator: Any, data: _Data, options: dict[str, Any]
) -> tuple[dict[str, Any], AuditReport]:
    train = data.training_set()
    X_test, y_test = take_rows(data.X, data.test), data.y[data.test]
    start = time.perf_counter()
    model = _trained(estimator, train, options["random_state"])
    trained = time.perf_counter()
    (model.predict_proba if hasattr(model, "predict_proba") else model.predict)(copied(X_test))
    answered = time.perf_counter()
    row = {
        "train_score": float(np.mean(predicted_labels(model, train.X) == train.y)),
        **quality(model, X_test, y_test, confidence=options["confidence"]),
        "fit_time": trained - start,
        "predict_time": answered - trained,
    }
    report = audit(
        model,
        train.X,
        train.y,
        X_test,
        y_test,
        estimator=estimator if options["n_references"] else None,
        fit_params=data.in_order() or None,
        split=None if data.given else "random",
        controls=False,
        progress=False,
        **options,
    )
    return row | _rates(report), report


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
