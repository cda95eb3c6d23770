"""A report in a folder: a page, a file that holds every number, and a list of records."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .._process._folders import path_of
from .._process._printable import printable, valid
from ._contents import AuditContents
from ._finding import QUALIFYING, Finding
from ._labels import decode_label, encode_label
from ._summary import verdict_of

if TYPE_CHECKING:
    import pandas as pd


Report = TypeVar("Report", bound=AuditContents)
FORMAT = 1
# Each table, and which of its columns hold numbers.
_NUMBERS: dict[str, list[str]] = {
    "metrics": [
        *("at", "estimate", "low", "high", "n_members", "n_nonmembers", "n_identified"),
        "n_false_alarms",
    ],
    "records": ["member", "p_value", "q_value"],
    "coverage": [],
    "controls": [],
}
_TABLES = tuple(_NUMBERS)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
# JSON has no such numbers; strict readers refuse Python's spelling of them.
_SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def save(report: AuditContents, folder: str | os.PathLike[str], *, records: bool = True) -> Path:
    """Write ``index.html``, ``audit.json`` and ``records.csv`` into a folder."""
    from ._html import render_html

    folder = path_of("folder", folder)
    kept = report if records else replace(report, records=report.records.iloc[:0])
    content = _encode_report(kept)
    mark = fingerprint(content)
    writers: dict[str, Callable[[], str]] = {
        "audit.json": lambda: _dumps({"format": FORMAT, "fingerprint": mark, **content}),
        "index.html": lambda: render_html(report, mark, records=records),
    }
    if records:
        writers["records.csv"] = lambda: _csv(report.records)
    failed: dict[str, OSError] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not records:
            # A list of an earlier audit beside evidence that is to name nobody.
            (folder / "records.csv").unlink(missing_ok=True)
    except OSError as error:
        raise _unwritten(error, "The report", folder) from error
    for name, text in writers.items():
        try:
            # What one file cannot hold, or a full disk, leaves the others whole.
            _write(folder / name, text())
        except OSError as error:
            failed[name] = error
    if failed:
        what = "The report" if len(failed) == len(writers) else ", ".join(failed)
        first = next(iter(failed.values()))
        raise _unwritten(first, what, folder) from first
    return folder / "index.html"


def _unwritten(error: OSError, what: str, folder: Path) -> OSError:
    reason = error.strerror or str(error)
    return type(error)(
        error.errno,
        f"{what} cannot be written, {reason}; give a folder that can be written",
        str(folder),
    )


def load(folder: str | os.PathLike[str], kind: type[Report]) -> Report:
    """Read a report of a kind from the folder that `save` wrote, or its ``audit.json``."""
    path = path_of("folder", folder)
    if not path.is_file():
        path = path / "audit.json"
    if not path.is_file():
        raise FileNotFoundError(f"No audit.json in {str(folder)!r}: not a folder made by save().")
    name = repr(str(path))
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
        version = content.pop("format")
        # Python counts True and 1.0 among the equals of 1.
        known = type(version) is int and version == FORMAT
        mark = content.pop("fingerprint") if known else None
    except OSError:
        raise
    except Exception as error:  # Anything may lie there, nested to any depth.
        which = "" if path.name == "audit.json" else ": give its folder, or the audit.json in it"
        raise ValueError(f"{name} is not a saved audit report{which}.") from error
    if not known:
        later = type(version) is int and version > FORMAT
        way_out = "Read it with the later version that wrote it, or upgrade." if later else ""
        raise ValueError(
            f"{name} has format {version!r:.40}, this version of mia-sklearn reads {FORMAT}. "
            f"{way_out}".rstrip()
        )
    try:
        if mark == fingerprint(content):
            return _decode_report(content, kind)
    except Exception as error:  # The mark is no secret: whoever changes a file can renew it.
        raise ValueError(
            f"{name} is not a saved audit report: {type(error).__name__}, {error!s:.200}"
        ) from error
    raise ValueError(f"{name} was damaged or changed after it was saved.")


def fingerprint(content: dict[str, Any]) -> str:
    """Return a digest of a whole report, printed on its page and checked when it is read."""
    return hashlib.sha256(_dumps(content).encode()).hexdigest()


def _dumps(content: dict[str, Any]) -> str:
    return json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _encode_report(report: AuditContents) -> dict[str, Any]:
    content: dict[str, Any] = {name: _encode_table(getattr(report, name)) for name in _TABLES}
    content["findings"] = [_encode(_fields_of(finding)) for finding in report.findings]
    content["info"] = _encode(report.info)
    content["verdict"] = _encode(verdict_of(report))
    # What is written must be what was digested: keys of dicts become text in JSON.
    return json.loads(_dumps(content))


def _fields_of(finding: Finding) -> dict[str, Any]:
    """Return what a finding holds, less what its code says already."""
    kept = asdict(finding)
    if finding.code in QUALIFYING or not finding.qualifies:
        del kept["qualifies"]
    return kept


def _decode_report(content: dict[str, Any], kind: type[Report]) -> Report:
    """Make a report of what a file holds, and see whether it can be read and told."""
    # Of the parts, only those that make a report: what else is kept beside it is derived from it.
    tables = {name: _decode_table(name, content[name]) for name in _TABLES}
    findings = [Finding(**finding) for finding in content["findings"]]
    info = _decode(content["info"])
    if not isinstance(info, dict):
        raise TypeError("info is no dict")
    report = kind(**tables, findings=findings, info=info)
    if not 0 < float(info["confidence"]) < 1:
        raise ValueError("confidence must lie between 0 and 1")
    if len(set(report.attacks)) != len(report.attacks):
        raise ValueError("an attack is named twice")
    _check_records(report)
    str(report), repr(report)
    return report


def _check_records(report: AuditContents) -> None:
    """Raise unless conditions can be read on the records of a report, and curves drawn."""
    records = report.records
    # Evidence that names nobody holds none.
    if len(records) and set(records["member"].tolist()) != {0, 1}:
        raise ValueError("member must be 1 for members and 0 for others, and both must be there")
    for attack in report.attacks:
        if records[attack].dtype.kind != "f":
            raise TypeError("scores must be numbers")
        if not np.isfinite(records[attack]).all():
            raise ValueError(f"the scores of {attack} must be finite")
    for name in ("p_value", "q_value"):
        known = records[name].dropna()
        if not known.between(0, 1).all():
            raise ValueError(f"{name} must lie between 0 and 1")


def _encode_table(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{"name": valid(str(name)), **_encode_column(table[name])} for name in table.columns]


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


def _decode_table(table: str, columns: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    decoded: dict[str, pd.Series] = {}
    for column in columns:
        values = [_decode(value) for value in column["values"]]
        if not isinstance(column["values"], list) or column["name"] in decoded:
            raise TypeError(f"{table} is no table")
        decoded[str(column["name"])] = pd.Series(values, dtype=str(column["dtype"]))
    if len({len(column) for column in decoded.values()}) > 1:
        raise ValueError(f"the columns of {table} differ in length")
    for name in _NUMBERS[table]:
        if not pd.api.types.is_numeric_dtype(decoded[name]):
            raise TypeError(f"{name} of {table} must hold numbers")
    return pd.DataFrame(decoded)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _encode(value: Any) -> Any:
    """Turn a value into one that JSON holds exactly; numbers that it lacks become {"": name}."""
    import pandas as pd

    if isinstance(value, dict):
        return {valid(str(key)): _encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_encode(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is pd.NA:
        return {"": "NA"}
    if isinstance(value, float) and not math.isfinite(value):
        return {"": str(value)}
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return valid(str(value))


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
    """Return CSV; text that a spreadsheet would run as a formula gets an apostrophe in front.

    Characters that act on a terminal or cannot be seen are shown as escapes.
    """

    def harmless(cell: Any) -> Any:
        if not isinstance(cell, str):
            return cell
        cell = printable(cell)
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
            file.write(valid(text))
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
