"""Membership from the answers to other queries than the record itself."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import StrOptions

from ..._observations._columns import Reader
from ...base import BaseAttack
from ...stats import combine_by_rank, kost_combine, pchip_p_values

__all__ = ["IndirectGMIAAttack"]


class IndirectGMIAAttack(BaseAttack):
    """Indirect inference (GMIA): was a record trained on, by queries that are not the record?

    `EnhancingRecords` finds the queries; the target's answers to them are compared with those of
    references that did not train on the record, query by query, and combined to one p-value. The
    score is minus its logarithm.

    Threat model: black-box; the attacker trains references like the target on records of their
    own, and never asks about the record.

    Parameters
    ----------
    combine : {"rank", "kost"}, default="rank"
        "rank" is valid however the queries depend on each other. "kost" is the published
        combination of PCHIP p-values, those below 1 / (K + 1) raised to it: no guarantee, and too
        cautious where K is small (p <= .05 came out for 0-2 % of non-members with 16 references,
        3-5 % with 100).
    columns : sequence of str, default=None
        Names of the columns of plain arrays; by default one query: the signal, then the
        references.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    n_features_in_ : int

    See Also
    --------
    EnhancingRecords : Its `observe` and `shadow_observations` make the tables.
    mia_sklearn.stats.combine_by_rank, mia_sklearn.stats.kost_combine : The combinations.

    Notes
    -----
    Correlations between queries, which "kost" needs, are those of the references' signals. With
    K references no p-value is below 1 / (K + 1): 99 are needed for .01.

    References
    ----------
    .. [1] Y. Long et al., "Understanding Membership Inferences on Well-Generalized Learning
       Models", arXiv:1802.04889, section 4.5.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.attacks import IndirectGMIAAttack
    >>> rng = np.random.default_rng(0)
    >>> member = np.arange(200) % 2
    >>> out = rng.normal(size=(200, 99))
    >>> table = np.column_stack([rng.normal(size=200) + 3 * member, out])
    >>> attack = IndirectGMIAAttack().fit(table, member)
    >>> attack.score(table, member) > 0.85
    True
    """

    threat_model: ClassVar[str] = "black-box"
    requires: ClassVar[tuple[str, ...]] = ("enhancing", "enhancing_out")
    not_run: ClassVar[str] = (
        "asks about other records than the one in question: fit it on what EnhancingRecords finds"
    )

    _ranks_without_members: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "combine": [StrOptions({"rank", "kost"})],
        **BaseAttack._parameter_constraints,
    }

    def __init__(self, *, combine: str = "rank", columns: Any = None) -> None:
        super().__init__(columns=columns)
        self.combine = combine

    def p_values(self, X: Any) -> np.ndarray:
        """Return each record's p-value against not having been trained on.

        Parameters
        ----------
        X : data frame or array-like of shape (n_records, n_columns)

        Returns
        -------
        ndarray of shape (n_records,), float64
            1 for records without queries.
        """
        return self._p_values(self._read(X))

    def _array_names(self, n_columns: int) -> list[str]:
        return ["enhancing_0", *(f"enhancing_0_out_{k}" for k in range(n_columns - 1))]

    def _fit(self, table: Reader, member: np.ndarray) -> None:
        n_queries, n_slots = len(table.groups["enhancing"]), len(table.groups["enhancing_out"])
        if n_slots % n_queries:
            raise ValueError(
                f"The observations name {n_slots} `enhancing_<q>_out_<k>` columns for {n_queries} "
                "`enhancing_<q>` columns: every query needs the same references."
            )

    def _score(self, table: Reader) -> np.ndarray:
        return -np.log(self._p_values(table))

    def _p_values(self, table: Reader) -> np.ndarray:
        signal = np.asarray(table["enhancing"], dtype=np.float64)
        references = np.asarray(table["enhancing_out"], dtype=np.float64)
        references = references.reshape(*signal.shape, -1)
        if self.combine == "rank":
            return combine_by_rank(signal, references)
        return _kost(signal, references)


def _kost(signal: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Combine the PCHIP p-values of each record's queries."""
    n_references = references.shape[2]
    flat = references.reshape(-1, n_references)
    p = pchip_p_values(signal.reshape(-1), flat).reshape(signal.shape)
    p = np.where(np.isnan(signal), np.nan, p)
    present = ~np.isnan(references)
    count = np.maximum(present.sum(axis=2, keepdims=True), 1)
    centred = references - np.nansum(references, axis=2, keepdims=True) / count
    centred = np.where(present, centred, 0.0)
    norm = np.linalg.norm(centred, axis=2, keepdims=True)
    unit = np.divide(centred, norm, out=np.zeros_like(centred), where=norm > 0)
    correlation = unit @ unit.transpose(0, 2, 1)
    return kost_combine(p, correlation, n_references=n_references)
