"""What a model gives away of its training records, as a scorer."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone

from .._audit import audit
from .._coverage import Means, choose_attacks
from .._data import concat_rows, has_entries, n_rows, take_rows
from .._estimators import unfitted
from .._observe import observe
from .._records import check_records, check_same_features
from .._repeats import shared_records
from .._targets import as_target
from .._white_box import looks_inside
from ..base import TrainingSet
from ..metrics import compute, parse_metric
from ._audited import Audited, remembered

__all__ = ["membership_risk"]


def membership_risk(
    metric: str = "auc",
    *,
    attack: Any = "threshold",
    n_references: int = 0,
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
    attack : str or attack, default="threshold"
        As an entry of `attacks` of `audit`. The default, a threshold on the loss, costs one query
        per record.
    n_references : int, default=0
        Reference models to train for each model that is scored, for attacks that need them
        ("lira", "rmia", "stacked", ...).
    random_state : int, default=0
        Of the references and the attack.
    max_records : int, default=None
        Most records to attack, chosen at random, where there are references.
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
    Records that occur more than once, in the training set and the records scored together, are
    neither members nor non-members of a random split: all copies are left out, as `audit` does.
    Training scores (`return_train_score=True`) have no non-members and become NaN.

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
    >>> search = GridSearchCV(
    ...     Audited(DecisionTreeClassifier(random_state=0)),
    ...     {"estimator__max_depth": [2, None]},
    ...     scoring={"accuracy": "accuracy", "risk": membership_risk("auc")},
    ...     refit=pareto_refit(utility="accuracy", risk="risk", max_risk=0.6),
    ... ).fit(X, y)
    >>> search.best_params_
    {'estimator__max_depth': 2}
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
        n_references: int,
        random_state: int,
        max_records: int | None,
        cache: Any,
    ) -> None:
        parse_metric(metric)
        self.metric = metric
        if isinstance(n_references, bool) or not isinstance(n_references, (int, np.integer)):
            raise ValueError(f"n_references must be a whole number, got {n_references!r}.")
        if n_references < 0 or n_references == 1:
            raise ValueError(f"n_references must be 0 or at least 2, got {n_references}.")
        # Whether there are gradients shows when there is a model.
        chosen = choose_attacks([attack], Means("weights", None, n_references > 0, gradients=True))
        self.attack_name, self.attack = next(iter(chosen.items()))
        self.n_references = int(n_references)
        self.random_state = random_state
        self.max_records = max_records
        self.cache = cache

    def __repr__(self) -> str:
        references = f", n_references={self.n_references}" if self.n_references else ""
        return f"membership_risk({self.metric!r}, attack={self.attack_name!r}{references})"

    def __call__(self, estimator: Any, X: Any, y: Any) -> float:
        """Return the negative of the risk."""
        audited = _audited(estimator)
        members = remembered(audited)
        others, labels = check_records(X, y)
        if self.n_references or looks_inside(self.attack):
            return -self._by_audit(audited, members, others, labels)
        member, score = self._alone(audited, members, others, labels)
        return -compute(self.metric, member, score).value

    def _alone(
        self, audited: Audited, members: TrainingSet, X: Any, y: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Score members and others by the model's answers alone, without the rest of an audit."""
        check_same_features(members.X, X, "The training records", "X")
        shared = shared_records(members.X, X, members.y, y)
        kept = [np.flatnonzero(~part) for part in np.split(shared, [len(members)])]
        if not all(map(len, kept)):
            raise ValueError(
                "All records of the training set, or all that the risk is to be measured on, are "
                "repeated, there or on the other side: there are no members that occur once, or "
                "there are no non-members. Give records that the model was not trained on."
            )
        target = as_target(audited.estimator_, X=X)
        sides = (members.X, members.y, kept[0]), (X, y, kept[1])
        seen = [observe(target, take_rows(own, rows), truth[rows]) for own, truth, rows in sides]
        observations = concat_rows(*seen)
        member = np.arange(len(observations)) < len(kept[0])
        # Only the order of the scores is used, which no fit alters.
        attack = clone(self.attack).fit(observations, member)
        return member, attack.decision_function(observations)

    def _by_audit(self, audited: Audited, members: TrainingSet, X: Any, y: np.ndarray) -> float:
        for name, value in members.params.items():
            if has_entries(name, value) and n_rows(value) == len(members):
                raise ValueError(
                    f"The references would need {name} of the test records too, which a scorer "
                    "is not given: use an attack without references."
                )
        report = audit(
            audited.estimator_,
            members.X,
            members.y,
            X,
            y,
            attacks=[(self.attack_name, self.attack)],
            n_references=self.n_references,
            estimator=unfitted(audited.estimator) if self.n_references else None,
            fit_params=members.params or None,
            # Parts of a cross-validation are drawn at random.
            split="random",
            controls=False,
            max_records=self.max_records,
            cache=self.cache,
            random_state=self.random_state,
            progress=False,
        )
        score = report.records[self.attack_name]
        name, _ = parse_metric(self.metric)
        # The attack's own threshold was fixed on the references.
        fixed = name in ("advantage", "accuracy") and not looks_inside(self.attack)
        options = {"threshold": 0.0} if fixed else {}
        return compute(self.metric, report.records["member"], score, **options).value


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
