"""Who was in the training table: attacks on membership that ask the synthetic table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..metrics import Estimate, roc_auc, tpr_at_fpr
from ..report import BaseFinder, Finding
from ._copied import occur_once
from ._refits import beside_refits
from ._scores import HEADLINE, SCORES, surroundings
from ._tables import Tables

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Membership", "Tells", "measure_membership"]

_RATES = (0.01, 0.001)
_REFITS = "refits"
# Fewer records of a side tell nothing.
_LEAST = 10


@dataclass(frozen=True)
class Membership:
    """What attacks on membership achieved.

    Attributes
    ----------
    measures : DataFrame or None
        One row per attack, the headline first: ``attack``, ``headline``, ``auc``, ``tpr@0.01``
        and ``tpr@0.001`` each with ``lower`` and ``upper``, ``n_members``, ``n_nonmembers``.
    records : DataFrame or None
        ``member``, ``row``, and the scores of each attack.
    findings : list of Finding
    headline : str or None
        The attack that was fixed in advance.
    """

    measures: pd.DataFrame | None
    records: pd.DataFrame | None
    findings: list[Finding]
    headline: str | None


def measure_membership(
    tables: Tables, *, given: tuple[Any, Any], generator: Any, confidence: float, seed: int
) -> Membership:
    """Attack the membership of the training records and of the control's.

    Half of the control is what the attacker compares with; the other half are the non-members.
    Records that occur twice among training records and control are neither. The headline is
    fixed: refits where there is a generator, else the local score.

    Parameters
    ----------
    tables : Tables
    given : tuple of tables
        The training records and the control as they were given.
    generator : object or None
        An unfitted generator that can be fitted again.
    confidence : float
    seed : int
    """
    import pandas as pd

    order = np.random.default_rng([seed, 1]).permutation(len(tables.control))
    reference, asked = (np.sort(half) for half in np.array_split(order, 2))
    once_train, once_control = occur_once([tables.train, tables.control])
    alone = np.concatenate([once_train, once_control[asked]])
    member = np.arange(len(alone)) < len(tables.train)
    if min(alone[member].sum(), alone[~member].sum()) < _LEAST:
        return Membership(None, None, [], None)
    around = surroundings(
        np.concatenate([tables.train.scaled, tables.control.scaled[asked]]),
        tables.synthetic.scaled,
        tables.control.scaled[reference],
    )
    scores = {name: score(around) for name, score in SCORES.items()}
    headline = HEADLINE
    if generator is not None:
        headline = _REFITS
        refits = beside_refits(tables, given, asked, generator, seed)
        scores = {_REFITS: refits, **scores}
    row = np.concatenate([tables.train.rows, tables.control.rows[asked]])
    records = pd.DataFrame({"member": member, "row": row, **scores})[alone].reset_index(drop=True)
    rows, found = [], []
    for name in scores:
        estimates = _estimates(records, name, confidence)
        rows.append(_row(name, estimates, is_headline=name == headline))
        if name == headline:
            found = [Tells().find((name, estimates))]
    findings = [finding for finding in found if finding is not None]
    return Membership(pd.DataFrame(rows), records, findings, headline)


def _estimates(records: pd.DataFrame, name: str, confidence: float) -> dict[str, Estimate]:
    member, score = records["member"], records[name]
    return {"auc": roc_auc(member, score, confidence=confidence)} | {
        f"tpr@{rate:g}": tpr_at_fpr(member, score, rate, confidence=confidence) for rate in _RATES
    }


def _row(name: str, estimates: dict[str, Estimate], *, is_headline: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"attack": name, "headline": is_headline}
    for metric, estimate in estimates.items():
        row |= {
            metric: estimate.value,
            f"{metric} lower": estimate.low,
            f"{metric} upper": estimate.high,
        }
    auc = estimates["auc"]
    return row | {"n_members": auc.n_members, "n_nonmembers": auc.n_nonmembers}


class Tells(BaseFinder):
    """Finds that training records are told from others, by the attack fixed in advance."""

    code = "SYNTHETIC_MEMBERSHIP"
    severities = ("serious", "warning")
    summary = (
        "the synthetic table tells surely more often than chance who was in the training table: "
        "serious where members are surely named ten times as often as by guessing, or the AUC is "
        "surely at least 0.7"
    )

    def find(self, context: Any) -> Finding | None:
        name, estimates = context
        auc = estimates["auc"]
        named = [rate for rate in _RATES if estimates[f"tpr@{rate:g}"].low >= 10 * rate]
        if not (auc.low > 0.5 or named):
            return None
        at = estimates[f"tpr@{(named or _RATES)[0]:g}"]
        return self.found(
            f"The synthetic table tells who was in the training table: AUC {auc}",
            f"The attack {name!r} ranks {auc.n_members:,} training records above "
            f"{auc.n_nonmembers:,} records that the generator has not seen in {100 * auc.value:.3g}"
            f" % of pairs; at {at.n_false_alarms:,} false alarms it names {at.n_identified:,} "
            "members. Whoever knows a person's record learns whether it was there.",
            "Fit the generator with fewer parameters or for a shorter time, release fewer rows, or "
            "fit it with differential privacy; then audit again.",
            "serious" if named or auc.low >= 0.7 else "warning",
        )
