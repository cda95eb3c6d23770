"""Conditions that are kept in a file: ``[tool.mia-sklearn]`` of pyproject.toml, TOML or YAML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .._process._printable import in_words, one_line

__all__ = ["Configured", "configured_gate"]

_TABLE = "mia-sklearn"
_KEYS = ("fail-if", "strict")
_SUFFIXES = (".toml", ".yaml", ".yml")


class Configured(NamedTuple):
    """What a file says of the gate.

    Attributes
    ----------
    conditions : list of str
    strict : bool
    where : str
        The file, for messages; empty where none was read.
    """

    conditions: list[str]
    strict: bool = False
    where: str = ""


def configured_gate(path: Path | None) -> Configured:
    """Read the gate's conditions from a file, or from the project that this is run in.

    Parameters
    ----------
    path : Path or None
        A TOML file (its ``[tool.mia-sklearn]`` where it has one, else all of it) or a YAML file.
        None reads the nearest pyproject.toml, here or above, if it has such a table.

    Raises
    ------
    ValueError
        If the file cannot be read, or says something else.
    """
    if path is not None:
        return _gate(_read(path), str(path))
    here = Path.cwd()
    for folder in (here, *here.parents):
        project = folder / "pyproject.toml"
        if project.is_file():
            table = _read(project, only_table=True)
            return Configured([]) if table is None else _gate(table, str(project))
    return Configured([])


def _read(path: Path, only_table: bool = False) -> Any:
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise ValueError(f"{path}: conditions are read from {', '.join(_SUFFIXES)}.")
    try:
        text = path.read_text(encoding="utf-8")
        if suffix != ".toml":
            return _yaml().safe_load(text)
        read = _toml().loads(text)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}).") from error
    except ImportError:
        raise
    except Exception as error:  # Each library has errors of its own.
        if only_table and f"tool.{_TABLE}" not in path.read_text(errors="replace"):
            # A pyproject.toml that says nothing of this package is not ours to complain of.
            return None
        raise ValueError(f"{path} cannot be read: {one_line(in_words(error))}") from error
    tools = read.get("tool")
    table = tools.get(_TABLE) if isinstance(tools, Mapping) else None
    return table if only_table or table is not None else read


def _toml() -> Any:
    try:
        import tomllib
    except ImportError:  # Python 3.10
        try:
            import tomli as tomllib  # type: ignore[import-not-found, no-redef, unused-ignore]
        except ImportError:
            raise ImportError(
                "Conditions in a TOML file are read by the package tomli on Python 3.10: pip "
                "install tomli, or give them as --fail-if."
            ) from None
    return tomllib


def _yaml() -> Any:
    try:
        import yaml
    except ImportError:
        raise ImportError(
            "Conditions in a YAML file are read by the package PyYAML: pip install pyyaml, or give "
            "them as --fail-if, or in a TOML file."
        ) from None
    return yaml


def _gate(read: Any, where: str) -> Configured:
    if not isinstance(read, Mapping):
        raise ValueError(f"{where} must hold the keys {' and '.join(_KEYS)}.")
    unknown = [str(key) for key in read if key not in _KEYS]
    if unknown:
        raise ValueError(
            f"{where}: unknown key {unknown[0]!r} of [tool.{_TABLE}]; it may hold "
            f"{' and '.join(_KEYS)}."
        )
    conditions = read.get("fail-if", [])
    if isinstance(conditions, str):
        conditions = [conditions]
    if not isinstance(conditions, list) or not all(isinstance(each, str) for each in conditions):
        raise ValueError(
            f"{where}: fail-if must be a list of conditions, such as ['auc > 0.6'], got "
            f"{conditions!r}."
        )
    strict = read.get("strict", False)
    if not isinstance(strict, bool):
        raise ValueError(f"{where}: strict must be true or false, got {strict!r}.")
    return Configured(conditions, strict, where)
