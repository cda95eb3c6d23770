"""Text files of records, each column read as the model was fitted on it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from .._models._fitted_columns import (
    Fitted,
    fitted_columns,
    kind_of_values,
    takes_documents,
)
from .._models._known_features import known_names
from ._numerals import Numerals
from ._reading import (
    DTYPES,
    INDEX,
    Reading,
    as_dates,
    check_names,
    classes_of_outputs,
    fed_columns,
    joined,
    shortened,
    unreadable,
    without_value,
)

_TRUTHS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
_N_LOOKED_AT = 1000
# So many cells that a model never saw are read wrongly, or are no records like its own.
_UNSEEN = 0.05


class TextFile:
    """A CSV or TSV file."""

    def __init__(
        self, path: Path, kind: str, packed: str | None, model: Any, reading: Reading
    ) -> None:
        self.path, self.model, self.reading = path, model, reading
        self.numerals = Numerals(reading.decimal, reading.thousands)
        self.options: dict[str, Any] = {
            "sep": reading.sep or ("\t" if kind == ".tsv" else ","),
            "compression": packed,
            "encoding": "utf-8-sig",
            "index_col": False,
            "low_memory": False,
        }
        self.header = self._header()
        self._check_target()
        # pandas refuses to write one name for two columns as well.
        if reading.text is None and not takes_documents(model):
            # Before any cell is read as what another column was.
            check_names(model, self.header, path)
        self.fed = fed_columns(model, self.header, reading)
        self.fitted = fitted_columns(model, self.fed)
        if reading.text is not None or takes_documents(model):
            self.fitted = {name: Fitted("text") for name in self.fed}
        self.targets = reading.targets(self.header)
        self.classes = dict(
            zip(self.targets, classes_of_outputs(model, len(self.targets)), strict=True)
        )
        self.guessed: list[str] = []
        self.stripped: list[str] = []

    def read(self) -> tuple[Any, Any]:
        as_text = [name for name in self.header if self._is_read_as_text(name)]
        frame = self._parse(
            dtype=dict.fromkeys(as_text, str),
            na_values={name: sorted(self._missing(name)) for name in self.header},
            keep_default_na=False,
        )
        y = None
        cells = [frame.pop(name) for name in self.targets]
        if cells and self.reading.labelled:
            read = self._true_values if self.reading.numbers else self._labels
            y = joined([read(str(column.name), column) for column in cells])
        if frame.columns.size and frame.columns[0] == INDEX and INDEX not in self.fed:
            frame = frame.iloc[:, 1:]
        columns = {name: self._converted(name, frame[name]) for name in frame.columns}
        self._warn_of_unseen(columns)
        import pandas as pd

        return pd.DataFrame(columns, index=frame.index), y

    def said(self) -> str:
        """Return one line on how columns were read."""
        kinds: dict[str, list[str]] = {}
        for name in self.fed:
            kind = self.kind_of(name)
            if kind is not None:
                kinds.setdefault(kind, []).append(name)
        numbers = [*kinds.pop("number", []), *kinds.pop("int", [])]
        parts = [f"{shortened(names, 5)} as {kind}" for kind, names in sorted(kinds.items())]
        if parts and numbers:
            parts.append(f"{len(numbers)} other{'s' * (len(numbers) > 1)} as numbers")
        known = {kind_of_values(labels) for labels in self.classes.values()}
        of_labels = [kind for kind in ("bool", "text") if kind in known]
        if of_labels and self.reading.labelled:
            parts.append(f"labels as {' and '.join(of_labels)}")
        text = f"Read as the model was fitted: {', '.join(parts)}." if parts else ""
        if self.stripped:
            text += f" Spaces around the cells of {shortened(self.stripped, 5)} were left out."
        if self.guessed:
            text += (
                f" The model does not tell how it was fitted on {shortened(self.guessed, 5)}: read "
                "as they look; name their types with --dtype COLUMN=TYPE, or give a Parquet file, "
                "which holds them."
            )
        return text.strip()

    # -- What the file holds

    def _header(self) -> list[str]:
        first = self._parse(header=None, nrows=1, dtype=str, keep_default_na=False, na_values=[])
        given = [str(cell) for cell in first.iloc[0]]
        names = [str(name) for name in self._parse(nrows=0).columns]
        targets = self.reading.targets(given)
        named_by_numbers = targets and set(targets) <= set(given)
        if all(_is_number(cell) for cell in given) and not named_by_numbers:
            raise ValueError(
                f"{self.path}: the first line must name the columns, and holds numbers: "
                f"{shortened(given, 5)}."
            )
        known = set(map(str, known_names(self.model) or ()))
        twice = sorted({name for name in given if name and given.count(name) > 1})
        if twice and not all(name in known for name in names if name not in given):
            raise ValueError(
                f"{self.path} has several columns of one name: {shortened(twice)}. Give each a "
                "name of its own."
            )
        named = (*targets, self.reading.text, self.reading.groups)
        known |= {*map(str, named), *self.reading.slices, *self.reading.dtypes}
        bare = [name if name.strip() not in known - {*names} else name.strip() for name in names]
        if bare != names and len(set(bare)) == len(bare):
            self.options |= {"names": bare, "header": 0}
            return bare
        return names

    def _check_target(self) -> None:
        header = self.header
        for option, name in (
            *(("target", name) for name in self.reading.targets(header)),
            ("text", self.reading.text),
            *(("dtype", name) for name in self.reading.dtypes),
        ):
            if name is None or name in header:
                continue
            hint = self._parting_hint(header)
            raise ValueError(
                f"--{option} {name!r} is no column of {self.path}; its columns are "
                f"{shortened(header)}.{hint}"
            )

    def _parting_hint(self, first_line: list[str], also: str = "") -> str:
        """Return what to add where the cells of the file are parted by another sign."""
        others = [mark for mark in ";\t|" if len(first_line) == 1 and mark in first_line[0]]
        if not others:
            return ""
        return f" They seem to be parted by {others[0]!r}: add --sep {others[0]!r}{also}."

    def _hint_of_ragged(self) -> str:
        """Return what to add where commas of numbers were taken for those between cells."""
        first = self._parse(header=None, nrows=1, dtype=str, keep_default_na=False, na_values=[])
        also = " --decimal ','" if self.options["sep"] == "," else ""
        return self._parting_hint([str(cell) for cell in first.iloc[0]], also)

    def _parse(self, **options: Any) -> Any:
        import pandas as pd

        try:
            with warnings.catch_warnings():
                # Rows with more cells than the header has names.
                warnings.simplefilter("error", pd.errors.ParserWarning)
                return pd.read_csv(self.path, **(self.options | options))
        except UnicodeError as error:
            raise ValueError(
                f"{self.path} could not be read: it is not UTF-8 text. Save it as UTF-8, or as "
                "Parquet."
            ) from error
        except pd.errors.ParserWarning as error:
            raise ValueError(
                f"{self.path} could not be read: its rows have more cells than its first line "
                f"names columns.{self._hint_of_ragged()}"
            ) from error
        except pd.errors.ParserError as error:
            hint = "" if "header" in options else self._hint_of_ragged()
            raise ValueError(f"{unreadable(self.path, error)}{hint}") from error
        except Exception as error:  # Parsers, decoders and decompressors raise their own kinds.
            raise unreadable(self.path, error) from error

    # -- How a column is read

    def kind_of(self, name: str) -> str | None:
        """Return how a column is read; None stands for as it looks."""
        if name in self.reading.dtypes:
            return DTYPES[self.reading.dtypes[name]]
        return self.fitted[name].kind if name in self.fitted else None

    def _is_read_as_text(self, name: str) -> bool:
        if name in self.targets or self._is_label_of_records(name):
            return True
        if not self.numerals.are_plain:
            # pandas takes a point for that of decimals beside any other sign.
            return True
        return self.kind_of(name) not in (None, "number")

    def _is_label_of_records(self, name: str) -> bool:
        """Tell whether a column that the model does not read parts records or people."""
        own = name in self.reading.slices or name == self.reading.groups
        return own and name not in self.fed and name not in self.reading.dtypes

    def _missing(self, name: str) -> set[str]:
        """Return what a cell of a column may say to hold nothing."""
        stated = {"", *self.reading.na_values}
        if name in self.targets:
            known = {str(label) for label in self.classes[name]}
            return self.reading.missing - known
        if self._is_label_of_records(name):
            return stated
        fitted = self.fitted.get(name, Fitted())
        if self.kind_of(name) in ("text", "object", "category"):
            of_words = fitted.documents and not fitted.missing
            if name in self.fed and (of_words or takes_documents(self.model)):
                return set()
            # A model that never met a missing value met no NA that meant one.
            tokens = self.reading.missing if fitted.missing else stated
            return tokens - {str(value) for value in fitted.values}
        return self.reading.missing

    def _converted(self, name: str, cells: Any) -> Any:
        kind = self.kind_of(name)
        if self._is_label_of_records(name):
            return self._as_it_looks(cells) if name != self.reading.groups else cells
        if kind is None:
            if not self.numerals.are_plain:
                cells = self._as_it_looks(cells)
                self._check_numerals(name, cells)
            if name in self.fed and self.fitted[name].used:
                self._check_looks(name)
                if cells.dtype.kind != "f":
                    self.guessed.append(name)
            return cells
        values = self.fitted[name].values if name in self.fitted else []
        if kind in ("text", "category", "object"):
            cells = self._without_spaces(name, cells, values)
        if kind == "object" or (kind == "category" and kind_of_values(values) != "text"):
            cells = self._as_values(cells, values)
            cells = cells.astype(object) if kind == "object" else cells
        as_kind = {
            "category": lambda: cells.astype("category"),
            "number": lambda: self._numbers(name, cells),
            "int": lambda: self._numbers(name, cells, whole=True),
            "bool": lambda: self._truths(name, cells),
            "datetime": lambda: self._dates(name, cells),
        }
        return as_kind[kind]() if kind in as_kind else cells

    def _as_values(self, cells: Any, values: list[Any]) -> Any:
        """Return cells as the values that an encoder saw, where it saw them."""
        if not values or kind_of_values(values) in ("number", "bool"):
            return self._as_it_looks(cells)
        known = {str(value): value for value in values}
        return cells.astype(object).map(lambda cell: known.get(cell, cell))

    def _without_spaces(self, name: str, cells: Any, values: Collection[Any]) -> Any:
        """Return cells without the spaces around them, where the model knows only those."""
        known = {str(value) for value in values}
        distinct = [cell for cell in cells.unique() if isinstance(cell, str)]
        strange = [cell for cell in distinct if cell not in known]
        if known and any(cell.strip() in known for cell in strange):
            self.stripped.append(name)
            return cells.str.strip()
        return cells

    def _warn_of_unseen(self, columns: dict[Any, Any]) -> None:
        """Say which columns hold values that the encoders of the model do not know."""
        for name in self.fed:
            values = self.fitted[name].values
            if not values or kind_of_values(values) == "datetime" or name not in columns:
                continue
            cells = columns[name].dropna().astype(object)
            unseen = cells[~cells.isin(values)]
            if len(unseen) >= max(1, _UNSEEN * len(cells)):
                whole = unseen.astype(str).str.removesuffix(".0")
                hint = " without '.0'" if whole.isin(list(map(str, values))).any() else ""
                warnings.warn(
                    f"{self.path}: column {name!r}: {len(unseen)} of {len(cells)} cells hold "
                    f"values that the model never saw, such as {unseen.iloc[0]!r}; it knows "
                    f"{shortened(values, 5)}. Write them{hint} as in the data that it was fitted "
                    "on.",
                    stacklevel=5,
                )

    def _check_looks(self, name: str) -> None:
        """Refuse a column that may be text or numbers, where nobody tells which."""
        if not hasattr(self, "_first_rows"):
            self._first_rows = self._parse(dtype=str, nrows=_N_LOOKED_AT, keep_default_na=False)
        unsaid = (
            "the model does not tell which it was fitted on" if self.model else "nothing says which"
        )
        for cell in self._first_rows[name]:
            if re.fullmatch(r"[+-]?0\d+", str(cell)):
                raise ValueError(
                    f"{self.path}: the cell {cell!r} of column {name!r} is text or a number, and "
                    f"{unsaid}. Add --dtype {name}=str or "
                    f"--dtype {name}=int, or give a Parquet file, which holds the types."
                )

    def _check_numerals(self, name: str, cells: Any) -> None:
        """Refuse numbers that are written otherwise than is said, in a column that may be text."""
        if name not in self.fed or not hasattr(cells, "str"):
            return
        strange = cells.map(lambda cell: isinstance(cell, str) and bool(self.numerals.hint(cell)))
        if strange.any():
            raise self._not(name, cells, strange, "a number")

    def _numbers(self, name: str, cells: Any, *, whole: bool = False) -> Any:
        import pandas as pd

        if not pd.api.types.is_numeric_dtype(cells):
            if set(cells.dropna().astype(str).str.strip().str.lower()) <= {"true", "false"}:
                truths = self._truths(name, cells)
                return truths.astype(float) if cells.isna().any() else truths
            texts = cells.astype(object)
            numbers = pd.to_numeric(self.numerals.plain(texts), errors="coerce")
            wrong = numbers.isna() & texts.notna()
            if wrong.any():
                raise self._not(name, cells, wrong, "a number")
            cells = numbers
        if not whole:
            return cells
        if cells.isna().any() or (cells % 1 != 0).any():
            raise ValueError(f"{self.path}: not all cells of column {name!r} are whole numbers.")
        return cells.astype(np.int64)

    def _truths(self, name: str, cells: Any) -> Any:
        truths = cells.map(lambda cell: _TRUTHS.get(str(cell).strip().lower()))
        wrong = truths.isna() & cells.notna()
        if wrong.any():
            raise self._not(name, cells, wrong, "True or False")
        return truths if cells.isna().any() else truths.astype(bool)

    def _dates(self, name: str, cells: Any) -> Any:
        import pandas as pd

        try:
            return pd.to_datetime(cells, format="ISO8601")
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{self.path}: column {name!r} holds other cells than dates such as 2026-01-31."
            ) from error

    def _not(self, name: str, cells: Any, wrong: Any, expected: str) -> ValueError:
        row = int(np.flatnonzero(np.asarray(wrong, dtype=bool))[0])
        cell = cells.iloc[row]
        hint = self.numerals.hint(cell) if expected == "a number" else ""
        if expected == "a number" and not hint and name not in self.targets:
            if re.fullmatch(r"\s*[+-]?[\d.,]+\s*%\s*", cell):
                hint = " Write percentages as numbers, as the model was fitted on them."
            elif re.fullmatch(r"\s*[^\d\s.,+-]*\s*[+-]?[.,]?\d[\d.,]*\s*[^\d\s.,]*\s*", cell):
                hint = " Write numbers without units or signs of currency."
            else:
                hint = f" If it means that nothing is known, add --na-values {cell!r}."
        if name in self.targets and not hint:
            hint = " Drop such records."
        if name in self.targets and not self.reading.numbers:
            return ValueError(
                f"{self.path}: record {row + 1} has the label {cell!r} in {name!r}; the model "
                f"knows {shortened(self.classes[name])}."
            )
        return ValueError(
            f"{self.path}: record {row + 1} holds {cell!r} in column {name!r}, which is not "
            f"{expected}, as the model was fitted on.{hint}"
        )

    def _true_values(self, name: str, cells: Any) -> np.ndarray:
        """Return what a regressor is to predict."""
        if cells.isna().any():
            raise ValueError(without_value(self.path, name, cells.isna()))
        return np.asarray(self._numbers(name, cells))

    def _labels(self, name: str, cells: Any) -> np.ndarray:
        """Return labels in the type of the model's classes."""
        classes = self.classes[name]
        if cells.isna().any():
            raise ValueError(
                f"{self.path}: {int(cells.isna().sum())} of {len(cells)} records have no label in "
                f"{name!r}. Drop them, or keep a class that reads as missing, such as NA or None, "
                "by --no-default-na."
            )
        kind = self.kind_of(name) or kind_of_values(classes)
        if kind == "text":
            return np.asarray(self._without_spaces(name, cells, classes).tolist())
        if kind in ("number", "int"):
            whole = all(float(label).is_integer() for label in classes)
            numbers = self._numbers(name, cells)
            if whole and (numbers % 1 == 0).all():
                numbers = numbers.astype(np.int64)
            return np.asarray(numbers.tolist())
        if kind == "bool":
            return np.asarray(self._truths(name, cells).tolist())
        if kind_of_values(classes) == "datetime":
            return as_dates(cells, classes, self.path)
        if kind == "object":
            return np.asarray(self._as_values(cells, classes).tolist(), dtype=object)
        return np.asarray(self._as_it_looks(cells).tolist())

    def _as_it_looks(self, cells: Any) -> Any:
        """Return texts as numbers or truths, where all are and none has a zero too many."""
        import pandas as pd

        known = cells.dropna()
        lowered = set(known.str.lower().unique())
        if lowered and lowered <= {"true", "false"}:
            return cells.map(lambda cell: _TRUTHS.get(str(cell).lower(), cell))
        if known.str.fullmatch(r"\s*[+-]?0\d+\s*").any():
            return cells
        texts = cells.astype(object)
        plain = self.numerals.plain(texts)
        if (plain.isna() & texts.notna()).any():
            return cells
        try:
            return pd.to_numeric(plain)
        except (ValueError, TypeError):
            return cells


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
