"""What a synthetic table gives away about the records behind it."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from .._models._random import random_state_of
from .._process._progress import enter, phases, steps
from ..report import SyntheticReport
from ._asked import Asked, asked_of, check_apart
from ._copied import copy_test
from ._copies import copies
from ._findings import Context, copied_rows, findings_of
from ._inference import inference
from ._linkability import linkability
from ._membership import Membership, measure_membership
from ._refits import check_generator
from ._repeats import once_each
from ._risk import Risk, frame_of
from ._shift import largest_shift
from ._singling_out import singling_out
from ._tables import Tables, check_tables

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
    random_state: Any = 0,
    progress: bool = True,
) -> SyntheticReport:
    """Measure what a synthetic table gives away about the records behind it.

    The table alone is looked at: nothing need be known of the generator that made it.

    Parameters
    ----------
    synthetic : table of shape (n_synthetic, n_columns)
        The rows that are to be released.
    X_train : table of shape (n_train, n_columns)
        The records that the generator learned from.
    X_control : table of shape (n_control, n_columns)
        Records of the same population that it has not seen: a part that was set aside, at random,
        before the generator was fitted. What attacks achieve on these is what the table tells of
        everybody. All three are data frames of pandas, Polars or pyarrow, or arrays, with the same
        columns in one order: numbers, categories, truth values, dates, missing values.
    secrets : column name or list of column names, default=None
        What an attacker wants to learn; each column in turn by default. Of wide tables, whose
        columns would take hours, fewer records are attacked for each, at least 1,000 of a side,
        and then fewer columns, those that are hardest to guess: the finding ``SECRETS_CHOSEN``
        says so. It depends on sizes alone.
    aux_columns : list of column names, or two such lists, default=None
        What an attacker knows of a record: by default all columns but the secret. Of two lists
        each is held by another attacker, and linkability joins them; without, the columns are
        dealt to two halves that tell records apart about equally well.
    n_attacks : int, default=None
        Of training records and of the control's so many are attacked, at random, and there are so
        many predicates: at least 100. None stands for 20,000 records and 2,000 predicates.
    tolerance : float, default=0.05
        How far a guess of a number may lie from the truth, as a share of the truth; of a date, as
        a share of the span of dates.
    confidence : float, default=0.95
        Of each interval. What findings and conditions say holds at it together.
    membership : bool, default=True
        Whether membership is attacked, too: who was in the training table? Half of the control
        is what the attacker compares with, the other half are the non-members.
    generator : object, default=None
        What the synthetic table was drawn from: an unfitted estimator with ``fit`` and
        ``sample``, or a function ``(X, random_state)`` that returns a table. It is fitted eight
        times, on halves of the records, which tells for each of them how near a table comes that
        was made with it, or without.
    random_state : int, RandomState instance or None, default=0
        Draws records, predicates, and the order of rows that are equally near.
    progress : bool, default=True
        Whether a bar is shown on standard error.

    Returns
    -------
    SyntheticReport

    Raises
    ------
    ValueError
        If an argument is wrong, a table has fewer than 100 rows, other columns, types, units or
        categories than the others, or rows that are all equal; if records of the control are among
        the training records, more than repeat there; if a secret is constant, or known to the
        attacker.

    See Also
    --------
    audit : Attacks a fitted generator, where there is one.

    Notes
    -----
    The risks are those of Giomi et al. [1]_, each with a baseline (guessing) and a control:

    - ``copies``: records of which the synthetic table holds one that is equal in all columns.
    - ``singling_out``: predicates that exactly one synthetic row satisfies (on one column a value
      that occurs once, or the largest or smallest; on three the values of a row, or more extreme
      ones) and that are true of exactly one training record.
    - ``linkability``: two halves of a record whose nearest synthetic row is the same one.
    - ``inference``: the nearest synthetic row tells a column right.

    Rows are near by Gower's distance [2]_: numbers and dates differ by a share of the synthetic
    table's range, categories by 0 or 1, and a missing value differs by 1 from all others.

    The risk is (success - control) / (1 - control). It is not cut at 0. Attacks on records are
    independent given the synthetic table: limits invert the score test of Miettinen and Nurminen.
    Predicates are not, since one record may be singled out by many: the error is the spread of the
    risk where records change sides at random, and a control of another size than the training
    set is held against it without a model of how success depends on size. Where the synthetic
    rows are independent of the training records, intervals miss 0 at their nominal rate.

    References
    ----------
    .. [1] M. Giomi, F. Boenisch, C. Wehmeyer and B. Tasnadi, "A Unified Framework for Quantifying
       Privacy Risk in Synthetic Data", Proceedings on Privacy Enhancing Technologies 2023.
    .. [2] J. Gower, "A General Coefficient of Similarity and Some of Its Properties", Biometrics
       1971.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn import audit_synthetic
    >>> rng = np.random.default_rng(0)
    >>> X_train, X_control, synthetic = rng.normal(size=(3, 200, 4)).round(2)
    >>> synthetic[:40] = X_train[:40]
    >>> report = audit_synthetic(synthetic, X_train, X_control, membership=False)
    >>> report.findings[0].code
    'SYNTHETIC_COPIES'
    >>> report.check("copies <= 0.05").outcome
    'fail'
    """
    for name, share in (("tolerance", tolerance), ("confidence", confidence)):
        if not isinstance(share, Real) or not 0 < share < 1:
            raise ValueError(f"{name} must lie strictly between 0 and 1, got {share!r}.")
    if generator is not None:
        check_generator(generator)
    seed = _seed_of(random_state)
    tables = check_tables(synthetic, X_train, X_control)
    asked = asked_of(tables, secrets, aux_columns, n_attacks)
    tables, repeats = once_each(tables)
    check_apart(tables, repeats)
    n_secrets = len(asked.secrets)
    work = {"risks": 2, **({"secrets": n_secrets} if n_secrets else {}), "records": 3}
    with phases(work, shown=progress):
        enter("risks")
        risks = _risks(tables, asked, n_attacks, tolerance, np.random.default_rng(seed))
        enter("records")
        told = Membership(None, None, [], None)
        if membership:
            told = measure_membership(
                tables,
                given=(X_train, X_control),
                generator=generator,
                confidence=confidence,
                seed=seed,
            )
        copied = copy_test(tables)
    shift = largest_shift(tables)
    context = Context(risks, copied, confidence, told, shift, repeats, asked)
    return SyntheticReport(
        measures=frame_of(risks, confidence),
        findings=[
            *findings_of(context),
            *told.findings,
        ],
        info={
            "n_synthetic": len(tables.synthetic),
            "n_train": len(tables.train),
            "n_control": len(tables.control),
            "n_columns": len(tables.columns),
            "n_attacks": n_attacks,
            "confidence": confidence,
            "secrets": asked.secrets,
            "n_secrets_left_out": asked.n_left_out,
            "linked": asked.halves,
            "headline": told.headline,
            **_sizes(told.records),
            "n_repeated": repeats.n_train if repeats.once else 0,
            "copied_rows": tables.train.rows[copied_rows(copied)].tolist(),
            "random_state": seed,
        },
        membership=told.measures,
        records=told.records,
    )


def _risks(
    tables: Tables, asked: Asked, n_attacks: int | None, tolerance: float, rng: np.random.Generator
) -> list[Risk]:
    """Measure all risks, secrets last."""
    risks = [copies(tables), *singling_out(tables, n_attacks or _PREDICATES, rng)]
    most = n_attacks or _RECORDS
    rows = _some(len(tables.train), most, rng), _some(len(tables.control), most, rng)
    if asked.halves is not None:
        risks.append(linkability(tables, asked.halves, rows, rng))
    if asked.n_each is not None:
        first, second = (side[_some(len(side), asked.n_each, rng)] for side in rows)
        rows = first, second
    if asked.secrets:
        enter("secrets")
    for secret in steps(asked.secrets, len(asked.secrets)):
        known = asked.known_beside(secret, tables.names)
        risks.append(inference(tables, secret, known, rows, tolerance=tolerance, rng=rng))
    return risks


def _seed_of(random_state: Any) -> int:
    """Return the number that seeds all draws."""
    random = random_state_of(random_state)
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    return int(random.randint(np.iinfo(np.int32).max))


def _sizes(records: Any) -> dict[str, int]:
    """Return how many members and others were asked about; none where nobody was."""
    if records is None:
        return {}
    n = int(records["member"].sum())
    return {"n_members": n, "n_nonmembers": len(records) - n}


def _some(n: int, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return which of some records are attacked."""
    return np.sort(rng.choice(n, size=min(n, most), replace=False))
