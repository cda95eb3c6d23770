"""A picture of what an attacker learns from a model while it trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._base import Display
from ._drawing import MEMBER, NONMEMBER, axes_or_new

if TYPE_CHECKING:
    import pandas as pd

_NAMES = {"auc": "AUC", "precision": "Members among the top n"}


class MembershipCurveDisplay(Display):
    """How well members are told apart, against the epochs of a training.

    Models memorise late: the curve says from which epoch on a longer training costs privacy.

    Parameters
    ----------
    curve : DataFrame
        Columns ``epoch``, and ``auc`` or ``precision`` or both, each with its ``..._low`` and
        ``..._high``, as of `mia_sklearn.torch.MembershipCurve.frame`.
    chance : float, default=0.5
        The share of members among the candidates, which the precision of guessing is.
    confidence : float, default=0.95
        Of the intervals.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    mia_sklearn.torch.MembershipCurve : Attacks a net while it trains.

    Notes
    -----
    Bands are intervals of each epoch by itself.

    References
    ----------
    .. [1] J. Hayes, L. Melis, G. Danezis, E. De Cristofaro, "LOGAN: Membership Inference Attacks
       Against Generative Models", PoPETs 2019, the figures of accuracy against epochs.

    Examples
    --------
    >>> import pandas as pd
    >>> from mia_sklearn.plots import MembershipCurveDisplay
    >>> curve = pd.DataFrame(
    ...     {"epoch": [10, 20], "auc": [0.5, 0.7], "auc_low": [0.4, 0.6], "auc_high": [0.6, 0.8]}
    ... )
    >>> MembershipCurveDisplay(curve).plot().frame()["auc"].tolist()
    [0.5, 0.7]
    """

    def __init__(
        self, curve: pd.DataFrame, *, chance: float = 0.5, confidence: float = 0.95
    ) -> None:
        self.curve = curve
        self.chance = chance
        self.confidence = confidence

    @classmethod
    def from_callback(cls, callback: Any, *, ax: Any = None) -> MembershipCurveDisplay:
        """Draw what a callback saw.

        Parameters
        ----------
        callback : mia_sklearn.torch.MembershipCurve
            Of a net that is trained, or in training.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        MembershipCurveDisplay

        Raises
        ------
        ValueError
            If the callback has seen no epoch yet.
        """
        n, others = len(callback.X_members), len(callback.X_nonmembers)
        display = cls(callback.frame(), chance=n / (n + others), confidence=callback.confidence)
        return display.plot(ax)

    def plot(self, ax: Any = None) -> MembershipCurveDisplay:
        """Draw estimates as lines, their intervals as bands, and guessing as thin lines.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            A new figure by default.

        Returns
        -------
        MembershipCurveDisplay
            Itself.

        Raises
        ------
        ValueError
            If there is no epoch, or neither of the two quantities.
        """
        drawn = [name for name in _NAMES if name in self.curve]
        if not drawn or not len(self.curve):
            raise ValueError(
                "The curve holds no attack yet: draw it once the net has trained for `every` "
                "epochs, with columns epoch and auc or precision."
            )
        ax = axes_or_new(ax)
        epochs = self.curve["epoch"].to_numpy()
        styles = {"auc": (MEMBER, "-", 0.5), "precision": (NONMEMBER, "--", self.chance)}
        for name in drawn:
            color, style, chance = styles[name]
            low, high = (self.curve[f"{name}_{end}"].to_numpy() for end in ("low", "high"))
            ax.fill_between(epochs, low, high, color=color, alpha=0.18, linewidth=0)
            mark = "o" if len(epochs) == 1 else None
            ax.plot(
                epochs,
                self.curve[name],
                color=color,
                linestyle=style,
                marker=mark,
                label=_NAMES[name],
            )
        for chance in sorted({styles[name][2] for name in drawn}):
            ax.axhline(chance, color="0.4", linewidth=0.8, linestyle=":")
        ax.set(xlabel="Epoch", ylabel=f"Attack, with {self.confidence:.0%} intervals")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ends = [self.curve[f"{name}_{end}"] for name in drawn for end in ("low", "high")]
        ax.set_ylim(min(0.4, np.nanmin(ends)), max(1.0, np.nanmax(ends)) + 0.01)
        return self._finished(ax, legend="upper left")

    def frame(self) -> pd.DataFrame:
        """Return the numbers drawn.

        Returns
        -------
        DataFrame
            The curve.
        """
        return self.curve.copy()
