"""What is asked of an audit of a synthetic table: columns that are secret, or known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from ..stats import excess_risk
from ._linkability import halves_of
from ._repeats import Repeats, repeated
from ._tables import NAMES, Tables

__all__ = ["Asked", "asked_of", "check_apart"]

_LEAST_ATTACKS = 100
# A true absence of overlap is refused in one of so many cases.
_SURELY = 0.999
_FEW_DIFFERENT = 20
# Cells that are compared at most where nothing says which secrets are meant: a quarter of an hour
# of one core where no row can be left out, at some 6e8 a second; and records of a side that each
# is attacked with at least.
_CELLS, _LEAST_EACH = 500_000_000_000, 1000


@dataclass(frozen=True)
class Asked:
    """What is attacked.

    Attributes
    ----------
    secrets : list of column names
    known : list of column names or None
        What the attacker knows; None for all but the secret.
    halves : pair of lists of column names, or None
        What is linked; None where there is one column alone.
    n_left_out : int
        Columns that might have been secrets, had there been time.
    n_each : int or None
        With how many records of a side each secret is attacked at most; None for as many as all
        attacks take.
    """

    secrets: list[Any]
    known: list[Any] | None
    halves: tuple[list[Any], list[Any]] | None
    n_left_out: int = 0
    n_each: int | None = None

    def known_beside(self, secret: Any, names: list[Any]) -> list[Any]:
        """Return what an attacker knows who wants to learn a secret."""
        return [name for name in (self.known or names) if name != secret]


def asked_of(tables: Tables, secrets: Any, aux_columns: Any, n_attacks: Any) -> Asked:
    """Return what is to be attacked.

    Raises
    ------
    ValueError
        If a column is unknown, a secret is constant or known to the attacker, halves overlap or
        are empty, or there are too few attacks.
    """
    if n_attacks is not None and not _is_count(n_attacks):
        raise ValueError(
            f"n_attacks must be a whole number of at least {_LEAST_ATTACKS}, or None; got "
            f"{n_attacks!r}."
        )
    aux_columns = _listed(tables, aux_columns)
    halves = known = None
    if aux_columns is not None and any(_is_list(tables, each) for each in aux_columns):
        if len(aux_columns) != 2:
            raise ValueError(
                "aux_columns must be one list of columns, or two such lists: got "
                f"{len(aux_columns)} parts."
            )
        first, second = (_columns(tables, half, "aux_columns") for half in aux_columns)
        halves = first, second
        shared = [name for name in first if name in second]
        if shared or not all(halves):
            what = f"{shared[0]!r} is in both" if shared else "one of them is empty"
            raise ValueError(f"The two lists of aux_columns must not share a column, but {what}.")
        known = [*first, *second]
    elif aux_columns is not None:
        known = _columns(tables, aux_columns, "aux_columns")
        if not known:
            raise ValueError("aux_columns is empty: name what an attacker knows, or give None.")
    linked = tables.names if known is None else known
    if halves is None and len(linked) > 1:
        halves = halves_of(tables, linked)
    found = _secrets(tables, secrets, known)
    if secrets is not None:
        return Asked(found, known, halves)
    kept, n_each = _affordable(tables, found, len(linked), n_attacks)
    return Asked(kept, known, halves, len(found) - len(kept), n_each)


def _affordable(
    tables: Tables, secrets: list[Any], n_known: int, n_attacks: int | None
) -> tuple[list[Any], int | None]:
    """Return which secrets are attacked where none is named, and with how many records of a side.

    Decided by sizes alone. Fewer records come first, then fewer columns: those whose values the
    synthetic table tells least of, two rows agreeing least often.
    """
    sides = len(tables.train), len(tables.control)
    of_one = len(tables.synthetic) * max(1, n_known)

    def cost(n_each: int) -> int:
        return of_one * sum(min(n_each, side) for side in sides)

    most = max(sides) if n_attacks is None else int(n_attacks)
    if not secrets or len(secrets) * cost(most) <= _CELLS:
        return secrets, None
    n_each = most
    if n_attacks is None:
        n_each = max(_LEAST_EACH, _CELLS // (2 * len(secrets) * of_one))
    n_kept = max(1, _CELLS // cost(n_each))
    ranks = tables.synthetic.ranks[:, tables.places(secrets)]
    shares = [np.unique(column, return_counts=True)[1] / len(ranks) for column in ranks.T]
    order = np.argsort([float((share**2).sum()) for share in shares], kind="stable")[:n_kept]
    return [secrets[place] for place in sorted(order)], int(n_each)


def _secrets(tables: Tables, secrets: Any, known: list[Any] | None) -> list[Any]:
    if secrets is None:
        candidates = [name for name in tables.names if known is None or name not in known]
        # One column alone leaves nothing to guess it by.
        if known is None and len(candidates) == 1:
            return []
        return [name for name in candidates if _constant_in(tables, name) is None]
    found = _columns(tables, secrets, "secrets")
    for name in found:
        if known is not None and name in known:
            raise ValueError(
                f"{name!r} is among secrets and among aux_columns: who knows it need not guess it. "
                "Leave it out of one of them."
            )
        table = _constant_in(tables, name)
        if table is not None:
            raise ValueError(
                f"The secret {name!r} has one value only in {table}: nothing can be learned from "
                "guessing it. Leave it out of secrets."
            )
    if found and known is None and len(tables.names) == 1:
        raise ValueError(f"{found[0]!r} is the only column: there is nothing to guess it by.")
    return found


def _constant_in(tables: Tables, name: Any) -> str | None:
    """Return which table has one value only in a column."""
    place = tables.places([name])[0]
    for side, table in zip((tables.synthetic, tables.train, tables.control), NAMES, strict=True):
        cells = side.ranks[:, place]
        if (cells == cells[0]).all():
            return table
    return None


def _columns(tables: Tables, given: Any, argument: str) -> list[Any]:
    """Return the columns that are named, by the names that the tables have for them."""
    known, found = tables.names, []
    for name in _listed(tables, given) or ():
        # A mask of truth values would name the columns 0 and 1.
        same = [each for each in known if _is_truth(each) == _is_truth(name) and each == name]
        if not same:
            raise ValueError(
                f"{argument}: {name!r} is no column of the tables; they have "
                f"{', '.join(map(repr, known[:10]))}{', ...' if len(known) > 10 else ''}."
            )
        if same[0] in found:
            raise ValueError(f"{argument} names {name!r} twice.")
        found += same
    return found


def _listed(tables: Tables, given: Any) -> list[Any] | None:
    """Return what is given as a list: of one column its own; sets in the order of the tables."""
    if given is None:
        return None
    if not _is_list(tables, given):
        return [given]
    if isinstance(given, (set, frozenset)):
        names = tables.names
        return sorted(given, key=lambda name: names.index(name) if name in names else len(names))
    return list(given)


def _is_list(tables: Tables, given: Any) -> bool:
    """Tell whether something is several columns, and not the name of one, as tuples may be."""
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        return False
    return not (isinstance(given, tuple) and given in tables.names)


def _is_truth(name: Any) -> bool:
    return isinstance(name, (bool, np.bool_))


def _is_count(n: Any) -> bool:
    return isinstance(n, Integral) and not isinstance(n, bool) and int(n) >= _LEAST_ATTACKS


def check_apart(tables: Tables, repeats: Repeats) -> None:
    """Raise where more of the control's records stand among the training records than may.

    As many as repeat among the training records themselves are a coincidence; where these were
    repeated on purpose, as many as repeat in the control.

    Raises
    ------
    ValueError
        With their number.
    """
    train, control = (
        [row.tobytes() for row in np.ascontiguousarray(side.ranks)]
        for side in (tables.train, tables.control)
    )
    known = set(train)
    shared = sum(row in known for row in control)
    n_repeated = int(repeated(tables.train.ranks).sum())
    if shared == len(control) and n_repeated == len(train):
        # Of few different records any two tables hold all, seldom in the same numbers.
        if len(known) >= _FEW_DIFFERENT and sorted(train) == sorted(control):
            raise ValueError(
                "X_control holds the records of X_train: the control must be records that the "
                "generator has not seen."
            )
        return
    said = f"of whose {len(train):,} records {n_repeated:,} occur twice"
    if repeats.once:
        # A larger table has a share of records in common with others that is larger, at most so.
        most = repeats.usual * max(1.0, len(train) / len(control))
        n_repeated = round(min(1.0, most) * len(train))
        said = f"while {repeats.usual:.2g} of the records of a table like it would repeat"
    found = excess_risk(shared, len(control), n_repeated, len(train), confidence=_SURELY)
    if found.low > 0:
        raise ValueError(
            f"{shared:,} of {len(control):,} records of X_control are also in X_train, {said}: the "
            "control must be records that the generator has not seen. Leave those out of X_control."
        )
