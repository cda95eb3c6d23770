"""What a synthetic table gives away about the records behind it."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from ..report import SyntheticReport
from ._asked import asked_of, check_apart
from ._copied import copy_test
from ._copies import copies
from ._findings import Context, findings_of
from ._inference import inference
from ._linkability import linkability
from ._membership import Membership, measure_membership
from ._refits import check_generator
from ._risk import frame_of
from ._singling_out import singling_out
from ._tables import check_tables

__all__ = ["audit_synthetic"]

# What is attacked at most, unless the caller says otherwise.
_RECORDS, _PREDICATES = 20_000, 2000


def audit_synthetic(
    synthetic: Any,
    X_train: Any,
    X_control: Any,
    *,
    secrets: Any = None,
    aux_columns: Any = None,
    n_attacks: int | None = None,
    tolerance: float = 0.05,
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
        Whether membership is attacked, too: who was in the training table? Half of the control
        is what the attacker compares with, the other half are the non-members.
    generator : object, default=None
        What the synthetic table was drawn from: an unfitted estimator with ``fit`` and
        ``sample``, or a function ``(X, random_state)`` that returns a table. It is fitted eight
        times, on halves of the records, which tells for each of them how near a table comes that
        was made with it, or without.
    random_state : int, default=0

    Returns
    -------
    SyntheticReport
    """
    for name, share in (("tolerance", tolerance), ("confidence", confidence)):
        if not isinstance(share, Real) or not 0 < share < 1:
            raise ValueError(f"{name} must lie strictly between 0 and 1, got {share!r}.")
    if generator is not None:
        check_generator(generator)
    tables = check_tables(synthetic, X_train, X_control)
    asked = asked_of(tables, secrets, aux_columns, n_attacks)
    check_apart(tables)
    rng = np.random.default_rng(random_state)
    risks = [copies(tables), *singling_out(tables, n_attacks or _PREDICATES, rng)]
    most = n_attacks or _RECORDS
    rows = _some(len(tables.train), most, rng), _some(len(tables.control), most, rng)
    if asked.halves is not None:
        risks.append(linkability(tables, asked.halves, rows, rng))
    for secret in asked.secrets:
        known = asked.known_beside(secret, tables.names)
        risks.append(inference(tables, secret, known, rows, tolerance=tolerance, rng=rng))
    told = Membership(None, None, [], None)
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
        findings=[*findings_of(Context(risks, copy_test(tables), confidence)), *told.findings],
        info={
            "n_synthetic": len(tables.synthetic),
            "n_train": len(tables.train),
            "n_control": len(tables.control),
            "n_columns": len(tables.columns),
            "n_attacks": n_attacks,
            "confidence": confidence,
            "secrets": asked.secrets,
            "linked": asked.halves,
            "headline": told.headline,
            "random_state": random_state,
        },
        membership=told.measures,
        records=told.records,
    )


def _some(n: int, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return which of some records are attacked."""
    return np.sort(rng.choice(n, size=min(n, most), replace=False))
