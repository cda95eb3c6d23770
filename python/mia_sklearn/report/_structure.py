"""What is measured of a model's structure, in words: for audits and for reports of it alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from . import _wording as wording

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "NAMES_A_FEW", "structure_in_words"]

COLUMNS = ("measure", "value", "error", "band", "predicts", "meaning")
# What these hold may be about one record.
NAMES_A_FEW = frozenset({"smallest_leaf", "smallest_answer_class"})
_LABELS = {
    "ks": "Distance of losses (KS)",
    "confidence_gap": "Confidence gap",
    "residual_ratio": "Ratio of residuals",
    "self_influence": "Self-influence",
    "parameters_per_record": "Parameters per record",
    "stored_records": "Training records kept",
    "on_margin_edge": "On the edge of a margin",
    "smallest_leaf": "Smallest leaf",
    "small_leaves": "Records in leaves below ten",
    "smallest_answer_class": "Fewest that share an answer",
    "small_answer_classes": "Records whose answer fewer than ten share",
    "class_disclosure": "Records whose answer tells the class",
    "published_rules": "Published rules on parameters",
}
_SHARES = {
    *("stored_records", "on_margin_edge", "small_leaves", "small_answer_classes"),
    "class_disclosure",
}


def structure_in_words(measures: pd.DataFrame | None) -> list[dict[str, str]]:
    """Return a row of text for each measure: what predicts risk first, then what does not.

    Parameters
    ----------
    measures : DataFrame or None

    Returns
    -------
    list of dict
        Each with ``measure``, ``value``, ``error``, ``band``, ``tells`` and ``meaning``.
    """
    if measures is None:
        return []
    rows = [_row(each) for each in measures.itertuples()]
    if "residual_ratio" in set(measures["measure"]):
        # Of numbers.
        for row in rows:
            row["measure"] = row["measure"].replace("of losses", "of errors")
    return sorted(rows, key=lambda row: row["tells"] != _PREDICTS)


_PREDICTS = "predicts risk"


def _row(each: object) -> dict[str, str]:
    name, value, error = (getattr(each, column) for column in COLUMNS[:3])
    return {
        "measure": _LABELS.get(str(name), str(name)),
        "value": _number(str(name), value),
        "error": "" if wording.missing(error) or not error else f"{error:.3f}",
        "band": str(each.band),  # type: ignore[attr-defined]
        "tells": _PREDICTS if each.predicts else "shown for what it is",  # type: ignore[attr-defined]
        "meaning": str(each.meaning),  # type: ignore[attr-defined]
    }


def _number(name: str, value: float) -> str:
    if wording.missing(value):
        return "-"
    if name == "published_rules":
        return "yes" if value else "no"
    if name in _SHARES:
        return wording.percent(value)
    if name in NAMES_A_FEW:
        return wording.count(value)
    return "infinite" if math.isinf(value) else f"{value:.3f}"
