"""The attack in two stages, on one target and all of its records."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from .._observations._columns import Reader
from ..base import KNOWS_THE_RECORD, Variant
from ._stacked import Skip, StackedAttack

__all__ = ["CascadeAttack"]


class CascadeAttack(StackedAttack):
    """Stacked attack in two stages: what the first finds, the references of the second train on.

    Which records a model learned shows in its answers to all others. A first stage says of each
    record of the pool how probably the target trained on it. References of the second stage train
    on one part of the pool as the target did, and beside it on records of the other parts that are
    drawn with those probabilities: they differ from the target by less than references do that
    know nothing of it. What a member looks like in this part is then learned from them.

    Threat model: black-box, of an attacker on one target and a whole pool: who holds records among
    which the whole training set lies, asks the target about all of them before references are
    trained, and trains references for this target alone. Report it apart from attackers who look
    at single records.

    Parameters
    ----------
    estimator : classifier, default=None
        What learns from the features, see `StackedAttack`.
    pool_features : bool, default=False
        Read the `neighbor_*` columns too: what happened to the nearest records of the pool, which
        this attacker holds anyway.
    record_columns : bool, default=True
        See `StackedAttack`.
    max_masks : int, default=8
        See `StackedAttack`.
    min_auc : float, default=0.6
        In an audit, the AUC of the first stage from which on there is a second one; see
        `mia_sklearn.observe_cascade`, which decides it where the steps are taken alone. 0 forces a
        second stage.
    random_state : int, RandomState instance or None, default=None
    columns : sequence of str, default=None
        Names of the columns of plain arrays. Without names an array is read as `[signal, out...]`,
        without what the first stage says.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    estimator_ : fitted classifier
    feature_names_ : list of str
        What the classifier reads.

    See Also
    --------
    mia_sklearn.observe_cascade : Trains the references of the second stage and lays out what this
        attack reads.

    Notes
    -----
    The attack is a `StackedAttack` that reads one column more, `cascade_log_odds`: what the first
    stage says of the acting model's answers. Columns `out_*` and `in_*` are those of references of
    the second stage that have drawn the record by a fair coin, whatever the first stage said of it:
    what the first stage believes of a record never decides who trained on it where that
    record is scored, so that no belief confirms itself. On a target that trained elsewhere the
    attack finds nothing.

    It pays where the first stage finds enough. How much that is, is estimated from references that
    act as targets; where their AUC is less than `min_auc`, the references of the second stage are
    trained like those of the first, `cascade_log_odds` is NaN, and the attack is the
    `StackedAttack` with all of them. The target's answers have no part in that decision.

    P-values do not hold against references that were trained for the target: those of an audit
    rest on references that know nothing of it.

    The idea is that of a cascade by Du et al. [1]_, where each stage fixes the membership of the
    records it is sure of, and the next trains with these. Here memberships are drawn, each
    with its probability, so that references differ as much as is not known; parts of the pool
    take turns, so that every record is scored; and attacks are learned.

    References
    ----------
    .. [1] Cascading and proxy membership inference attacks, NDSS 2026, arXiv:2511.04716.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from mia_sklearn import ReferenceModels, observe_cascade
    >>> from mia_sklearn.attacks import CascadeAttack
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(200, 5)), rng.integers(2, size=200)
    >>> member = rng.permutation(200) < 100
    >>> model = DecisionTreeClassifier(random_state=0).fit(X[member], y[member])
    >>> references = ReferenceModels(model, n_models=4, random_state=0).fit(X, y)
    >>> seen = observe_cascade(model, X, y, references=references, n_models=8, random_state=0)
    >>> attack = CascadeAttack(random_state=0).fit(seen.shadow, seen.membership)
    >>> attack.score(seen.observations, member) > 0.6
    True
    """

    requires: ClassVar[tuple[str, ...]] = ("logit", "out", "cascade")
    by_default: ClassVar[tuple[str, ...]] = ()
    # Another attacker's: it makes the verdict where the stacked attack is not run.
    headline: ClassVar[int | None] = 45
    attacker_knows: ClassVar[str] = (
        KNOWS_THE_RECORD + "; how the model was trained; that the whole training set lies among "
        "the audited records, all of which are asked about before references are trained for this "
        "model"
    )
    variants: ClassVar[Mapping[str, Variant]] = {
        "cascade-pool": Variant({"pool_features": True}, attacker_knows=attacker_knows)
    }

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **StackedAttack._parameter_constraints,
        "min_auc": [Interval(Real, 0, 1, closed="both")],
    }

    _unnamed = False

    def __init__(
        self,
        estimator: Any = None,
        *,
        pool_features: bool = False,
        record_columns: bool = True,
        max_masks: int = 8,
        min_auc: float = 0.6,
        random_state: Any = None,
        columns: Any = None,
    ) -> None:
        super().__init__(
            estimator,
            pool_features=pool_features,
            record_columns=record_columns,
            max_masks=max_masks,
            random_state=random_state,
            columns=columns,
        )
        self.min_auc = min_auc

    def _read_columns(self, n_columns: int) -> tuple[list[str], dict[str, np.ndarray]]:
        self._unnamed = getattr(self, "feature_names_in_", self.columns) is None
        return super()._read_columns(n_columns)

    def _required(self) -> tuple[str, ...]:
        required = super()._required()
        if self._unnamed:
            return tuple(group for group in required if group != "cascade")
        return required

    def _reads(self) -> tuple[str, ...]:
        return (*super()._reads(), "cascade")

    def _named_features(self, table: Reader, skips: tuple[Skip, Skip]) -> dict[str, np.ndarray]:
        named = super()._named_features(table, skips)
        for place in table.groups.get("cascade", ()):
            named[table.names[place]] = table.values[:, place]  # type: ignore[index]
        return named
