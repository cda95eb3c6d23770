"""What the headline attack shows, read once for the verdict and for the findings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ._counted import Unit

if TYPE_CHECKING:
    import pandas as pd

    from ._finding import Severity

__all__ = [
    "LISTED_AT",
    "SERIOUS_AUC",
    "SERIOUS_GAIN",
    "SINGLED_OUT_AT",
    "Leak",
    "read_leak",
    "two_counts",
]

# The false discovery rate at which a record counts as standing out.
LISTED_AT = 0.1
# Whoever errs more often than this singles nobody out.
SINGLED_OUT_AT = 0.01
# From here on a leak is serious: see `Leak.severity`.
SERIOUS_AUC = 0.7
SERIOUS_GAIN = 10


class Leak(NamedTuple):
    """What one attack, fixed in advance, shows of members.

    Attributes
    ----------
    degree : {"singled", "apart", "none", "open"}
        Members are named at a rate of false alarms of at most 1 %; are told from others
        otherwise; neither is shown; the records are too few to say.
    rate, auc : named tuple or None
        Rows of the table of metrics: the lowest false-positive rate that the number of
        non-members supports, and the AUC.
    severity : {"info", "warning", "serious"}
        How large the leak surely is: "serious" where the lower end of the rate is ten times that
        of guessing (10 % of members at 1 % false alarms) or that of the AUC at least 0.7,
        "warning" where less is shown, "info" where nothing is.
    """

    degree: Literal["singled", "apart", "none", "open"]
    rate: Any | None
    auc: Any | None
    severity: Severity


def read_leak(rows: pd.DataFrame) -> Leak:
    """Read the rows of one attack, all records together.

    Two lower ends decide, of the AUC and of one rate chosen by the number of non-members alone:
    each errs in at most half of 1 - confidence of all cases, both together in 1 - confidence.
    """
    rates = rows[(rows["metric"] == "tpr") & rows["low"].notna() & rows["high"].notna()]
    rate: Any = None if rates.empty else next(rates.sort_values("at").itertuples())
    aucs = rows[rows["metric"] == "auc"]
    auc: Any = None if aucs.empty else next(aucs.itertuples())
    above = rate is not None and rate.low > rate.at
    degree: Literal["singled", "apart", "none", "open"]
    if above and rate.at <= SINGLED_OUT_AT:
        degree = "singled"
    elif above or (auc is not None and auc.low > 0.5):
        degree = "apart"
    elif rate is None or auc is None or math.isnan(auc.high):
        degree = "open"
    else:
        degree = "none"
    return Leak(degree, rate, auc, _severity(degree, rates, auc))


def _severity(degree: str, rates: pd.DataFrame, auc: Any | None) -> Severity:
    if degree not in ("singled", "apart"):
        return "info"
    low = rates[rates["at"] <= SINGLED_OUT_AT]
    large = (low["low"] >= SERIOUS_GAIN * low["at"]).any()
    return "serious" if large or (auc is not None and auc.low >= SERIOUS_AUC) else "warning"


def two_counts(leak: Leak, n_listed: int | None, unit: Unit) -> str:
    """Say in one sentence why as many are named as are, and as many stand out one by one."""
    if leak.degree != "singled" or leak.rate is None or n_listed is None:
        return ""
    rate = leak.rate
    return (
        f"The attack's score names {int(rate.n_identified):,} {unit.members} together with "
        f"{int(rate.n_false_alarms):,} of {int(rate.n_nonmembers):,} {unit.others}, while "
        f"{n_listed:,} stand out one by one, which asks more: a p-value of their own answer, held "
        f"against references alone, on a list with at most {100 * LISTED_AT:.0f} % errors."
    )


# The cut-off for the p-values of vulnerable records.
INFERRED_AT = 0.01
