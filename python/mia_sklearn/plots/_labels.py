"""Names beside points, where there is room for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["place_labels"]

_SIZE = 8  # points
_AROUND = np.deg2rad([20, -20, 160, 200, 65, 115, -65, -115, 0, 180, 90, -90])
_FAR = (7, 14, 24, 36, 50, 68)  # points
_LEADER_FROM = 12  # points


def place_labels(
    ax: Any, places: np.ndarray, texts: Sequence[str], *, segments: np.ndarray
) -> None:
    """Write a name beside each point, clear of the points and of the other names.

    Parameters
    ----------
    ax : matplotlib Axes
        Drawn already but for the names.
    places : ndarray of shape (n_points, 2)
        In the units of the axes.
    texts : sequence of str
        A name for each; an empty one is not written, its point is kept clear.
    segments : ndarray of shape (n_segments, 2, 2)
        Ends of lines along the axes, in their units, that are better not written on.
    """
    if not any(texts):
        return
    figure = ax.figure.figure if hasattr(ax.figure, "figure") else ax.figure
    # The layout moves the axes when it is drawn for the first time.
    figure.draw_without_rendering()
    from matplotlib.patheffects import withStroke

    points = ax.transData.transform(places)
    pixel = figure.dpi / 72
    taken = [_box(x - 4 * pixel, y - 4 * pixel, 8 * pixel, 8 * pixel) for x, y in points]
    if ax.get_legend() is not None:
        taken.append(np.array(ax.get_legend().get_window_extent().extents))
    ends = ax.transData.transform(segments.reshape(-1, 2)).reshape(-1, 2, 2)
    lines = list(np.hstack([ends.min(axis=1) - pixel, ends.max(axis=1) + pixel]))
    frame = np.array(ax.get_window_extent().extents)
    # Points in a crowd have the fewest places to choose from.
    crowd = np.exp(-((points[:, None] - points) ** 2).sum(axis=2) / (2 * (40 * pixel) ** 2))
    for i in np.argsort(-crowd.sum(axis=1), kind="stable"):
        if not texts[i]:
            continue
        note = ax.annotate(
            texts[i],
            places[i],
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=_SIZE,
            color="0.15",
            ha="center",
            va="center",
            zorder=4,
            # Lines that pass below do not cross it out.
            path_effects=[withStroke(linewidth=2, foreground="white", alpha=0.8)],
        )
        note.set_in_layout(False)
        extent = note.get_window_extent()
        size = np.array([extent.width, extent.height])
        boxes = np.array(_candidates(points[i], size, pixel))
        cost = [
            10 * _overlap(box, taken)
            + 0.5 * _overlap(box, lines)
            + 4 * _outside(box, frame)
            + 0.4 * size.prod() * _nearer_to_others(box, points, i)
            for box in boxes
        ]
        # Near before far, where both are free.
        near = np.repeat(_FAR, len(_AROUND)) * pixel
        best = int(np.argmin(np.array(cost) + 0.02 * size.prod() * near / (10 * pixel)))
        box = boxes[best]
        taken.append(box)
        offset = ((box[:2] + box[2:]) / 2 - points[i]) / pixel
        note.set_position(tuple(offset))
        if near[best] > _LEADER_FROM * pixel:
            leader = ax.annotate(
                "",
                places[i],
                xytext=tuple(_edge(offset, size / pixel)),
                textcoords="offset points",
                arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.6, "shrinkB": 3},
                zorder=2,
            )
            leader.set_in_layout(False)


def _candidates(point: np.ndarray, size: np.ndarray, pixel: float) -> list[np.ndarray]:
    """Boxes of a name around a point, the nearest first."""
    boxes = []
    for far in _FAR:
        for angle in _AROUND:
            way = np.array([np.cos(angle), np.sin(angle)])
            # The box's border, not its middle, keeps the distance.
            side = np.where(np.abs(way) > 0.35, np.sign(way), 0.0)
            middle = point + far * pixel * way + side * size / 2
            boxes.append(_box(*(middle - size / 2), *size))
    return boxes


def _box(x: float, y: float, width: float, height: float) -> np.ndarray:
    return np.array([x, y, x + width, y + height])


def _overlap(box: np.ndarray, others: list[np.ndarray]) -> float:
    """Return the area that a box shares with others."""
    all_others = np.array(others).reshape(-1, 4)
    sides = np.minimum(box[2:], all_others[:, 2:]) - np.maximum(box[:2], all_others[:, :2])
    return float(np.maximum(sides, 0).prod(axis=1).sum())


def _nearer_to_others(box: np.ndarray, points: np.ndarray, own: int) -> float:
    """Return how much nearer a box is to the nearest other point than to its own, up to 1."""
    gaps = np.maximum(np.maximum(box[:2] - points, points - box[2:]), 0)
    distance = np.hypot(*gaps.T)
    others = np.delete(distance, own)
    # Points that lie on each other share their names.
    others = others[np.hypot(*(np.delete(points, own, axis=0) - points[own]).T) > 2]
    nearest = others.min(initial=np.inf)
    return float(np.clip(1.2 - nearest / max(distance[own], 1e-9), 0, 1))


def _outside(box: np.ndarray, frame: np.ndarray) -> float:
    """Return the area of a box that lies outside a frame."""
    return float((box[2:] - box[:2]).prod()) - _overlap(box, [frame])


def _edge(offset: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return where the line from the point meets the box of the name."""
    nearest = np.abs(offset) - size / 2
    return np.sign(offset) * np.maximum(nearest, 0)
