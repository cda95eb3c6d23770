"""What a model gives away of its training records, as a scorer."""

from __future__ import annotations

import warnings
from typing import Any

import joblib
import numpy as np
from sklearn.base import clone

from .._audit import audit
from .._audit._choice import Means, choose_attacks
from .._audit._repeats import shared_records
from .._models._predictors import as_predictor
from .._models._targets import as_target
from .._models._trainable import unfitted
from .._observations._inside_columns import looks_inside
from .._observe import observe
from .._records._checked import as_labels, check_records, check_same_features
from .._records._digests import row_digests
from .._records._rows import (
    concat_rows,
    has_entries,
    n_rows,
    take_params,
    take_rows,
)
from ..access._choice import access_of_outputs
from ..base import TrainingSet
from ..metrics import compute, parse_metric
from ..references import ReferenceModels
from ._audited import Audited, remembered

__all__ = ["membership_risk"]

# What a search can afford: stronger ones cost a second or more for each model that is scored.
_DEFAULT_ATTACK, _DEFAULT_REFERENCES = "lira", 8


def membership_risk(
    metric: str = "auc",
    *,
    attack: Any = "auto",
    n_references: int | None = None,
    random_state: int = 0,
    max_records: int | None = None,
    cache: Any = None,
) -> MembershipRisk:
    """Make a scorer of what a model gives away, for `GridSearchCV`, `cross_validate` and the like.

    The records that an `Audited` estimator was trained on are the members, those that the scorer
    is given are the non-members, and an attack tries to tell them apart.

    Parameters
    ----------
    metric : str, default="auc"
        As `mia_sklearn.metrics.parse_metric` reads it: "auc", "advantage", "tpr@0.01", ...
    attack : str or attack, default="auto"
        As an entry of `attacks` of `audit`. "auto" is "lira", the strongest that a search can
        afford. "qmia" and "threshold", on the loss, train nothing and miss much of what a model
        gives away: a low risk by them is no promise. "qmia" finds the more of the two.
    n_references : int, default=None
        Reference models to train, for attacks that need them ("lira", "rmia", "stacked", ...). By
        default 8 with "auto", 0 otherwise.
    random_state : int, default=0
        Of the references and the attack.
    max_records : int, default=None
        Most records to attack, chosen at random, where there are references and an attack is
        named.
    cache : str or path, default=None
        Folder in which finished reference models are kept.

    Returns
    -------
    callable
        `scorer(estimator, X, y)` returns the negative of the risk, so that higher is better as
        everywhere in scikit-learn. `estimator` must be `Audited`, or a fitted search over one.

    Raises
    ------
    ValueError
        If the metric or the attack is unknown, or the attack needs references and
        `n_references` is 0. The scorer raises if its estimator is not `Audited`, or all
        of its records are training records; a search turns that into a warning and NaN.

    See Also
    --------
    pareto_refit : Picks the most useful candidate whose risk is low enough.
    mia_sklearn.audit : All attacks on one model, with intervals and controls.

    Notes
    -----
    *Regressors* are attacked by their predictions, and their utility is R2: give the search
    ``scoring={"r2": "r2", risk.name: risk}``. Attacks that read posteriors raise on them.

    *Cost.* "auto" trains `n_references` models (rounded up to whole blocks: 10 in five folds) for
    each candidate, on parts of all records, which serve all of its splits: a search of five folds
    takes about three times as long. Where splits are scored in several processes (`n_jobs`) each
    may train its own, unless `cache` names a folder. What the scorer keeps between splits tells who
    was trained on, holds no record, and goes into no copy or file of the scorer. An attack that is
    named trains its references for each split.

    `name` tells what is measured, such as "neg_lira_auc": the key to give it in `scoring`, so that
    the attack is in `cv_results_`.

    Records that occur more than once, in the training set and the records scored together, are
    neither members nor non-members of a random split: all copies are left out, as `audit` does.
    Training scores (`return_train_score=True`) have no non-members and become NaN.

    Weights per record reach the references where the search passes them to scorers (scikit-learn
    1.8 and later); elsewhere "auto" falls back to "threshold", with a warning.

    Without references "advantage" and "accuracy" are taken at the threshold that is best for the
    records scored, which on small test parts is well above 0 for a model that gives nothing
    away: about 0.1 on 100 test records. "auc" has no such bias. All candidates share it, so
    that their order stands.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from mia_sklearn.selection import Audited, membership_risk, pareto_refit
    >>> X, y = make_classification(400, flip_y=0.2, random_state=0)
    >>> risk = membership_risk("auc", n_references=4)
    >>> search = GridSearchCV(
    ...     Audited(DecisionTreeClassifier(random_state=0)),
    ...     {"estimator__max_depth": [2, None]},
    ...     scoring={"accuracy": "accuracy", risk.name: risk},
    ...     refit=pareto_refit(utility="accuracy", risk=risk, max_risk=0.75),
    ...     cv=2,
    ... ).fit(X, y)
    >>> search.best_params_
    {'estimator__max_depth': 2}
    >>> bool(search.cv_results_["mean_test_neg_lira_auc"].min() < -0.6)
    True
    """
    return MembershipRisk(
        metric,
        attack=attack,
        n_references=n_references,
        random_state=random_state,
        max_records=max_records,
        cache=cache,
    )


