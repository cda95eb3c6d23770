"""How far answers lie from the edge of a margin, where support vectors lie and few others do.

A support vector machine pays nothing for records beyond its margin and much for those within. What
holds the machine in place between the two are the free support vectors, records of the training set
that lie *on* the edge, up to the tolerance at which training stopped. A fresh record lies there by
chance alone. With f the decision function, y the class (-1 or 1) or the target, the edges are

- `y * f == 1` of `SVC`, `NuSVC` and `LinearSVC(loss="hinge")`; of several classes for each pair of
  them, or each class against the rest, as the machine was trained;
- `|y - f| == epsilon` of `SVR` and `LinearSVR(loss="epsilon_insensitive")`; of `NuSVR`, which
  chooses epsilon itself and does not keep it, the value that most answers share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from itertools import combinations, pairwise
from typing import Any, NamedTuple

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import MultiOutputRegressor, RegressorChain
from sklearn.preprocessing import QuantileTransformer
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC, NuSVR
from sklearn.utils import check_array

from .._models._answers import answer_of
from .._models._kinds import is_pipeline, kind_of_estimator
from .._records._rows import copied, positions

__all__ = ["edge_distances", "edges_fixed", "edges_shown"]

_BAGS = (BaggingClassifier, BaggingRegressor)
# One alone answers for all of these.
_MEANS = (BaggingRegressor, VotingRegressor, AdaBoostRegressor)
_TEAMS = (
    *(VotingClassifier, VotingRegressor, StackingClassifier, StackingRegressor),
    *(AdaBoostClassifier, AdaBoostRegressor),
)
# Answers of which all but so few lie within so few widths of one another are all the same.
_FEW, _ALIKE = 0.02, 10
_HANDED_ON = (FixedThresholdClassifier, TunedThresholdClassifierCV, SelfTrainingClassifier)

# Records and their classes or targets, as the next part of a model sees them.
_Data = tuple[Any, np.ndarray]


class _Machine(NamedTuple):
    """One support vector machine within a model.

    Attributes
    ----------
    model : estimator
    route : tuple of callables
        From the model's records and classes (targets) to those that the machine was trained on,
        step by step. Classes are positions among those of each part; -1 for none of them.
    shown : bool
        Whether the model's answers tell the machine's.
    """

    model: Any
    route: tuple[Callable[[Any, np.ndarray], _Data], ...]
    shown: bool


def edges_shown(target: Any) -> str:
    """Tell by what a fitted model shows the edges of a margin.

    Returns
    -------
    {"answers", "weights", ""}
        "answers" where decision values, posteriors or predictions tell; "weights" where it takes
        the model itself, since its answers round a machine's, or mix several; empty where there is
        no edge.
    """
    machines = list(_machines(target))
    if not machines:
        return ""
    return "answers" if any(machine.shown for machine in machines) else "weights"


def edges_fixed(target: Any) -> bool:
    """Tell whether all edges of a model lie where its parameters say, and not its answers."""
    return not any(isinstance(machine.model, NuSVR) for machine in _machines(target))


def edge_distances(target: Any, X: Any, y: np.ndarray, *, inside: bool) -> np.ndarray:
    """Return how far each record lies from the nearest edge, in widths of the edge.

    Parameters
    ----------
    target : fitted estimator
    X : table of shape (n_records, n_features)
    y : ndarray of shape (n_records,) or (n_records, n_outputs)
        Positions of the true classes among the target's; of regressors the true values.
    inside : bool
        Whether the model itself is at hand, and not its answers alone.

    Returns
    -------
    ndarray of shape (n_records,), float64
        At most 1 on an edge; NaN where no edge has to do with the record.
    """
    nearest = np.full(len(y), np.nan)
    for machine in _machines(target):
        if machine.shown or inside:
            records, truth = X, y
            for step in machine.route:
                records, truth = step(records, truth)
            nearest = np.fmin(nearest, _distances(machine.model, records, truth))
    return nearest


def _is_machine(model: Any) -> bool:
    if isinstance(model, LinearSVC):
        return bool(model.loss == "hinge" or model.multi_class == "crammer_singer")
    if isinstance(model, LinearSVR):
        return bool(model.loss == "epsilon_insensitive")
    return isinstance(model, (SVC, NuSVC, SVR, NuSVR))


def _machines(model: Any) -> Iterator[_Machine]:
    """Yield the machines of a model, through all that scikit-learn puts around them."""
    if _is_machine(model):
        yield _Machine(model, (), _shows_its_margins(model))
        return
    for child, step, tells in _children(model):
        for machine in _machines(child):
            shown = machine.shown and tells
            yield _Machine(machine.model, (step, *machine.route), shown)


def _shows_its_margins(model: Any) -> bool:
    if len(getattr(model, "classes_", ())) <= 2:
        # Posteriors of two classes are a monotone function of the decision.
        return True
    of_pairs = getattr(model, "decision_function_shape", "ovo") == "ovo"
    return of_pairs and not hasattr(model, "predict_proba")


def _children(model: Any) -> Iterator[tuple[Any, Callable[[Any, np.ndarray], _Data], bool]]:
    """Yield the fitted parts of a model, what each is trained on, and whether answers tell it."""
    if hasattr(model, "best_estimator_"):
        yield model.best_estimator_, _same, True
    elif is_pipeline(model):
        yield model.steps[-1][1], _through(model), True
    elif isinstance(model, _HANDED_ON):
        yield model.estimator_, _same, True
    elif isinstance(model, FrozenEstimator):
        yield model.estimator, _same, True
    elif isinstance(model, TransformedTargetRegressor):
        tells = _can_be_undone(model.transformer_, model.regressor_)
        yield model.regressor_, _transformed(model.transformer_), tells
    elif isinstance(model, CalibratedClassifierCV):
        parts = [calibrated.estimator for calibrated in model.calibrated_classifiers_]
        # An isotonic regression answers steps, of which each holds many who lie elsewhere.
        one_to_one = len(model.classes_) == 2 and model.method != "isotonic"
        tells = len(parts) == 1 and one_to_one
        for part in parts:
            yield part, _encoded(part, np.asarray(model.classes_)), tells
    elif isinstance(model, _BAGS):
        tells = isinstance(model, _MEANS) and len(model.estimators_) == 1
        for part, features in zip(model.estimators_, model.estimators_features_, strict=True):
            yield part, _some_features(part, features), tells
    elif isinstance(model, _TEAMS):
        raw = np.asarray(model.classes_) if isinstance(model, AdaBoostClassifier) else None
        tells = isinstance(model, _MEANS) and len(model.estimators_) == 1
        for part in model.estimators_:
            yield part, _encoded(part, raw), tells
    else:
        yield from _of_classes_and_outputs(model)


def _of_classes_and_outputs(
    model: Any,
) -> Iterator[tuple[Any, Callable[[Any, np.ndarray], _Data], bool]]:
    """Yield the parts of a model that has one for each class, pair of classes or output."""
    if isinstance(model, OneVsRestClassifier) and not model.multilabel_:
        n_classes = len(model.classes_)
        # Posteriors of one against the rest are divided by their sum.
        tells = n_classes == 2 or not hasattr(model, "predict_proba")
        numbers = range(n_classes) if n_classes > 2 else [1]
        for number, part in zip(numbers, model.estimators_, strict=True):
            yield part, _against_rest(number), tells
    elif isinstance(model, OneVsOneClassifier) and model.pairwise_indices_ is None:
        # Of one pair the vote grows with the decision; those of several are added up.
        tells = len(model.classes_) == 2
        pairs = combinations(range(len(model.classes_)), 2)
        for pair, part in zip(pairs, model.estimators_, strict=True):
            yield part, _of_pair(*pair), tells
    elif isinstance(model, MultiOutputRegressor):
        for number, part in enumerate(model.estimators_):
            yield part, _of_output(number), True
    elif isinstance(model, RegressorChain):
        # All others read what those before them predict.
        yield model.estimators_[0], _of_output(model.order_[0]), True
    elif isinstance(model, OutputCodeClassifier):
        for code, part in zip(model.code_book_.T, model.estimators_, strict=True):
            yield part, _of_code(code), False


def _same(X: Any, y: np.ndarray) -> _Data:
    return X, y


def _through(pipeline: Any) -> Callable[[Any, np.ndarray], _Data]:
    if len(pipeline.steps) == 1:
        return _same
    return lambda X, y: (pipeline[:-1].transform(copied(X)), y)


def _encoded(part: Any, classes: np.ndarray | None) -> Callable[[Any, np.ndarray], _Data]:
    """Return positions among a part's classes, which were fitted as they are, or as numbers."""
    if kind_of_estimator(part) != "classifier":
        return _same
    own = np.asarray(part.classes_)
    return lambda X, y: (X, positions(y if classes is None else classes[y], own))


