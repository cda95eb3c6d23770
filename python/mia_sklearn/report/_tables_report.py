"""Reports that are tables and findings: how they are saved, read back and shown as a page."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from .._process._folders import path_of
from ._encoding import decode, decode_rows, encode, encode_rows
from ._finding import Finding
from ._folder import JSON, PAGE, Writers, fingerprint, read_json, whole, write_files
from ._record_files import CSV, FILES, goes_to_file, read_file, to_csv, to_file
from ._tables_page import PageTable, render_tables

__all__ = ["TablesReport"]

FORMAT = 1
Report = TypeVar("Report", bound="TablesReport")


class TablesReport(ABC):
    """What a report that is a data class of tables, findings and info can do."""

    # The kind that its file names, and a page.
    _KIND: ClassVar[str]
    _KIND_IN_WORDS: ClassVar[str]
    # Each table, and which of its columns hold numbers.
    _NUMBERS: ClassVar[dict[str, Sequence[str]]]
    # The table that tells of single records.
    _LISTED: ClassVar[str]
    # What it does not say.
    _LIMITS: ClassVar[str]

    findings: list[Finding]
    info: dict[str, Any]

    @property
    @abstractmethod
    def summary(self) -> str:
        """What was found, in a sentence."""

    @property
    @abstractmethod
    def _title(self) -> str: ...

    @property
    @abstractmethod
    def _tone(self) -> str:
        """How grave it is: "shown", "open" or ""."""

    @abstractmethod
    def _page_tables(self) -> list[PageTable]: ...

    @abstractmethod
    def to_markdown(self) -> str:
        """Return the report as Markdown, for job summaries and reviews."""

    @abstractmethod
    def without_records(self: Report) -> Report:
        """Return the report less what tells of single records, as ``save(records=False)`` keeps it.

        Returns
        -------
        Report of the same class
        """

    def save(self, folder: str | os.PathLike[str], *, records: bool = True) -> Path:
        """Write a page, a file for programs and a list of records.

        They are ``index.html``, ``audit.json`` and ``records.csv``; of more than 20,000 records
        ``records.parquet`` in place of CSV, or ``records.npz`` where pyarrow is not installed.

        Parameters
        ----------
        folder : path
            Made if missing; files of these names in it are replaced.
        records : bool, default=True
            False writes what can be handed on: counts and rates, and no record.

        Returns
        -------
        Path
            Where the page lies.

        Raises
        ------
        TypeError
            If `records` is no truth.
        OSError
            If the folder or a file in it cannot be written.
        """
        folder = path_of("folder", folder)
        if not isinstance(records, (bool, np.bool_)):
            raise TypeError(f"records must be True or False, got {records!r:.40}.")
        report = self if records else self.without_records()
        content, packed = report._encoded()
        mark = fingerprint(content)
        table = getattr(report, self._LISTED)
        writers: Writers = {
            JSON: lambda: whole(content, mark, FORMAT),
            PAGE: lambda: report.to_html(mark),
        }
        if packed is not None:
            writers[content[self._LISTED]["file"]] = lambda: packed
        elif table is not None and len(table):
            writers[CSV] = lambda: to_csv(table)
        return write_files(folder, writers, set(FILES) - writers.keys())

    @classmethod
    def load(cls: type[Report], folder: str | os.PathLike[str]) -> Report:
        """Read a saved report; every number is as it was.

        Parameters
        ----------
        folder : path
            The folder given to `save`, or the ``audit.json`` in it.

        Returns
        -------
        Report of the same class

        Raises
        ------
        FileNotFoundError
            If there is no ``audit.json`` in the folder, or no file of records where it needs
            one.
        ValueError
            If the path is empty, or a file damaged, changed, of another kind or a later version.
        """
        content, _, path = read_json(folder, cls._KIND, FORMAT)
        try:
            return cls._decoded(content, path.parent)
        except OSError:
            raise
        except Exception as error:  # The mark is no secret: whoever changes a file can renew it.
            raise ValueError(
                f"{str(path)!r} is not such a report: {type(error).__name__}, {error!s:.200}"
            ) from error

    def to_json(self) -> str:
        """Return what ``audit.json`` holds; of many records it may name a file that holds them.

        Returns
        -------
        str
        """
        content, _ = self._encoded()
        return whole(content, fingerprint(content), FORMAT)

    def to_html(self, fingerprint: str = "") -> str:
        """Return the report as a page that needs nothing else.

        Parameters
        ----------
        fingerprint : str, default=""
            Printed at the end, to tell which file of numbers the page belongs to.

        Returns
        -------
        str
        """
        return render_tables(
            kind=self._KIND_IN_WORDS,
            title=self._title,
            sentence=self.summary,
            tone=self._tone,
            findings=self.findings,
            tables=self._page_tables(),
            limits=self._LIMITS,
            fingerprint=fingerprint,
        )

    def _encoded(self) -> tuple[dict[str, Any], bytes | None]:
        """Return the report as JSON, and the file of its records where they are many."""
        content: dict[str, Any] = {
            "kind": self._KIND,
            "summary": self.summary,
            "findings": [asdict(finding) for finding in self.findings],
            "info": self.info,
        }
        content, packed = encode(content), None
        content["columns"] = {}
        for name in self._NUMBERS:
            table = getattr(self, name)
            columns: Any = None
            rows: Any = None
            if table is not None and name == self._LISTED and goes_to_file(table):
                packed, rows, columns = to_file(table)
            elif table is not None:
                columns, rows = encode_rows(table)
            content["columns"][name], content[name] = columns, rows
        return content, packed

    @classmethod
    def _decoded(cls: type[Report], content: dict[str, Any], folder: Path) -> Report:
        tables: dict[str, Any] = {}
        for name, numbers in cls._NUMBERS.items():
            columns, rows = content["columns"][name], content[name]
            if columns is None:
                tables[name] = None
                continue
            if isinstance(rows, dict):
                tables[name] = read_file(folder, rows, columns)
            else:
                tables[name] = decode_rows(name, columns, rows)
            for column in numbers:
                if tables[name][column].dtype.kind not in "biuf":
                    raise TypeError(f"{column} of {name} must hold numbers")
        info = decode(content["info"])
        if not isinstance(info, dict):
            raise TypeError("info is no dict")
        findings = [Finding(**finding) for finding in content["findings"]]
        report: Report = cls(**tables, findings=findings, info=info)  # type: ignore[call-arg]
        str(report), repr(report), report._page_tables()
        return report

    def _less(self: Report, *kept: str) -> Report:
        """Return the report without its records and without some of its info."""
        info = {name: value for name, value in self.info.items() if name not in kept}
        return replace(self, info=info, **{self._LISTED: None})  # type: ignore[type-var]
