"""The command line: ``mia-sklearn COMMAND``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .._process._printable import in_words, one_line, told
from .._process._terminal import complain, guarded, raising_method, traced, turn_away
from . import _audit_dp, _audits, _compare, _listings, _saved, _structural, _synthetic
from ._arguments import parser_of
from ._gate import BAD_INPUT

__all__ = ["main"]

INTERRUPTED = 130
_COMMANDS = {
    "audit": _audits.audit_model,
    "check": _saved.check_report,
    "compare": _compare.compare,
    "structural": _structural.structural,
    "audit-dp": _audit_dp.audit_dp,
    "audit-synthetic": _synthetic.audit_table,
    "report": _saved.show_report,
    "attacks": _listings.list_attacks,
    "defenses": _listings.list_defenses,
    "explain": _listings.explain,
    "demo": _audits.demo,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        The arguments; those of the process by default.

    Returns
    -------
    int
        The exit code: 0 fine, 1 a condition to fail on surely holds, 2 the audit could not be
        made, 3 (strict) such a condition cannot be excluded, 130 interrupted.
    """
    with guarded():
        args = parser_of(_COMMANDS).parse_args(argv)
        try:
            code = args.run(args)
            sys.stdout.flush()
        except KeyboardInterrupt:
            hint = " Finished reference models are in the cache." if vars(args).get("cache") else ""
            complain(f"\nmia-sklearn: interrupted.{hint}")
            return INTERRUPTED
        except BaseException as error:
            # Whatever ends an audit, and a model may raise anything, no verdict has been given.
            try:
                _explain(error, args)
            except BaseException:
                complain(
                    "mia-sklearn: error: something ended the program and cannot be explained, so "
                    "that there is no verdict."
                )
            return BAD_INPUT
    return code


def _explain(error: BaseException, args: argparse.Namespace) -> None:
    """Say on standard error why there is no verdict."""
    from ..references._lost import CannotTrain

    expected = isinstance(error, (ValueError, TypeError, OSError, CannotTrain))
    asked = None if expected else raising_method(error, vars(args).get("loaded"))
    if isinstance(error, BrokenPipeError):
        turn_away(sys.stdout)
        complain("mia-sklearn: error: standard output was closed before all was written.")
        return
    if isinstance(error, Exception) and (args.traceback or not (expected or asked)):
        complain("".join(traced(error)).rstrip("\n"))
    if expected:
        complain(f"mia-sklearn: error: {one_line(told(error))}")
    elif isinstance(error, Exception) and asked:
        complain(
            f"mia-sklearn: error: the model could not answer, its own {asked} raised "
            f"{one_line(in_words(error))}; --traceback shows where."
        )
    elif isinstance(error, Exception):
        complain("mia-sklearn: error: unexpected, please report it.")
    else:
        complain(
            f"mia-sklearn: error: {one_line(str(vars(args).get('model') or 'something'))} ended "
            f"the program by {type(error).__name__} ({one_line(told(error))}), so that there is no "
            "verdict. A model must not do so when it is trained or asked."
        )
