"""Pictures of inverted records beside the training records and fresh ones of their class."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ._base import BaseDisplay
from ._drawing import MEMBER, NONMEMBER, plain_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["InversionDisplay"]

_MOST_CLASSES = 10
_LEAST_SIDE = 4
_CHANNELS = (1, 3, 4)


class InversionDisplay(BaseDisplay):
    """What model inversion found, beside the mean of the training records and of fresh ones.

    Records that are images are drawn as such, one column per class; others as lines over their
    features. Under each mean stands its correlation with the inverted record, under that of
    fresh records the mean over all draws, the first of which is drawn: only what resembles the
    training records *more* than fresh ones shows something of them.

    Parameters
    ----------
    labels : array-like of shape (n_classes,)
    inverted, members, fresh : array-like of shape (n_classes, ...)
        The inverted records, and means of training and of fresh records.
    like_members, like_fresh : array-like of shape (n_classes,)
        Correlations of the inverted records with training and with fresh records.
    n_records : array-like of int of shape (n_classes,)
        Records behind each mean.
    title : str, default=""

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        (3, n_classes) for images, (n_classes,) for lines.
    figure_ : matplotlib Figure

    See Also
    --------
    mia_sklearn.disclosure.ModelInversion : Finds the records.
    mia_sklearn.disclosure.inversion_contrast : Holds them against others.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from mia_sklearn.disclosure import ModelInversion, inversion_contrast
    >>> from mia_sklearn.plots import InversionDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = LogisticRegression().fit(X[:10] / 16, y[:10])
    >>> found = ModelInversion(model, process=lambda X: X.clip(0, 1), alpha=100).invert([0, 1])
    >>> contrast = inversion_contrast(found, X[:10] / 16, y[:10], X[10:] / 16, y[10:])
    >>> InversionDisplay.from_result(contrast).axes_.shape
    (3, 2)
    """

    def __init__(
        self,
        *,
        labels: Any,
        inverted: Any,
        members: Any,
        fresh: Any,
        like_members: Any,
        like_fresh: Any,
        n_records: Any,
        title: str = "",
    ) -> None:
        self.labels = labels
        self.inverted = inverted
        self.members = members
        self.fresh = fresh
        self.like_members = like_members
        self.like_fresh = like_fresh
        self.n_records = n_records
        self.title = title

    @classmethod
    def from_result(
        cls, contrast: Any, *, labels: Any = None, shape: Any = "auto", figure: Any = None
    ) -> InversionDisplay:
        """Draw what `inversion_contrast` returned.

        Parameters
        ----------
        contrast : InversionContrast
        labels : array-like, default=None
            The classes to draw; the first ten by default.
        shape : "auto", tuple of int or None, default="auto"
            As in `plot`.
        figure : matplotlib Figure, default=None
            As in `plot`.

        Returns
        -------
        InversionDisplay

        Raises
        ------
        ValueError
            If a label was not inverted, or the shape does not fit.
        """
        known = contrast.labels.tolist()
        chosen = known[:_MOST_CLASSES] if labels is None else np.asarray(labels).tolist()
        unknown = [label for label in chosen if label not in known]
        if unknown or not chosen:
            raise ValueError(
                f"labels must name classes that were inverted, got {unknown or chosen}. There "
                f"are {', '.join(map(str, known[:_MOST_CLASSES]))}."
            )
        rows = [known.index(label) for label in chosen]
        display = cls(
            labels=contrast.labels[rows],
            inverted=contrast.x[rows],
            members=contrast.member_means[rows],
            fresh=contrast.fresh_means[rows],
            like_members=contrast.members[rows],
            like_fresh=contrast.fresh[rows],
            n_records=contrast.n_records[rows],
            title=_headline(contrast),
        )
        return display.plot(shape=shape, figure=figure)

    def plot(self, *, shape: Any = "auto", figure: Any = None) -> InversionDisplay:
        """Draw one column of images per class, or lines.

        Parameters
        ----------
        shape : tuple of int, "auto" or None, default="auto"
            Of one record as an image: rows and columns, and a third number for colours, first or
            last. "auto": the records' own shape, or a square where a table has 16, 25, 36, ...
            features. None: lines over the features.
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        InversionDisplay
            Itself.

        Raises
        ------
        ValueError
            If records do not fit the shape.
        """
        image = _image_shape(np.asarray(self.inverted).shape[1:], shape)
        n = len(self.labels)
        width, height = (1.0 + 1.1 * max(n, 4), 4.4) if image else (6.4, 0.6 + 1.7 * n)
        if figure is None:
            from matplotlib import pyplot as plt

            figure = plt.figure(figsize=(width, height), layout="constrained")
        self.figure_ = figure
        if self.title:
            figure.suptitle(self.title, fontsize="medium")
        if image:
            self._draw_images(image)
        else:
            self._draw_lines()
        return self

    def frame(self) -> pd.DataFrame:
        """Return the numbers drawn beside the records.

        Returns
        -------
        DataFrame
            One row per class: ``label``, ``n_records``, ``members``, ``fresh`` (correlations).
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "label": self.labels,
                "n_records": self.n_records,
                "members": self.like_members,
                "fresh": self.like_fresh,
            }
        )

    def _draw_images(self, shape: tuple[int, ...]) -> None:
        self.axes_ = self.figure_.subplots(3, len(self.labels), squeeze=False)
        rows = (
            ("inverted", self.inverted, None),
            ("training\nrecords", self.members, self.like_members),
            ("fresh\nrecords", self.fresh, self.like_fresh),
        )
        for axes, (name, records, correlations) in zip(self.axes_, rows, strict=True):
            axes[0].set_ylabel(name, rotation=0, ha="right", va="center")
            for j, (ax, record) in enumerate(zip(axes, records, strict=True)):
                ax.imshow(_image(record, shape), cmap="gray")
                ax.set(xticks=[], yticks=[])
                if correlations is not None:
                    ax.set_xlabel(f"{correlations[j]:.2f}", fontsize="small")
        for ax, label in zip(self.axes_[0], self.labels, strict=True):
            ax.set_title(plain_text(str(label)), fontsize="medium")

    def _draw_lines(self) -> None:
        axes = self.figure_.subplots(len(self.labels), 1, squeeze=False, sharex=True)
        self.axes_ = axes[:, 0]
        for i, ax in enumerate(self.axes_):
            lines = (
                ("inverted", self.inverted[i], "black", ":"),
                (f"fresh: {self.like_fresh[i]:.2f}", self.fresh[i], NONMEMBER, "--"),
                (f"training: {self.like_members[i]:.2f}", self.members[i], MEMBER, "-"),
            )
            for name, record, color, style in lines:
                profile = _profile(record)
                ax.plot(np.arange(len(profile)), profile, style, color=color, label=name, lw=1.4)
            ax.set(ylabel=plain_text(str(self.labels[i])), yticks=[])
            ax.xaxis.get_major_locator().set_params(integer=True)
            ax.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
        self.axes_[-1].set_xlabel("Feature; each record about its mean, to one length")


