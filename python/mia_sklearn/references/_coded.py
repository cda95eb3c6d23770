"""Texts as numbers in the same order, where encoders of categories are all that reads them.

`OneHotEncoder` and `OrdinalEncoder` put the values that they meet in a column in order, and answer
by their places, whatever the values are. Places among all texts of the pool, in their order, are
such values too: the same places among those of any training set, so that the next step gets the
same bytes. To find numbers, and to copy them, takes a part of the time that it takes for texts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from .._models._kinds import nested
from .._records._rows import is_frame

__all__ = ["coded"]

# Of these a frame gets one that none of its columns has: pandas keeps columns of one kind together,
# and in whose company a column lies would alter the order in which numbers are added up.
_WHOLE, _WITH_NAN = (np.int32, np.int16, np.int64), (np.float32, np.float64)
_MOST_TEXTS = 2**15 - 1


def coded(estimator: Any, table: Any) -> tuple[Any, Any] | None:
    """Return an estimator and a frame with numbers for texts that train the same models.

    None where no column of texts is read by encoders of scikit-learn alone: subclasses, and
    steps that are told names of columns, could do something else with them.
    """
    if not _reads_columns(estimator) or not is_frame(table) or _tells_names(estimator):
        return None
    name, columns = estimator.steps[0]
    parts = [(label, part, _names(given, table)) for label, part, given in columns.transformers]
    is_named = all(isinstance(column, str) for column in table.columns)
    if not is_named or any(names is None for *_, names in parts):
        return None
    read = [_listed(names) for _, part, names in parts if not _encodes(part, names)]
    others = {column for names in read for column in names}
    numbers: dict[str, np.ndarray] = {}
    for _, part, names in parts:
        if _encodes(part, names) and others.isdisjoint(names):
            found = {column: _places(table, column) for column in names}
            if all(places is not None for places in found.values()):
                numbers.update(found)
            else:
                others.update(names)
    numbers = {column: places for column, places in numbers.items() if column not in others}
    if not numbers:
        return None
    # Selectors ask for the kind of column, which is another one now.
    changed = clone(estimator).set_params(**{f"{name}__transformers": parts})
    frame = table.copy(deep=False)
    for column, places in numbers.items():
        frame.isetitem(table.columns.get_loc(column), places)
    return changed, frame


def _reads_columns(estimator: Any) -> bool:
    """Tell whether an estimator is a Pipeline that first makes numbers of columns by name."""
    if type(estimator) is not Pipeline or len(estimator.steps) == 1:
        return False
    return type(estimator.steps[0][1]) is ColumnTransformer


def _tells_names(estimator: Any) -> bool:
    """Tell whether steps get frames, whose names would be those of numbers."""
    settings = get_config()
    return (
        settings["transform_output"] != "default"
        or settings["enable_metadata_routing"]
        or any(hasattr(part, "_sklearn_output_config") for part in nested(estimator))
    )


def _names(given: Any, table: Any) -> Any:
    """Return the names of columns, one by itself or a list; None where others stand for them."""
    if type(given) is make_column_selector:
        given = given(table)
    if isinstance(given, str):
        return given
    is_list = isinstance(given, (list, tuple)) and all(isinstance(name, str) for name in given)
    return list(given) if is_list else None


def _listed(names: Any) -> list[str]:
    return [names] if isinstance(names, str) else names


def _encodes(part: Any, names: Any) -> bool:
    """Tell whether a transformer of columns does nothing but answer by places of their values."""
    if isinstance(names, str):
        return False
    before: list[Any] = []
    if type(part) is Pipeline:
        *before, part = (step for _, step in part.steps)
    return (
        type(part) in (OneHotEncoder, OrdinalEncoder)
        and isinstance(part.categories, str)
        and getattr(part, "drop", None) in (None, "first", "if_binary")
        and all(map(_fills_in, before))
    )


def _fills_in(step: Any) -> bool:
    """Tell whether a step puts the most frequent value, of several the first, for missing ones.

    And nothing else: a zero for what is missing everywhere would be one of the numbers.
    """
    if type(step) is not SimpleImputer or step.strategy != "most_frequent":
        return False
    return isinstance(step.missing_values, float) and not step.keep_empty_features


def _places(table: Any, name: str) -> np.ndarray | None:
    """Return each text's place among those of a column, NaN for NaN; None of other columns."""
    import pandas as pd

    column = table[name]
    if pd.api.types.is_numeric_dtype(column.dtype) or column.dtype == "category":
        return None
    cells = np.asarray(column, dtype=object)
    missing = pd.isna(cells)
    texts = cells[~missing].tolist()
    kinds = set(map(type, texts)), set(map(type, cells[missing].tolist()))
    if kinds[0] != {str} or kinds[1] - {float}:
        return None
    place = {text: number for number, text in enumerate(sorted(set(texts)))}
    wanted = _WITH_NAN if missing.any() else _WHOLE
    kind = next((kind for kind in wanted if np.dtype(kind) not in set(table.dtypes)), None)
    if len(place) > _MOST_TEXTS or kind is None:
        return None
    places = np.full(len(cells), -1 if kind in _WHOLE else np.nan, dtype=kind)
    places[~missing] = [place[text] for text in texts]
    return places
