"""White-box columns: their names, and which models have them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .._models._trainable import last_step

__all__ = ["PARTS", "has_gradients", "looks_inside", "white_box_columns"]

#: The white-box column groups.
PARTS = ("grad_norm", "activation", "gradient")
_MAX_TABLE_BYTES = 4 * 2**30


def has_gradients(target: Any) -> bool:
    """Tell whether a fitted target's gradients can be computed; without importing torch."""
    from ._closed_gradients import is_closed

    return _is_torch_target(target) or is_closed(target)


def _is_torch_target(target: Any) -> bool:
    return hasattr(target, "module") and hasattr(target, "log_posteriors")


def looks_inside(attack: Any) -> bool:
    """Tell whether an attack needs white-box columns."""
    return bool(set(attack._required()) & set(PARTS))


def white_box_columns(
    target: Any,
    X: Any,
    labels: np.ndarray,
    *,
    layers: Sequence[str] | None = None,
    parts: Sequence[str] = PARTS,
) -> tuple[list[str], np.ndarray]:
    """Read gradients and activations of a target, record by record.

    Parameters
    ----------
    target : fitted classifier or TorchTarget
    X : table of shape (n_records, ...)
    labels : ndarray of int of shape (n_records,)
        Class indices: positions in `target.classes_`.
    layers : sequence of str, default=None
        The layers to look at; the last two by default.
    parts : sequence of str, default=("grad_norm", "activation", "gradient")

    Returns
    -------
    names : list of str
    values : ndarray of shape (n_records, n_columns), float32

    Raises
    ------
    ValueError
        If the target has no gradients, or not these layers.
    """
    if _is_torch_target(target):
        from ..torch._targets._gradients import record_features

        return record_features(target, X, labels, layers=layers, parts=parts)
    from ._closed_gradients import closed_features, is_closed

    if not is_closed(target):
        raise ValueError(
            f"{type(last_step(target)).__name__} has no gradients to look at. White-box "
            "observations are made of skorch nets and TorchTarget, and of scikit-learn's "
            "LogisticRegression, SGDClassifier(loss='log_loss') and MLPClassifier, alone or at "
            "the end of a Pipeline or search."
        )
    return closed_features(target, X, labels, layers=layers, parts=parts)


def check_parts(parts: Sequence[str]) -> None:
    if isinstance(parts, str) or not parts or set(parts) - set(PARTS):
        raise ValueError(f"parts must be a list out of {', '.join(PARTS)}, got {parts!r}.")


def chosen_layers(
    known: Iterable[str], asked: Sequence[str] | str | None, default: Sequence[str]
) -> list[str]:
    """Return the layers asked for, in their order, once each.

    Raises
    ------
    ValueError
        If one does not exist; lists those that do.
    """
    if asked is None:
        return list(default)
    asked = [asked] if isinstance(asked, str) else list(dict.fromkeys(asked))
    known = list(known)
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise ValueError(
            f"layers names {unknown[0]!r}, which the model does not have; it has "
            f"{', '.join(known)}."
        )
    return asked


def vector_names(layer: str, n: int) -> list[str]:
    return [f"activation.{layer}.{i}" for i in range(n)]


def matrix_names(layer: str, n_rows: int, n_columns: int) -> list[str]:
    return [f"gradient.{layer}.{row}_{c}" for row in range(n_rows) for c in range(n_columns)]


def check_table_size(n_records: int, widths: dict[str, int]) -> None:
    """Refuse a table that would not fit into memory, before it is made.

    Parameters
    ----------
    n_records : int
    widths : dict of str to int
        Number of columns of each block of the table, by what it holds.
    """
    n_columns = sum(widths.values())
    size = 4 * n_records * n_columns
    if size > _MAX_TABLE_BYTES:
        largest = max(widths, key=lambda block: widths[block])
        raise ValueError(
            f"The observations would take {size / 2**30:.1f} GiB: {n_records} records with "
            f"{n_columns} columns each, {widths[largest]} of them {largest}. Name fewer or "
            "smaller layers, or observe fewer records at a time."
        )
