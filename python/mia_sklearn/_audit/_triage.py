"""What reference models would add to an audit without any, as far as that can be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..metrics import roc_auc

if TYPE_CHECKING:
    from ._run import Run

__all__ = ["N_REFERENCES", "references_would", "seconds_of_training"]

#: How many references an audit trains where nobody says.
N_REFERENCES = 16


def references_would(run: Run) -> dict[str, float]:
    """Return what references would cost and find, where there are none and they would add to it.

    Parameters
    ----------
    run : Run

    Returns
    -------
    dict of str to float
        ``trainings``; ``seconds`` where the target knows how long its own took; ``auc`` as the
        losses let expect it, where they differ by more than chance and it is more than was found.
    """
    if run.references is not None or (run.access and not run.access.gains_by_references):
        return {}
    found: dict[str, float] = {"trainings": N_REFERENCES}
    seconds = seconds_of_training(run.target)
    if seconds:
        found["seconds"] = N_REFERENCES * seconds
    auc = _expected_auc(run)
    if auc is not None:
        found["auc"] = auc
    return found


def _expected_auc(run: Run) -> float | None:
    # The estimate was fitted to losses of single records.
    if run.access is not None or run.of_people:
        return None
    expected = run.structure.expected_auc
    if expected is None:
        return None
    # What is less than was found already tells nothing.
    found = roc_auc(run.unit_member, run.scores[run.headline]).value
    return expected if expected > found else None


def seconds_of_training(target: Any) -> float | None:
    """Return how long the target's own training took, where it says so: searches, networks."""
    target = getattr(target, "source", None) or target
    seconds = getattr(target, "refit_time_", None)
    if seconds is None and hasattr(target, "history"):
        try:
            seconds = sum(target.history[:, "dur"])
        except (KeyError, TypeError, IndexError):
            return None
    return float(seconds) if isinstance(seconds, (int, float)) and seconds > 0 else None