def _some_features(part: Any, features: np.ndarray) -> Callable[[Any, np.ndarray], _Data]:
    encoded = _encoded(part, None)

    def step(X: Any, y: np.ndarray) -> _Data:
        options = {"dtype": None, "ensure_all_finite": False}
        return encoded(check_array(X, accept_sparse="csr", **options)[:, features], y)

    return step


def _against_rest(number: int) -> Callable[[Any, np.ndarray], _Data]:
    return lambda X, y: (X, (y == number).astype(np.intp))


def _of_pair(one: int, other: int) -> Callable[[Any, np.ndarray], _Data]:
    return lambda X, y: (X, np.where(y == other, 1, np.where(y == one, 0, -1)))


def _of_code(code: np.ndarray) -> Callable[[Any, np.ndarray], _Data]:
    return lambda X, y: (X, (code[y] > 0).astype(np.intp))


def _of_output(number: int) -> Callable[[Any, np.ndarray], _Data]:
    return lambda X, y: (X, y.reshape(len(y), -1)[:, number])


def _transformed(transformer: Any) -> Callable[[Any, np.ndarray], _Data]:
    def step(X: Any, y: np.ndarray) -> _Data:
        changed = np.asarray(transformer.transform(y.reshape(len(y), -1)))
        return X, changed[:, 0] if changed.shape[1] == 1 else changed

    return step


