"""Paths as they are given."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

__all__ = ["file_digest", "path_of"]


def path_of(name: str, value: Any) -> Path:
    """Return the path that a user gave as argument `name`.

    An empty one is refused: pathlib would take it for the working folder.
    """
    text = str(value)
    if not text.strip() or "\0" in text:
        raise ValueError(f"{name}={text!r} names no folder or file. Give its path.")
    return Path(value).expanduser()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
