"""The arguments of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .._process._folders import path_of
from .._version import __version__

__all__ = ["FORMATS", "parser_of"]

# In which a saved report is printed.
FORMATS = ("text", "html", "md", "json")

_EPILOG = """\
exit codes:
  0  the audit ran and no --fail-if condition surely holds (gate: PASSED or UNDECIDED)
  1  a --fail-if condition surely holds: its whole interval lies beyond the bound; or the model
     is surely worse than its --baseline
  2  the audit could not be made; the reason is on standard error
  3  with --strict: a --fail-if condition cannot be excluded, or the audit or its baseline is in
     doubt

A condition reads [attack:]metric[@level[,prior]] operator number, for example "auc > 0.6",
"tpr@0.01 > 0.05" or "lira:advantage >= .2". Without a name it is about the headline attack.
"ppv@0.01,0.5 > 0.9": of those whom the attack names at 1 % false alarms, more than nine in ten
are members, where half of the candidates are.
"""

_DP_EPILOG = """\
exit codes:
  0  the claim is not refuted, which is no proof of it
  1  the claim is refuted, at the stated confidence
  2  the audit could not be made; the reason is on standard error
  3  with --strict: the canaries could not be told apart, so that nothing can be said
"""


Command = Callable[[argparse.Namespace], int]


def parser_of(commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    """Return the parser of the command line; `run` of what it parses is one of the commands."""
    parser = argparse.ArgumentParser(
        prog="mia-sklearn",
        description="Can someone tell who was in the training set of a model? Attack it and see.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    added = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, adds in _COMMANDS.items():
        adds(added).set_defaults(run=commands[name])
    for command in added.choices.values():
        command.add_argument("--traceback", action="store_true", help="show where an error arose")
    return parser


def _add_audit(commands: Any) -> argparse.ArgumentParser:
    audit = commands.add_parser(
        "audit",
        help="audit a fitted model",
        allow_abbrev=False,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_what(audit.add_argument_group("what is audited").add_argument)
    _add_only_audited(audit.add_argument_group("what is audited, besides").add_argument)
    _add_reading(audit.add_argument_group("how files are read").add_argument)
    _add_how(audit.add_argument_group("how").add_argument)
    _add_result(audit.add_argument_group("result").add_argument)
    _add_gate(audit.add_argument_group("gate").add_argument)
    _add_trust(audit.add_argument_group("trust").add_argument)
    return audit


def _add_check(commands: Any) -> argparse.ArgumentParser:
    check = commands.add_parser(
        "check",
        help="hold a saved report against conditions",
        allow_abbrev=False,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_saved(check.add_argument)
    _add_gate(check.add_argument)
    return check


def _add_compare(commands: Any) -> argparse.ArgumentParser:
    compared = commands.add_parser(
        "compare",
        help="compare defenses of a model, trained anew: what each costs and hides",
        allow_abbrev=False,
    )
    _add_what(compared.add_argument_group("what is compared").add_argument)
    compared.add_argument(
        "--defenses",
        nargs="+",
        default=[],
        metavar="NAME",
        help="those of `mia-sklearn defenses`; default: all that fit the model and cost little",
    )
    _add_reading(compared.add_argument_group("how files are read").add_argument)
    _add_how(compared.add_argument_group("how").add_argument)
    compared.add_argument("--output", type=_path, metavar="FILE", help="write all numbers as CSV")
    compared.add_argument("--quiet", action="store_true", help="show no progress")
    _add_trust(compared.add_argument_group("trust").add_argument)
    return compared


def _add_structural(commands: Any) -> argparse.ArgumentParser:
    looked_at = commands.add_parser(
        "structural",
        help="say in seconds what a model's structure tells: losses, own weight, records it keeps",
        allow_abbrev=False,
    )
    _add_what(looked_at.add_argument_group("what is looked at").add_argument, tested=False)
    _add_reading(looked_at.add_argument_group("how files are read").add_argument)
    looked_at.add_argument(
        "--format", choices=["text", "md"], default="text", help="how it is printed"
    )
    looked_at.add_argument("--seed", type=_seed, default=0, metavar="N", help="default: 0")
    looked_at.add_argument("--quiet", action="store_true", help="do not say how files were read")
    _add_trust(looked_at.add_argument_group("trust").add_argument)
    return looked_at


def _add_audit_dp(commands: Any) -> argparse.ArgumentParser:
    audited = commands.add_parser(
        "audit-dp",
        help="try to refute a claim of differential privacy, by training with canaries",
        allow_abbrev=False,
        epilog=_DP_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = audited.add_argument_group("what is audited").add_argument
    add("--model", type=_path, required=True, metavar="FILE", help="estimator: .skops, .joblib")
    add("--train", type=_path, required=True, metavar="FILE", help="records to train it on")
    add("--target", metavar="NAME", help="column (npz: array, default y) of the labels")
    add("--epsilon", type=float, metavar="E", help="claimed (default: what the model states)")
    add("--delta", type=float, metavar="D", help="claimed (default: 0)")
    _add_reading(audited.add_argument_group("how files are read").add_argument)
    add = audited.add_argument_group("how").add_argument
    add("--canaries", type=int, metavar="N", help="default: 1,000, or a quarter of the records")
    add("--kind", choices=["auto", "mislabelled", "gradient"], default="auto", help="of canaries")
    add("--method", choices=["auto", "one-run", "refits"], default="auto", help="default: auto")
    add(
        "--family", choices=["auto", "pure", "gaussian"], default="auto", help="which bound decides"
    )
    add("--neighbours", choices=["add", "replace"], default="add", help="what one step is")
    add("--references", type=int, default=0, metavar="N", help="models that tell how hard each is")
    add("--max-refits", type=int, default=1000, metavar="N", help="default: 1,000")
    add("--confidence", type=float, default=0.95, metavar="P", help="default: 0.95")
    add("--seed", type=_seed, default=0, metavar="N", help="default: 0")
    add("--format", choices=["text", "md"], default="text", help="how it is printed")
    add("--quiet", action="store_true", help="show no progress, nor how files were read")
    add("--strict", action="store_true", help="exit with 3 if nothing can be said of the claim")
    _add_trust(audited.add_argument_group("trust").add_argument)
    return audited


def _add_report(commands: Any) -> argparse.ArgumentParser:
    shown = commands.add_parser("report", help="print a saved report, or write it anew")
    _add_saved(shown.add_argument)
    shown.add_argument("--format", choices=FORMATS, help="how it is printed (default: text)")
    shown.add_argument(
        "--output", type=_path, metavar="FOLDER", help="write all files of a report here"
    )
    shown.add_argument("--title", metavar="TEXT", help="another title")
    shown.add_argument("--no-records", action="store_true", help="evidence that names nobody")
    shown.add_argument(
        "--baseline",
        type=_path,
        metavar="FILE",
        help="an earlier audit.json, or its folder, whose numbers stand beside these",
    )
    return shown


def _add_attacks(commands: Any) -> argparse.ArgumentParser:
    return commands.add_parser("attacks", help="list the attacks and what each needs")


def _add_defenses(commands: Any) -> argparse.ArgumentParser:
    return commands.add_parser("defenses", help="list the defenses and what each alters")


def _add_explain(commands: Any) -> argparse.ArgumentParser:
    explained = commands.add_parser(
        "explain", help="say what a finding, a metric, an attack or a defense means"
    )
    explained.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="a code such as REFERENCES_DIFFER, a metric such as auc, an attack or defense; none "
        "lists all",
    )
    return explained


def _add_demo(commands: Any) -> argparse.ArgumentParser:
    shown = commands.add_parser("demo", help="audit a model of handwritten digits")
    shown.add_argument("--output", type=_path, default=Path("audit-report"), metavar="FOLDER")
    shown.add_argument("--verbose", action="store_true", help="print the whole report")
    return shown


_COMMANDS: dict[str, Callable[[Any], argparse.ArgumentParser]] = {
    "audit": _add_audit,
    "check": _add_check,
    "compare": _add_compare,
    "structural": _add_structural,
    "audit-dp": _add_audit_dp,
    "report": _add_report,
    "attacks": _add_attacks,
    "defenses": _add_defenses,
    "explain": _add_explain,
    "demo": _add_demo,
}


def _add_saved(add: Any) -> None:
    add("report", type=_path, metavar="REPORT", help="folder of a saved report")


def _add_what(add: Any, *, tested: bool = True) -> None:
    add("--model", type=_path, required=True, metavar="FILE", help="fitted model: .skops, .joblib")
    add("--train", type=_path, required=True, metavar="FILE", help="its training records")
    add("--test", type=_path, required=tested, metavar="FILE", help="records it was not trained on")
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


def _add_only_audited(add: Any) -> None:
    add(
        "--estimator",
        type=_path,
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


def _add_reading(add: Any) -> None:
    add("--text", metavar="COLUMN", help="the texts, for a model that reads texts, not tables")
    add(
        "--dtype",
        action="append",
        default=[],
        type=_dtype,
        metavar="COLUMN=TYPE",
        help="how the model was fitted on a column where it does not tell: str, int, float, "
        "category, bool or datetime; may be repeated",
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


def _add_how(add: Any) -> None:
    add("--quick", action="store_true", help="a first look in seconds, without reference models")
    add("--references", type=int, metavar="N", help="reference models (default: 16)")
    add(
        "--queries",
        type=int,
        metavar="N",
        help="also ask perturbed copies of records (default: 25 where labels are released, else 0)",
    )
    add("--attacks", nargs="+", type=_name, metavar="NAME", help="default: those fixed in advance")
    add("--confidence", type=float, default=0.95, metavar="P", help="default: 0.95")
    add("--max-records", type=int, metavar="N", help="audit a random part of larger sets")
    add("--cache", type=_path, metavar="FOLDER", help="keep reference models, resume from them")
    add("--jobs", type=_jobs, default=-1, metavar="N", help="parallel jobs (default: all cores)")
    add("--seed", type=_seed, default=0, metavar="N", help="default: 0")


def _add_result(add: Any) -> None:
    add("--output", type=_path, metavar="FOLDER", help="write index.html, audit.json, records.csv")
    add(
        "--no-records",
        action="store_true",
        help="write evidence that names nobody: no list of records, no records.csv",
    )
    add("--title", metavar="TEXT", help="title of the report")
    add("--verbose", action="store_true", help="print the whole report, and what is decided why")
    add("--quiet", action="store_true", help="print the verdict and the gate only")


def _add_gate(add: Any) -> None:
    add(
        "--fail-if",
        action="append",
        default=[],
        metavar="CONDITION",
        help="exit with 1 if it surely holds; may be repeated",
    )
    add(
        "--baseline",
        type=_path,
        metavar="FILE",
        help="an earlier audit.json, or its folder: exit with 1 if surely more is given away now",
    )
    add(
        "--conditions",
        type=_path,
        metavar="FILE",
        help="a TOML or YAML file with fail-if, a list of conditions, and strict; without this "
        "and --fail-if, [tool.mia-sklearn] of the nearest pyproject.toml",
    )
    add("--strict", action="store_true", help="exit with 3 if a condition cannot be excluded")
    add("--junit", type=_path, metavar="FILE", help="write the outcomes as JUnit XML")


def _add_trust(add: Any) -> None:
    add(
        "--trust-type",
        action="append",
        default=[],
        metavar="NAME",
        help="a type that a .skops file may hold; may be repeated",
    )
    add("--trust", action="store_true", help="load pickles: they run their author's code")


def _path(text: str) -> Path:
    try:
        return path_of("the path", text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


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


def _dtype(text: str) -> tuple[str, str]:
    from ._reading import DTYPES

    column, _, name = text.rpartition("=")
    if not column or name not in DTYPES:
        raise argparse.ArgumentTypeError(
            f"{text!r}: write COLUMN=TYPE, where TYPE is one of {', '.join(DTYPES)}."
        )
    return column, name


def _seed(text: str) -> int:
    if not 0 <= int(text) < 2**32:
        raise argparse.ArgumentTypeError("give a whole number from 0 to 2**32 - 1.")
    return int(text)
