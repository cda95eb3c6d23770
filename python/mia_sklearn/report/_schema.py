"""The description of ``audit.json`` for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["schema"]

_FOLDER = Path(__file__).parent / "schemas"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the ``audit.json`` that this version saves.

    Its ``format`` grows by one with each change that older readers cannot read; every version
    reads the formats before its own, and refuses later ones.

    Returns
    -------
    dict
        Of draft 2020-12.

    Examples
    --------
    >>> from mia_sklearn.report import schema
    >>> schema()["properties"]["format"]["const"]
    2
    """
    return json.loads((_FOLDER / "audit-2.json").read_text(encoding="utf-8"))
