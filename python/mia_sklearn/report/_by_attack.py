"""What each attack says of each record, and how often audits name a record again."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import betaincinv

from ..stats import conformal_combine, conformal_p_values
from ._leak import INFERRED_AT

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["by_attack", "named_by", "share_again", "withheld"]

# Columns that say who a record is.
_OF_RECORDS = ("set", "group", "n_rows", "row", "index", "label", "member")


def by_attack(records: pd.DataFrame, attacks: list[str], reason: str) -> pd.DataFrame:
    """Return `AuditReport.record_scores`, see there; `reason` is why p-values are withheld."""
    import pandas as pd

    _check_kept(records)
    table = {name: records[name] for name in _who(records)}
    others = records["member"].to_numpy() == 0
    if reason:
        warnings.warn(f"p-values of attacks are withheld: {reason}", stacklevel=3)
    for attack in attacks:
        scores = records[attack].to_numpy(dtype=np.float64)
        table[attack] = records[attack]
        table[f"{attack}_p"] = _of_both_sides(conformal_p_values, scores, others, reason)
    every = records[attacks].to_numpy(dtype=np.float64)
    table["combined_p"] = _of_both_sides(conformal_combine, every, others, reason)
    return pd.DataFrame(table, index=records.index)


def withheld(records: pd.DataFrame, controls: pd.DataFrame, info: dict[str, Any]) -> str:
    """Say why non-members are no yardstick for members, where they are none."""
    if info.get("split") == "other":
        return "train and test are no random split (split='other'), and p-values rest on that."
    shift = controls.loc[controls["control"] == "shift", "passed"]
    # Missing where it has no verdict.
    if (shift.notna() & shift.ne(True)).any():
        return "train and test can be told apart without the model: that is no random split."
    if (records["member"] == 0).sum() < 2:
        return "there are no two non-members to compare with."
    return ""


def _of_both_sides(
    function: Any, scores: np.ndarray, others: np.ndarray, reason: str
) -> np.ndarray:
    found = np.full(len(scores), np.nan)
    if not reason:
        found[~others] = function(scores[~others], scores[others])
        found[others] = function(scores[others])
    return found


def _who(records: pd.DataFrame) -> list[Any]:
    """Return the columns that say who a record is."""
    names = [(name, str(name)) for name in records.columns]
    return [n for n, text in names if text in _OF_RECORDS or text.startswith(("label_", "slice_"))]


def _check_kept(records: pd.DataFrame) -> None:
    if records.empty:
        raise ValueError("This report was saved without its records: it names nobody.")


def share_again(n_named: Any, n_reruns: Any, confidence: float) -> tuple[float, float, float]:
    """Return the share of reruns that name a record, with Clopper and Pearson's interval."""
    if not n_reruns > 0:
        return math.nan, math.nan, math.nan
    named, of = int(n_named), int(n_reruns)
    # Quantiles in place of `scipy.stats.binomtest`, which searches: each page asks a hundred times.
    error = (1 - confidence) / 2
    low = betaincinv(named, of - named + 1, error) if named > 0 else 0.0
    high = betaincinv(named + 1, of - named, 1 - error) if named < of else 1.0
    return named / of, float(low), float(high)


def _check_different(audits: list[pd.DataFrame]) -> None:
    """Refuse an audit that is given again: what it names it names each time."""
    told = [frame["p_value"].to_numpy() for frame in audits]
    for place, values in enumerate(told):
        same = [np.array_equal(values, before, equal_nan=True) for before in told[:place]]
        if any(same) and len(np.unique(values)) > 1:
            which = f"audit {same.index(True)}" if same.index(True) else "this one"
            raise ValueError(
                f"Audit {place} has the p-values of {which}: it is the same again, and tells "
                "nothing new. Give audits with another random_state."
            )


def named_by(
    members: pd.DataFrame, info: dict[str, Any], others: list[tuple[pd.DataFrame, dict[str, Any]]]
) -> pd.DataFrame:
    """Return `AuditReport.named_again`, see there.

    Parameters
    ----------
    members : DataFrame
        Rows of an audit's records.
    info : dict
        Of that audit.
    others : list of (DataFrame, dict)
        All records, and `info`, of the other audits.
    """
    if not others:
        raise ValueError("named_again compares with other audits of these records: give some.")
    for place, (records, about) in enumerate(others, 1):
        digest = info.get("records_digest")
        if digest is None or about.get("records_digest") != digest:
            raise ValueError(
                f"Audit {place} is of other records, or of another split of them into members and "
                "others: audit the same X_train and X_test, in the same order, again."
            )
        _check_kept(records)
        if records["p_value"].isna().all():
            raise ValueError(
                f"Audit {place} has no p-values of single records: it takes references that train "
                "on as many records as the model."
            )
    _check_different([members, *(records.loc[members.index] for records, _ in others)])
    named = np.column_stack(
        [records.loc[members.index, "p_value"] <= INFERRED_AT for records, _ in others]
    )
    shares = [share_again(row.sum(), len(others), info["confidence"]) for row in named]
    return members[[*_who(members), "p_value", "q_value"]].assign(
        reruns=len(others),
        named_again=named.sum(axis=1),
        **dict(zip(("share", "low", "high"), np.array(shares).T, strict=True)),
    )
