"""The folder of a report: files that are whole or not there, JSON that is checked when read."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .._process._folders import path_of
from .._process._printable import valid
from ._encoding import dumps, refuse

__all__ = ["JSON", "PAGE", "Writers", "fingerprint", "kind_of", "read_json", "whole", "write_files"]

JSON, PAGE = "audit.json", "index.html"
# The name of each file, and what makes its content.
Writers = dict[str, Callable[[], "str | bytes"]]
# What a file of each kind is called in errors; that of models came first and has no name.
KINDS = {"": "audit report", "dp": "audit of differential privacy", "synthetic": "synthetic table"}


def write_files(folder: Path, writers: Writers, stale: Iterable[str]) -> Path:
    """Write files into a folder, each whole or not at all, and return where the page lies.

    Parameters
    ----------
    folder : Path
    writers : dict of str to function
    stale : iterable of str
        Files of an earlier report that must not stay.

    Raises
    ------
    OSError
        If one cannot be written; the others are.
    """
    failed: dict[str, OSError] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in stale:
            # A list of an earlier audit, beside evidence that is to name nobody perhaps.
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise _unwritten(error, "The report", folder) from error
    for name, content in writers.items():
        try:
            # What one file cannot hold, or a full disk, leaves the others whole.
            write(folder / name, content())
        except OSError as error:
            failed[name] = error
    if failed:
        what = "The report" if len(failed) == len(writers) else ", ".join(failed)
        first = next(iter(failed.values()))
        raise _unwritten(first, what, folder) from first
    return folder / PAGE


def write(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all, readable by its owner only: it may name members."""
    data = content if isinstance(content, bytes) else valid(content).encode()
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _unwritten(error: OSError, what: str, folder: Path) -> OSError:
    reason = error.strerror or str(error)
    return type(error)(
        error.errno,
        f"{what} cannot be written, {reason}; give a folder that can be written",
        str(folder),
    )


def fingerprint(content: dict[str, Any]) -> str:
    """Return a digest of a whole report, printed on its page and checked when it is read."""
    return hashlib.sha256(dumps(content).encode()).hexdigest()


def whole(content: dict[str, Any], mark: str, version: int) -> str:
    """Return what the file of a report holds, whose fingerprint is `mark`."""
    return dumps({"format": version, "fingerprint": mark, **content})


def kind_of(folder: str | os.PathLike[str]) -> str:
    """Return of which kind the report in a folder says that it is; of a model's audit ""."""
    path = _file_in(folder)
    content = _loaded(path, "")
    kind = content.get("kind", "")
    if kind not in KINDS:
        raise ValueError(f"{str(path)!r} holds a report of an unknown kind, {kind!r:.40}.")
    return str(kind)


def read_json(
    folder: str | os.PathLike[str], kind: str, latest: int
) -> tuple[dict[str, Any], int, Path]:
    """Read the content of a report, its format, and the file that it lies in.

    Raises
    ------
    FileNotFoundError
        If there is no report.
    ValueError
        If it is of another kind, of a later format, damaged or changed.
    """
    path = _file_in(folder)
    name = repr(str(path))
    content = _loaded(path, kind)
    found = content.get("kind", "")
    if found != kind and found in KINDS:
        raise ValueError(
            f"{name} is no saved {KINDS[kind]}: it is of another kind, {KINDS[found]}, and is read "
            "by the class of that report, or by `mia-sklearn report`."
        )
    version = content.pop("format")
    # Python counts True and 1.0 among the equals of 1.
    if type(version) is not int or version not in range(1, latest + 1):
        later = type(version) is int and version > latest
        hint = " It was saved by a later one: upgrade to read it." if later else ""
        raise ValueError(
            f"{name} has format {version!r:.40}, this version of mia-sklearn reads "
            f"{' and '.join(map(str, range(1, latest + 1)))}.{hint}"
        )
    mark = content.pop("fingerprint", None)
    if mark is None:
        raise _no_report(path, kind)
    if mark != _mark(content):
        raise ValueError(f"{name} was damaged or changed after it was saved.")
    return content, version, path


def _file_in(folder: str | os.PathLike[str]) -> Path:
    path = path_of("folder", folder)
    if not path.is_file():
        path = path / JSON
    if not path.is_file():
        raise FileNotFoundError(f"No audit.json in {str(folder)!r}: not a folder made by save().")
    return path


def _loaded(path: Path, kind: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
        content["format"]
    except OSError:
        raise
    except Exception as error:  # Anything may lie there, nested to any depth.
        raise _no_report(path, kind) from error
    return content


def _no_report(path: Path, kind: str) -> ValueError:
    which = "" if path.name == JSON else ": give its folder, or the audit.json in it"
    return ValueError(f"{str(path)!r} is not a saved {KINDS[kind]}{which}.")


def _mark(content: dict[str, Any]) -> str:
    try:
        return fingerprint(content)
    except (ValueError, RecursionError):
        return ""  # Halves of characters, or too deep: nothing that was saved.
