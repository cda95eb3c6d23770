"""The command that looks at a synthetic table without its generator."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from ._gate import gate_of
from ._inputs import check_file_writable, check_writable

__all__ = ["audit_table"]


def audit_table(args: argparse.Namespace) -> int:
    """Print what a synthetic table gives away, judge it by the gate; return the exit code."""
    from ..synthetic import audit_synthetic

    # What is asked of audits of models alone.
    args.baseline = None
    gate = gate_of(args, [])
    if args.junit is not None:
        check_file_writable(args.junit, "--junit")
    if args.output is not None:
        check_writable(args.output)
    paths = (args.synthetic, args.train, args.control)
    report = audit_synthetic(
        *_tables(paths, args),
        secrets=args.secret,
        aux_columns=_known(args.aux),
        n_attacks=args.attacks,
        confidence=args.confidence,
        membership=not args.no_membership,
        random_state=args.seed,
        progress=not args.quiet,
    )
    judged = gate.judge(report)
    if args.junit is not None:
        judged.write_junit(args.junit, report.info, report.summary)
    written = ""
    if args.output is not None:
        written = f"The whole report: {report.save(args.output, records=not args.no_records)}"
    told = report.without_records() if args.no_records else report
    shown = told.to_markdown().rstrip("\n") if args.format == "md" else str(told)
    parts = [report.summary if args.quiet else shown, written, "\n".join(judged.lines())]
    print("\n\n".join(part for part in parts if part))
    return judged.code


def _tables(paths: tuple[Path, ...], args: argparse.Namespace) -> list[Any]:
    from ._read_tables import check_table_file, kind_of_file, read_tables
    from ._reading import Reading

    for path in paths:
        check_table_file(path)
    reading = Reading(
        labelled=False,
        dtypes=dict(args.dtype),
        na_values=args.na_values,
        default_na=not args.no_default_na,
        sep=args.sep,
        decimal=args.decimal,
        thousands=args.thousands,
    )
    # Parquet holds the types of its columns, also beside text files.
    texts = [kind_of_file(path)[0] in (".csv", ".tsv") for path in paths]
    typed = replace(reading, dtypes={}) if any(texts) else reading
    # One by one: that columns differ is told by the audit.
    tables = [
        read_tables([path], None, reading if is_text else typed)[0][0][0]
        for path, is_text in zip(paths, texts, strict=True)
    ]
    if not all(hasattr(table, "columns") for table in tables):
        return tables
    if any(texts):
        for path, table, is_text in zip(paths, tables, texts, strict=True):
            if not is_text:
                _check_words(path, table, reading.missing)
    names = list(tables[1].columns)
    # What a column is called says which it is, in files of any order.
    tables = [table[names] if sorted(table.columns) == sorted(names) else table for table in tables]
    for name in names:
        columns = [table[name] for table in tables if name in table]
        if len(columns) == len(tables) and any(map(_is_text, columns)):
            dates = [_as_dates(cells) for cells in columns]
            if all(each is not None for each in dates):
                for table, each in zip(tables, dates, strict=True):
                    table[name] = each
    return tables


def _check_words(path: Path, table: Any, missing: set[str]) -> None:
    """Raise where a file that is no text holds words that mean a missing cell in one that is."""
    for name in table.columns:
        words = table[name].dropna().unique().tolist()
        found = next((word for word in words if isinstance(word, str) and word in missing), None)
        if found is not None:
            raise ValueError(
                f"{path}: column {name!r} holds the text {found!r}, which in the text files beside "
                "it is read as a missing cell. Add --no-default-na, which leaves it a text there "
                "too; or give all three tables as Parquet."
            )


def _is_text(cells: Any) -> bool:
    import pandas as pd

    return bool(pd.api.types.infer_dtype(cells, skipna=True) == "string")


def _as_dates(cells: Any) -> Any:
    """Return a column as dates if it holds some, as text or as such; None if it does not.

    Text holds dates if each cell is one like 2026-01-31, perhaps with a time and its zone.
    """
    import pandas as pd

    if not _is_text(cells):
        return cells if pd.api.types.infer_dtype(cells, skipna=True).startswith("date") else None
    known = cells.dropna()
    if not known.str.match(r"\d{4}-\d{2}-\d{2}(?:$|[T ]\d)").all():
        return None
    times = pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True)
    if times.notna().sum() < len(known):
        return None
    zoned = known.str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$").any()
    return times if zoned else times.dt.tz_localize(None)


def _known(lists: list[str] | None) -> Any:
    """Return the columns that an attacker knows, two lists of them where two are given."""
    if lists is None:
        return None
    if len(lists) > 2:
        raise ValueError("--aux may be given once, or twice for two lists that are linked.")
    named = [[name.strip() for name in each.split(",") if name.strip()] for each in lists]
    return named[0] if len(named) == 1 else tuple(named)
