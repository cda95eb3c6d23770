"""A report in a folder: a page, a file that holds every number, and a list of records."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .._process._folders import path_of
from ..conditions import CheckOutcome
from ._contents import AuditContents
from ._encoding import decode, decode_rows, encode, encode_rows
from ._evidence import evidence_of
from ._finding import QUALIFYING, Finding, in_order
from ._folder import Writers, fingerprint, read_json, whole, write_files
from ._format_1 import tables_of
from ._gate import gate_of, gate_of_report
from ._leak import read_leak
from ._record_files import CSV, FILES, goes_to_file, read_file, to_csv, to_file
from ._signoff import attacker_of
from ._structure import COLUMNS
from ._summary import verdict_of

if TYPE_CHECKING:
    import pandas as pd


Report = TypeVar("Report", bound=AuditContents)
FORMAT = 2
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
_FEW = 100


def save(
    report: AuditContents,
    folder: str | os.PathLike[str],
    *,
    records: bool = True,
    gate: CheckOutcome | dict[str, Any] | None = None,
    before: AuditContents | None = None,
) -> Path:
    """Write ``index.html``, ``audit.json`` and the list of records into a folder."""
    folder = path_of("folder", folder)
    if not isinstance(records, (bool, np.bool_)):
        raise TypeError(f"records must be True or False, got {records!r:.40}.")
    if gate is not None:
        kept = gate_of(gate) if isinstance(gate, CheckOutcome) else gate
        report = replace(report, info=report.info | {"gate": kept})
        if gate_of_report(report) is None:
            raise TypeError(
                "gate must be what check() returned, or what mia_sklearn.report.gate_of() made of "
                f"other conditions, got {gate!r:.40}."
            )
    # A report that was read without its records has none to write.
    listed = bool(records) and not report.records.empty
    writers, stale = (_files if listed else _evidence_files)(report, before)
    return write_files(folder, writers, stale)


def _files(report: AuditContents, before: AuditContents | None) -> tuple[Writers, list[str]]:
    """Return what makes the files of a report, and the names of those that must not stay."""
    from ._html import render_html

    packed, content = _with_records(report)
    mark = fingerprint(content)
    writers: Writers = {"audit.json": lambda: whole(content, mark, FORMAT)}
    writers["index.html"] = lambda: render_html(report, mark, before=before)
    if packed is None:
        writers[CSV] = lambda: to_csv(report.records)
    else:
        writers[content["records"]["file"]] = lambda: packed
    return writers, [name for name in FILES if name not in writers]


def _evidence_files(
    report: AuditContents, before: AuditContents | None
) -> tuple[Writers, list[str]]:
    """Return the same of evidence that names nobody."""
    from ._html import render_html

    of_all = "" if report.records.empty else fingerprint(_with_records(report)[1])
    kept = evidence_of(report, of_all)
    content = _encode_report(kept)
    mark = fingerprint(content)
    # Of the records the page has the curves alone.
    drawn = replace(kept, records=report.records)
    writers: Writers = {"audit.json": lambda: whole(content, mark, FORMAT)}
    # Of the earlier report, too, nothing that could name somebody.
    earlier = None if before is None else evidence_of(before, "")
    writers["index.html"] = lambda: render_html(drawn, mark, records=False, before=earlier)
    return writers, list(FILES)


def to_json(report: AuditContents, *, records: bool) -> str:
    """Return what ``audit.json`` holds; with many records it may name a file that holds them."""
    if not records or report.records.empty:
        report = evidence_of(report, "")
    content = _with_records(report)[1]
    return whole(content, fingerprint(content), FORMAT)


def _with_records(report: AuditContents) -> tuple[bytes | None, dict[str, Any]]:
    """Return the file of a report's records, if one is made, and the JSON of it all."""
    content = _encode_report(report)
    if goes_to_file(report.records):
        packed, content["records"], content["columns"]["records"] = to_file(report.records)
        return packed, content
    content["columns"]["records"], content["records"] = encode_rows(report.records)
    return None, content


def load(folder: str | os.PathLike[str], kind: type[Report]) -> Report:
    """Read a report of a kind from the folder that `save` wrote, or its ``audit.json``."""
    content, version, path = read_json(folder, "", FORMAT)
    try:
        return _decode_report(content, version, path.parent, kind)
    except OSError:
        raise
    except Exception as error:  # The mark is no secret: whoever changes a file can renew it.
        raise ValueError(
            f"{str(path)!r} is not a saved audit report: {type(error).__name__}, {error!s:.200}"
        ) from error


