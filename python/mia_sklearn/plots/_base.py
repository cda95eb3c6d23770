"""What displays share: how they end, how they tell members from others, what they score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .._process._notebook import folded, paragraph, shown, table
from ._drawing import MEMBER, NONMEMBER

if TYPE_CHECKING:
    from typing import Self

    import pandas as pd

__all__ = ["BaseDisplay", "Display", "ScoredDisplay", "TwoSidedDisplay"]

# Rows of numbers that a notebook shows below the picture.
_N_ROWS = 12


class BaseDisplay(ABC):
    """Base of all displays: in a notebook, whose cell shows the picture, they show its numbers."""

    @abstractmethod
    def frame(self) -> pd.DataFrame:
        """Return the numbers drawn."""

    def _brief_frame(self) -> pd.DataFrame:
        """Return the numbers that a notebook shows."""
        return self.frame()

    def _repr_html_(self) -> str:
        frame = self._brief_frame()
        numbers = [j for j, dtype in enumerate(frame.dtypes) if dtype.kind in "iuf"]
        rows = [list(map(_in_words, row)) for row in frame.head(_N_ROWS).itertuples(index=False)]
        columns = [str(name).replace("_", " ") for name in frame.columns]
        more = f"The first {_N_ROWS} of {len(frame):,} rows. " if len(frame) > _N_ROWS else ""
        name = type(self).__name__
        return shown(
            name,
            folded("Numbers", table(name, columns, rows, numbers)),
            paragraph(f"{more}`frame()` returns the numbers, `figure_` holds the picture."),
        )


def _in_words(value: Any) -> str:
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else f"{value:.4g}"
    return str(value)


class Display(BaseDisplay):
    """Base of all displays that draw on one pair of axes."""

    def _finished(self, ax: Any, *, grid: str = "y", legend: str | None = "best") -> Self:
        """Add what every picture has, and keep where it was drawn."""
        ax.grid(True, axis=grid, color="0.9", linewidth=0.8)
        ax.set_axisbelow(True)
        if legend:
            ax.legend(frameon=False, fontsize="small", loc=legend)
        self.ax_, self.figure_ = ax, ax.figure
        return self


class TwoSidedDisplay(Display):
    """Base of displays of members against non-members: each side has its colour and its line."""

    members: np.ndarray
    nonmembers: np.ndarray
    n_members: int
    n_nonmembers: int

    def _sides(self) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
        """Yield what is drawn of each side, and how its line looks."""
        for values, n, color, style, name in (
            (self.nonmembers, self.n_nonmembers, NONMEMBER, "--", "non-members"),
            (self.members, self.n_members, MEMBER, "-", "members"),
        ):
            yield values, {"color": color, "linestyle": style, "label": f"{name} ({n:,})"}


class ScoredDisplay(Display):
    """Base of displays of an attack's scores, which a fitted attack can be asked for."""

    @classmethod
    @abstractmethod
    def from_predictions(cls, *scores: Any, **options: Any) -> Self:
        """Draw scores."""

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, name: str | None = None, **options: Any
    ) -> Self:
        """Score observations with a fitted attack and draw the scores.

        Parameters
        ----------
        estimator : fitted attack
            Its `decision_function` is read, or where there is none its `predict_proba`.
        X : table of shape (n_records, n_columns)
            Observations.
        y : array-like of shape (n_records,)
            Membership; `estimator.classes_[1]` means member.
        name : str, default=None
            Of the attack; the class of the estimator by default.
        **options
            Passed to `from_predictions`.

        Returns
        -------
        display
        """
        if hasattr(estimator, "decision_function"):
            score = np.asarray(estimator.decision_function(X))
        else:
            score = np.asarray(estimator.predict_proba(X))[:, 1]
        member = (np.asarray(y) == estimator.classes_[1]).astype(int)
        name = name or type(estimator).__name__
        return cls.from_predictions(member, score, name=name, **options)