class MembershipRisk:
    """The scorer that `membership_risk` makes."""

    def __init__(
        self,
        metric: str,
        *,
        attack: Any,
        n_references: int | None,
        random_state: int,
        max_records: int | None,
        cache: Any,
    ) -> None:
        parse_metric(metric)
        self.metric = metric
        self.shared = isinstance(attack, str) and attack == "auto"
        if self.shared:
            attack = _DEFAULT_ATTACK
        if n_references is None:
            n_references = _DEFAULT_REFERENCES if self.shared else 0
        if isinstance(n_references, bool) or not isinstance(n_references, (int, np.integer)):
            raise ValueError(f"n_references must be a whole number, got {n_references!r}.")
        if n_references < 0 or n_references == 1:
            raise ValueError(f"n_references must be 0 or at least 2, got {n_references}.")
        # Whether there are gradients, or margins, shows when there is a model.
        seen: dict[str, Any] = {"gradients": True, "edges": "answers", "for_target": False}
        means = Means("weights", None, n_references > 0, **seen)
        chosen = choose_attacks([attack], means)
        self.attack_name, self.attack = next(iter(chosen.items()))
        self.n_references = int(n_references)
        self.random_state = random_state
        self.max_records = max_records
        self.cache = cache
        self._kept: tuple[str, ReferenceModels] | None = None

    @property
    def name(self) -> str:
        """What is measured: its negative, by which attack, in which metric."""
        return f"neg_{self.attack_name}_{self.metric}"

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_kept": None}

    def __repr__(self) -> str:
        references = f", n_references={self.n_references}" if self.n_references else ""
        return f"membership_risk({self.metric!r}, attack={self.attack_name!r}{references})"

    def _accept_sample_weight(self) -> bool:
        """Tell a search that weights of test records are wanted, for the references."""
        return True

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the negative of the risk."""
        audited = _audited(estimator)
        members = remembered(audited)
        outputs = access_of_outputs(audited, members.y)
        as_truth = as_labels if outputs is None else outputs.as_truth
        others, labels = check_records(X, y, as_truth=as_truth)
        check_same_features(members.X, others, "The training records", "X")
        once = ~shared_records(members.X, others, members.y, labels)
        if not (once[: len(members)].any() and once[len(members) :].any()):
            raise ValueError(
                "All records of the training set, or all that the risk is to be measured on, are "
                "repeated, there or on the other side: there are no members that occur once, or "
                "there are no non-members. Give records that the model was not trained on."
            )
        attack = self.attack
        if (self.n_references and not attack.learns_from_target) or looks_inside(attack):
            params, missing = _of_both(members, sample_weight, len(labels))
            if not missing and self.shared:
                return -self._by_shared(audited, members, others, labels, params, once=once)
            if not missing:
                return -self._by_audit(audited, members, others, labels, params)
            if not self.shared:
                raise ValueError(
                    f"The references would need {missing} of the test records too, which the "
                    "scorer is not given: use attack='threshold'."
                )
            warnings.warn(
                f"The risk is measured by a threshold on the loss and not by "
                f"{self.attack_name!r}, which finds more: its references would need {missing} of "
                "the test records too, which the scorer is not given.",
                UserWarning,
                stacklevel=2,
            )
            attack = choose_attacks(["threshold"], Means("posteriors", None, False))["threshold"]
        member, score = self._alone(audited, members, others, labels, attack, once=once)
        return -compute(self.metric, member, score).value

    def _alone(
        self,
        audited: Audited,
        members: TrainingSet,
        X: Any,
        y: np.ndarray,
        attack: Any,
        *,
        once: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Score members and others by the model's answers alone, without the rest of an audit."""
        target = _target_of(audited, X)
        inside, outside = (np.flatnonzero(part) for part in np.split(once, [len(members)]))
        sides = (members.X, members.y, inside), (X, y, outside)
        reads_records = "feature" in attack._required()
        seen = [
            observe(target, take_rows(own, rows), truth[rows], features=reads_records)
            for own, truth, rows in sides
        ]
        observations = concat_rows(*seen)
        member = np.arange(len(observations)) < len(inside)
        # Only the order of the scores is used, which no fit alters.
        attack = self._seeded(attack).fit(observations, member)
        return member, attack.decision_function(observations)

    def _seeded(self, attack: Any) -> Any:
        attack = clone(attack)
        if "random_state" in attack.get_params(deep=False):
            attack.set_params(random_state=self.random_state)
        return attack

    def _by_shared(
        self,
        audited: Audited,
        members: TrainingSet,
        X: Any,
        y: np.ndarray,
        params: dict[str, Any],
        *,
        once: np.ndarray,
    ) -> float:
        """Attack beside references that all splits of a candidate share."""
        pool, labels = concat_rows(members.X, X), np.concatenate([members.y, y])
        # The same order whichever part is left out.
        order = np.argsort(row_digests(pool, labels), kind="stable")
        pool, labels = take_rows(pool, order), labels[order]
        params = take_params(params, order, len(labels))
        references = self._references(audited, pool, labels, params, len(members))
        target = _target_of(audited, pool)
        # Of the records that they were asked about references keep digests alone between splits.
        references.X_ = pool
        attack = self._seeded(self.attack)
        extras: dict[str, Any] = {"record_columns": "difficulty" in attack._prefers()}
        try:
            observed = observe(target, pool, labels, references=references, **extras)
        finally:
            references.X_ = None
        attack.fit(*references.shadow_observations(random_state=self.random_state, **extras))
        audits = once[order]
        member = (order < len(members))[audits]
        score = attack.decision_function(observed)[audits]
        return compute(self.metric, member, score, **self._fixed()).value

    def _references(
        self, audited: Audited, X: Any, y: np.ndarray, params: dict[str, Any], n_train: int
    ) -> ReferenceModels:
        try:
            key = joblib.hash((audited.estimator, row_digests(X, y), params))
        except Exception:  # what cannot be hashed is not shared
            key = ""
        if key and self._kept is not None and self._kept[0] == key:
            return self._kept[1]
        references = ReferenceModels(
            unfitted(audited.estimator),
            self.n_references,
            # A record more or less from split to split is the same size.
            train_size=n_train,
            cache=self.cache,
            random_state=self.random_state,
        ).fit(X, y, fit_params=params)
        references.X_ = None
        self._kept = (key, references)
        return references

    def _fixed(self) -> dict[str, float]:
        """Return the attack's own threshold, which was fixed on the references."""
        name, _ = parse_metric(self.metric)
        fixed = name in ("advantage", "accuracy") and not looks_inside(self.attack)
        return {"threshold": 0.0} if fixed else {}

    def _by_audit(
        self, audited: Audited, members: TrainingSet, X: Any, y: np.ndarray, params: dict[str, Any]
    ) -> float:
        report = audit(
            audited.estimator_,
            members.X,
            members.y,
            X,
            y,
            attacks=[(self.attack_name, self.attack)],
            n_references=self.n_references,
            estimator=unfitted(audited.estimator) if self.n_references else None,
            fit_params=params or None,
            # Parts of a cross-validation are drawn at random.
            split="random",
            controls=False,
            max_records=self.max_records,
            cache=self.cache,
            random_state=self.random_state,
            progress=False,
        )
        score = report.records[self.attack_name]
        return compute(self.metric, report.records["member"], score, **self._fixed()).value