def _encode_report(report: AuditContents) -> dict[str, Any]:
    """Return all of a report but its records, what programs ask for first in front."""
    metrics, headline = report.metrics, report.info["headline"]
    own = metrics[(metrics["attack"] == headline) & (metrics["slice"] == "all")]
    leak = read_leak(own)
    content: dict[str, Any] = {
        "verdict": verdict_of(report),
        "leak": {"degree": leak.degree, "severity": leak.severity},
        "doubts": report.doubts,
        "gate": _nulls(gate_of_report(report)),
        "attacker": attacker_of(report),
        "digests": report.info.get("digests") or {},
        "versions": report.info.get("versions") or {},
        "findings": [_fields_of(finding) for finding in in_order(report.findings)],
        "info": report.info,
    }
    content = encode(content)
    content["columns"] = {"records": encode_rows(report.records.iloc[:0])[0]}
    for name in _TABLES:
        if name != "records":
            content["columns"][name], content[name] = encode_rows(getattr(report, name))
    if report.structural is not None:
        kept = encode_rows(report.structural)
        content["columns"]["structural"], content["structural"] = kept
    features = None
    if report.features is not None:
        # By place, not by name: names of features may occur twice.
        rows = [list(map(str, row)) for row in report.features.to_numpy()]
        names, of = (list(axis) for axis in (report.features.columns, report.features.index))
        features = encode({"of": of, "names": names, "rows": rows})
    return content | {"features": features, "records": None}


def _nulls(value: Any) -> Any:
    """Return plain values with null for what is no number: programs need no more of these."""
    if isinstance(value, dict):
        return {name: _nulls(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_nulls(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _fields_of(finding: Finding) -> dict[str, Any]:
    """Return what a finding holds, less what its code says already."""
    kept = asdict(finding)
    if finding.code in QUALIFYING or not finding.qualifies:
        del kept["qualifies"]
    return kept


def _decode_report(
    content: dict[str, Any], version: int, folder: Path, kind: type[Report]
) -> Report:
    """Make a report of what a file holds, and see whether it can be read and told."""
    # Of the parts, only those that make a report: what else is kept beside it is derived from it.
    tables = tables_of(content, _TABLES) if version == 1 else _tables(content, folder)
    for name, numbers in _NUMBERS.items():
        for column in numbers:
            if tables[name][column].dtype.kind not in "biuf":
                raise TypeError(f"{column} of {name} must hold numbers")
    findings = [Finding(**finding) for finding in content["findings"]]
    info = decode(content["info"])
    if not isinstance(info, dict):
        raise TypeError("info is no dict")
    features, structural = _features(content), _structural(content)
    report = kind(**tables, findings=findings, info=info, features=features, structural=structural)
    if not 0 < float(info["confidence"]) < 1:
        raise ValueError("confidence must lie between 0 and 1")
    if len(set(report.attacks)) != len(report.attacks):
        raise ValueError("an attack is named twice")
    _check_records(report)
    # Of many records a few tell whether they can be told of; a test of them all would take long.
    few = report.records.groupby("member").head(_FEW)
    str(replace(report, records=few)), repr(report)
    return report


def _tables(content: dict[str, Any], folder: Path) -> dict[str, pd.DataFrame]:
    columns, records = content["columns"], content["records"]
    parts = {name: content[name] for name in _TABLES if name != "records"}
    if not isinstance(records, dict):
        parts["records"] = [] if records is None else records
    tables = {name: decode_rows(name, columns[name], rows) for name, rows in parts.items()}
    if "records" not in tables:
        tables["records"] = read_file(folder, records, columns["records"])
    return tables


def _features(content: dict[str, Any]) -> pd.DataFrame | None:
    """Return what the most exposed look like, where that was kept."""
    import pandas as pd

    kept = content.get("features")
    if kept is None:
        return None
    return pd.DataFrame(kept["rows"], kept["of"], kept["names"], dtype=object)


def _structural(content: dict[str, Any]) -> pd.DataFrame | None:
    """Return the measures of the model's structure; None of a report from before these."""
    if "structural" not in content:
        return None
    table = decode_rows("structural", content["columns"]["structural"], content["structural"])
    if list(table.columns) != list(COLUMNS):
        raise TypeError("structural has other columns")
    if any(table[name].dtype.kind != "f" for name in ("value", "error")):
        raise TypeError("value and error of structural must hold numbers")
    return table


def _check_records(report: AuditContents) -> None:
    """Raise unless conditions can be read on the records of a report, and curves drawn."""
    records = report.records
    # Evidence that names nobody holds none.
    if len(records) and set(records["member"].unique().tolist()) != {0, 1}:
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
