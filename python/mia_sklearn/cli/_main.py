"""The command line: ``mia-sklearn audit``, ``mia-sklearn attacks`` and ``mia-sklearn demo``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._process._printable import in_words, one_line, told
from .._process._terminal import complain, guarded, raising_method, traced, turn_away
from ._arguments import parser_of

if TYPE_CHECKING:
    from ..conditions import Condition
    from ..report import AuditReport

__all__ = ["main"]

# Exit codes. Whatever prevents an audit is BAD_INPUT: Python's own 1 would read as "fails".
FINE, FAILS, BAD_INPUT, OPEN = 0, 1, 2, 3
INTERRUPTED = 130


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
        args = parser_of(_audit, _attacks, _demo).parse_args(argv)
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


def _audit(args: argparse.Namespace) -> int:
    from .._audit import audit

    conditions = _conditions(args)
    baseline = None if args.baseline is None else _baseline(args)
    if args.output is not None:
        _check_writable(args.output)
    inputs = _inputs(args)
    report = audit(
        **inputs,
        n_references=args.references,
        n_queries=args.queries,
        attacks=args.attacks or "auto",
        split=args.split,
        release=args.release,
        confidence=args.confidence,
        max_records=args.max_records,
        cache=args.cache,
        n_jobs=min(args.jobs, max(1, 16 if args.references is None else args.references)),
        random_state=args.seed,
        progress=not args.quiet,
    )
    if conditions:
        report.info["gate"] = _gate(conditions, report)
    print(report.verdict if args.quiet else report)
    unsaved = None
    if args.output is not None:
        try:
            page = report.save(args.output, records=not args.no_records)
        except OSError as error:
            unsaved = error
        else:
            if not args.quiet:
                print(f"\nThe whole report: {page}")
    code = _judge(conditions, report, baseline, strict=args.strict)
    if unsaved is not None:
        raise unsaved
    return code


def _gate(conditions: list[Condition], report: AuditReport) -> dict[str, str]:
    """Return what the report says of each condition, to be kept beside it."""
    from ..conditions import evaluate

    n = len(conditions)
    return {str(each): evaluate(each, report, n_conditions=n).outcome for each in conditions}


def _inputs(args: argparse.Namespace) -> dict[str, Any]:
    """Read the model and the tables that `audit` takes."""
    from .._audit._people import split_off
    from .._models._kinds import is_generator
    from ._files import check_model_file, column_of, features_for, read_model
    from ._read_tables import check_table_file, read_tables
    from ._reading import Reading

    # What costs nothing to see comes before what is to be trusted.
    models = [path for path in (args.model, args.estimator) if path is not None]
    paths = (args.train, args.test)
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
        text=args.text,
        groups=args.groups,
        slices=args.slices,
        dtypes=dict(args.dtype),
        na_values=args.na_values,
        default_na=not args.no_default_na,
        sep=args.sep,
        decimal=args.decimal,
    )
    read, said = read_tables(paths, model, reading)
    if said and not args.quiet:
        print(f"mia-sklearn: {said}", file=sys.stderr)
    tables = [X for X, _ in read]
    groups, *without = split_off(args.groups, model, *tables)
    for name, path, (X, y), own in zip(("train", "test"), paths, read, without, strict=True):
        inputs[f"X_{name}"], inputs[f"y_{name}"] = features_for(model, own, path, reading), y
        for column, values in slices.items():
            values.extend(column_of(column, X, y, path))
    return inputs | {"slices": slices or None, "groups": groups}


def _conditions(args: argparse.Namespace) -> list[Condition]:
    from ..attacks import all_attacks
    from ..attacks._registry import variants
    from ..conditions import parse

    if args.strict and not args.fail_if and args.baseline is None:
        raise ValueError(
            "--strict needs a condition: add --fail-if, such as --fail-if 'auc > 0.6'."
        )
    listed = [*(second for second in variants() if second.by_default), *all_attacks()]
    known = args.attacks or [info.name for info in listed]
    return [parse(text, known) for text in args.fail_if]


def _baseline(args: argparse.Namespace) -> AuditReport:
    """Read the earlier audit, and refuse one with which this audit has no attack in common."""
    from ..attacks._registry import headline_of
    from ..report import AuditReport

    baseline = AuditReport.load(args.baseline)
    if args.attacks and headline_of(args.attacks) not in baseline.attacks:
        raise ValueError(
            f"--baseline {args.baseline} has no numbers of {headline_of(args.attacks)!r}, which "
            f"would make the verdict; it has {', '.join(baseline.attacks)}. Name these by "
            "--attacks, or make another baseline."
        )
    return baseline


def _judge(
    conditions: list[Condition],
    report: AuditReport,
    baseline: AuditReport | None = None,
    *,
    strict: bool,
) -> int:
    """Print what the report says of each condition to fail on; return the exit code."""
    from ..conditions import evaluate

    if not conditions and baseline is None:
        return FINE
    # A gate fails where its condition surely holds.
    words = {"holds": "FAILED", "violated": "PASSED", "open": "UNDECIDED"}
    said = set()
    for condition in conditions:
        result = evaluate(condition, report, n_conditions=len(conditions))
        said.add(words[result.outcome])
        print(f"{words[result.outcome]} --fail-if {condition}: {result.explanation}")
    if baseline is not None:
        compared = report.compare(baseline)
        word = "PASSED" if compared else "FAILED"
        said.add("UNDECIDED" if compared.doubts else word)
        print(f"{'UNDECIDED' if compared.doubts else word} --baseline: {compared}")
    worst = next(word for word in ("FAILED", "UNDECIDED", "PASSED") if word in said)
    code = {"FAILED": FAILS, "UNDECIDED": OPEN if strict else FINE, "PASSED": FINE}[worst]
    hint = "; --strict makes it 3" if worst == "UNDECIDED" and not strict else ""
    print(f"gate: {worst} (exit {code}{hint})")
    return code


def _check_writable(folder: Path) -> None:
    """Fail before any model is trained, not after."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(
            f"--output {folder} cannot be written ({error.strerror}). Name a folder that can."
        ) from error


def _attacks(args: argparse.Namespace) -> int:
    from ..attacks import all_attacks
    from ..disclosure._registry import INFERENCES

    rows = [("attack", "threat model", "columns it needs", "what it does", "from")]
    for info in all_attacks():
        try:
            summary = info.summary
        except ImportError as error:
            summary = str(error)
        needs = ", ".join(info.requires) or "-"
        model = info.threat_model or "not known"
        rows.append((info.name, model, needs, summary, info.source))
    _print_table(rows)
    print("\nOther questions than who was in the training set, asked from Python:\n")
    heads = ("attack", "threat model", "what it asks for", "where")
    asked = [(i.name, i.threat_model, i.question, i.where) for i in INFERENCES]
    _print_table([heads, *asked])
    return FINE


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _demo(args: argparse.Namespace) -> int:
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import train_test_split

    from .._audit import audit

    _check_writable(args.output)
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
    model = RandomForestClassifier(random_state=0).fit(X_train, y_train)
    print(
        f"A random forest learned {len(X_train)} of scikit-learn's handwritten digits. Could "
        "someone who asks it for posteriors tell which?\n",
        flush=True,
    )
    report = audit(
        model, X_train, y_train, X_test, y_test, split="random", n_jobs=-1, random_state=0
    )
    print(report)
    print(f"\nThe whole report: {report.save(args.output)}")
    return FINE