def _target_of(audited: Audited, X: Any) -> Any:
    """Return the model that is asked, of whatever kind it is."""
    if access_of_outputs(audited) is not None:
        return as_predictor(audited.estimator_, X=X)
    return as_target(audited.estimator_, X=X)


def _of_both(members: TrainingSet, sample_weight: Any, n_others: int) -> tuple[dict[str, Any], str]:
    """Return what was passed to `fit` for members and others, and what of it is not known."""
    params = dict(members.params)
    for name, value in members.params.items():
        if not (has_entries(name, value) and n_rows(value) == len(members)):
            continue
        if name.split("__")[-1] != "sample_weight" or sample_weight is None:
            return params, name
        params[name] = np.concatenate([np.asarray(value), np.asarray(sample_weight)])
    return params, ""


def _audited(estimator: Any) -> Audited:
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    if isinstance(estimator, Audited):
        return estimator
    name = type(estimator).__name__
    inside = estimator.get_params() if hasattr(estimator, "get_params") else {}
    if any(isinstance(part, Audited) for part in inside.values()):
        raise ValueError(
            f"membership_risk needs the records as they come in to the {name}: wrap the whole of "
            f"it, Audited({name}(...)), and nothing inside."
        )
    raise ValueError(
        "membership_risk needs an estimator that remembers what it was trained on, and a scorer "
        f"is given test records only: wrap it, Audited({name}(...))."
    )
