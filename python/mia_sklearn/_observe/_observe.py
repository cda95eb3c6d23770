"""What the attacker sees: a target's answers, beside those of the references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._models._agreement import agreement_with_predict, some_rows
from .._models._answers import name_of
from .._models._kinds import is_generator
from .._models._predictors import as_predictor, check_labels_of_outputs
from .._models._random import random_state_of
from .._models._targets import as_target, check_labels, class_indices
from .._observations._difficulty import with_feature_columns
from .._observations._edges import edge_distances, edges_shown
from .._observations._inside import has_gradients, white_box_columns
from .._observations._layout import (
    lay_alone,
    lay_beside_references,
    with_groups,
    with_inside_columns,
)
from .._observations._reference_table import ReferenceTable
from .._records._checked import check_records, without_labels
from .._records._groups import group_codes
from .._records._index import bearing_index, in_order_of
from .._records._rows import n_rows
from ..access import AskedRecords, BaseAccess, TrueValueAccess
from ..references import ReferenceModels
from ..signals import log_posteriors
from ._ask import _warned, agreed_access, ask_as_references, ask_copies, ask_target, asks_otherwise
from ._match import _locate

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["observe", "top_posteriors"]


def observe(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    access: Any = None,
    view: str = "black-box",
    layers: Sequence[str] | None = None,
    references: ReferenceModels | None = None,
    rows: Any = None,
    neighbors: int = 0,
    n_queries: int = 0,
    classes: Any = None,
    query_budget: int | None = None,
    reference_data: Any = None,
    random_state: Any = None,
    groups: Any = None,
    features: bool = False,
    record_columns: bool = True,
    **access_options: Any,
) -> pd.DataFrame:
    """Ask a target about records and lay its answers beside those of the references.

    Threat model: black-box; each record is queried once, and `n_queries` times more. With
    `access="label"` the attacker sees predicted classes alone, with `view="white-box"` holds the
    model.

    Parameters
    ----------
    model : fitted classifier, regressor or generator, or function
        The target. A function takes records and returns posteriors, or labels with
        ``access="label"``, or numbers within a `mia_sklearn.FunctionRegressor`; with
        ``access="samples"`` it takes a number and a random state and returns so many samples.
    X : table of shape (n_records, n_features)
    y : array-like of shape (n_records,) or (n_records, n_outputs)
        The records' true labels, or the numbers that a regressor is to predict, with one column
        for each of several outputs; generators have none. Taken by position, as in scikit-learn; a
        Series with the index of `X` in another order is refused.
    access : str, access or callable, default=None
        What is asked for in place of posteriors, see `mia_sklearn.access`: "label" for predicted
        classes, for example. By default what the references were asked for; without references,
        posteriors of a classifier and the strongest that a generator allows.
    view : {"black-box", "white-box"}, default="black-box"
        "white-box" adds what the model shows inside, of networks (skorch, `TorchTarget`) and of
        scikit-learn's `LogisticRegression`, `SGDClassifier(loss="log_loss")` and
        `MLPClassifier`: `grad_norm` (Euclidean norm of the gradient of the record's own loss, by
        all trainable parameters) and, for each layer, `grad_norm.<layer>`,
        `activation.<layer>.<i>` (its output) and `gradient.<layer>.<row>_<column>` (by its
        weight as a matrix, rows being outputs). Of support vector machines it adds `edge`: how far
        the answer lies from the edge of the margin, in widths of the edge.
    layers : sequence of str, default=None
        The layers to look at, by default the last two with weights. Names as in torch's
        `named_modules()`; "coef" for linear models, "layer0", "layer1", ... for `MLPClassifier`
        (outputs before the activation function).
    references : fitted ReferenceModels, default=None
        Adds `out_*` and `in_*`: each record's references that did not, did train on it.
    rows : array-like of int of shape (n_records,), default=None
        The records' positions in the references' pool. Found by their content by default;
        identical records are taken in their order, though nothing tells them apart
        (`ReferenceModels.repeated_` marks them).
    neighbors : int, default=0
        Adds `neighbor_*` columns on this many nearest pool records (for attacks of another
        attacker, who may query them; see `StackedAttack`). `X` must be the whole pool.
    n_queries : int, default=0
        Adds `query_*` columns on this many perturbed copies of each record, which the
        references must have answered too (`ReferenceModels(n_queries=)`). With `access="label"`
        the copies whose labels are counted; 0 stands for 25 there.
    classes : array-like of shape (n_classes,), default=None
        Labels of a plain function's columns.
    query_budget : int, default=None
        Most queries that a plain function may get.
    reference_data : table of shape (n_others, n_features), default=None
        Other records of the same kind, which `SampleAccess(local="density-ratio")` compares
        samples with; by default the records asked about. With references these are all of theirs.
    random_state : int, RandomState instance or None, default=None
        Draws what is drawn for the access; the references' own seed where there are some.
    groups : array-like of shape (n_records,), default=None
        Whose each record is, where people have several. Adds `group` (a number per person) and
        `acting` (-1, for the target), which `mia_sklearn.attacks.GroupAttack` reads. References
        that were fitted with groups add them of themselves; given both, they must agree.
    features : bool, default=False
        Adds `feature_*`: the record itself as numbers, which `mia_sklearn.attacks.QMIAAttack`
        reads. Categories and texts become codes and counts of words that depend on the record
        alone, so that tables observed one after the other fit together.
    record_columns : bool, default=True
        With references, adds `difficulty_*`, which `mia_sklearn.attacks.StackedAttack` reads: how
        many of the record's nearest records have its label, how far they are, and how surely trees
        that have not seen the record tell its label. No model's answer and no membership goes into
        them. Texts and pictures are read as the steps in front of the references' estimator make
        numbers of them, fitted anew without labels; without such steps there are none.
    **access_options
        Parameters of the access, where `access` is its name: ``access="label", perturb="auto"``,
        ``access="samples", n_samples=1000``.

    Returns
    -------
    DataFrame of shape (n_records, n_columns), float32
        `label`, `proba_*`, `logit`, and the columns asked for; one row per record in the order
        of `X`. The index holds positions in the pool. `logit` is the access's signal where
        there is one, and generators have no `label` and no `proba_*`. Regressors, and classifiers
        with several outputs, have `target_*` and `prediction_*` in place of these.

    Raises
    ------
    ValueError
        If the model is not fitted, a label is unknown to it, a record is not in the pool, the
        model has no gradients or no such layer, it does not allow the access, or the table would
        take over 4 GiB; if groups are given and the references were drawn record by record.

    Warns
    -----
    UserWarning
        If the target's signal is the same for all records, or a generator has collapsed.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from mia_sklearn import ReferenceModels, observe
    >>> X, y = load_iris(return_X_y=True)
    >>> model = DecisionTreeClassifier(random_state=0).fit(X[::2], y[::2])
    >>> references = ReferenceModels(DecisionTreeClassifier(), n_models=4, random_state=0)
    >>> observe(model, X, y, references=references.fit(X, y)).columns.tolist()[:7]
    ['label', 'proba_0', 'proba_1', 'proba_2', 'logit', 'out_0', 'out_1']
    """
    indexed = bearing_index(X, y)
    groups, rows = in_order_of("groups", groups, indexed), in_order_of("rows", rows, indexed)
    if groups is not None:
        group_codes(groups, n_rows(X), "one value per record of X")
    if features:
        options = {"view": view, "layers": layers, "rows": rows, "neighbors": neighbors}
        options |= {"n_queries": n_queries, "classes": classes, "query_budget": query_budget}
        options |= {"reference_data": reference_data, "random_state": random_state}
        options |= {"access": access, "references": references, "groups": groups}
        options |= {"record_columns": record_columns}
        return with_feature_columns(observe(model, X, y, **options, **access_options), X)
    if n_queries and isinstance(access, str):
        access_options["n_queries"] = n_queries
    asks_other = asks_otherwise(model, access, references)
    if asks_other or access_options or reference_data is not None:
        access = agreed_access(access, model, references, access_options)
        _check_view(view, layers, n_queries, access)
        inside = _edges_of_predictions(model, X, y, access) if view == "white-box" else None
        seen = _observe_signal(
            model,
            X,
            y,
            access=access,
            references=references,
            rows=rows,
            neighbors=neighbors,
            target_options=(classes, query_budget),
            reference_data=reference_data,
            random_state=random_state,
            groups=groups,
            record_columns=record_columns,
        )
        return seen if inside is None else with_inside_columns(seen, inside)
    X, y = check_records(X, y)
    target = as_target(model, classes, query_budget, X=X)
    check_labels(target, y)
    if view not in ("black-box", "white-box"):
        raise ValueError(f'view must be "black-box" or "white-box", got {view!r}.')
    if view != "white-box" and layers is not None:
        raise ValueError('layers= are looked at with view="white-box" only.')
    inside = None
    if view == "white-box":
        inside = _inside(target, X, class_indices(target, y), layers)
    extras = {"rows": rows, "neighbors": neighbors, "n_queries": n_queries, "groups": groups}
    extras |= {"record_columns": record_columns}
    seen = _observe_posteriors(target, X, y, references, **extras)
    return seen if inside is None else with_inside_columns(seen, inside)


def _observe_posteriors(
    target: Any,
    X: Any,
    y: np.ndarray,
    references: ReferenceModels | None,
    *,
    rows: Any,
    neighbors: int,
    n_queries: int,
    groups: Any,
    record_columns: bool,
) -> pd.DataFrame:
    """Observe a classifier's posteriors."""
    if references is None:
        if neighbors or n_queries:
            raise ValueError("neighbors= and n_queries= need references=.")
        labels = class_indices(target, y)
        answers = log_posteriors(target, X)
        agreement_with_predict(target, X, answers, some_rows(n_rows(X)))
        return with_groups(lay_alone(answers, labels, len(target.classes_)), groups)
    check_is_fitted(references, "outputs_")
    positions = _locate(references, X, y, rows, groups)
    if neighbors and len(positions) != references.n_pool_:
        raise ValueError(
            f"neighbors= needs the whole pool in X: {references.n_pool_} records, got "
            f"{len(positions)}."
        )
    log_proba = log_posteriors(target, X, references.classes_).astype(np.float32)
    if np.array_equal(references.classes_, target.classes_):
        agreement_with_predict(target, X, log_proba, some_rows(n_rows(X)))
    query_phi = ask_copies(target, references, positions, n_queries) if n_queries else None
    table = ReferenceTable(
        references, neighbors=neighbors, n_queries=n_queries, record_columns=record_columns
    )
    return lay_beside_references(table, log_proba, positions, query_phi=query_phi)


