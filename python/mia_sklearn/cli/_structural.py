"""The command that looks at a model's structure, in seconds."""

from __future__ import annotations

import argparse

from ._gate import FINE
from ._inputs import inputs_of

__all__ = ["structural"]


def structural(args: argparse.Namespace) -> int:
    """Print what a model's structure tells of the risk to its training records."""
    from ..structural import structural_risk

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
    print(report.to_markdown() if args.format == "md" else report)
    return FINE
