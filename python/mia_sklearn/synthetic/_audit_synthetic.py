"""What a synthetic table gives away about the records behind it."""

from __future__ import annotations

from typing import Any

from ..report import Finding, SyntheticReport
from ._copies import copies
from ._membership import Membership, measure_membership
from ._risk import Risk, frame_of
from ._tables import check_tables

__all__ = ["audit_synthetic"]


def audit_synthetic(
    synthetic: Any,
    X_train: Any,
    X_control: Any,
    *,
    secrets: Any = None,
    aux_columns: Any = None,
    n_attacks: int | None = None,
    confidence: float = 0.95,
    membership: bool = True,
    generator: Any = None,
    random_state: int = 0,
) -> SyntheticReport:
    """Measure what a synthetic table gives away about the records behind it.

    Parameters
    ----------
    synthetic : table of shape (n_synthetic, n_columns)
        The rows that are to be released.
    X_train : table of shape (n_train, n_columns)
        The records that the generator learned from.
    X_control : table of shape (n_control, n_columns)
        Records of the same population that it has not seen.
    secrets : list of column names, default=None
        The columns that an attacker wants to learn; all in turn by default.
    aux_columns : list of column names, or two such lists, default=None
        What an attacker knows.
    n_attacks : int, default=None
        Records that are attacked, and predicates, at most.
    confidence : float, default=0.95
        Of each interval.
    membership : bool, default=True
        Whether membership is attacked, too.
    generator : object, default=None
        What the synthetic table was drawn from, unfitted, for references.
    random_state : int, default=0

    Returns
    -------
    SyntheticReport
    """
    tables = check_tables(synthetic, X_train, X_control)
    risks: list[Risk] = [copies(tables)]
    findings: list[Finding] = []
    told = Membership(None, None, [])
    if membership:
        told = measure_membership(
            tables,
            given=(synthetic, X_train, X_control),
            generator=generator,
            confidence=confidence,
            seed=random_state,
        )
    return SyntheticReport(
        measures=frame_of(risks, confidence),
        findings=[*findings, *told.findings],
        info={
            "n_synthetic": len(tables.synthetic),
            "n_train": len(tables.train),
            "n_control": len(tables.control),
            "n_columns": len(tables.columns),
            "confidence": confidence,
        },
        membership=told.measures,
        records=told.records,
    )
