"""Text that a terminal, a log and a file can show as it is."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["one_line", "printable", "told", "valid"]

# Control characters, marks that change the direction of what follows (both are "C"), and
# separators of lines and paragraphs.
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def printable(text: str, *, keep: str = "") -> str:
    """Return a text in which characters that act, or cannot be seen, are shown as escapes.

    Those in `keep` stay, such as line breaks of a text that is laid out already.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character in keep or unicodedata.category(character) not in _HIDDEN
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def valid(text: str) -> str:
    """Return a text that every file can hold: halves of characters become escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def told(error: BaseException) -> str:
    """Return what an error says; of another's, even asking for that may end the program."""
    try:
        return str(error)
    except BaseException:
        return "its text cannot be read"


def one_line(text: str) -> str:
    """Return what an error says as one line, its sentences joined where others broke them."""
    return printable(re.sub(r"(?<=[.:;,])\s*\n\s*(?=\w)", " ", text.strip()))


def in_words(error: BaseException) -> str:
    """Return what an error says, and its class, without which few but ValueErrors can be read."""
    text, name = told(error), type(error).__name__
    if not text:
        return name
    return text if isinstance(error, ValueError) else f"{name}: {text}"
