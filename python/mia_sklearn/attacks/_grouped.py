"""People with several records: one score for all records of a person."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy.special import logit
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from .._observations._columns import Reader
from .._records._groups import Grouping
from ..base import BaseAttack
from ..base._attack import platt
from ._stacked import StackedAttack

__all__ = ["GroupAttack"]

_LARGEST_SEED = np.iinfo(np.int32).max


class GroupAttack(BaseAttack):
    """Was a person in the training set, with all of their records or none?

    Another attack scores each record, and what it finds in the records of one person is put
    together: every record gets the score of the person whose it is. Where people have several
    records that is the question that concerns them, and it is easier to answer than the one
    about a single record.

    Threat model: that of the attack within; the attacker knows which records are one person's.

    Parameters
    ----------
    attack : attack, default=None
        What scores single records; `StackedAttack` by default.
    aggregate : {"sum", "learned", "mean"}, default="sum"
        - "sum": the sum of the records' log-likelihood ratios (log-odds of membership less those
          before anything was seen), each clipped to `clip`.
        - "learned": a classifier that reads number, sum, mean, least and greatest of the clipped
          log-likelihood ratios.
        - "mean": the mean of the attack's own scores. It needs no known members where the attack
          needs none.
    clip : float, default=5.0
        Largest size of one record's log-likelihood ratio, so that no record decides alone.
    estimator : classifier, default=None
        What learns with "learned"; a logistic regression by default.
    cv : int, default=2
        Parts of the people of `fit`. What is learned about people's scores is learned from
        scores of an attack that was fitted on the other parts.
    random_state : int, RandomState instance or None, default=None
        Draws the parts, and is the seed of attacks and classifiers without one.
    columns : sequence of str, default=None
        Names of the columns of plain arrays.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    attack_ : attack
        Fitted on all records.
    estimator_ : classifier or None
        With "learned" only.

    See Also
    --------
    mia_sklearn.observe : `groups=` adds the columns that say whose the records are.
    mia_sklearn.audit : `groups=` puts its attacks into this one.

    Notes
    -----
    The columns `group` and `acting` say whose a record is and which model was asked about it:
    the records of one person are taken together under one model at a time. Without them each
    record is taken for a person's only one. A person's records must be scored together: half of
    them get half of the evidence.

    A sum of log-likelihood ratios is the likelihood ratio of independent records. Those of one
    person are not independent, which is why the log-odds are learned from the people of `fit`
    and are not the sum itself; the order of people of unequal numbers of records is still that of
    the sum. "learned" may weigh the number.

    Source: this project. The likelihood ratio of each record is that of the attack within.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from mia_sklearn.attacks import GroupAttack, LiRAAttack
    >>> rng = np.random.default_rng(0)
    >>> person = np.repeat(np.arange(200), 5)
    >>> member = person % 2
    >>> table = pd.DataFrame(rng.normal(size=(1000, 8))).add_prefix("out_")
    >>> table = table.assign(logit=rng.normal(size=1000) + member)
    >>> alone = LiRAAttack().fit(table, member)
    >>> together = GroupAttack(LiRAAttack(), random_state=0).fit(table.assign(group=person), member)
    >>> round(alone.score(table, member), 2)
    0.68
    >>> round(together.score(table.assign(group=person), member), 2)
    0.87
    """

    threat_model: ClassVar[str] = "black-box"
    requires: ClassVar[tuple[str, ...]] = ("logit",)

    _answers_log_odds: ClassVar[bool] = True
    _of_people: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "attack": [HasMethods(["fit", "decision_function", "score_observations"]), None],
        "aggregate": [StrOptions({"sum", "learned", "mean"})],
        "clip": [Interval(Real, 0, None, closed="right")],
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
        **BaseAttack._parameter_constraints,
    }

    def __init__(
        self,
        attack: Any = None,
        *,
        aggregate: str = "sum",
        clip: float = 5.0,
        estimator: Any = None,
        cv: int = 2,
        random_state: Any = None,
        columns: Any = None,
    ) -> None:
        super().__init__(columns=columns)
        self.attack = attack
        self.aggregate = aggregate
        self.clip = clip
        self.estimator = estimator
        self.cv = cv
        self.random_state = random_state

    @property
    def inner(self) -> Any:
        """What scores single records, unfitted."""
        return StackedAttack() if self.attack is None else self.attack

    def _required(self) -> tuple[str, ...]:
        return self.inner._required()

    def _prefers(self) -> tuple[str, ...]:
        return self.inner._prefers()

    def _sees(self) -> str:
        return self.inner._sees()

    def _reads(self) -> tuple[str, ...] | None:
        inner = self.attack_._reads()
        return None if inner is None else (*inner, "group", "acting")

    def _array_names(self, n_columns: int) -> list[str]:
        return self.inner._array_names(n_columns)

    @property
    def _fewest_references(self) -> int:
        return getattr(self.inner, "_fewest_references", 1)

    @property
    def _ranks_without_members(self) -> bool:  # type: ignore[override]
        return self.aggregate == "mean" and self.inner._ranks_without_members

    def _fit(self, table: Reader, member: np.ndarray) -> None:
        rng = check_random_state(self.random_state)
        self._seeds = rng.randint(_LARGEST_SEED, size=2)
        people = _people(table)
        if people.mixed(member).any():
            row = people.first[people.mixed(member)][0]
            raise ValueError(
                f"Records of the group {table.column('group')[row]:g} are members and non-members "
                "both: fit ReferenceModels(...).fit(X, y, groups=...), so that a person's records "
                "are all in or all out."
            )
        self.attack_, self._prior = self._fitted(table.values, member)
        evidence = self._held_out(table, member, rng)
        their_member = member[people.first]
        self.estimator_ = None
        if self.aggregate == "learned":
            self.estimator_ = self._classifier().fit(self._features(people, evidence), their_member)
        else:
            self._line = platt(self._put_together(people, evidence), their_member)

    def _fitted(self, values: np.ndarray, member: np.ndarray) -> tuple[Any, float]:
        """Return the attack on single records, and the log-odds of membership beforehand."""
        attack = _seeded(clone(self.inner), self._seeds[0]).set_params(columns=self._names)
        return attack.fit(values, member), float(logit(member.mean()))

    def _held_out(self, table: Reader, member: np.ndarray, rng: Any) -> np.ndarray:
        """Return each record's evidence from an attack that has not learned from the person."""
        part = _parts(table, member, self.cv, rng)
        turns = [part == one for one in range(part.max() + 1)]
        if len(turns) < 2 or any(len(np.unique(member[~held])) < 2 for held in turns):
            # Too few people to set any aside.
            return self._evidence(self.attack_, self._prior, table.values)
        evidence = np.empty(len(member))
        for held in turns:
            attack, prior = self._fitted(table.values[~held], member[~held])
            evidence[held] = self._evidence(attack, prior, table.values[held])
        return evidence

    def _evidence(self, attack: Any, prior: float, values: np.ndarray) -> np.ndarray:
        """Return each record's clipped log-likelihood ratio, or the attack's own score."""
        if self.aggregate == "mean":
            return attack.score_observations(values)
        return np.clip(attack.decision_function(values) - prior, -self.clip, self.clip)

    def _put_together(self, people: Grouping, evidence: np.ndarray) -> np.ndarray:
        return people.mean(evidence) if self.aggregate == "mean" else people.sum(evidence)

    def _features(self, people: Grouping, evidence: np.ndarray) -> np.ndarray:
        columns = (people.sizes, people.sum(evidence), people.mean(evidence))
        return np.column_stack([*columns, people.least(evidence), people.greatest(evidence)])

    def _classifier(self) -> Any:
        if self.estimator is not None:
            return _seeded(clone(self.estimator), self._seeds[1])
        model = make_pipeline(StandardScaler(), LogisticRegression())
        return model.set_output(transform="default")

    def _score(self, table: Reader) -> np.ndarray:
        people = _people(table)
        evidence = self._evidence(self.attack_, self._prior, table.values)
        if self.estimator_ is not None:
            proba = self.estimator_.predict_proba(self._features(people, evidence))[:, 1]
            score = logit(np.clip(proba, 1e-12, 1 - 1e-12))
        else:
            slope, offset = self._line
            score = slope * self._put_together(people, evidence) + offset
        return score[people.of_row]


def _people(table: Reader) -> Grouping:
    """Put together the rows of one person under one model."""
    if "group" not in table:
        return Grouping(np.arange(len(table)))
    codes = Grouping(table.column("group")).of_row
    if "acting" in table:
        acting = Grouping(table.column("acting"))
        codes = codes * len(acting) + acting.of_row
    return Grouping(codes)


def _parts(table: Reader, member: np.ndarray, n_parts: int, rng: Any) -> np.ndarray:
    """Return each row's part: all rows of a person, whichever model was asked, are in one."""
    persons = Grouping(table.column("group") if "group" in table else np.arange(len(table)))
    # Dealt out in turn, members first, so that all parts have some.
    order = np.lexsort((rng.permutation(len(persons)), ~member[persons.first]))
    part = np.empty(len(persons), dtype=np.intp)
    part[order] = np.arange(len(persons)) % min(n_parts, len(persons))
    return part[persons.of_row]


def _seeded(estimator: Any, seed: int) -> Any:
    if estimator.get_params(deep=False).get("random_state", 0) is None:
        estimator.set_params(random_state=int(seed))
    return estimator
