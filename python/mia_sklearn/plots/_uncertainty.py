"""A picture of how differently a model answers on members and on non-members."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._observations._columns import group_columns
from ..signals import log_proba_from_proba, signal
from ._base import BaseDisplay
from ._drawing import MEMBER, NONMEMBER, plain_text

if TYPE_CHECKING:
    import pandas as pd

# What is shown, as the signal is called, and as the axis is.
_QUANTITIES = {
    "accuracy": ("confidence", "Posterior of the true class"),
    "uncertainty": ("normalized_entropy", "Normalised entropy"),
}


class UncertaintyGapDisplay(BaseDisplay):
    """How a model's answers are distributed on members and on non-members.

    For each model, the cumulative distributions of the posterior of the true class and of the
    normalised entropy of the posteriors. Where the curves of members and of non-members part, an
    attack finds something to read; a defense brings them together. Make one by
    `from_predictions` or `from_observations`.

    Parameters
    ----------
    values : dict of str to dict of str to (ndarray, ndarray)
        For each model and each of "accuracy" and "uncertainty", the values of members and those
        of non-members, sorted.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (2, n_models)
    figure_ : matplotlib Figure

    See Also
    --------
    mia_sklearn.defenses.AdversarialRegularization : A defense that brings the curves together.

    References
    ----------
    .. [1] M. Nasr, R. Shokri, A. Houmansadr, "Machine Learning with Membership Privacy using
       Adversarial Regularization", CCS 2018, figures 7 and 8.

    Examples
    --------
    >>> import numpy as np
    >>> from mia_sklearn.plots import UncertaintyGapDisplay
    >>> proba = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.6, 0.4]])
    >>> display = UncertaintyGapDisplay.from_predictions(proba, [0, 0, 0, 0], [1, 1, 0, 0])
    >>> display.frame().loc[0, ["largest_gap", "mean_gap"]].astype(float).round(2).tolist()
    [0.5, 0.15]
    """

    def __init__(self, values: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]) -> None:
        self.values = values

    @classmethod
    def from_predictions(
        cls,
        proba: Any,
        label: Any = None,
        member: Any = None,
        *,
        name: str = "model",
        axes: Any = None,
    ) -> UncertaintyGapDisplay:
        """Draw the distributions of posteriors.

        Parameters
        ----------
        proba : array-like of shape (n_records, n_classes), or dict
            Posteriors; or of several models, by name, tuples ``(proba, label, member)``.
        label : array-like of shape (n_records,), int
            Column of each record's true class. Not with a dict.
        member : array-like of shape (n_records,)
            Membership: two labels, the larger one means member. Not with a dict.
        name : str, default="model"
            Of the model, where there is one.
        axes : array of matplotlib Axes of shape (2, n_models), default=None
            Where to draw; a new figure by default.

        Returns
        -------
        UncertaintyGapDisplay

        Raises
        ------
        ValueError
            If there is no model, lengths differ, a label is no column, posteriors are none, or
            there are not two labels of membership.
        """
        if isinstance(proba, Mapping):
            if label is not None or member is not None:
                raise ValueError("label and member go into the tuples of a dict of models.")
            models = dict(proba)
        else:
            models = {name: (proba, label, member)}
        if not models:
            raise ValueError("proba holds no model.")
        return cls({name: _values(name, *parts) for name, parts in models.items()}).plot(axes)

    @classmethod
    def from_observations(
        cls, observations: Any, member: Any = None, *, name: str = "model", axes: Any = None
    ) -> UncertaintyGapDisplay:
        """Draw the distributions of observations.

        Parameters
        ----------
        observations : DataFrame of shape (n_records, n_columns), or dict
            With the columns ``label`` and ``proba_*``; or of several models, by name, tuples
            ``(observations, member)``.
        member : array-like of shape (n_records,)
            Membership: two labels, the larger one means member. Not with a dict.
        name : str, default="model"
            Of the model, where there is one.
        axes : array of matplotlib Axes of shape (2, n_models), default=None
            Where to draw; a new figure by default.

        Returns
        -------
        UncertaintyGapDisplay

        Raises
        ------
        ValueError
            If columns are missing, or as for `from_predictions`.
        """
        if isinstance(observations, Mapping):
            if member is not None:
                raise ValueError("member goes into the tuples of a dict of models.")
            tables = dict(observations)
        else:
            tables = {name: (observations, member)}
        models = {}
        for model, (table, membership) in tables.items():
            groups = group_columns(table.columns)
            missing = [group for group in ("label", "proba") if group not in groups]
            if missing:
                raise ValueError(
                    f"The observations of {model!r} lack the columns {' and '.join(missing)}: make "
                    "them by mia_sklearn.observe(model, X, y)."
                )
            parts = (table.iloc[:, groups[group]].to_numpy() for group in ("proba", "label"))
            proba, label = parts
            models[model] = (proba, label[:, 0], membership)
        return cls.from_predictions(models, axes=axes)

    def plot(self, axes: Any = None) -> UncertaintyGapDisplay:
        """Draw a column for each model: the posterior of the true class above the entropy.

        Parameters
        ----------
        axes : array of matplotlib Axes of shape (2, n_models), default=None
            A new figure by default.

        Returns
        -------
        UncertaintyGapDisplay
            Itself.
        """
        shape = (len(_QUANTITIES), len(self.values))
        if axes is None:
            from matplotlib import pyplot as plt

            size = (0.6 + 3.2 * shape[1], 6.0)
            options: Any = {"figsize": size, "layout": "constrained", "sharey": True}
            axes = plt.subplots(*shape, squeeze=False, **options)[1]
        axes = np.asarray(axes)
        if axes.size != np.prod(shape):
            raise ValueError(f"axes must have the shape {shape}, got {axes.shape}.")
        axes = axes.reshape(shape)
        for column, (name, quantities) in enumerate(self.values.items()):
            for ax, quantity in zip(axes[:, column], _QUANTITIES, strict=True):
                _draw(ax, quantity, *quantities[quantity])
            axes[0, column].set_title(plain_text(name), fontsize="medium")
        for ax in axes[:, 0]:
            ax.set_ylabel("Share of records at most that")
        axes[1, 0].legend(frameon=False, fontsize="small", loc="center right")
        self.axes_, self.figure_ = axes, axes[0, 0].figure
        return self

    def frame(self) -> pd.DataFrame:
        """Return the gaps between the curves.

        Returns
        -------
        DataFrame
            One row per model and quantity: ``model``, ``quantity`` ("accuracy" is the posterior
            of the true class, "uncertainty" the normalised entropy), ``largest_gap`` (the
            largest distance of the two curves), ``at`` (the value where it is reached),
            ``mean_gap`` (the mean distance over all values from 0 to 1), ``n_members``,
            ``n_nonmembers``.
        """
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for model, quantities in self.values.items():
            for quantity, (members, nonmembers) in quantities.items():
                largest, at, mean = _gaps(members, nonmembers)
                row = {"model": model, "quantity": quantity, "largest_gap": largest, "at": at}
                counts = {"n_members": len(members), "n_nonmembers": len(nonmembers)}
                rows.append({**row, "mean_gap": mean, **counts})
        return pd.DataFrame(rows)


def _values(
    name: str, proba: Any, label: Any, member: Any
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the values of members and of non-members, each sorted, by quantity."""
    proba, membership, label = (np.asarray(part) for part in (proba, member, label))
    if proba.ndim != 2 or proba.shape[1] < 2:
        raise ValueError(
            f"The posteriors of {name!r} must have one column per class, got shape {proba.shape}."
        )
    if label.shape != (len(proba),) or membership.shape != (len(proba),):
        raise ValueError(
            f"{name!r} must have one label and one membership per record, got {len(proba)} records "
            f"and shapes {label.shape} and {membership.shape}."
        )
    kinds = np.unique(membership)
    if len(kinds) != 2:
        raise ValueError(f"The membership of {name!r} must hold two labels, got {len(kinds)}.")
    codes = label.astype(np.intp)
    if (codes != label).any() or (codes < 0).any() or (codes >= proba.shape[1]).any():
        raise ValueError(
            f"The labels of {name!r} must be columns of its posteriors: 0 to {proba.shape[1] - 1}."
        )
    log_proba = log_proba_from_proba(proba)
    is_member = membership == kinds[1]
    found = {}
    for quantity, (kind, _) in _QUANTITIES.items():
        # Averages of votes tie, which the last digits of logarithms must not undo.
        values = np.clip(np.round(signal(kind, log_proba, codes), 9), 0, 1)
        found[quantity] = np.sort(values[is_member]), np.sort(values[~is_member])
    return found


