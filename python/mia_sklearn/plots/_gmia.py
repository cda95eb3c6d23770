"""Pictures of vulnerable records, and of what one record does to a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._base import Display
from ._drawing import COLORS, MEMBER, NONMEMBER, STYLES, axes_or_new

if TYPE_CHECKING:
    import pandas as pd

    from ..attacks import FoundQueries
    from ..vulnerability import VulnerableRecords

_QUANTITIES = {
    "records": "Vulnerable records",
    "precision": "Precision",
    "recall": "Recall",
}
_BETAS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_BINS = np.linspace(0, 1, 21)


class VulnerableRecordsDisplay(Display):
    """How many records are vulnerable, and how surely they are recognised, by the criterion.

    Make one by `from_estimator`.

    Parameters
    ----------
    deltas : ndarray of shape (n_deltas,)
    betas : ndarray of shape (n_betas,)
    records : ndarray of shape (n_deltas, n_betas), int
        Vulnerable records under each criterion.
    precision, recall : ndarray of shape (n_deltas, n_betas), default=None
        Of the inferences about them; precision is NaN where none is made.
    level : float, default=0.01
        The largest p-value that counts as an inference.
    least : float, default=nan
        The smallest expected number of neighbours, at the smallest delta.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    mia_sklearn.vulnerability.VulnerableRecords : Finds the records.

    References
    ----------
    .. [1] Y. Long et al., "Understanding Membership Inferences on Well-Generalized Learning
       Models", arXiv:1802.04889, figures 9 and 12.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.plots import VulnerableRecordsDisplay
    >>> from mia_sklearn.vulnerability import VulnerableRecords
    >>> X = np.random.default_rng(0).normal(size=(100, 5))
    >>> display = VulnerableRecordsDisplay.from_estimator(
    ...     VulnerableRecords().fit(X), deltas=[0.1, 0.3], betas=[0.5, 2.0])
    >>> display.frame()["records"].tolist()
    [47, 87, 0, 2]
    """

    def __init__(
        self,
        *,
        deltas: np.ndarray,
        betas: np.ndarray,
        records: np.ndarray,
        precision: np.ndarray | None = None,
        recall: np.ndarray | None = None,
        level: float = 0.01,
        least: float = float("nan"),
    ) -> None:
        self.deltas = deltas
        self.betas = betas
        self.records = records
        self.precision = precision
        self.recall = recall
        self.level = level
        self.least = least

    @classmethod
    def from_estimator(
        cls,
        estimator: VulnerableRecords,
        X: Any = None,
        *,
        deltas: Any = None,
        betas: Any = _BETAS,
        p_values: Any = None,
        member: Any = None,
        level: float = 0.01,
        quantity: str = "records",
        ax: Any = None,
    ) -> VulnerableRecordsDisplay:
        """Count records under several criteria.

        Parameters
        ----------
        estimator : fitted VulnerableRecords
        X : table of shape (n_records, n_features), default=None
            By default the records that the estimator was fitted on, each without itself.
        deltas : array-like of shape (n_deltas,), default=None
            By default half of the estimator's delta, itself, and 1.5 of it.
        betas : array-like of shape (n_betas,), default=(0.05, 0.1, 0.2, 0.5, 1, 2, 5)
        p_values : array-like of shape (n_records,) or (n_records, n_targets), default=None
            Of an attack on one target or several, for precision and recall.
        member : array-like of the shape of `p_values`, default=None
            1 where the record was in the target's training set.
        level : float, default=0.01
            The largest p-value that counts as an inference.
        quantity : {"records", "precision", "recall"}, default="records"
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        VulnerableRecordsDisplay

        Raises
        ------
        ValueError
            If only one of `p_values` and `member` is given, their shapes differ, or a delta or
            beta is out of range.
        """
        if deltas is None:
            deltas = [share * estimator.delta for share in (0.5, 1.0, 1.5) if estimator.delta < 1.3]
        deltas, betas = (np.unique(np.asarray(v, dtype=np.float64)) for v in (deltas, betas))
        if (betas <= 0).any() or (deltas <= 0).any() or (deltas >= 2).any():
            raise ValueError("deltas must lie between 0 and 2, and betas above 0.")
        expected = estimator.expected_neighbors(X, delta=deltas)
        chosen = expected.T[:, None, :] < betas[None, :, None]
        display = cls(
            deltas=deltas,
            betas=betas,
            records=chosen.sum(axis=2),
            level=level,
            least=float(expected[:, 0].min()),
        )
        if (p_values is None) != (member is None):
            raise ValueError("p_values and member belong together: give both or neither.")
        if p_values is not None:
            display.precision, display.recall = _inferences(chosen, p_values, member, level)
        return display.plot(ax, quantity=quantity)

    def plot(self, ax: Any = None, *, quantity: str = "records") -> VulnerableRecordsDisplay:
        """Draw one curve over beta for each delta.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            A new figure by default.
        quantity : {"records", "precision", "recall"}, default="records"

        Returns
        -------
        VulnerableRecordsDisplay
            Itself.
        """
        if quantity not in _QUANTITIES:
            raise ValueError(f"quantity must be one of {', '.join(_QUANTITIES)}, got {quantity!r}.")
        values = getattr(self, quantity)
        if values is None:
            raise ValueError(f"{quantity} needs p_values and member in from_estimator.")
        ax = axes_or_new(ax)
        for k, (delta, curve) in enumerate(zip(self.deltas, values, strict=True)):
            ax.plot(
                self.betas,
                curve,
                color=COLORS[k % len(COLORS)],
                linestyle=STYLES[k % len(STYLES)],
                marker="o",
                markersize=4,
                label=rf"$\delta$ = {delta:g}",
            )
        ax.set_xscale("log")
        label = _QUANTITIES[quantity]
        if quantity == "records":
            ax.set_yscale("symlog", linthresh=1)
            ax.set_ylim(bottom=0)
        else:
            label += f" at p <= {self.level:g}"
            ax.set_ylim(-0.02, 1.02)
        ax.set(xlabel=r"$\beta$: expected neighbours below which a record counts", ylabel=label)
        return self._finished(ax, grid="both")

    def frame(self) -> pd.DataFrame:
        """Return the numbers drawn.

        Returns
        -------
        DataFrame
            One row per delta and beta: ``delta``, ``beta``, ``records`` and, where there are
            p-values, ``precision`` and ``recall``.
        """
        import pandas as pd

        delta, beta = np.meshgrid(self.deltas, self.betas, indexing="ij")
        columns = {"delta": delta, "beta": beta, "records": self.records}
        if self.precision is not None and self.recall is not None:
            columns |= {"precision": self.precision, "recall": self.recall}
        return pd.DataFrame({name: values.ravel() for name, values in columns.items()})

    @staticmethod
    def plot_images(images: Any, titles: Sequence[str] = (), *, n_columns: int = 8) -> Any:
        """Draw records that are images side by side.

        Parameters
        ----------
        images : array-like of shape (n_images, height, width) or (n_images, 1, height, width)
        titles : sequence of str, default=()
            One above each image.
        n_columns : int, default=8

        Returns
        -------
        matplotlib Figure
        """
        from matplotlib.figure import Figure

        images = np.asarray(images)
        images = images.reshape(len(images), *images.shape[-2:])
        if len(images) == 0:
            raise ValueError("images is empty: no record was found vulnerable.")
        n_rows = -(-len(images) // n_columns)
        size = (1.1 * min(n_columns, len(images)), 1.3 * n_rows)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(n_rows, min(n_columns, len(images)), squeeze=False).ravel()
        for place, ax in enumerate(axes):
            ax.axis("off")
            if place < len(images):
                ax.imshow(images[place], cmap="gray_r")
            if place < len(titles):
                ax.set_title(titles[place], fontsize="small")
        return figure


def _inferences(
    chosen: np.ndarray, p_values: Any, member: Any, level: float
) -> tuple[np.ndarray, np.ndarray]:
    p = np.asarray(p_values, dtype=np.float64)
    inside = np.asarray(member).astype(bool)
    if p.shape != inside.shape or len(p) != chosen.shape[2]:
        raise ValueError(
            f"p_values and member must have one row for each of the {chosen.shape[2]} records, "
            f"got shapes {p.shape} and {inside.shape}."
        )
    p, inside = p.reshape(len(p), -1), inside.reshape(len(p), -1)
    called = p <= level
    right, all_called, members = (
        (chosen * part.sum(axis=1)).sum(axis=2) for part in (called & inside, called, inside)
    )
    with np.errstate(invalid="ignore"):
        return right / all_called, right / members


class InfluenceDisplay(Display):
    """What models answer on a record when they trained on it, and when they did not.

    Where the two histograms lie apart, one question tells whether the record was there.

    Parameters
    ----------
    without, with_it : ndarray of shape (n_references,)
        Posteriors of the record's class.
    name : str, default="the record"
        What the models were asked about.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    mia_sklearn.attacks.EnhancingRecords : Trains the models.

    References
    ----------
    .. [1] Y. Long et al., "Understanding Membership Inferences on Well-Generalized Learning
       Models", arXiv:1802.04889, figure 14.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.plots import InfluenceDisplay
    >>> display = InfluenceDisplay(without=np.array([0.1, 0.3]), with_it=np.array([0.8, 0.9]))
    >>> display.plot().frame()["posterior"].tolist()
    [0.1, 0.3, 0.8, 0.9]
    """

    def __init__(
        self, *, without: np.ndarray, with_it: np.ndarray, name: str = "the record"
    ) -> None:
        self.without = without
        self.with_it = with_it
        self.name = name

    @classmethod
    def from_found(
        cls, found: FoundQueries, *, query: int | None = None, ax: Any = None
    ) -> InfluenceDisplay:
        """Draw what a search saw.

        Parameters
        ----------
        found : FoundQueries
        query : int, default=None
            Which of its queries; the record itself by default.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        InfluenceDisplay

        Raises
        ------
        ValueError
            If there is no such query.
        """
        if query is None:
            return cls(without=found.out_record, with_it=found.in_record).plot(ax)
        if not 0 <= query < len(found):
            raise ValueError(f"query must be one of the {len(found)} queries, got {query}.")
        without, with_it = (
            1 / (1 + np.exp(-side[query].astype(np.float64)))
            for side in (found.out_signal, found.in_signal)
        )
        return cls(without=without, with_it=with_it, name=f"enhancing record {query}").plot(ax)

    def plot(self, ax: Any = None) -> InfluenceDisplay:
        """Draw both histograms.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            A new figure by default.

        Returns
        -------
        InfluenceDisplay
            Itself.
        """
        ax = axes_or_new(ax)
        for values, color, style, label in (
            (self.without, NONMEMBER, "--", "models without the record"),
            (self.with_it, MEMBER, "-", "models with the record"),
        ):
            ax.hist(values, bins=_BINS, color=color, alpha=0.35)
            ax.hist(
                values,
                bins=_BINS,
                color=color,
                histtype="step",
                linestyle=style,
                linewidth=1.5,
                label=f"{label} ({len(values):,})",
            )
        ax.set(
            xlabel=f"Posterior of the record's class at {self.name}",
            ylabel="Models",
            xlim=(0, 1),
        )
        return self._finished(ax)

    def frame(self) -> pd.DataFrame:
        """Return the numbers drawn.

        Returns
        -------
        DataFrame
            One row per model: ``with_record`` (0 or 1) and ``posterior``.
        """
        import pandas as pd

        sides = (self.without, self.with_it)
        return pd.DataFrame(
            {
                "with_record": np.repeat([0, 1], [len(side) for side in sides]),
                "posterior": np.concatenate(sides),
            }
        )
