"""A report in a folder: a page, a file that holds every number, and a list of records."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ._labels import decode_label, encode_label

if TYPE_CHECKING:
    import pandas as pd

    from ..report import AuditReport

FORMAT = 1
_TABLES = ("metrics", "records", "coverage", "controls")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
# JSON has no such numbers; strict readers refuse Python's spelling of them.
_SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def save(report: AuditReport, folder: str | os.PathLike[str]) -> Path:
    """Write ``index.html``, ``audit.json`` and ``records.csv`` into a folder."""
    from ._html import render_html

    folder = Path(folder)
    content = _encode_report(report)
    mark = fingerprint(content)
    files = {
        "index.html": render_html(report, mark),
        "audit.json": _dumps({"format": FORMAT, "fingerprint": mark, **content}),
        "records.csv": _csv(report.records),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            _write(folder / name, text)
    except OSError as error:
        raise type(error)(
            error.errno,
            f"The report cannot be written, {error.strerror}; give a folder that can be written",
            str(folder),
        ) from error
    return folder / "index.html"


def load(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the parts of a report from the folder that `save` wrote."""
    from ..report import Finding

    path = Path(folder) / "audit.json"
    if not path.is_file():
        raise FileNotFoundError(f"No audit.json in {str(folder)!r}: not a folder made by save().")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version, mark = content.pop("format"), content.pop("fingerprint")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"{str(path)!r} is not a saved audit report.") from error
    if version != FORMAT:
        raise ValueError(
            f"{str(path)!r} has format {version!r}, this version of mia-sklearn reads {FORMAT}."
        )
    if mark != fingerprint(content):
        raise ValueError(f"{str(path)!r} was damaged or changed after it was saved.")
    parts: dict[str, Any] = {name: _decode_table(content[name]) for name in _TABLES}
    parts["findings"] = [Finding(**finding) for finding in content["findings"]]
    parts["info"] = _decode(content["info"])
    return parts


def fingerprint(content: dict[str, Any]) -> str:
    """A digest of everything in a report, printed on its page and checked when it is read."""
    return hashlib.sha256(_dumps(content).encode()).hexdigest()


def _dumps(content: dict[str, Any]) -> str:
    return json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _encode_report(report: AuditReport) -> dict[str, Any]:
    content: dict[str, Any] = {name: _encode_table(getattr(report, name)) for name in _TABLES}
    content["findings"] = [asdict(finding) for finding in report.findings]
    content["info"] = _encode(report.info)
    # What is written must be what was digested: keys of dicts become text in JSON.
    return json.loads(_dumps(content))


def _encode_table(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{"name": str(name), **_encode_column(table[name])} for name in table.columns]


def _encode_column(column: pd.Series) -> dict[str, Any]:
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        column = pd.Series(np.asarray(column))
    numeric = column.dtype.kind in "biuf"
    known = numeric or pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column)
    if not known:
        column = column.astype("string").astype(object)
    values = [encode_label(value, _encode) for value in column]
    return {"dtype": str(column.dtype), "values": values}


def _decode_table(columns: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            column["name"]: pd.Series(
                [_decode(value) for value in column["values"]], dtype=column["dtype"]
            )
            for column in columns
        }
    )


def _encode(value: Any) -> Any:
    """Turn a value into one that JSON holds exactly; numbers that it lacks become {"": name}."""
    import pandas as pd

    if isinstance(value, dict):
        return {str(key): _encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_encode(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is pd.NA:
        return {"": "NA"}
    if isinstance(value, float) and not math.isfinite(value):
        return {"": str(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def _decode(value: Any) -> Any:
    import pandas as pd

    if isinstance(value, list):
        return [_decode(item) for item in value]
    if isinstance(value, dict):
        if list(value) == [""]:
            return pd.NA if value[""] == "NA" else _SPECIAL[value[""]]
        if "" in value:
            return decode_label(value, _decode)
        return {key: _decode(item) for key, item in value.items()}
    return value


def _csv(records: pd.DataFrame) -> str:
    """Text cells that a spreadsheet would run as a formula get an apostrophe in front."""

    def harmless(cell: Any) -> Any:
        if not isinstance(cell, str):
            return cell
        cell = cell.replace("\0", "")  # Python 3.10 cannot write it.
        return "'" + cell if cell.startswith(_FORMULA_STARTS) else cell

    table = records.rename(columns=harmless)
    for name in table.columns:
        if table[name].dtype.kind not in "biuf":
            table[name] = table[name].astype(object).map(harmless)
    return table.to_csv(index=False)


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner only: it may name members."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
