"""Asking a target about a whole pool, and training references for it."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.utils.validation import check_is_fitted

from .._models._kinds import is_generator
from .._models._predictors import as_predictor
from .._models._targets import as_target, check_labels
from .._observations._cascade import (
    CascadeObservations,
    auc_on_references,
    has_second_stage,
    lay_cascade,
    lay_plain,
)
from .._observations._layout import lay_beside_references
from .._observations._reference_table import ReferenceTable
from .._records._checked import check_records, without_labels
from .._records._digests import row_digests
from ..access import TrueValueAccess
from ..attacks import GroupAttack, StackedAttack
from ..references import ReferenceModels
from ..references._for_target import check_first, joined, train_for_target, train_more
from ..signals import log_posteriors
from ._ask import _warned, agreed_access, ask_as_references, ask_copies

__all__ = ["observe_cascade"]


def observe_cascade(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    references: ReferenceModels,
    attack: Any = None,
    n_models: int = 12,
    min_auc: float = 0.6,
    neighbors: int = 0,
    n_queries: int = 0,
    core: Any = None,
    fit_params: dict[str, Any] | None = None,
    groups: Any = None,
    classes: Any = None,
    query_budget: int | None = None,
    random_state: Any = None,
) -> CascadeObservations:
    """Ask a target about a whole pool, train references for it, and lay its answers beside theirs.

    Threat model: that of `mia_sklearn.attacks.CascadeAttack`, which reads what is returned.

    Parameters
    ----------
    model : fitted classifier, regressor or generator, or function
        The target, see `observe`.
    X, y : table of shape (n_pool, n_features), array-like of shape (n_pool,)
        What `references` were fitted on, in the same order. Generators have no `y`.
    references : fitted ReferenceModels
        Of the first stage, drawn in blocks. It also says what the second stage trains, on how
        many records, `n_jobs`, and in which `cache` finished models are kept.
    attack : attack, default=None
        Of the first stage, fitted on the shadow observations of `references`. By default a
        `mia_sklearn.attacks.StackedAttack`, which is fitted here; of people's records within a
        `mia_sklearn.attacks.GroupAttack`.
    n_models : int, default=12
        References of the second stage, of all parts of the pool together; rounded up to whole
        blocks, of which each part has two at least. There are three parts where the number allows,
        else two: of a target that trained on half of the pool four references of each third.
    min_auc : float, default=0.6
        There is a second stage where the first one's AUC is as much or more, of references that
        act as targets, on records that it has not learned from. Where it is less, as many
        references are trained that know nothing of the target: `CascadeAttack` is the stacked
        attack then, with all of them. 0 forces a second stage.
    neighbors : int, default=0
        Adds `neighbor_*` columns on this many nearest pool records, as in `observe`, which
        `CascadeAttack(pool_features=True)` reads, and the first stage's attack by default.
    n_queries : int, default=0
        Perturbed copies of each record, as in `observe`.
    core : tuple (X, y), default=None
    fit_params : dict, default=None
    groups : array-like, default=None
        What `references.fit` was given besides.
    classes : array-like of shape (n_classes,), default=None
        Labels of a plain function's columns.
    query_budget : int, default=None
        Most queries that a plain function may get.
    random_state : int, RandomState instance or None, default=None
        Of the first stage's attack, where none is given, and of rows that attacks learn from. Who
        trains on what follows from `references`, and from what the first stage finds.

    Returns
    -------
    CascadeObservations
        A named tuple `(shadow, membership, observations, first_stage_auc)`: fit the attack on the
        first two, and score the third.

    Raises
    ------
    ValueError
        If records, references and the target do not go together, before anything is trained.

    See Also
    --------
    observe : Single records, beside references that know nothing of the target.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from mia_sklearn import ReferenceModels, observe_cascade
    >>> X, y = load_iris(return_X_y=True)
    >>> model = DecisionTreeClassifier(random_state=0).fit(X[::2], y[::2])
    >>> references = ReferenceModels(DecisionTreeClassifier(), n_models=4, random_state=0)
    >>> references = references.fit(X, y)
    >>> seen = observe_cascade(
    ...     model, X, y, references=references, n_models=8, min_auc=0, random_state=0
    ... )
    >>> len(seen.shadow), len(seen.observations)
    (600, 150)
    """
    check_is_fitted(references, "outputs_")
    given = (X, y)
    target, X, y = _target_and_records(model, X, y, references, (classes, query_budget))
    check_first(references, n_models, min_auc)
    digests = row_digests(X, y)
    if not np.array_equal(digests, references.digests_[: references.n_pool_]):
        raise ValueError(
            "X and y must be the records that the references were fitted on, all of them and in "
            "the same order."
        )
    rows = np.arange(references.n_pool_)
    extras: dict[str, Any] = {"neighbors": neighbors, "n_queries": n_queries}
    shadow = references.shadow_observations(random_state=random_state, **extras)
    if attack is None:
        attack = _first_attack(references, random_state, neighbors).fit(*shadow)
    auc = auc_on_references(attack, references, *shadow)
    if references.access_ is None:
        answers = log_posteriors(target, X, references.classes_).astype(np.float32)
    else:
        answers = _warned(*ask_as_references(target, references, rows))
    copies = ask_copies(target, references, rows, n_queries) if n_queries else None
    table = ReferenceTable(references, **extras)
    options = {"first_stage_auc": auc, "query_phi": copies, "random_state": random_state}
    taught = {
        "n_models": n_models,
        "core": core,
        "fit_params": fit_params,
        "classes": references.classes_ if len(references.classes_) else None,
        "groups": groups,
    }
    if not has_second_stage(auc, min_auc):
        every = joined(references, train_more(references, *given, **taught))
        return lay_plain(table, every, answers, **options)
    seen = lay_beside_references(table, answers, rows, query_phi=copies)
    posterior = expit(attack.decision_function(seen))
    parts = train_for_target(references, *given, posterior, **taught)
    return lay_cascade(table, attack, parts, answers, seen, **options)


def _target_and_records(
    model: Any, X: Any, y: Any, references: ReferenceModels, of_function: tuple[Any, Any]
) -> tuple[Any, Any, Any]:
    """Return what is asked, and the records as they are compared with those of the references."""
    if references.access_ is None:
        X, y = check_records(X, y)
        target = as_target(model, *of_function, X=X)
        check_labels(target, y)
        return target, X, y
    access = agreed_access(None, model, references)
    if isinstance(access, TrueValueAccess):
        X, y = check_records(X, y, as_truth=access.as_truth)
        return as_predictor(model, of_function[1], X=X), X, y
    if access.of_generators or is_generator(model):
        return model, *without_labels(X)
    X, y = check_records(X, y)
    target = as_target(model, *of_function, X=X)
    check_labels(target, y)
    return target, X, y


def _first_attack(references: ReferenceModels, random_state: Any, neighbors: int) -> Any:
    attack: Any = StackedAttack(pool_features=neighbors > 0, random_state=random_state)
    if references.groups_ is not None:
        attack = GroupAttack(attack, random_state=random_state)
    return attack
