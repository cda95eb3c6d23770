"""The model and the tables that the command line names, read before anything is trained."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["check_file_writable", "check_writable", "inputs_of"]


def inputs_of(args: argparse.Namespace) -> dict[str, Any]:
    """Read the model and the tables that `audit` takes."""
    from .._audit._people import split_off
    from .._models._kinds import is_generator
    from .._models._predictors import predicts_numbers
    from ._files import check_model_file, column_of, features_for, read_model
    from ._read_tables import check_table_file, read_tables
    from ._reading import Reading, beside

    # What costs nothing to see comes before what is to be trusted.
    models = [path for path in (args.model, args.estimator) if path is not None]
    paths = [path for path in (args.train, args.test) if path is not None]
    for path in models:
        check_model_file(path)
    for path in paths:
        check_table_file(path)
    trust: dict[str, Any] = {"trusted_types": args.trust_type, "trust": args.trust}
    model = args.loaded = read_model(args.model, **trust)
    inputs: dict[str, Any] = {"model": model}
    if args.estimator is not None:
        inputs["estimator"] = read_model(args.estimator, **trust)
    slices: dict[str, list[Any]] = {name: [] for name in args.slices}
    reading = Reading(
        target=args.target,
        labelled=not is_generator(model),
        numbers=predicts_numbers(model),
        text=args.text,
        groups=args.groups,
        slices=args.slices,
        dtypes=dict(args.dtype),
        na_values=args.na_values,
        default_na=not args.no_default_na,
        sep=args.sep,
        decimal=args.decimal,
        thousands=args.thousands,
    )
    read, said = read_tables(paths, model, reading)
    if said and not args.quiet:
        print(f"mia-sklearn: {said}", file=sys.stderr)
    tables = [X for X, _ in read]
    groups, without = None, tables
    if args.groups is not None:
        groups, *without = split_off(args.groups, model, *tables)
    sides = ("train", "test")[: len(paths)]
    for name, path, (X, y), own in zip(sides, paths, read, without, strict=True):
        inputs[f"X_{name}"], inputs[f"y_{name}"] = features_for(model, own, path, reading), y
        if hasattr(own, "columns") and not reading.columns:
            reading = beside(model, list(own.columns), reading, path)
        for column, values in slices.items():
            values.extend(column_of(column, X, y, path, reading.targets(())))
    return inputs | {"slices": slices or None, "groups": groups}


def check_writable(folder: Path, option: str = "--output") -> None:
    """Fail before any model is trained, not after."""
    if folder.exists() and not folder.is_dir():
        raise OSError(f"{option} {folder} is a file. Name a folder, which is made if missing.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(
            f"{option} {folder} cannot be written ({error.strerror}). Name a folder that can."
        ) from error


def check_file_writable(path: Path, option: str) -> None:
    """The same of a file."""
    if path.is_dir():
        raise OSError(f"{option} {path} is a folder. Name a file.")
    check_writable(path.parent, option)
