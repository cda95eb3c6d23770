"""The arguments of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .._version import __version__
from ._options import (
    add_cells,
    add_conditions,
    add_gate,
    add_how,
    add_only_audited,
    add_reading,
    add_result,
    add_saved,
    add_trust,
    add_what,
    path,
    seed,
)

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

_EPILOG_SYNTHETIC = """\
exit codes:
  0  the audit ran and no --fail-if condition surely holds (gate: PASSED or UNDECIDED)
  1  a --fail-if condition surely holds: its whole interval lies beyond the bound
  2  the audit could not be made; the reason is on standard error
  3  with --strict: a --fail-if condition cannot be excluded

A condition reads [of:]risk operator number, for example "linkability > 0.1" or
"income:inference > 0.05". The risks are copies, singling_out, linkability and inference, each
above control; of several the largest counts.
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
    add_what(audit.add_argument_group("what is audited").add_argument)
    add_only_audited(audit.add_argument_group("what is audited, besides").add_argument)
    add_reading(audit.add_argument_group("how files are read").add_argument)
    add_how(audit.add_argument_group("how").add_argument)
    add_result(audit.add_argument_group("result").add_argument)
    add_gate(audit.add_argument_group("gate").add_argument)
    add_trust(audit.add_argument_group("trust").add_argument)
    return audit


