"""What to do beyond an audit without reference models, in words."""

from __future__ import annotations

from typing import Any

from .._process._progress import duration

__all__ = ["references_would"]


def references_would(info: dict[str, Any]) -> str:
    """Say what references would find and cost, in one sentence; nothing where there are some."""
    would = info.get("references_would")
    if not would:
        return ""
    costs = f"{int(would['trainings'])} trainings of this model"
    if "seconds" in would:
        costs += f", about {duration(would['seconds'])} one after the other"
    text = f"No reference models were trained; they usually find more, and take {costs}"
    if "auc" in would:
        text += f": by the model's losses, a rough estimate, an AUC of about {would['auc']:.2f}"
    return f"{text}."
