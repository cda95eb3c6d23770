"""ROC curves of attacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import stats
from ..metrics._sides import members_and_others
from ._base import ScoredDisplay
from ._drawing import COLORS, STYLES, axes_or_new, plain_text

if TYPE_CHECKING:
    import pandas as pd

    from ..stats import TradeOff


_BAND_POINTS = 120


class AttackRocDisplay(ScoredDisplay):
    """ROC curves of attacks on logarithmic axes, with confidence bands.

    What an attack does at low false-positive rates says whom it can name with few errors; linear
    axes hide it. Make one by `from_predictions` or `from_estimator`.

    Parameters
    ----------
    curves : dict of str to (fpr, tpr)
        Operating points of each attack, both arrays increasing.
    bands : dict of str to (fpr, low, high)
        The interval of the true-positive rate at each false-positive rate, pointwise.
    auc : dict of str to float
    n_members, n_nonmembers : int
    confidence : float
    dp : TradeOff, default=None
        A guarantee of differential privacy, whose ceiling is drawn above the curves.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        One per attack.
    ceiling_ : matplotlib Line2D or None

    See Also
    --------
    ScoreDistributionDisplay : The scores themselves.
    mia_sklearn.metrics.tpr_at_fpr : One point of the curve, with its interval.

    Notes
    -----
    A curve is drawn as steps: rates between two operating points are not reached without
    randomising. Bands end where there are too few non-members for an interval.

    The ceiling of a guarantee is one for each record: how often an attack can find it, when it was
    in, at a rate of alarms when it was out, over all that is random in the training and in who
    else was drawn. It is concave, so that it holds for the mean over records too, which a curve
    here estimates: above it lies what the guarantee does not allow, or chance. A curve below it
    does not prove the guarantee, which is about the most exposed record.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.plots import AttackRocDisplay
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], 500)
    >>> display = AttackRocDisplay.from_predictions(y, {"lira": rng.normal(y)})
    >>> display.frame().columns.tolist()
    ['attack', 'fpr', 'tpr', 'low', 'high']
    """

    def __init__(
        self,
        *,
        curves: dict[str, tuple[np.ndarray, np.ndarray]],
        bands: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
        auc: dict[str, float],
        n_members: int,
        n_nonmembers: int,
        confidence: float,
        dp: TradeOff | None = None,
    ) -> None:
        self.curves = curves
        self.bands = bands
        self.auc = auc
        self.n_members = n_members
        self.n_nonmembers = n_nonmembers
        self.confidence = confidence
        self.dp = dp

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_score: Any,
        *,
        name: str = "attack",
        confidence: float = 0.95,
        dp: Any = None,
        ax: Any = None,
        **options: Any,
    ) -> AttackRocDisplay:
        """Draw the curves of scores.

        Parameters
        ----------
        y_true : array-like of shape (n_records,)
            Membership: two labels, the larger one means member.
        y_score : array-like of shape (n_records,), or dict of name to such arrays
            Scores, higher means member.
        name : str, default="attack"
            Of the curve when `y_score` is one array.
        confidence : float, default=0.95
            Of the bands.
        dp : pair, TradeOff or accountant, default=None
            A guarantee whose ceiling is drawn: (epsilon, delta), or what else
            `mia_sklearn.stats.TradeOff.of` reads.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **options
            Passed to `plot`.

        Returns
        -------
        AttackRocDisplay

        Raises
        ------
        ValueError
            If lengths differ, there are not two labels, or scores are not finite.
        """
        dp = None if dp is None else stats.TradeOff.of(dp)
        scores = y_score if isinstance(y_score, dict) else {name: y_score}
        curves, bands, auc = {}, {}, {}
        for attack, values in scores.items():
            members, nonmembers = members_and_others(y_true, values)
            curves[attack] = _operating_points(members, nonmembers)
            levels = np.geomspace(0.5 / len(nonmembers), 1, _BAND_POINTS, endpoint=False)
            point = stats.tpr_interval(members, nonmembers, levels, confidence=confidence)
            given = np.isfinite(point.high)
            bands[attack] = (levels[given], point.low[given], point.high[given])
            auc[attack] = stats.auc_interval(members, nonmembers, confidence=confidence)[0]
        display = cls(
            curves=curves,
            bands=bands,
            auc=auc,
            n_members=len(members),
            n_nonmembers=len(nonmembers),
            confidence=confidence,
            dp=dp,
        )
        return display.plot(ax, **options)

    def plot(self, ax: Any = None, *, bands: str = "first") -> AttackRocDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            A new figure by default.
        bands : {"first", "all", "none"}, default="first"
            Which attacks get their confidence band.

        Returns
        -------
        AttackRocDisplay
            Itself.

        Raises
        ------
        ValueError
            If `bands` is unknown.
        """
        if bands not in ("first", "all", "none"):
            raise ValueError(f"bands must be 'first', 'all' or 'none', got {bands!r}.")
        ax = axes_or_new(ax)
        left = 0.5 / self.n_nonmembers
        bottom = 0.5 / self.n_members
        self.lines_ = []
        rates = np.geomspace(left, 1, _BAND_POINTS)
        ax.plot(rates, rates, color="0.55", linewidth=1, label="chance")
        self.ceiling_ = None
        if self.dp is not None:
            (self.ceiling_,) = ax.plot(
                *(rates, self.dp.ceiling(rates)),
                color="black",
                linestyle=(0, (1, 1)),
                linewidth=1.6,
                label=f"ceiling: {plain_text(self.dp.claim)}",
            )
        for i, (attack, (fpr, tpr)) in enumerate(self.curves.items()):
            color = COLORS[i % len(COLORS)]
            (line,) = ax.plot(
                np.maximum(fpr, left),
                np.maximum(tpr, bottom),
                drawstyle="steps-post",
                color=color,
                linestyle=STYLES[i % len(STYLES)],
                linewidth=2 if i == 0 else 1.3,
                zorder=3 if i == 0 else 2,
                # The name comes last: matplotlib leaves labels out that begin with "_".
                label=f"AUC {self.auc[attack]:.3f}, {plain_text(attack)}",
            )
            self.lines_.append(line)
            if bands == "all" or (bands == "first" and i == 0):
                level, low, high = self.bands[attack]
                ax.fill_between(
                    level, np.maximum(low, bottom), high, color=color, alpha=0.18, linewidth=0
                )
        ax.set(
            xscale="log",
            yscale="log",
            xlim=(left, 1),
            ylim=(bottom, 1.15),
            xlabel="False-positive rate: non-members named wrongly",
            ylabel="True-positive rate: members identified",
        )
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(lambda rate, _: f"{100 * rate:g} %")
        ax.grid(True, which="major", color="0.9", linewidth=0.8)
        ax.set_axisbelow(True)
        ax.legend(loc="lower right", frameon=False, fontsize="small")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _brief_frame(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame({"attack": list(self.auc), "auc": list(self.auc.values())})

    def frame(self) -> pd.DataFrame:
        """Return the numbers drawn.

        Returns
        -------
        DataFrame
            Columns ``attack``, ``fpr``, ``tpr`` (operating points) and the band's ``low`` and
            ``high``; rows of a band have no ``tpr``, rows of a curve no band. With `dp` also
            ``ceiling``, the most that the guarantee allows at ``fpr``.
        """
        import pandas as pd

        parts = []
        for attack, (fpr, tpr) in self.curves.items():
            level, low, high = self.bands[attack]
            parts.append(pd.DataFrame({"attack": attack, "fpr": fpr, "tpr": tpr}))
            parts.append(pd.DataFrame({"attack": attack, "fpr": level, "low": low, "high": high}))
        frame = pd.concat(parts, ignore_index=True)
        if self.dp is not None:
            frame["ceiling"] = self.dp.ceiling(frame["fpr"])
        return frame


def _operating_points(members: np.ndarray, nonmembers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rates at every threshold, from the highest; only corners of the curve are kept."""
    thresholds = np.unique(np.concatenate([members, nonmembers]))[::-1]
    fpr = 1 - np.searchsorted(np.sort(nonmembers), thresholds, side="left") / len(nonmembers)
    tpr = 1 - np.searchsorted(np.sort(members), thresholds, side="left") / len(members)
    fpr, tpr = np.append(0.0, fpr), np.append(0.0, tpr)
    corner = np.ones(len(fpr), dtype=bool)
    upright, level = np.diff(fpr) == 0, np.diff(tpr) == 0
    corner[1:-1] = ~((upright[:-1] & upright[1:]) | (level[:-1] & level[1:]))
    return fpr[corner], tpr[corner]
