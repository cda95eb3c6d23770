"""White-box columns: their names, which of them are asked for, and how many a table can hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

#: The white-box column groups.
PARTS = ("grad_norm", "activation", "gradient")


_MAX_TABLE_BYTES = 4 * 2**30


def looks_inside(attack: Any) -> bool:
    """Tell whether an attack needs columns that are made of the target alone, of no reference."""
    return bool(set(attack._required()) & {*PARTS, "edge"})


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