def _inside(target: Any, X: Any, labels: np.ndarray, layers: Any) -> tuple[list[str], np.ndarray]:
    """Return names and values of what is seen of a target that is at hand."""
    if edges_shown(target) and layers is None and not has_gradients(target):
        return ["edge"], edge_distances(target, X, labels, inside=True)[:, None]
    return white_box_columns(target, X, labels, layers=layers)


def _check_view(view: str, layers: Any, n_queries: int, access: BaseAccess) -> None:
    """Refuse what is shown of models that are asked for posteriors, where others are looked at."""
    shown = view == "black-box" or (view == "white-box" and isinstance(access, TrueValueAccess))
    if shown and layers is None and (not n_queries or access.queries_copies):
        return
    given = "n_queries" if shown and layers is None else "view, or layers,"
    raise ValueError(
        f"{given} is of models that are asked for posteriors, and this one is asked for "
        f"{access.name!r}: leave it out."
    )


def _edges_of_predictions(
    model: Any, X: Any, y: Any, access: BaseAccess
) -> tuple[list[str], np.ndarray] | None:
    """Return the same of a model that predicts numbers; None of what is asked otherwise."""
    if not isinstance(access, TrueValueAccess):
        return None
    if not edges_shown(model):
        raise ValueError(
            f'view="white-box" shows nothing of {name_of(model)}: of models that predict numbers '
            "it shows the edge of the margin of support vector machines."
        )
    X, y = check_records(X, y, as_truth=access.as_truth)
    return ["edge"], edge_distances(model, X, y, inside=True)[:, None]


