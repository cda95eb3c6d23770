"""What models are good for against what they give away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import t as student_t

from .._comparisons._comparison import headline_column, score_name
from ..metrics import parse_metric
from ..stats._frontier import on_frontier
from ._base import BaseDisplay
from ._drawing import MEMBER, NONMEMBER, axes_or_new, plain_text
from ._labels import place_labels

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RiskUtilityDisplay"]

_MOST_NAMES = 25
_MOST_LETTERS = 400
_LABELS = ("auto", "all", "frontier", "none")


class RiskUtilityDisplay(BaseDisplay):
    """Utility and risk of models or defenses, and the frontier of those that no other beats.

    Down and to the right is better. Make one by `from_comparison` or `from_cv_results`.

    Parameters
    ----------
    names : sequence of str
    utility, risk : array-like of shape (n_models,)
        Models without numbers (NaN) are not drawn.
    utility_interval, risk_interval : (low, high), default=None
        Ends of the intervals, two arrays each.
    utility_name, risk_name : str
        What the axes say.
    chance : float, default=None
        The risk of a model that gives nothing away.
    baseline : str, default=None
        Name of the model to draw as the one without defense.
    written : sequence of str, default=None
        What is written beside the points; the names by default.
    title : str, default=""
        What `written` means.
    lost : sequence of str, default=()
        Models that were to be there and have no numbers at all; named below the axes with those
        among `names` that have none.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    frontier_ : ndarray of shape (n_models,), bool
        The models that no other beats in both.

    See Also
    --------
    mia_sklearn.selection.compare_defenses, mia_sklearn.selection.pareto_front : The numbers.

    Notes
    -----
    The frontier is drawn as steps: a model between two of its corners was not trained.

    Examples
    --------
    >>> from mia_sklearn.plots import RiskUtilityDisplay
    >>> display = RiskUtilityDisplay(names=["deep", "flat", "poor"], utility=[0.9, 0.8, 0.7],
    ...                              risk=[0.8, 0.6, 0.7], chance=0.5)
    >>> display.plot().frontier_.tolist()
    [True, True, False]
    """

    def __init__(
        self,
        *,
        names: Sequence[str],
        utility: Any,
        risk: Any,
        utility_interval: tuple[Any, Any] | None = None,
        risk_interval: tuple[Any, Any] | None = None,
        utility_name: str = "Utility",
        risk_name: str = "Risk",
        chance: float | None = None,
        baseline: str | None = None,
        written: Sequence[str] | None = None,
        title: str = "",
        lost: Sequence[str] = (),
    ) -> None:
        self.names = [str(name) for name in names]
        self.utility = _numbers(utility, len(self.names), "utility")
        self.risk = _numbers(risk, len(self.names), "risk")
        self.utility_interval = _ends(utility_interval, self.utility, "utility_interval")
        self.risk_interval = _ends(risk_interval, self.risk, "risk_interval")
        self.utility_name = utility_name
        self.risk_name = risk_name
        self.chance = chance
        self.baseline = baseline
        self.written = self.names if written is None else [str(text) for text in written]
        if len(self.written) != len(self.names):
            raise ValueError(
                f"written must hold a text for each of {len(self.names)} names, got "
                f"{len(self.written)}."
            )
        self.title = title
        unmeasured = ~np.isfinite(self.utility + self.risk)
        blank = [name for name, missing in zip(self.names, unmeasured, strict=True) if missing]
        self.lost = list(dict.fromkeys([*blank, *map(str, lost)]))
        self.frontier_ = on_frontier(self.utility, self.risk)
        if not np.isfinite(self.utility + self.risk).any():
            raise ValueError("There is nothing to draw: no model has both a utility and a risk.")

    @classmethod
    def from_comparison(
        cls, comparison: pd.DataFrame, *, risk: str | None = None, ax: Any = None, **options: Any
    ) -> RiskUtilityDisplay:
        """Draw what `compare_defenses` returned.

        Parameters
        ----------
        comparison : DataFrame
        risk : str, default=None
            A column, ``"lira_tpr@0.01"`` for example; the AUC of the headline attack by default.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **options
            Passed to `plot`.

        Returns
        -------
        RiskUtilityDisplay

        Raises
        ------
        ValueError
            If there is no such column; names those that there are.
        """
        risk = headline_column(comparison) if risk is None else risk
        ends = [str(name) for name in comparison.columns if str(name).endswith("_low")]
        known = [name.removesuffix("_low") for name in ends if name != "test_score_low"]
        if risk not in known:
            raise ValueError(f"risk must be one of {', '.join(known)}, got {risk!r}.")
        attack, _, rate = risk.rpartition("_")
        _, level = parse_metric(rate)
        assert not isinstance(level, tuple)  # a comparison measures AUC and TPR
        what = "AUC" if level is None else f"True-positive rate at {100 * level:g} % false ones"
        display = cls(
            names=comparison["defense"].tolist(),
            utility=comparison["test_score"],
            risk=comparison[risk],
            utility_interval=(comparison["test_score_low"], comparison["test_score_high"]),
            risk_interval=(comparison[f"{risk}_low"], comparison[f"{risk}_high"]),
            utility_name=f"Test {score_name(comparison)}",
            risk_name=f"{what}, attack {plain_text(attack)}",
            chance=0.5 if level is None else level,
            baseline=comparison.attrs.get("baseline", comparison["defense"].iloc[0]),
            lost=list(comparison.attrs.get("lost", {})),
        )
        return display.plot(ax, **options)

    @classmethod
    def from_cv_results(
        cls,
        cv_results: Mapping[str, Any],
        *,
        utility: str = "accuracy",
        risk: str = "risk",
        chance: float | None = None,
        confidence: float = 0.95,
        ax: Any = None,
        **options: Any,
    ) -> RiskUtilityDisplay:
        """Draw the candidates of a search.

        Parameters
        ----------
        cv_results : dict
            `cv_results_` of the search.
        utility : str, default="accuracy"
            A key of the search's `scoring`.
        risk : str, default="risk"
            The key of the scorer made by `membership_risk`.
        chance : float, default=None
            The risk of a model that gives nothing away: 0.5 for an AUC.
        confidence : float, default=0.95
            Two-sided confidence of the error bars, which are those of `pareto_refit`'s interval.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **options
            Passed to `plot`.

        Returns
        -------
        RiskUtilityDisplay

        Raises
        ------
        ValueError
            If the results hold no such score; names those that they hold.
        """
        from .._comparisons._splits import split_scores

        scores = split_scores(cv_results, utility).values, -split_scores(cv_results, risk).values
        intervals = [_interval(values, confidence) for values in scores]
        names, written, varied = _candidates(cv_results["params"])
        display = cls(
            names=names,
            written=written,
            title=plain_text(varied),
            utility=scores[0].mean(axis=1),
            risk=scores[1].mean(axis=1),
            utility_interval=intervals[0],
            risk_interval=intervals[1],
            utility_name=f"{plain_text(utility)}, mean of {scores[0].shape[1]} splits",
            risk_name=f"{plain_text(risk)}, mean of {scores[1].shape[1]} splits",
            chance=chance,
        )
        return display.plot(ax, **options)

    def plot(self, ax: Any = None, *, labels: str = "auto") -> RiskUtilityDisplay:
        """Draw the models.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            A new figure by default.
        labels : {"auto", "all", "frontier", "none"}, default="auto"
            Which models are named: all where there is room, else those on the frontier.

        Returns
        -------
        RiskUtilityDisplay
            Itself.

        Raises
        ------
        ValueError
            If `labels` is unknown.
        """
        if labels not in _LABELS:
            raise ValueError(f"labels must be one of {', '.join(_LABELS)}, got {labels!r}.")
        from matplotlib.colors import to_rgba

        ax = axes_or_new(ax)
        drawn = np.isfinite(self.utility + self.risk)
        if self.chance is not None:
            ax.axhline(self.chance, color="0.55", linewidth=1, label="chance", zorder=1)
        self._draw_frontier(ax)
        undefended = np.array([name == self.baseline for name in self.names])
        # Clear of the points, so that a crowd of bars does not hide them.
        for group, color, marker, text in (
            (drawn & ~self.frontier_ & ~undefended, "0.45", "o", "beaten by another"),
            (drawn & self.frontier_ & ~undefended, NONMEMBER, "o", "beaten by none"),
            (drawn & undefended, MEMBER, "D", "without defense"),
        ):
            if group.any():
                ax.errorbar(
                    self.utility[group],
                    self.risk[group],
                    xerr=_bars(self.utility, self.utility_interval, group),
                    yerr=_bars(self.risk, self.risk_interval, group),
                    fmt=marker,
                    markersize=6,
                    color=color,
                    markeredgecolor="white",
                    markeredgewidth=0.8,
                    ecolor=to_rgba(color, 0.4),
                    elinewidth=1.1,
                    label=text,
                    zorder=3,
                )
        named = self._named(labels, drawn)
        ax.set(xlabel=f"{self.utility_name} (more is better)")
        ax.set(ylabel=f"{self.risk_name} (less is better)")
        if self.lost:
            # A picture from which points are missing says which.
            ax.annotate(
                fill(f"Not measured: {', '.join(map(plain_text, self.lost))}", 60),
                (0, 0),
                xytext=(2, 2),
                xycoords="axes fraction",
                textcoords="offset points",
                fontsize="small",
                color="0.3",
            )
        ax.margins(0.12)
        ax.grid(True, color="0.92", linewidth=0.8)
        ax.set_axisbelow(True)
        # Above the axes, since inside them it would lie on the bars.
        ax.legend(
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=4,
            columnspacing=1.2,
            handletextpad=0.4,
            frameon=False,
            fontsize="small",
            title=f"Names: {self.title}" if self.title else None,
            title_fontsize="small",
        )
        texts = [
            plain_text(text) if name else "" for text, name in zip(self.written, named, strict=True)
        ]
        place_labels(
            ax,
            np.column_stack([self.utility, self.risk])[drawn],
            [texts[i] for i in np.flatnonzero(drawn)],
            segments=self._bar_segments(drawn),
        )
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _named(self, labels: str, drawn: np.ndarray) -> np.ndarray:
        """Tell which models are named."""
        if labels == "none":
            return np.zeros_like(drawn)
        length = sum(len(text) for text, shown in zip(self.written, drawn, strict=True) if shown)
        crowded = drawn.sum() > _MOST_NAMES or length > _MOST_LETTERS
        return self.frontier_ if labels == "frontier" or (labels == "auto" and crowded) else drawn

    def _bar_segments(self, drawn: np.ndarray) -> np.ndarray:
        """Return both ends of all error bars that there are."""
        flat = [np.stack([end, self.risk], axis=1) for end in self.utility_interval]
        upright = [np.stack([self.utility, end], axis=1) for end in self.risk_interval]
        ends = np.concatenate([np.stack(bars, axis=1)[drawn] for bars in (flat, upright)])
        return ends[np.isfinite(ends).all(axis=(1, 2))]

    def _draw_frontier(self, ax: Any) -> None:
        order = np.argsort(self.utility[self.frontier_], kind="stable")
        x, y = (values[self.frontier_][order] for values in (self.utility, self.risk))
        # The best that can be had at a utility is the next corner to the right.
        ax.plot(x, y, drawstyle="steps-pre", color=NONMEMBER, linewidth=1.4, alpha=0.8, zorder=2)

    def frame(self) -> pd.DataFrame:
        """Return the numbers drawn.

        Returns
        -------
        DataFrame
            One row per model: ``name``, ``utility``, ``utility_low``, ``utility_high``, ``risk``,
            ``risk_low``, ``risk_high`` and ``frontier``.
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "name": self.names,
                "utility": self.utility,
                "utility_low": self.utility_interval[0],
                "utility_high": self.utility_interval[1],
                "risk": self.risk,
                "risk_low": self.risk_interval[0],
                "risk_high": self.risk_interval[1],
                "frontier": self.frontier_,
            }
        )


