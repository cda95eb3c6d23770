"""QMIA: how surprising an answer is for a record like this, without reference models."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods

from .._observations._columns import Reader
from .._observations._difficulty import Difficulty, Expected, hash_parts
from ..base import BaseAttack

__all__ = ["QMIAAttack"]


class QMIAAttack(BaseAttack):
    """QMIA: is the answer surprising for a record like this? No reference models.

    Some records are easy for every model, others hard: a signal of 3 is nothing special on one
    record, and on another it says that the model remembers it. What the signal of a record like
    this usually is, is learned from the target's own answers on other records, members and others
    alike. Membership is not used: `fit` takes `y` because attacks do, and it has no part in the
    order of the scores, only in the log-odds that they stand for.

    Threat model: black-box. One query per record, of several hundred records of which the
    attacker need not know any to be a member; no reference models.

    Parameters
    ----------
    learner : regressor, default=None
        Learns the signal and its square from the record. One that takes several outputs learns
        both together, of any other two clones do. By default a forest of 40 trees with at least 3
        records, and at least one in 1,000, in each leaf; 40 % of the features, at most 32, at each
        split; and at most 10,000 records for a tree.
    random_state : int, RandomState instance or None, default=None
        Seeds the learners.
    columns : sequence of str, default=None
        Names of the columns of plain arrays. Without names an array is read as
        `[logit, feature...]`.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    n_features_in_ : int

    See Also
    --------
    mia_sklearn.observe : ``features=True`` adds the columns that are read.
    mia_sklearn.audit : ``n_references=0`` makes this attack the headline.
    StackedAttack : Finds more, where reference models can be trained.

    Notes
    -----
    Read are `logit`, `feature_*` and, where they are there, `label` and `target_*`: the record x
    and its true answer y. Records are dealt to five parts by a hash of their content, so that
    equal records are together and no record decides about another one's part; with a column
    `group` the records of one person are. For each part a learner is fitted on all other parts
    and predicts the first two moments m1 and m2 of the signal phi given x and y. The score is
    (phi - m1) / sqrt(max(m2 - m1^2, .01 var phi)), var phi being the variance over the records of
    `fit`. For phi stands its rank among those records, as the normal score of that rank: forests
    and trees answer exactly 0 or 1, and such answers would count for more than all others
    together (.80 in place of .73 on a forest of 100 trees, 5,000 records of Adult). A record is
    never scored by a learner that has seen it, and new records are scored as
    those of `fit` are: one that `fit` saw has the same hash again.

    Learners that are fitted on non-members and then score those, members too, name members where
    nothing leaks, several times as many as their false alarms promise: what they have seen does
    not surprise them. So no learner here has seen a record that it scores, on either side.

    The idea is that of [1]_: a regression on the target's answers tells how hard a record is,
    where other attacks train reference models. Deviations: they fit quantiles by one network, on
    records known to be non-members, and compare with the quantile of the false-positive rate
    asked for. Here two moments are cross-fitted on members and others alike, so that no
    non-members need be known and none is scored by what was fitted on it, and one score serves all
    rates. A `learner` for quantiles can be brought; on 10,000 records of Adult pinball losses
    found no more at five times the cost.

    References
    ----------
    .. [1] M. Bertran et al., "Scalable Membership Inference Attacks via Quantile Regression",
       NeurIPS 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.attacks import QMIAAttack, ThresholdAttack
    >>> from mia_sklearn.metrics import roc_auc
    >>> rng = np.random.default_rng(0)
    >>> member = np.arange(600) % 2
    >>> x = rng.uniform(-10, 10, size=600)
    >>> table = np.column_stack([x + member + 0.5 * rng.normal(size=600), x])
    >>> for attack in (ThresholdAttack("logit"), QMIAAttack(random_state=0)):
    ...     scores = attack.fit(table, member).decision_function(table)
    ...     print(round(roc_auc(member, scores).value, 2))
    0.52
    0.9
    """

    threat_model: ClassVar[str] = "black-box"
    requires: ClassVar[tuple[str, ...]] = ("logit", "feature")
    attacker_knows: ClassVar[str] = (
        "the record and its true label; some hundred records like it, and the model's answers to "
        "them"
    )
    by_default: ClassVar[tuple[str, ...]] = ("posteriors", "labels", "predictions")
    # Above the threshold alone: all others compare with references, which tell more.
    headline: ClassVar[int | None] = 15
    learns_from_target: ClassVar[bool] = True

    _ranks_without_members: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "learner": [HasMethods(["fit", "predict"]), None],
        "random_state": ["random_state"],
        **BaseAttack._parameter_constraints,
    }

    def __init__(
        self, learner: Any = None, *, random_state: Any = None, columns: Any = None
    ) -> None:
        super().__init__(columns=columns)
        self.learner = learner
        self.random_state = random_state

    def _reads(self) -> tuple[str, ...]:
        return (*self.requires, "label", "target", "group")

    def _array_columns(self) -> tuple[str, str]:
        return "logit", "feature"

    def _fit(self, table: Reader, member: np.ndarray) -> None:
        rng = check_random_state(self.random_state)
        self._difficulty = Difficulty(self.learner, rng).fit(*self._parts_of(table))

    def _score(self, table: Reader) -> np.ndarray:
        return self._expected(table).score

    def _expected(self, table: Reader) -> Expected:
        return self._difficulty.expected(*self._parts_of(table))

    def _parts_of(self, table: Reader) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return records, their signal, and the part of each."""
        true = [table[group] for group in ("label", "target") if group in table]
        records = np.hstack([table["feature"], *true])
        people = table.column("group") if "group" in table else None
        return records, table.column("logit"), hash_parts(records, people)
