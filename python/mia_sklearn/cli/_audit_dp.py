"""The command that holds a claim of differential privacy against trainings with canaries."""

from __future__ import annotations

import argparse

from ._gate import FAILS, FINE, OPEN
from ._inputs import check_writable, inputs_of

__all__ = ["audit_dp"]


def audit_dp(args: argparse.Namespace) -> int:
    """Say whether the claim is refuted, by the exit code too."""
    from ..dp import audit_dp as audited

    # What is an audit's alone is not asked.
    args.slices, args.groups, args.estimator, args.test = [], None, None, None
    if args.epsilon is None and args.delta is not None:
        raise ValueError("--delta needs --epsilon: the claim has both, or the model states it.")
    if args.output is not None:
        check_writable(args.output)
    inputs = inputs_of(args)
    claimed = None if args.epsilon is None else (args.epsilon, args.delta or 0.0)
    report = audited(
        inputs["model"],
        inputs["X_train"],
        inputs["y_train"],
        claimed,
        args.canaries,
        method=args.method,
        canaries=args.kind,
        n_references=args.references,
        family=args.family,
        neighbours=args.neighbours,
        confidence=args.confidence,
        max_refits=args.max_refits,
        random_state=args.seed,
        progress=not args.quiet,
    )
    print(report.to_markdown() if args.format == "md" else report)
    if args.output is not None:
        written = report.save(args.output, records=not args.no_records)
        print(f"\nThe whole report: {written}")
    undecided = OPEN if args.strict else FINE
    return {"refuted": FAILS, "undecided": undecided, "not refuted": FINE}[report.outcome]