def _numbers(values: Any, n: int, name: str) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (n,):
        raise ValueError(f"{name} must hold one number for each of {n} names, got {values.shape}.")
    return values


def _ends(interval: Any, values: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    if interval is None:
        return np.full(len(values), np.nan), np.full(len(values), np.nan)
    low, high = (_numbers(end, len(values), name) for end in interval)
    return low, high


def _bars(values: np.ndarray, interval: tuple[np.ndarray, np.ndarray], group: Any) -> np.ndarray:
    """Lengths of the error bars; none where an end is withheld."""
    low, high = interval
    lengths = np.stack([values - low, high - values])[:, group]
    return np.nan_to_num(np.maximum(lengths, 0), posinf=0)


def _interval(values: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    n_splits = values.shape[1]
    mean = values.mean(axis=1)
    if n_splits < 2:
        return np.full(len(mean), np.nan), np.full(len(mean), np.nan)
    error = values.std(axis=1, ddof=1) * np.sqrt(1 / n_splits + 1 / (n_splits - 1))
    half = student_t.ppf(0.5 + confidence / 2, n_splits - 1) * error
    return mean - half, mean + half


def _candidates(params: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[str], str]:
    """Name candidates by their parameters, whole, and short by the values of those that vary."""
    known = list(dict.fromkeys(name for one in params for name in one))
    varied = [name for name in known if len({str(one.get(name, "-")) for one in params}) > 1]

    def last(name: str) -> str:
        return name.rpartition("__")[2]

    names = [", ".join(f"{last(name)}={value}" for name, value in one.items()) for one in params]
    if not varied:
        return names, names, ""
    short = [", ".join(str(one.get(name, "-")) for name in varied) for one in params]
    return names, short, ", ".join(map(last, varied))
