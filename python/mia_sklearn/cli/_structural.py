"""The command that looks at a model's structure, in seconds."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ._gate import FINE
from ._inputs import check_file_writable, inputs_of

__all__ = ["structural"]

if TYPE_CHECKING:
    from ..report import StructuralReport


def structural(args: argparse.Namespace) -> int:
    """Print what a model's structure tells of the risk to its training records."""
    from ..structural import structural_risk

    written = None if args.output is None else _form_of(args.output)
    # What is an audit's alone is not asked.
    args.slices, args.groups, args.estimator = [], None, None
    inputs = inputs_of(args)
    report = structural_risk(
        inputs["model"],
        inputs["X_train"],
        inputs["y_train"],
        inputs.get("X_test"),
        inputs.get("y_test"),
        release=args.release,
        random_state=args.seed,
    )
    if written is not None:
        args.output.write_text(_in_form(report, written), encoding="utf-8")
    print(_in_form(report, args.format))
    return FINE


def _in_form(report: StructuralReport, form: str) -> str:
    if form == "json":
        return report.to_json()
    return report.to_markdown() if form == "md" else str(report)


def _form_of(path: Path) -> str:
    """Return in which form a file is written, by the end of its name."""
    check_file_writable(path, "--output")
    form = path.suffix.lower().removeprefix(".")
    if form not in ("md", "json"):
        raise ValueError(f"--output {path} must end with .md or .json, which says what is written.")
    return form