def _gaps(members: np.ndarray, nonmembers: np.ndarray) -> tuple[float, float, float]:
    """Return the largest distance of two cumulative curves, where it is, and the mean one."""
    places = np.unique(np.concatenate([[0.0], members, nonmembers]))
    shares = [
        np.searchsorted(values, places, side="right") / len(values)
        for values in (members, nonmembers)
    ]
    gap = np.abs(shares[0] - shares[1])
    largest = int(gap.argmax())
    widths = np.diff(np.append(places, 1.0))
    return float(gap[largest]), float(places[largest]), float((gap * widths).sum())


def _draw(ax: Any, quantity: str, members: np.ndarray, nonmembers: np.ndarray) -> None:
    for values, color, style, label in (
        (nonmembers, NONMEMBER, "--", f"non-members ({len(nonmembers):,})"),
        (members, MEMBER, "-", f"members ({len(members):,})"),
    ):
        share = np.arange(1, len(values) + 1) / len(values)
        x, y = np.concatenate([[0], values, [1]]), np.concatenate([[0], share, [1]])
        ax.step(x, y, where="post", color=color, linestyle=style, label=label)
    largest, at, mean = _gaps(members, nonmembers)
    ends = [np.mean(values <= at) for values in (members, nonmembers)]
    ax.plot([at, at], ends, color="0.35", linewidth=1.2, marker="_")
    # Posteriors crowd at 1 and entropies at 0, which leaves these corners free.
    left = quantity == "accuracy"
    ax.text(
        0.03 if left else 0.97,
        0.97 if left else 0.03,
        f"largest gap {largest:.3f}\nmean gap {mean:.3f}",
        transform=ax.transAxes,
        fontsize="small",
        ha="left" if left else "right",
        va="top" if left else "bottom",
    )
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel=_QUANTITIES[quantity][1])
    ax.grid(True, color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