def _headline(contrast: Any) -> str:
    n = contrast.n_records
    size = f"{n.min():,}" if n.min() == n.max() else f"{n.min():,} to {n.max():,}"
    size += " record" if size == "1" else " records"
    interval = "" if math.isnan(contrast.low) else f" [{contrast.low:+.2f}, {contrast.high:+.2f}]"
    return (
        f"Correlation with the mean of {size} per class: training {contrast.members.mean():.2f}, "
        f"fresh {contrast.fresh.mean():.2f}\n"
        f"contrast {contrast.value:+.2f}{interval}"
    )


def _image_shape(record: tuple[int, ...], asked: Any) -> tuple[int, ...] | None:
    """Return the shape of a record's image; None where it is none."""
    size = math.prod(record)
    if asked is None:
        return None
    if isinstance(asked, str):
        if asked != "auto":
            raise ValueError(f"shape must be a tuple, 'auto' or None, got {asked!r}.")
        if len(record) > 1:
            # Of other shapes, sequences for example, there is no image.
            return record if len(record) == 2 or _is_color(record) else None
        side = math.isqrt(size)
        return (side, side) if side * side == size and side >= _LEAST_SIDE else None
    shape = tuple(asked)
    if math.prod(shape) != size or not (len(shape) == 2 or _is_color(shape)):
        raise ValueError(
            f"shape={shape} does not fit records of {size} values: name rows and columns, and 1, "
            "3 or 4 for colours."
        )
    return shape


def _is_color(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and (shape[0] in _CHANNELS or shape[2] in _CHANNELS)


def _image(record: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return a record as an image from 0 to 1, colours last."""
    image = np.asarray(record, dtype=np.float64).reshape(shape)
    if image.ndim == 3 and shape[2] not in _CHANNELS:
        image = np.moveaxis(image, 0, -1)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    low, spread = image.min(), np.ptp(image)
    return (image - low) / spread if spread > 0 else np.zeros_like(image)


def _profile(record: Any) -> np.ndarray:
    """Return a record about its mean, with length 1: what a correlation looks at."""
    values = np.asarray(record, dtype=np.float64).ravel()
    values = values - values.mean()
    norm = np.linalg.norm(values)
    return values / norm if norm > 0 else values
