"""Arguments that several commands have, and what their values may be."""

from __future__ import annotations

import argparse
import re
from math import inf
from pathlib import Path
from typing import Any

from .._process._folders import path_of

__all__ = [
    "add_cells",
    "add_conditions",
    "add_gate",
    "add_how",
    "add_only_audited",
    "add_reading",
    "add_result",
    "add_saved",
    "add_trust",
    "add_what",
    "path",
    "seed",
]

_TIME = re.compile(r"\s*([0-9.]+)\s*(s|min|h|)\s*")
_SECONDS = {"": 1, "s": 1, "min": 60, "h": 3600}


def add_saved(add: Any) -> None:
    add("report", type=path, metavar="REPORT", help="folder of a saved report")


def add_what(add: Any, *, tested: bool = True) -> None:
    add("--model", type=path, required=True, metavar="FILE", help="fitted model: .skops, .joblib")
    add("--train", type=path, required=True, metavar="FILE", help="its training records")
    add("--test", type=path, required=tested, metavar="FILE", help="records it was not trained on")
    add(
        "--target",
        metavar="NAME[,NAME]",
        help="column (npz: array, default y) of the labels, or of the numbers that a regressor "
        "predicts; several for a model with several outputs; generators need none",
    )
    add(
        "--release",
        choices=["labels", "posteriors", "predictions", "samples", "weights"],
        help="what users of the model will get (default: posteriors; predictions of regressors; "
        "weights of generators, which may release samples alone)",
    )


def add_only_audited(add: Any) -> None:
    add(
        "--estimator",
        type=path,
        metavar="FILE",
        help="what the reference models are trained as, where a clone of the model would not do",
    )
    add(
        "--slices",
        nargs="+",
        default=[],
        metavar="COLUMN",
        help="report the groups of these columns apart; `label` is the class, or the true value",
    )
    add(
        "--groups",
        metavar="COLUMN",
        help="whose each record is, where people have several: report on people",
    )
    add(
        "--split",
        choices=["random", "other"],
        help="how train and test were made; epsilon needs random",
    )
    add(
        "--dp",
        nargs=2,
        type=float,
        metavar=("EPSILON", "DELTA"),
        help="the differential privacy that the training claims",
    )


def add_reading(add: Any) -> None:
    add("--text", metavar="COLUMN", help="the texts, for a model that reads texts, not tables")
    add_cells(add, "how the model was fitted on a column where it does not tell")


def add_cells(add: Any, what: str = "what a column holds that looks otherwise") -> None:
    add(
        "--dtype",
        action="append",
        default=[],
        type=_dtype,
        metavar="COLUMN=TYPE",
        help=f"{what}: str, int, float, category, bool or datetime; may be repeated",
    )
    add("--na-values", nargs="+", default=[], metavar="TEXT", help="cells that hold nothing, too")
    add(
        "--no-default-na",
        action="store_true",
        help="only empty cells and --na-values hold nothing; NA, null and their like are text",
    )
    add("--sep", metavar="TEXT", help="what parts the cells of CSV files (default: a comma)")
    add("--decimal", default=".", metavar="TEXT", help="what parts decimals (default: a point)")
    add("--thousands", metavar="TEXT", help="what parts thousands (default: nothing)")


def add_how(add: Any) -> None:
    add("--quick", action="store_true", help="a first look in seconds, without reference models")
    add("--references", type=int, metavar="N", help="reference models (default: 16)")
    add(
        "--time-budget",
        type=_seconds,
        metavar="TIME",
        help="600, 600s, 10min or 2h: choose reference models (up to 64, or --references) and "
        "attacks by the time that the first one takes",
    )
    add(
        "--queries",
        type=int,
        metavar="N",
        help="also ask perturbed copies of records (default: 25 where labels are released, else 0)",
    )
    add("--attacks", nargs="+", type=_name, metavar="NAME", help="default: those fixed in advance")
    add("--confidence", type=float, default=0.95, metavar="P", help="default: 0.95")
    add("--max-records", type=int, metavar="N", help="audit a random part of larger sets")
    add("--cache", type=_place, metavar="FOLDER", help="keep reference models, resume from them")
    add(
        "--jobs",
        type=_jobs,
        default=-1,
        metavar="N",
        help="parallel jobs (default: all cores)",
    )
    add("--seed", type=seed, default=0, metavar="N", help="default: 0")


def add_result(add: Any) -> None:
    add("--output", type=path, metavar="FOLDER", help="write index.html, audit.json, records.csv")
    add(
        "--no-records",
        action="store_true",
        help="write evidence that names nobody: no list of records, no records.csv",
    )
    add("--title", metavar="TEXT", help="title of the report")
    add("--verbose", action="store_true", help="print the whole report, and what is decided why")
    add("--quiet", action="store_true", help="print the verdict and the gate only")


def add_gate(add: Any) -> None:
    add(
        "--baseline",
        type=path,
        metavar="FILE",
        help="an earlier audit.json, or its folder: exit with 1 if surely more is given away now",
    )
    add_conditions(add)


def add_conditions(add: Any) -> None:
    add(
        "--fail-if",
        action="append",
        default=[],
        metavar="CONDITION",
        help="exit with 1 if it surely holds; may be repeated",
    )
    add(
        "--conditions",
        type=path,
        metavar="FILE",
        help="a TOML or YAML file with fail-if, a list of conditions, and strict; without this "
        "and --fail-if, [tool.mia-sklearn] of the nearest pyproject.toml",
    )
    add("--strict", action="store_true", help="exit with 3 if a condition cannot be excluded")
    add("--junit", type=path, metavar="FILE", help="write the outcomes as JUnit XML")


def add_trust(add: Any) -> None:
    add(
        "--trust-type",
        action="append",
        default=[],
        metavar="NAME",
        help="a type that a .skops file may hold; may be repeated",
    )
    add("--trust", action="store_true", help="load pickles: they run their author's code")


def path(text: str) -> Path:
    try:
        return path_of("the path", text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _place(text: str) -> Path | str:
    """Return a folder, or a URL as it is."""
    return text if "://" in text else path(text)


def _name(text: str) -> str:
    if "," in text:
        parted = " ".join(part.strip() for part in text.split(",") if part.strip())
        raise argparse.ArgumentTypeError(f"{text!r}: put spaces between names, {parted}")
    return text


def _jobs(text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        if text.strip() == "-1":
            return -1
        raise argparse.ArgumentTypeError(f"{text!r}: give 1 or more, or -1 for all cores.")
    return int(text)


def _seconds(text: str) -> float:
    found = _TIME.fullmatch(text)
    try:
        seconds = float(found[1]) * _SECONDS[found[2]]  # type: ignore[index]
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds < inf:
        raise argparse.ArgumentTypeError(
            f"{text!r}: give seconds above 0, or a time with its unit, such as 90s, 10min or 2h."
        )
    return seconds


def _dtype(text: str) -> tuple[str, str]:
    from ._reading import DTYPES

    column, _, name = text.rpartition("=")
    if not column or name not in DTYPES:
        raise argparse.ArgumentTypeError(
            f"{text!r}: write COLUMN=TYPE, where TYPE is one of {', '.join(DTYPES)}."
        )
    return column, name


def seed(text: str) -> int:
    if not 0 <= int(text) < 2**32:
        raise argparse.ArgumentTypeError("give a whole number from 0 to 2**32 - 1.")
    return int(text)
