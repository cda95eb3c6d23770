"""What an audit counts, in words: records, or people with all of their records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Unit(NamedTuple):
    """How one and several of those are called that were in the training set, or not."""

    one: str
    many: str
    member: str
    members: str
    other: str
    others: str
    #: What names one in a list, and what is said of it besides.
    columns: tuple[str, str]


RECORD = Unit(
    "record",
    "records",
    "training record",
    "training records",
    "other record",
    "other records",
    ("row", "label"),
)
# One whose model predicts numbers.
RECORD_OF_NUMBERS = RECORD._replace(columns=("row", "true value"))
PERSON = Unit(
    "person",
    "people",
    "person in the training set",
    "people in the training set",
    "other person",
    "other people",
    ("person", "records"),
)


def unit_of(info: Mapping[str, Any]) -> Unit:
    """Return what a report counts."""
    if info.get("unit") == "person":
        return PERSON
    return RECORD_OF_NUMBERS if of_numbers(info) else RECORD


def of_numbers(info: Mapping[str, Any]) -> bool:
    """Tell whether a report is of a regressor."""
    return "target_train_mae" in info


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]
