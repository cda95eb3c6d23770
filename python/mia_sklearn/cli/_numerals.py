"""How a file writes numbers: what parts decimals, and what parts thousands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

# Who names one means all that look like it.
_ALIKE = (" \u00a0\u2009\u202f", "'\u2019")


@dataclass(frozen=True)
class Numerals:
    """What stands in the numbers of a file beside digits.

    Parameters
    ----------
    decimal : str, default="."
        Stands before decimals.
    thousands : str or None, default=None
        Stands between groups of three digits. None where nothing does.
    """

    decimal: str = "."
    thousands: str | None = None

    def __post_init__(self) -> None:
        for option, mark in (("decimal", self.decimal), ("thousands", self.thousands)):
            if mark is not None and (len(mark) != 1 or mark.isalnum() or mark in '+-"'):
                raise ValueError(f"--{option} must be one sign, such as ',', got {mark!r}.")
        if self.thousands is not None and self.decimal in _alike(self.thousands):
            raise ValueError(
                f"--thousands and --decimal are both {self.decimal!r}: name what stands before "
                "decimals with --decimal."
            )

    @property
    def are_plain(self) -> bool:
        """Whether numbers are written as programs write them."""
        return self.decimal == "." and self.thousands is None

    def plain(self, texts: Any) -> Any:
        """Return texts as programs write numbers; what is no number so written as missing."""
        if self.are_plain:
            return texts
        digits = "[0-9]+"
        if self.thousands is not None:
            groups = rf"[1-9][0-9]{{0,2}}(?:[{re.escape(_alike(self.thousands))}][0-9]{{3}})+"
            digits = f"(?:{groups}|{digits})"
        number = re.compile(
            rf"\s*([+-]?)({digits})?(?:{re.escape(self.decimal)}([0-9]*))?([eE][+-]?[0-9]+)?\s*"
        )

        def written(text: Any) -> Any:
            match = number.fullmatch(text) if isinstance(text, str) else None
            if match is None:
                unending = str(text).strip().lower().lstrip("+-") in ("inf", "infinity")
                return text if unending or not isinstance(text, str) else None
            sign, whole, decimals, power = match.groups()
            if not whole and not decimals:
                return None
            digits = "".join(filter(str.isdigit, whole or "0"))
            return f"{sign}{digits}{'' if decimals is None else '.' + decimals}{power or ''}"

        return texts.map(written)

    def hint(self, text: str) -> str:
        """Return what to do about a text that is no number so written, where that is plain."""
        if not self.are_plain:
            return self._own_hint(text)
        if re.fullmatch(r"\s*[+-]?\d{1,3}(,\d{3})+(\.\d*)?\s*", text):
            return (
                " Write numbers without separators of thousands, or add --thousands ','; where "
                "decimals follow the comma, add --decimal ','."
            )
        if re.fullmatch(r"\s*[+-]?\d+,\d+\s*", text):
            return " Where decimals follow a comma, add --decimal ','."
        return self._own_hint(text)

    def _own_hint(self, text: str) -> str:
        grouped = re.fullmatch(r"\s*[+-]?\d{1,3}(?:([.,'’\s])\d{3})(\1\d{3})*([.,]\d*)?\s*", text)
        simple = re.fullmatch(r"\s*[+-]?\d+([.,])\d+\s*", text)
        mark = (grouped or simple or [text, ""])[1]
        if grouped and grouped[2] and mark == self.decimal == ".":
            return " Where '.' parts thousands, add --thousands '.' --decimal ','."
        if mark and mark != self.decimal and self.thousands is None:
            return f" Where {mark!r} parts thousands, add --thousands {mark!r}."
        if self.thousands is None or not (grouped or simple or self.thousands in text):
            return ""
        marks = re.escape(_alike(self.thousands))
        if re.fullmatch(rf"[\d\s+\-.,{marks}]+", text):
            return f" Write {self.thousands!r} between groups of three digits alone."
        return ""


def _alike(mark: str) -> str:
    return next((marks for marks in _ALIKE if mark in marks), mark)
