"""The command that lays defenses side by side."""

from __future__ import annotations

import argparse
from math import isnan
from typing import TYPE_CHECKING, Any

from ._gate import BAD_INPUT, FINE
from ._inputs import check_file_writable, inputs_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["compare"]

_UNDEFENDED = "undefended"


def compare(args: argparse.Namespace) -> int:
    """Train a model under several defenses, attack each, print what they cost and hide."""
    from ..selection import compare_defenses

    if args.output is not None:
        check_file_writable(args.output, "--output")
    # Names are checked before a model is read, and the parts that are audits' alone are not asked.
    chosen = _chosen(args.defenses)
    args.slices, args.groups, args.estimator = [], None, None
    inputs = inputs_of(args)
    estimator = _unfitted(inputs["model"])
    frame = compare_defenses(
        _around(estimator, chosen, inputs["y_train"]) if chosen else estimator,
        inputs["X_train"],
        inputs["y_train"],
        X_test=inputs["X_test"],
        y_test=inputs["y_test"],
        n_references=16 if args.references is None else args.references,
        attacks=args.attacks or "auto",
        release=args.release,
        confidence=args.confidence,
        max_records=args.max_records,
        cache=args.cache,
        n_jobs=args.jobs,
        random_state=args.seed,
        progress=not args.quiet,
    )
    print(_table(frame))
    if args.output is not None:
        frame.to_csv(args.output, index=False)
        print(f"\nAll numbers: {args.output}")
    # Without a defense that could be measured nothing was compared.
    return FINE if (frame["error"] == "").sum() > 1 else BAD_INPUT


def _chosen(names: list[str]) -> list[Any]:
    from ..defenses import all_defenses

    known = {info.name.lower(): info for info in all_defenses()}
    unknown = [name for name in names if name.lower() not in known]
    if unknown:
        raise ValueError(
            f"Unknown defense {unknown[0]!r} in --defenses; choose from "
            f"{', '.join(info.name for info in known.values())}."
        )
    return [known[name.lower()] for name in names]


def _unfitted(model: Any) -> Any:
    from .._models._lost_parameters import check_parameters
    from .._models._trainable import unfitted

    estimator = getattr(model, "best_estimator_", model)
    if hasattr(estimator, "get_params"):
        check_parameters(estimator)
    return unfitted(estimator)


def _around(estimator: Any, chosen: list[Any], y: Any) -> dict[str, Any]:
    """Return the estimator alone, then inside each defense as it is compared by default."""
    from ..defenses._registry import as_compared

    models = {_UNDEFENDED: estimator}
    for info in chosen:
        made = as_compared(info, estimator, y)
        models[info.name] = _by_default(info, estimator) if made is None else made
    return models


def _by_default(info: Any, estimator: Any) -> Any:
    """Return a defense that is not among those compared by default, where it can be used."""
    from .._models._kinds import holds_net

    name = type(estimator).__name__
    if info.needs_networks and not holds_net(estimator):
        raise ValueError(f"--defenses {info.name!r} defends networks, which {name} is not.")
    if info.alters == "answers":
        raise ValueError(
            f"--defenses {info.name!r} changes nothing here by its defaults, or does not fit "
            f"{name} and these classes: choose its parameters from Python, "
            f"compare_defenses({{'undefended': model, {info.name!r}: {info.class_name}(model, "
            "...)}, ...)."
        )
    return info.defense(estimator)


def _table(frame: pd.DataFrame) -> str:
    headline = frame.attrs["headline"]
    columns = {
        "defense": frame["defense"],
        f"test {frame.attrs['score']}": [_number(value, "{:.3f}") for value in frame["test_score"]],
        f"{headline} AUC": _with_interval(frame, f"{headline}_auc"),
        f"{headline} TPR at 1 %": _with_interval(frame, f"{headline}_tpr@0.01"),
        "fit time": [_number(value, "{:.1f} x") for value in frame["fit_ratio"]],
    }
    if frame["error"].any():
        columns["failed with"] = frame["error"]
    rows = [list(columns), *map(list, zip(*columns.values(), strict=True))]
    widths = [max(len(row[j]) for row in rows) for j in range(len(columns))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _number(value: float, form: str) -> str:
    return "-" if isnan(value) else form.format(value)


def _with_interval(frame: pd.DataFrame, name: str) -> list[str]:
    numbers = zip(frame[name], frame[f"{name}_low"], frame[f"{name}_high"], strict=True)
    return [
        _number(value, "{:.3f} (interval withheld)")
        if isnan(low)
        else f"{value:.3f} ({low:.3f} to {high:.3f})"
        for value, low, high in numbers
    ]
