"""Whether a regressor was fitted on what y_train holds: its units, its order."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import r2_score

from .._models._fitted import fit_copy
from .._records._labels import labels_like
from .._records._rows import copied
from ._run import Asked, OtherTargets

__all__ = ["other_targets"]

# What the best line through predictions may explain beyond what they explain as they are.
_RESCALED = 0.25
_OUTSIDE = 0.01  # of the range of y
# What a model has that was fitted on y_train: so much more R2, so much of the mean absolute error,
# and how surely less of it, in standard errors.
_BETTER, _NEARER, _SURE = 0.25, 0.8, 3.3
# Where nothing can be trained: no rank correlation, though predictions spread that much.
_UNRELATED, _SPREAD, _ONE_SIDE = 2.5, 0.3, 0.25
_SAME_ORDER, _EXPLAINS, _ALIKE = 0.4, 0.2, 0.05
_BY_HAND: tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...] = (
    ("log(y_train)", np.log),
    ("log1p(y_train)", np.log1p),
    ("log10(y_train)", np.log10),
    ("sqrt(y_train)", np.sqrt),
    ("y_train, standardised", lambda y: (y - y.mean()) / y.std()),
)


class _Side(NamedTuple):
    """True values of records that a model was said to train on, and its predictions of them."""

    true: np.ndarray
    predicted: np.ndarray

    @property
    def errors(self) -> np.ndarray:
        return np.abs(self.true - self.predicted)

    @property
    def r2(self) -> float:
        return float(r2_score(self.true, self.predicted))

    @property
    def spreads(self) -> bool:
        """Whether predictions differ from record to record, beyond rounding."""
        return bool(np.ptp(self.predicted) > 1e-6 * np.abs(self.predicted).max())

    @property
    def is_outside(self) -> bool:
        """Whether they lie on average outside the range of what they are to predict."""
        low, high = self.true.min(), self.true.max()
        margin = _OUTSIDE * (high - low)
        return not low - margin <= self.predicted.mean() <= high + margin

    @property
    def is_strange(self) -> bool:
        """Whether they are worse than the mean, or than themselves in other units."""
        if self.r2 < 0:
            return True
        if not self.spreads:
            return False
        best = np.corrcoef(self.true, self.predicted)[0, 1] ** 2
        return bool(best - self.r2 > _RESCALED)


def other_targets(run: Asked) -> OtherTargets | None:
    """Return what a regressor was fitted on in place of y_train, if so.

    A model that is worse than the mean of y on its own training records may be as it was meant to
    be: one of a quantile, without an intercept, or not trained to the end. What it is held against
    are its references, on their training records, or else one copy of it that is trained on
    X_train, y_train where there is reason to doubt, and only then.
    """
    if run.outputs is None or not run.outputs.of_numbers:
        return None
    members = run.asked_records.labels[run.member]
    own = _sides(members, run.outputs.predicted(run.answers[run.member], members))
    doubtful = [
        j
        for j, side in enumerate(own)
        if np.isfinite(side.predicted).all() and np.ptp(side.true) > 0 and side.is_strange
    ]
    if not doubtful:
        return None
    usual = _of_references(run) or _of_copy(run)
    for j in doubtful:
        differs = _is_unlike(own[j]) if usual is None else _is_surely_worse(own[j], usual[j])
        if differs:
            r2 = None if usual is None else usual[j].r2
            return OtherTargets(
                j if len(own) > 1 else None, own[j].r2, r2, _likely(own, j, run.pool.output_name)
            )
    return None


def _sides(true: np.ndarray, predicted: np.ndarray) -> list[_Side]:
    return [_Side(*pair) for pair in zip(true.T, predicted.astype(np.float64).T, strict=True)]


def _of_references(run: Asked) -> list[_Side] | None:
    """Return what the references predict of their training records."""
    refs = run.references
    if refs is None:
        return None
    assert run.outputs is not None
    n, labels = refs.n_pool_, refs.labels_[: refs.n_pool_]
    kept = np.setdiff1d(np.arange(refs.n_models_), list(refs.lost_))
    predicted = run.outputs.predicted(refs.outputs_[kept][:, :n], labels)
    model, row = np.nonzero(refs.membership_[kept][:, :n] > 0)
    return _sides(labels[row], predicted[model, row]) if len(row) else None


def _of_copy(run: Asked) -> list[_Side] | None:
    """Return what a copy of the target predicts of X_train, y_train; None where none is trained."""
    model = getattr(run.target, "source", run.target)
    model = getattr(model, "best_estimator_", model)
    if not hasattr(model, "fit"):
        return None
    assert run.outputs is not None
    pool, members = run.pool, run.asked_records.labels[run.member]
    X, y = copied(pool.given[0]), pool.y[: pool.n_train]
    question = run.outputs.question(run.asked_records, run.seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            copy = fit_copy(model, X, labels_like(y, pool.kind_of_labels, X), {}, run.seed)
            answers = question.ask(copy, np.flatnonzero(run.member), run.seed)
    except Exception:  # Anybody's estimator, which may need what fit was given besides.
        return None
    sides = _sides(members, run.outputs.predicted(answers, members))
    return sides if all(np.isfinite(side.predicted).all() for side in sides) else None


def _is_surely_worse(own: _Side, usual: _Side) -> bool:
    if usual.r2 - own.r2 < _BETTER:
        return False
    worse, better = own.errors, usual.errors
    variance = worse.var() / len(worse) + better.var() / len(better)
    if np.array_equal(own.true, usual.true):
        variance = (worse - better).var() / len(worse)  # Of the same records.
    gain = worse.mean() - better.mean()
    if gain <= _SURE * np.sqrt(variance):
        return False
    if usual.is_strange:
        return own.is_outside and not usual.is_outside
    return bool(better.mean() < _NEARER * worse.mean())


def _is_unlike(own: _Side) -> bool:
    """Tell the same of a model that cannot be trained, by what hardly any does."""
    if own.is_outside:
        return True
    if own.r2 >= 0 or not own.spreads or own.predicted.std() < _SPREAD * own.true.std():
        return False
    # Those of a quantile lie on one side of most.
    if not _ONE_SIDE < (own.true < own.predicted).mean() < 1 - _ONE_SIDE:
        return False
    return bool(_correlation(own.true, own.predicted) < _UNRELATED / np.sqrt(len(own.true)))


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(spearmanr(one, other).statistic) if np.ptp(one) > 0 and np.ptp(other) > 0 else 0.0


def _likely(own: list[_Side], j: int, name: Callable[[int], str]) -> str:
    side = own[j]
    if not side.spreads or _correlation(side.true, side.predicted) < _SAME_ORDER:
        better = max(range(len(own)), key=lambda k: _correlation(side.true, own[k].predicted))
        if better != j and _correlation(side.true, own[better].predicted) > _SAME_ORDER:
            return (
                f"Its output {name(better)} follows output {name(j)} of y_train: outputs may be "
                "in another order."
            )
        return (
            "Its predictions do not follow y_train either: rows of y_train may be in another order "
            "than those of X_train, or these may not be the records that it was trained on."
        )
    fits = {fit: r2_score(values, side.predicted) for fit, values in _transformed(side.true)}
    # log1p and log fit alike where y is large: the simplest is named.
    fit = next(fit for fit in fits if fits[fit] > max(fits.values()) - _ALIKE)
    if fits[fit] > _EXPLAINS:
        return f"Its predictions fit {fit}: it was probably fitted on that."
    slope, start = np.polyfit(side.predicted, side.true, 1)
    return (
        "Its predictions follow the order of y_train, in other units: y_train is nearer to "
        f"{slope:.3g} times these, {start:+.3g}."
    )


def _transformed(true: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    with np.errstate(invalid="ignore", divide="ignore"):
        found = [(name, transform(true)) for name, transform in _BY_HAND]
    for name, values in found:
        if np.isfinite(values).all():
            yield name, values
