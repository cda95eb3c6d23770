"""Pictures of attacks, in the manner of scikit-learn's displays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..metrics._sides import members_and_others
from ._base import ScoredDisplay, TwoSidedDisplay
from ._drawing import axes_or_new, plain_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ScoreDistributionDisplay"]


class ScoreDistributionDisplay(ScoredDisplay, TwoSidedDisplay):
    """Histograms of an attack's scores, members against non-members.

    Where the two lie on each other the attack cannot tell them apart; a bump of members alone,
    on the right, is the group it can name.

    Parameters
    ----------
    edges : ndarray of shape (n_bins + 1,)
        Borders of the bins.
    members, nonmembers : ndarray of shape (n_bins,)
        Share of members and of non-members in each bin.
    n_members, n_nonmembers : int
    name : str

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    AttackRocDisplay : What the two distributions amount to.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.plots import ScoreDistributionDisplay
    >>> y = np.repeat([0, 1], 500)
    >>> score = np.random.default_rng(0).normal(y)
    >>> display = ScoreDistributionDisplay.from_predictions(y, score, bins=10)
    >>> float(display.frame()["members"].sum().round(6))
    1.0
    """

    def __init__(
        self,
        *,
        edges: np.ndarray,
        members: np.ndarray,
        nonmembers: np.ndarray,
        n_members: int,
        n_nonmembers: int,
        name: str = "attack",
    ) -> None:
        self.edges = edges
        self.members = members
        self.nonmembers = nonmembers
        self.n_members = n_members
        self.n_nonmembers = n_nonmembers
        self.name = name

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_score: Any,
        *,
        name: str = "attack",
        bins: int | None = None,
        ax: Any = None,
    ) -> ScoreDistributionDisplay:
        """Draw scores.

        Parameters
        ----------
        y_true : array-like of shape (n_records,)
            Membership: two labels, the larger one means member.
        y_score : array-like of shape (n_records,)
            Scores, higher means member.
        name : str, default="attack"
            Of the attack.
        bins : int, default=None
            Number of bins; more for more records by default. The outermost ones also hold the
            one record in 1,000 beyond them.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        ScoreDistributionDisplay

        Raises
        ------
        ValueError
            If lengths differ, there are not two labels, or scores are not finite.
        """
        members, nonmembers = members_and_others(y_true, y_score)
        # Far beyond any log-odds, and differences of such numbers are still finite.
        members, nonmembers = np.clip(members, -1e300, 1e300), np.clip(nonmembers, -1e300, 1e300)
        low, high = np.quantile(np.concatenate([members, nonmembers]), [0.0005, 0.9995])
        # Equal scores, or as good as equal, still need bins of some width.
        if not high - low > 1e-9 * max(abs(low), abs(high)):
            low, high = low - 0.5 - abs(low) * 1e-6, high + 0.5 + abs(high) * 1e-6
        if bins is None:
            bins = int(np.clip(2 * np.cbrt(min(len(members), len(nonmembers))), 8, 60))
        edges = np.linspace(low, high, bins + 1)
        display = cls(
            edges=edges,
            members=_shares(members, edges),
            nonmembers=_shares(nonmembers, edges),
            n_members=len(members),
            n_nonmembers=len(nonmembers),
            name=name,
        )
        return display.plot(ax)

    def plot(self, ax: Any = None) -> ScoreDistributionDisplay:
        """Draw the histograms.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            A new figure by default.

        Returns
        -------
        ScoreDistributionDisplay
            Itself.
        """
        ax = axes_or_new(ax)
        for share, line in self._sides():
            ax.stairs(100 * share, self.edges, fill=True, color=line["color"], alpha=0.25)
            ax.stairs(100 * share, self.edges, **line)
        ax.set(
            xlim=(self.edges[0], self.edges[-1]),
            xlabel=f"Score of {plain_text(self.name)}: log-odds of membership",
            ylabel="Share of members, of non-members, %",
        )
        ax.set_ylim(bottom=0)
        return self._finished(ax)

    def frame(self) -> pd.DataFrame:
        """Return the numbers drawn.

        Returns
        -------
        DataFrame
            One row per bin: ``low``, ``high``, ``members``, ``nonmembers`` (shares).
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "low": self.edges[:-1],
                "high": self.edges[1:],
                "members": self.members,
                "nonmembers": self.nonmembers,
            }
        )


def _shares(scores: np.ndarray, edges: np.ndarray) -> np.ndarray:
    counts, _ = np.histogram(np.clip(scores, edges[0], edges[-1]), edges)
    return counts / len(scores)