def _can_be_undone(transformer: Any, regressor: Any) -> bool:
    """Tell whether predictions lead back to what a machine answered, to within its edge's width.

    Whoever knows `y` then sees the edge: of affine transformers as a residual that many records
    share, of functions after these.
    """
    machine = next(_machines(regressor), None)
    # Quantiles of the training set are known to nobody outside.
    if machine is None or isinstance(transformer, QuantileTransformer):
        return False
    width = machine.model.tol
    answers = np.ravel(machine.model.intercept_)[0] + width * np.arange(-1.0, 2.0)
    answers = np.tile(answers[:, None], getattr(transformer, "n_features_in_", 1))
    try:
        with np.errstate(all="ignore"):
            back = transformer.transform(transformer.inverse_transform(answers))
    except Exception:
        # Code of the user's own, which need not take values made up here.
        return False
    return bool(np.shape(back) == answers.shape and (np.abs(back - answers) < width).all())


def _distances(machine: Any, X: Any, y: np.ndarray) -> np.ndarray:
    """Return how far records lie from a machine's own edges, in widths."""
    if isinstance(machine, (SVR, NuSVR, LinearSVR)):
        residual = np.abs(y.reshape(len(y)) - answer_of(machine, "predict", X))
        width = machine.tol
        if isinstance(machine, NuSVR):
            return np.abs(residual - most_shared(residual, width)) / width
        # A tube without walls has its edge at 0.
        return np.abs(residual - machine.epsilon) / width
    if getattr(machine, "decision_function_shape", "ovo") != "ovo":
        # As it was trained, by pairs. One that is asked in other dtypes has a method of its own,
        # which would ask the original.
        machine = copy(machine)
        vars(machine).pop("decision_function", None)
        machine.decision_function_shape = "ovo"
    decision = np.asarray(answer_of(machine, "decision_function", X), dtype=np.float64)
    decision = decision.reshape(len(y), -1)
    margins = _margins(machine, decision, y)
    widths = np.broadcast_to(_widths(machine), margins.shape[1])
    low, high = np.quantile(decision, [_FEW, 1 - _FEW], axis=0)
    if margins.shape == decision.shape:
        # Of a machine that answers all alike, -1 say, the edge tells none apart.
        margins[:, high - low < _ALIKE * widths] = np.nan
    return np.fmin.reduce(np.abs(margins - 1) / widths, axis=1)


def _widths(machine: Any) -> Any:
    """Return how exactly free support vectors lie on the edge: one width, or one per margin."""
    if not isinstance(machine, NuSVC):
        return machine.tol
    # Divided by the margin that it found are its decision function and its dual coefficients,
    # which lie below 1 before.
    coefficients, ends = np.abs(machine.dual_coef_), np.cumsum([0, *machine.n_support_])
    of_class = [slice(start, stop) for start, stop in pairwise(ends)]
    pairs = combinations(range(len(machine.classes_)), 2)
    largest = [
        max(coefficients[j - 1, of_class[i]].max(), coefficients[i, of_class[j]].max())
        for i, j in pairs
    ]
    return machine.tol * np.array(largest)


def _margins(machine: Any, decision: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return each record's margins, (n_records, n_margins): NaN where one is not the record's."""
    n_classes = len(machine.classes_)
    known = np.where(y < 0, np.nan, 1.0)[:, None]
    if n_classes == 2:
        return known * np.where(y == 1, 1.0, -1.0)[:, None] * decision
    if not isinstance(machine, LinearSVC):
        signs = np.full(decision.shape, np.nan)
        for column, (one, other) in enumerate(combinations(range(n_classes), 2)):
            signs[y == one, column] = 1.0
            signs[y == other, column] = -1.0
        return signs * decision
    own = y[:, None] == np.arange(n_classes)
    if machine.multi_class == "ovr":
        return known * np.where(own, 1.0, -1.0) * decision
    best_other = np.where(own, -np.inf, decision).max(axis=1)
    return known * (np.where(own, decision, 0.0).sum(axis=1) - best_other)[:, None]


def most_shared(values: np.ndarray, width: float) -> float:
    """Return the middle of the stretch of values, two widths long, that holds most of them.

    It is found without knowing whose the values are, so that whether members lie there more often
    than others is an open question still.
    """
    ordered = np.sort(values)
    last = np.searchsorted(ordered, ordered + 2 * width, side="right") - 1
    first = int(np.argmax(last - np.arange(len(ordered))))
    return float((ordered[first] + ordered[last[first]]) / 2)
