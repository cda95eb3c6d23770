"""The command that looks at a synthetic table without its generator."""

from __future__ import annotations

import argparse
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
    import pandas as pd

    from ._read_tables import check_table_file, read_tables
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
    # One by one: that columns differ is told by the audit.
    tables = [read_tables([path], None, reading)[0][0][0] for path in paths]
    if all(hasattr(table, "columns") for table in tables):
        for name in tables[0].columns:
            if all(name in table and _holds_dates(table[name]) for table in tables):
                for table in tables:
                    table[name] = pd.to_datetime(table[name], format="ISO8601", utc=True)
    return tables


def _holds_dates(cells: Any) -> bool:
    """Tell whether a column of a text file holds dates: 2026-01-31, perhaps with a time."""
    import pandas as pd

    known = cells.dropna()
    if not len(known) or pd.api.types.infer_dtype(known) != "string":
        return False
    if not known.str.match(r"\d{4}-\d{2}-\d{2}(?:$|[T ]\d)").all():
        return False
    return bool(pd.to_datetime(known, format="ISO8601", errors="coerce", utc=True).notna().all())


def _known(lists: list[str] | None) -> Any:
    """Return the columns that an attacker knows, two lists of them where two are given."""
    if lists is None:
        return None
    if len(lists) > 2:
        raise ValueError("--aux may be given once, or twice for two lists that are linked.")
    named = [[name.strip() for name in each.split(",") if name.strip()] for each in lists]
    return named[0] if len(named) == 1 else tuple(named)
