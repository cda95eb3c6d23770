"""What is measured of a model's structure, in words: for audits and for reports of it alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from . import _wording as wording

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "MEASURES", "NAMES_A_FEW", "structure_in_words"]

COLUMNS = ("measure", "value", "error", "band", "predicts", "meaning")
# What these hold may be about one record.
NAMES_A_FEW = frozenset({"smallest_leaf", "smallest_answer_class"})
# What each is called, and what it is.
MEASURES = {
    "ks": (
        "Distance of losses (KS)",
        "The Kolmogorov-Smirnov distance between losses on training and on other records; of "
        "regressors, between absolute residuals. It bounds the advantage of an attack by a "
        "threshold on the loss, and predicts best what attacks with references find. Its error is "
        "the noise floor.",
    ),
    "confidence_gap": (
        "Confidence gap",
        "Mean confidence in the true class on training records, less that on others.",
    ),
    "residual_ratio": (
        "Ratio of residuals",
        "Of regressors: the mean residual of other records over that of training records.",
    ),
    "self_influence": (
        "Self-influence",
        "The part of an answer about a training record that comes from that record itself, on "
        "average. It needs no other records.",
    ),
    "parameters_per_record": (
        "Parameters per record",
        "Nodes of trees, coefficients and stored values, per training record.",
    ),
    "stored_records": (
        "Training records kept",
        "The largest share of the training records that one attribute of the model holds.",
    ),
    "on_margin_edge": (
        "On the edge of a margin",
        "The share of training records that a support vector machine answers with exactly the "
        "value at the edge of its margin. Others get it by chance alone.",
    ),
    "smallest_leaf": ("Smallest leaf", "Training records in the smallest leaf of all trees."),
    "small_leaves": (
        "Records in leaves below ten",
        "The share of training records, counted in every tree, in leaves of fewer than ten.",
    ),
    "smallest_answer_class": (
        "Fewest that share an answer",
        "How few training records share one answer at the precision at which it is released "
        "(k-anonymity of answers).",
    ),
    "small_answer_classes": (
        "Records whose answer fewer than ten share",
        "The share of training records with an answer that fewer than ten of them share.",
    ),
    "class_disclosure": (
        "Records whose answer tells the class",
        "The share of training records with an answer that records of one class alone share.",
    ),
    "published_rules": (
        "Published rules on parameters",
        "Whether published rules (Preen and Smith, 2025) count the model's hyper-parameters among "
        "the riskiest fifth.",
    ),
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
        "measure": MEASURES.get(str(name), (str(name), ""))[0],
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
