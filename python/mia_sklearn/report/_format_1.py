"""Reports as version 0.1 saved them: tables by columns, all records in ``audit.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._encoding import column_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["tables_of"]


def tables_of(content: dict[str, Any], names: tuple[str, ...]) -> dict[str, pd.DataFrame]:
    """Return the tables of a report of format 1."""
    return {name: _table(name, content[name]) for name in names}


def _table(table: str, columns: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    decoded: dict[str, pd.Series] = {}
    for column in columns:
        if not isinstance(column["values"], list) or column["name"] in decoded:
            raise TypeError(f"{table} is no table")
        decoded[str(column["name"])] = column_of({"dtype": column["dtype"]}, column["values"])
    if len({len(column) for column in decoded.values()}) > 1:
        raise ValueError(f"the columns of {table} differ in length")
    return pd.DataFrame(decoded)