def _add_check(commands: Any) -> argparse.ArgumentParser:
    check = commands.add_parser(
        "check",
        help="hold a saved report against conditions",
        allow_abbrev=False,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_saved(check.add_argument)
    add_gate(check.add_argument)
    return check


def _add_compare(commands: Any) -> argparse.ArgumentParser:
    compared = commands.add_parser(
        "compare",
        help="compare defenses of a model, trained anew: what each costs and hides",
        allow_abbrev=False,
    )
    add_what(compared.add_argument_group("what is compared").add_argument)
    compared.add_argument(
        "--defenses",
        nargs="+",
        default=[],
        metavar="NAME",
        help="those of `mia-sklearn defenses`; default: all that fit the model and cost little",
    )
    add_reading(compared.add_argument_group("how files are read").add_argument)
    add_how(compared.add_argument_group("how").add_argument)
    compared.add_argument("--output", type=path, metavar="FILE", help="write all numbers as CSV")
    compared.add_argument("--quiet", action="store_true", help="show no progress")
    add_trust(compared.add_argument_group("trust").add_argument)
    return compared


def _add_structural(commands: Any) -> argparse.ArgumentParser:
    looked_at = commands.add_parser(
        "structural",
        help="say in seconds what a model's structure tells: losses, own weight, records it keeps",
        allow_abbrev=False,
    )
    add_what(looked_at.add_argument_group("what is looked at").add_argument, tested=False)
    add_reading(looked_at.add_argument_group("how files are read").add_argument)
    looked_at.add_argument(
        "--format", choices=["text", "md", "json"], default="text", help="how it is printed"
    )
    looked_at.add_argument(
        "--output", type=path, metavar="FILE", help="write it here, as .md or .json"
    )
    looked_at.add_argument("--seed", type=seed, default=0, metavar="N", help="default: 0")
    looked_at.add_argument("--quiet", action="store_true", help="do not say how files were read")
    add_trust(looked_at.add_argument_group("trust").add_argument)
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
    add("--model", type=path, required=True, metavar="FILE", help="estimator: .skops, .joblib")
    add("--train", type=path, required=True, metavar="FILE", help="records to train it on")
    add("--target", metavar="NAME", help="column (npz: array, default y) of the labels")
    add("--epsilon", type=float, metavar="E", help="claimed (default: what the model states)")
    add("--delta", type=float, metavar="D", help="claimed (default: 0)")
    add_reading(audited.add_argument_group("how files are read").add_argument)
    add = audited.add_argument_group("how").add_argument
    add("--canaries", type=int, metavar="N", help="default: 1,000, or a quarter of the records")
    add("--kind", choices=["auto", "mislabelled", "gradient"], default="auto", help="of canaries")
    add("--method", choices=["auto", "one-run", "refits"], default="auto", help="default: auto")
    add(
        "--family",
        choices=["auto", "pure", "gaussian", "curve"],
        default="auto",
        help="which bound decides",
    )
    steps = ["auto", "add", "replace"]
    add("--neighbours", choices=steps, default="auto", help="what the claim counts as one step")
    add("--references", type=int, default=0, metavar="N", help="models that tell how hard each is")
    add("--max-refits", type=int, default=1000, metavar="N", help="default: 1,000")
    add("--confidence", type=float, default=0.95, metavar="P", help="default: 0.95")
    add("--seed", type=seed, default=0, metavar="N", help="default: 0")
    add("--format", choices=["text", "md"], default="text", help="how it is printed")
    _add_output(add)
    add("--quiet", action="store_true", help="show no progress, nor how files were read")
    add("--strict", action="store_true", help="exit with 3 if nothing can be said of the claim")
    add_trust(audited.add_argument_group("trust").add_argument)
    return audited


def _add_output(add: Any) -> None:
    add("--output", type=path, metavar="FOLDER", help="write a page and all numbers here")
    add("--no-records", action="store_true", help="name no record there")


def _add_audit_synthetic(commands: Any) -> argparse.ArgumentParser:
    audited = commands.add_parser(
        "audit-synthetic",
        help="say what a synthetic table gives away about the records behind it",
        allow_abbrev=False,
        epilog=_EPILOG_SYNTHETIC,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = audited.add_argument_group("what is audited").add_argument
    add("--synthetic", type=path, required=True, metavar="FILE", help="the synthetic table")
    add("--train", type=path, required=True, metavar="FILE", help="the records behind it")
    add("--control", type=path, required=True, metavar="FILE", help="records it knows nothing of")
    add = audited.add_argument_group("how").add_argument
    add(
        "--secret",
        action="append",
        metavar="COLUMN",
        help="a column that an attacker wants to learn; may be repeated (default: each in turn)",
    )
    add(
        "--aux",
        action="append",
        metavar="COLUMN[,COLUMN]",
        help="columns that an attacker knows (default: all); given twice, two lists to be linked",
    )
    add("--attacks", type=int, metavar="N", help="records, and predicates, to attack at most")
    add("--confidence", type=float, default=0.95, metavar="P", help="default: 0.95")
    add("--no-membership", action="store_true", help="do not ask who was in the training set")
    add("--seed", type=seed, default=0, metavar="N", help="default: 0")
    add_cells(audited.add_argument_group("how files are read").add_argument)
    add = audited.add_argument_group("result").add_argument
    add("--format", choices=["text", "md"], default="text", help="how it is printed")
    _add_output(add)
    add("--quiet", action="store_true", help="print the summary and the gate only")
    add_conditions(audited.add_argument_group("gate").add_argument)
    return audited


def _add_report(commands: Any) -> argparse.ArgumentParser:
    shown = commands.add_parser("report", help="print a saved report, or write it anew")
    add_saved(shown.add_argument)
    shown.add_argument("--format", choices=FORMATS, help="how it is printed (default: text)")
    shown.add_argument(
        "--output", type=path, metavar="FOLDER", help="write all files of a report here"
    )
    shown.add_argument("--title", metavar="TEXT", help="another title")
    shown.add_argument("--no-records", action="store_true", help="evidence that names nobody")
    shown.add_argument(
        "--baseline",
        type=path,
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
        "explain", help="say what a finding, a metric, a measure, an attack or a defense means"
    )
    explained.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="a code such as REFERENCES_DIFFER, a metric such as auc, a measure such as ks, an "
        "attack or defense; none lists all",
    )
    return explained


def _add_demo(commands: Any) -> argparse.ArgumentParser:
    shown = commands.add_parser("demo", help="audit a model of handwritten digits")
    shown.add_argument("--output", type=path, default=Path("audit-report"), metavar="FOLDER")
    shown.add_argument("--verbose", action="store_true", help="print the whole report")
    return shown


_COMMANDS: dict[str, Callable[[Any], argparse.ArgumentParser]] = {
    "audit": _add_audit,
    "check": _add_check,
    "compare": _add_compare,
    "structural": _add_structural,
    "audit-dp": _add_audit_dp,
    "audit-synthetic": _add_audit_synthetic,
    "report": _add_report,
    "attacks": _add_attacks,
    "defenses": _add_defenses,
    "explain": _add_explain,
    "demo": _add_demo,
}
