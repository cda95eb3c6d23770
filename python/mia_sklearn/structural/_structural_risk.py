"""What a fitted model's structure says of the risk to its training records, in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._models._answers import name_of
from .._models._generators import is_function
from .._models._is_fitted import check_fitted
from .._models._known_features import check_features
from .._models._predictors import answers_several, as_predictor, predicts_numbers
from .._models._targets import as_target, own_labels
from .._process._printable import in_words
from .._records._checked import check_records, check_same_features, without_labels
from .._records._rows import as_table, n_rows, take_rows
from .._records._targets import as_numbers, as_several_labels, is_constant, labels_of_outputs
from ..report import Finding, StructuralReport
from ._answers import of_classes, of_numbers, of_outputs
from ._edge import Edges, edges_of
from ._findings import FINDERS
from ._measures import Answers
from ._structure import Structure, measure_structure, some_of

__all__ = ["structural_risk"]

_RELEASES = {
    "classifier": ("posteriors", "labels", "weights"),
    "regressor": ("predictions", "weights"),
    "other": ("weights",),
}


def structural_risk(
    model: Any,
    X_train: Any,
    y_train: Any = None,
    X_test: Any = None,
    y_test: Any = None,
    *,
    release: str | None = None,
    random_state: int = 0,
) -> StructuralReport:
    """Say in seconds what a fitted model's structure tells of the risk to its training records.

    No reference model is trained: the numbers are for a first look, for tuning, and beside an
    audit. They estimate risk, they do not measure it as `mia_sklearn.audit` does.

    Parameters
    ----------
    model : fitted estimator, TorchTarget, FunctionTarget or FunctionRegressor
        A classifier or a regressor, Pipelines and search objects included. Estimators of other
        kinds (densities, outliers, transformers) are looked at for records that they keep. Of
        functions the answers alone are measured.
    X_train, y_train : table of shape (n_train, n_features), array-like of shape (n_train,)
        What the model was trained on, all of it. `y_train` is None for estimators of other kinds;
        it may have several columns, one per output.
    X_test, y_test : table of shape (n_test, n_features), array-like, default=None
        Records of the same population that the model was not trained on. Without them only what
        needs none is measured.
    release : {"posteriors", "labels", "predictions", "weights"}, default=None
        What users of the model get. None stands for "posteriors" of classifiers, "predictions"
        of regressors, and "weights" of other kinds. With "labels" losses are errors, and answers
        are compared as labels. With "weights" what the model keeps is given away with it.
    random_state : int, default=0
        Draws the records that are looked at, where there are more than 20,000.

    Returns
    -------
    StructuralReport

    Raises
    ------
    ValueError
        If an argument is wrong; names it, and the fix.
    NotFittedError
        If the model is not fitted.

    See Also
    --------
    audit : Attacks the model, with reference models that show what is usual.

    Notes
    -----
    These predict what attacks with references achieve (``predicts`` is True):

    - ``ks``: the Kolmogorov-Smirnov distance between losses on training and on other records;
      its ``error`` is the noise floor, 1.36 sqrt(1/n + 1/m). Bands begin at .05, .15 and .25. Of
      classifiers the loss is that of the true class, of regressors ``abs(y - f)``, of several
      outputs the mean over outputs of ``abs(y_j - f_j) / sd(y_j)``, of several labels the mean of
      their logits.
    - ``confidence_gap``: mean confidence in the true class, training less other records; for
      regressors ``residual_ratio``, the mean residual of other records over that of training
      records.
    - ``self_influence``, without any other record: what a record's own presence makes of the
      answer about it, on average. Trees: its weight in its leaf, 1 / (weight of the leaf), which
      averages to leaves per record (forests, bagging: the mean of their trees; boosting: 1 -
      prod(1 - learning rate x leaves / records)). Nearest neighbours: its own vote among its
      neighbours. Linear models, kernel ridge and Gaussian processes: its leverage. Support vectors:
      what its own term supplies of the unit margin, min(1, alpha K(x, x)). None where leaves or
      kept records show that the model was trained on others than `X_train`.
    - ``parameters_per_record``: nodes of trees, coefficients and stored values.

    The others are shown for what they are (``predicts`` is False): ``stored_records``, a matter of
    what is released; of support vector machines ``on_margin_edge``, the share of training
    records on the edge of a margin; ``smallest_leaf``, ``small_leaves``, ``smallest_answer_class``,
    ``small_answer_classes`` and ``class_disclosure``, as output checkers ask for them, which
    flag harmless models as often as others; and ``published_rules`` on hyper-parameters [1]_.

    Records that are kept are found by value: rows of fitted attributes that are rows of
    `X_train`, as the part saw them behind the steps before it. Rows count that occur once in the
    training data, and that are found more often than by coincidence.

    References
    ----------
    .. [1] R. J. Preen and J. Smith, "A hierarchical approach for assessing the vulnerability of
       tree-based classification models to membership inference attack", arXiv:2502.09396, 2025.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from mia_sklearn import structural_risk
    >>> X, y = load_iris(return_X_y=True)
    >>> report = structural_risk(KNeighborsClassifier().fit(X, y), X, y, release="weights")
    >>> [finding.code for finding in report.findings]
    ['STORES_RECORDS', 'SELF_INFLUENCE']
    """
    given = _given(model, ((X_train, y_train), (X_test, y_test)), release)
    train, test = (
        None if side is None else _answers(given, *side, seed)
        for side, seed in ((given.train, random_state), (given.test, random_state + 1))
    )
    X, y = given.train
    structure = measure_structure(
        given.model,
        X,
        y,
        train=train,
        test=test,
        release=given.release,
        regressor=given.kind == "regressor",
        edges=_edges(given, random_state),
        seed=random_state,
    )
    return StructuralReport(
        measures=structure.frame(),
        findings=_findings(structure),
        info={
            "model": name_of(getattr(given.model, "source", None) or given.model),
            "release": given.release,
            "n_train": n_rows(X),
            "n_test": 0 if given.test is None else n_rows(given.test[0]),
        },
    )


@dataclass(frozen=True)
class _Given:
    """What was given, checked.

    Attributes
    ----------
    kind : {"classifier", "outputs", "regressor", "other"}
    train, test : pair of table and ndarray
    """

    model: Any
    kind: str
    release: str
    train: tuple[Any, np.ndarray | None]
    test: tuple[Any, np.ndarray | None] | None


@dataclass(frozen=True)
class _Context:
    structure: Structure


def _findings(structure: Structure) -> list[Finding]:
    found = (finder().find(_Context(structure)) for finder in FINDERS)
    return [finding for finding in found if finding is not None]


def _given(model: Any, sides: tuple[tuple[Any, Any], ...], release: str | None) -> _Given:
    (X_train, y_train), (X_test, y_test) = sides
    kind = _kind(model, y_train)
    if (X_test is None) != (y_test is None) and kind != "other":
        missing, there = ("y_test", "X_test") if y_test is None else ("X_test", "y_test")
        raise ValueError(f"{missing} is None, but {there} is given: give both, or neither.")
    model = _fitted(model, kind, X_train, y_train)
    known = _RELEASES["classifier" if kind == "outputs" else kind]
    release = release or known[0]
    if release not in known:
        told = ", ".join(map(repr, known))
        raise ValueError(f"release must be one of {told} for this {name_of(model)}: {release!r}.")
    checked = [
        _checked(model, kind, side, name)
        for name, side in zip(("train", "test"), sides, strict=True)
        if name == "train" or side[0] is not None
    ]
    if len(checked) == 2:
        check_same_features(checked[0][0], checked[1][0], "X_train", "X_test")
    y = checked[0][1]
    if y is not None and is_constant(y):
        what = "holds one class only" if kind == "classifier" else "is constant"
        raise ValueError(
            f"y_train {what}, {y.tolist()[0]!r}: nothing was learned that could be told apart."
        )
    return _Given(model, kind, release, checked[0], checked[1] if len(checked) == 2 else None)


def _kind(model: Any, y: Any) -> str:
    if predicts_numbers(model):
        return "regressor"
    if answers_several(model, y):
        return "outputs"
    return "other" if y is None and hasattr(model, "fit") else "classifier"


def _fitted(model: Any, kind: str, X: Any, y: Any) -> Any:
    if isinstance(model, (type, str)) or model is None:
        got = f"the class {model.__name__}" if isinstance(model, type) else repr(model)
        raise ValueError(f"model must be a fitted model, got {got}.")
    if is_function(model):
        raise ValueError(
            "model is a plain function: pass mia_sklearn.FunctionTarget(function, classes=...) of "
            "one that returns posteriors, mia_sklearn.FunctionRegressor(function) of one that "
            "returns numbers."
        )
    if kind == "classifier":
        return as_target(model, X=check_records(X, y, "X_train", "y_train")[0])
    if kind != "other":
        return as_predictor(model, X=as_table(X, "X_train"))
    if hasattr(model, "classes_"):
        raise ValueError(
            "y_train is None, but the model is a classifier: give the labels that it learned."
        )
    check_fitted(model, as_table(X, "X_train"))
    return model


def _checked(
    model: Any, kind: str, side: tuple[Any, Any], name: str
) -> tuple[Any, np.ndarray | None]:
    (X, y), X_name, y_name = side, f"X_{name}", f"y_{name}"
    if kind == "other":
        X, labels = without_labels(X, X_name)[0], None
    elif kind == "classifier":
        X, labels = check_records(X, y, X_name, y_name)
        labels = own_labels(model, labels, y_name)
    else:
        X = as_table(X, X_name)
        if y is None:
            raise ValueError(f"{y_name} is None: give what the model is to predict.")
        labels = (as_numbers if kind == "regressor" else as_several_labels)(y, y_name)
        if len(labels) != n_rows(X) or not len(labels):
            raise ValueError(
                f"{X_name} and {y_name} must have one row per record, and some, got {n_rows(X)} "
                f"and {len(labels)} rows."
            )
    check_features(model, X, X_name)
    return X, labels


def _edges(given: _Given, seed: int) -> Edges | None:
    """Return how far records lie from the edge of a margin, where the model shows one."""
    if given.kind not in ("classifier", "regressor"):
        return None
    sides = []
    for number, side in enumerate((given.train, given.test)):
        if side is not None and side[1] is not None:
            rows = some_of(len(side[1]), seed + number)
            sides.append((take_rows(side[0], rows), side[1][rows]))
    return edges_of(given.model, sides, given.release, regressor=given.kind == "regressor")


def _answers(given: _Given, X: Any, y: np.ndarray | None, seed: int) -> Answers | None:
    """Return what the model answers about some of the records."""
    if y is None:
        return None
    rows = some_of(len(y), seed)
    shown, true = take_rows(X, rows), y[rows]
    try:
        if given.kind == "classifier":
            return of_classes(given.model, shown, true, given.release)
        sides = [side[1] for side in (given.train, given.test) if side is not None]
        known = [labels for labels in sides if labels is not None]
        if given.kind == "regressor":
            return of_numbers(given.model, shown, true, known[0])
        return of_outputs(given.model, shown, true, labels_of_outputs(np.concatenate(known)))
    except Exception as error:
        name = "X_train" if y is given.train[1] else "X_test"
        raise ValueError(f"The model could not answer {name}: {in_words(error)}") from error