def _observe_signal(
    model: Any,
    X: Any,
    y: Any,
    *,
    access: BaseAccess,
    references: ReferenceModels | None,
    rows: Any,
    neighbors: int,
    target_options: tuple[Any, Any],
    reference_data: Any,
    random_state: Any,
    groups: Any,
    record_columns: bool,
) -> pd.DataFrame:
    """Observe what an access asks for."""
    output_classes: tuple[np.ndarray, ...] = ()
    if isinstance(access, TrueValueAccess):
        X, y = check_records(X, y, as_truth=access.as_truth)
        given, query_budget = target_options
        if given is not None:
            raise ValueError("classes are of classifiers with one output: leave them out.")
        target, classes = as_predictor(model, query_budget, X=X), np.empty(0)
        if not access.of_numbers:
            check_labels_of_outputs(target, y)
        known = None if references is None else references.output_classes_
        output_classes = access.classes_of(y) if known is None else known
        labels = access.coded(y, output_classes)
    elif access.of_generators or is_generator(model):
        target, (X, y) = model, without_labels(X)
        classes = np.empty(0)
        labels = y
    else:
        X, y = check_records(X, y)
        target = as_target(model, *target_options, X=X)
        check_labels(target, y)
        classes = np.asarray(target.classes_)
        labels = class_indices(target, y)
    if references is not None:
        if reference_data is not None:
            raise ValueError(
                "reference_data= goes without references=: with references all of their records, "
                "the population included, are the reference data."
            )
        positions = _locate(references, X, y, rows, groups)
        answers = _warned(*ask_as_references(target, references, positions))
        return lay_beside_references(
            ReferenceTable(references, neighbors=neighbors, record_columns=record_columns),
            answers,
            positions,
        )
    if neighbors:
        raise ValueError("neighbors= needs references=.")
    seed = random_state_of(random_state).randint(2**31 - 1)
    records = AskedRecords(X, labels, classes, reference_data, output_classes)
    answers = _warned(*ask_target(access, target, records, np.arange(len(y)), seed))
    return with_groups(lay_alone(answers, labels, len(classes), access), groups)


def top_posteriors(observations: pd.DataFrame, k: int = 3) -> pd.DataFrame:
    """Keep only the `k` largest posteriors of each record, in descending order.

    Makes the observations of targets with different classes alike, so that an attack fitted on
    one data set can read another (ML-Leaks, adversary 2: data transfer).

    Parameters
    ----------
    observations : DataFrame
        With columns `proba_*`.
    k : int, default=3
        Targets with fewer classes get zeros.

    Returns
    -------
    DataFrame with columns `proba_0` ... `proba_{k-1}`

    References
    ----------
    .. [1] A. Salem et al., "ML-Leaks", NDSS 2019, section IV.
    """
    import pandas as pd

    from .._observations._columns import group_columns

    groups = group_columns(observations.columns)
    if "proba" not in groups:
        raise ValueError("observations must have columns proba_0, proba_1, ...")
    top = -np.sort(-observations.to_numpy()[:, groups["proba"]], axis=1)[:, :k]
    top = np.pad(top, ((0, 0), (0, k - top.shape[1])))
    return pd.DataFrame(top, columns=[f"proba_{j}" for j in range(k)], index=observations.index)
