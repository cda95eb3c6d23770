"""A picture of what members and non-members look like, round by round."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ._base import TwoSidedDisplay
from ._drawing import axes_or_new, plain_text

if TYPE_CHECKING:
    import pandas as pd

_QUARTILES = (0.25, 0.5, 0.75)


class GradientNormDisplay(TwoSidedDisplay):
    """Gradient norms or losses of members and of non-members over the rounds of a training.

    Where an attacker raises the loss of all target records in every round, the participants
    pull that of their members back down, and the two curves part.

    Parameters
    ----------
    rounds : ndarray of shape (n_rounds,)
    members, nonmembers : ndarray of shape (n_rounds, 3)
        Lower quartile, median and upper quartile of each round, of the finite values.
    n_members, n_nonmembers : int
    quantity : str, default="grad_norm"

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    mia_sklearn.torch.GlobalObserver : Makes the observations.
    mia_sklearn.attacks.RoundLossAttack : Learns from losses over rounds.

    References
    ----------
    .. [1] M. Nasr, R. Shokri, A. Houmansadr, "Comprehensive Privacy Analysis of Deep Learning",
       IEEE S&P 2019, the figures of active attacks.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from mia_sklearn.plots import GradientNormDisplay
    >>> seen = pd.DataFrame({"grad_norm@1": [3.0, 4.0, 3.5, 4.5], "grad_norm@2": [0.5, 1, 3, 4]})
    >>> display = GradientNormDisplay.from_observations(seen, [1, 1, 0, 0])
    >>> display.frame()["members"].tolist()
    [3.5, 0.75]
    """

    def __init__(
        self,
        *,
        rounds: np.ndarray,
        members: np.ndarray,
        nonmembers: np.ndarray,
        n_members: int,
        n_nonmembers: int,
        quantity: str = "grad_norm",
    ) -> None:
        self.rounds = rounds
        self.members = members
        self.nonmembers = nonmembers
        self.n_members = n_members
        self.n_nonmembers = n_nonmembers
        self.quantity = quantity

    @classmethod
    def from_observations(
        cls,
        observations: pd.DataFrame,
        member: Any,
        *,
        quantity: str = "grad_norm",
        ax: Any = None,
    ) -> GradientNormDisplay:
        """Draw observations over rounds.

        Parameters
        ----------
        observations : DataFrame of shape (n_records, n_columns)
            With a column `<quantity>@<round>` for each round.
        member : array-like of shape (n_records,)
            Membership: two labels, the larger one means member.
        quantity : str, default="grad_norm"
            "grad_norm", "grad_norm.<layer>", any other column that is observed in rounds, or
            "loss", which is read from the rescaled logits.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        GradientNormDisplay

        Raises
        ------
        ValueError
            If no such column is there, lengths differ, or there are not two labels.
        """
        rounds, values = _by_round(observations, "logit" if quantity == "loss" else quantity)
        if quantity == "loss":
            values = np.logaddexp(0, -values)
        label = np.asarray(member)
        if label.shape != (len(values),):
            raise ValueError(
                f"member must hold one label per record, got shape {label.shape} for "
                f"{len(values)} records."
            )
        labels = np.unique(label)
        if len(labels) != 2:
            raise ValueError(f"member must hold two labels, got {len(labels)}.")
        is_member = label == labels[1]
        display = cls(
            rounds=rounds,
            members=_quartiles(values[is_member]),
            nonmembers=_quartiles(values[~is_member]),
            n_members=int(is_member.sum()),
            n_nonmembers=int((~is_member).sum()),
            quantity=quantity,
        )
        return display.plot(ax)

    def plot(self, ax: Any = None) -> GradientNormDisplay:
        """Draw the medians as lines, from the lower to the upper quartile as bands.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            A new figure by default.

        Returns
        -------
        GradientNormDisplay
            Itself.
        """
        ax = axes_or_new(ax)
        for quartiles, line in self._sides():
            low, median, high = quartiles.T
            ax.fill_between(self.rounds, low, high, color=line["color"], alpha=0.18, linewidth=0)
            ax.plot(self.rounds, median, marker="o" if len(self.rounds) == 1 else None, **line)
        name = {"grad_norm": "Norm of the gradient of the loss", "loss": "Loss"}.get(
            self.quantity, plain_text(self.quantity)
        )
        ax.set(xlabel="Round", ylabel=f"{name}: median, quartiles")
        if min(np.nanmin(self.members), np.nanmin(self.nonmembers)) >= 0:
            ax.set_ylim(bottom=0)
        ax.xaxis.get_major_locator().set_params(integer=True)
        return self._finished(ax)

    def frame(self) -> pd.DataFrame:
        """Return the numbers drawn.

        Returns
        -------
        DataFrame
            One row per round: ``round``, the medians ``members`` and ``nonmembers``, and their
            quartiles ``members_low``, ``members_high``, ``nonmembers_low``, ``nonmembers_high``.
        """
        import pandas as pd

        columns = {"round": self.rounds}
        for name, quartiles in (("members", self.members), ("nonmembers", self.nonmembers)):
            low, median, high = quartiles.T
            columns |= {name: median, f"{name}_low": low, f"{name}_high": high}
        return pd.DataFrame(columns)


def _by_round(observations: pd.DataFrame, quantity: str) -> tuple[np.ndarray, np.ndarray]:
    pattern = re.compile(re.escape(quantity) + r"@(\d+)")
    found = sorted(
        (int(match.group(1)), name)
        for name in map(str, observations.columns)
        if (match := pattern.fullmatch(name))
    )
    if not found:
        seen = sorted(
            {name.split("@")[0] for name in map(str, observations.columns) if "@" in name}
        )
        raise ValueError(
            f"The observations have no columns {quantity}@<round>. Observed in rounds: "
            f"{', '.join(seen[:8]) or 'nothing'}."
        )
    rounds, columns = zip(*found, strict=True)
    return np.array(rounds), observations[list(columns)].to_numpy(dtype=np.float64)


def _quartiles(values: np.ndarray) -> np.ndarray:
    finite = np.where(np.isfinite(values), values, np.nan)
    missing = np.isnan(finite).all(axis=0)
    finite[:, missing] = 0.0
    quartiles = np.nanquantile(finite, _QUARTILES, axis=0).T
    quartiles[missing] = np.nan
    return quartiles
